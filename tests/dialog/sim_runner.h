// Holds the conversations of .dialog files with a server in a simulated world.
//
//   class SmtpServer : public dialog::Server { ... };
//   int main(int argc, char** argv) {
//     testing::InitGoogleTest(&argc, argv);
//     dialog::RegisterDialogs(argv[1], [] { return std::make_unique<SmtpServer>(); });
//     return RUN_ALL_TESTS();
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ringmail/io/endpoint.h"
#include "tests/dialog/dialog.h"
#include "tests/sim/io/world.h"

namespace ringmail::dialog {

// The server side of one conversation. Made by a factory, for each conversation anew; outlives its
// node's run.
class Server {
 public:
  virtual ~Server() = default;
  // A `config:` line, before Start. False: no such key, or not this value.
  virtual bool Configure(const std::string& key, const std::string& value) = 0;
  // Opens listeners on `node` and starts it. Returns where the conversation goes.
  virtual io::Endpoint Start(sim::World& world, sim::Node& node) = 0;
  // An `expect-KEY: value` line. No shard is current; may run the world. Empty: it is so; otherwise
  // what is wrong.
  virtual std::string Expect(const std::string& key, const std::string& value) = 0;
  // Of the node that Start gets.
  virtual uint16_t shards() const { return 1; }
  // What {name} stands for in the file.
  virtual Variables variables() const { return {}; }
};
using ServerFactory = std::function<std::unique_ptr<Server>()>;

// Empty where the conversation went as the file says; otherwise a message that names file and line
// and shows what was said.
std::string Run(const Dialog& dialog, Server& server, sim::WorldOptions options);

// One test for each *.dialog file below `folder`: each is held whole, and octet by octet.
void RegisterDialogs(const std::string& folder, ServerFactory factory);

}  // namespace ringmail::dialog
