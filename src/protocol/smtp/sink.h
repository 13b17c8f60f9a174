// The smallest SMTP server that is still one: accepts everything, and discards it or keeps each
// message as a file.
//
// It stands for the destination in benchmarks and demonstrations, so it is fast and believes its
// clients: no policy, no log lines, no durability. All extensions of the real server are offered.
// Made by: Sink's constructor.
// Order: Listen any number of times; Stop once.
// Shard: one.
// Limits: kSinkRecipientsMax recipients and kSinkMessageBytesMax of content held per message where
//   it is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/time.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/task.h"
#include "ringmail/protocol/smtp_sink.h"

namespace ringmail::smtp {

class SinkSession;

class SinkService final : public Sink {
 public:
  explicit SinkService(SinkOptions options);
  ~SinkService() override;

  void Listen(io::Listener listener) override;
  const SinkCounts& counts() const override { return counts_; }
  io::Task<void> Stop(MonotonicTime deadline) override;

 private:
  friend class SinkSession;
  io::Task<void> Accept(size_t index);
  io::Task<void> Serve(io::Stream stream);

  const SinkOptions options_;
  const std::string greeting_, ehlo_reply_;
  SinkCounts counts_;
  uint64_t next_file_;
  codec::DataScanner::Step step_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  IntrusiveList<SinkSession> sessions_;
  bool stopping_ = false;
  MonotonicTime stop_deadline_ = kNever;
  io::Gate gate_;
};

}  // namespace ringmail::smtp
