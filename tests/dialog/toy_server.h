// The server that the runner's own tests talk to; run_test.py has the same one.
//
//   ECHO text → 250 text     LINES n → n lines of one reply     COUNT → 250 connections     SLEEP s
//   → 250 slept     QUIT
#pragma once

#include <string>

#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "tests/dialog/sim_runner.h"

namespace ringmail::dialog {

class ToyServer final : public Server {
 public:
  bool Configure(const std::string& key, const std::string& value) override;
  io::Endpoint Start(sim::World& world, sim::Node& node) override;
  std::string Expect(const std::string& key, const std::string& value) override;
  Variables variables() const override { return {{"host", "toy.example"}}; }

 private:
  static io::Task<void> Main(void* self);
  io::Task<void> Serve(io::Stream stream);
  io::Task<bool> Answer(io::Stream& stream, const std::string& line);

  io::Listener listener_;
  io::Gate gate_;
  std::string greeting_ = "ready";
  int echoes_ = 0, connections_ = 0;
};

}  // namespace ringmail::dialog
