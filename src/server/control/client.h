// The other end of the control interface: how commands ask the running server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ringmail/base/status.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/session/http.h"

namespace ringmail::server {

inline constexpr size_t kControlBodyBytesMax = 256u << 20;

struct ControlReply {
  uint16_t status = 0;
  std::string body;  // empty where `take` had it
};

// One request on a connection of its own. Where `take` is given, the pieces of a 200's body go to
// it as they arrive; false from it ends the reading.
// Errors: kNotFound: nobody listens at `socket`; kPermissionDenied; others: the server did not
//   answer in HTTP, or not whole.
io::Task<StatusOr<ControlReply>> Fetch(std::string socket, std::string method, std::string target,
                                       bool (*take)(void* context,
                                                    std::string_view piece) = nullptr,
                                       void* context = nullptr);
// As Fetch, with a body.
io::Task<StatusOr<ControlReply>> FetchWithBody(std::string socket, std::string method,
                                               std::string target, std::string body,
                                               bool (*take)(void* context, std::string_view piece),
                                               void* context);

// One answer that is read as it comes, by a coroutine.
// Order: Open once; while the status is 200, Next until a piece is empty.
class ControlStream {
 public:
  // Errors: as Fetch. Of an answer that is not 200 the body is in the reply.
  io::Task<StatusOr<ControlReply>> Open(std::string socket, std::string target);
  io::Task<StatusOr<std::string>> Next();

 private:
  io::Stream stream_;
  std::unique_ptr<session::HttpClientConnection> connection_;
};

}  // namespace ringmail::server
