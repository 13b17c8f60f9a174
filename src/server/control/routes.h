// What the control interface answers: each resource and its methods, apart from how HTTP carries
// them.
//
//   GET  /v1/status
//   GET  /v1/queue?after=ID&limit=N&domain=D&sender=A&held=true     a page, or all of it, streamed
//   GET  /v1/queue/ID
//   POST /v1/queue/ID/retry|hold|release|drop
//   POST /v1/queue/all/retry|hold|release|drop?domain=D&sender=A&held=true
//   GET  /v1/destinations
//   /v1/domains, accounts, aliases, lookup, directory               server/directory/routes.h
//   /v1/accounts/ADDRESS/mailboxes, messages, import, export, subscriptions
//                                                                   server/mailboxes/routes.h
//   GET  /metrics                                                   Prometheus text
// Shard: 0. What other shards own is read and done there, a bounded piece at a time, so that a long
// list makes no delivery wait.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ringmail/io/task.h"
#include "server/serve/shard_server.h"

namespace ringmail::server {

// The body of a request that is not held whole.
class RequestBody {
 public:
  virtual ~RequestBody() = default;
  // The next piece, empty at its end. False: the client is gone, or sends no more.
  virtual io::Task<bool> Next(std::string& piece) = 0;
};

struct ControlRequest {
  std::string_view method;
  std::string_view target;
  std::string_view body;          // lives until the answer is made
  RequestBody* stream = nullptr;  // in its place, where TakesStream says so
};
// Whether the body of such a request comes as a stream.
bool TakesStream(std::string_view method, std::string_view target);

// Where an answer goes. Order: Begin once, Send any number of times; the end follows by itself.
class ControlResponse {
 public:
  virtual ~ControlResponse() = default;
  virtual void Begin(uint16_t status, std::string_view content_type) = 0;
  // False: the client is gone, and the rest need not be made.
  virtual io::Task<bool> Send(std::string_view piece) = 0;
  // The answer cannot be finished: the client is to see that it was cut off.
  virtual void Abort() = 0;
};

inline constexpr size_t kResponsePieceBytes = 16u << 10;
inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

io::Task<void> Answer(std::span<ShardServer* const> servers, const ControlRequest& request,
                      ControlResponse& response);

// Messages in the queues of all shards.
io::Task<uint64_t> CountMessages(std::span<ShardServer* const> servers);

}  // namespace ringmail::server
