#include "server/control/client.h"

#include <cerrno>

#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/session/http.h"

namespace ringmail::server {
namespace {

constexpr Nanoseconds kConnectTimeout = std::chrono::seconds(10);
constexpr Nanoseconds kCloseTimeout = std::chrono::seconds(1);
// A command on many messages answers when all of it is on stable storage.
constexpr Nanoseconds kAnswerTimeout = std::chrono::minutes(10);

Status NotWhole() { return absl::UnavailableError("the server's answer ended too soon"); }

io::Task<StatusOr<io::Stream>> Reach(const std::string& socket) {
  io::ConnectResult connected =
      co_await io::Connect({.unix_path = socket}, {}, io::Now() + kConnectTimeout);
  if (connected.status != io::StreamStatus::kOk) {
    // A socket that nobody listens at is left behind by a server that was killed.
    if (connected.error == ECONNREFUSED) co_return absl::NotFoundError(Absl(socket));
    co_return ErrnoStatus(connected.error == 0 ? ETIMEDOUT : connected.error, socket);
  }
  co_return std::move(connected.stream);
}

}  // namespace

io::Task<StatusOr<ControlReply>> Fetch(std::string socket, std::string method, std::string target,
                                       bool (*take)(void* context, std::string_view piece),
                                       void* context) {
  co_return co_await FetchWithBody(std::move(socket), std::move(method), std::move(target), {},
                                   take, context);
}

io::Task<StatusOr<ControlReply>> FetchWithBody(std::string socket, std::string method,
                                               std::string target, std::string body,
                                               bool (*take)(void* context, std::string_view piece),
                                               void* context) {
  ASSIGN_OR_CO_RETURN(io::Stream stream, co_await Reach(socket));
  session::HttpClientConnection connection(stream);
  connection.WriteRequest(method, target, "localhost",
                          body.empty() ? "" : "application/octet-stream", body);
  const MonotonicTime deadline = io::Now() + kAnswerTimeout;
  session::HttpResponse head;
  if (co_await connection.ReadResponse(head, deadline) != session::HttpStatus::kOk)
    co_return NotWhole();
  ControlReply reply{.status = head.code};
  for (;;) {
    std::string piece;
    if (co_await connection.ReadBody(piece, deadline) != session::HttpStatus::kOk)
      co_return NotWhole();
    if (piece.empty()) break;
    if (take != nullptr && reply.status == 200) {
      if (!take(context, piece)) co_return reply;
      continue;
    }
    if (reply.body.size() + piece.size() > kControlBodyBytesMax) {
      co_return absl::OutOfRangeError("the server's answer is too long");
    }
    reply.body += piece;
  }
  co_await stream.Close(io::Now() + kCloseTimeout);
  co_return reply;
}

io::Task<StatusOr<ControlReply>> ControlStream::Open(std::string socket, std::string target) {
  ASSIGN_OR_CO_RETURN(stream_, co_await Reach(socket));
  connection_ = std::make_unique<session::HttpClientConnection>(stream_);
  connection_->WriteRequest("GET", target, "localhost");
  session::HttpResponse head;
  if (co_await connection_->ReadResponse(head, io::Now() + kAnswerTimeout) !=
      session::HttpStatus::kOk)
    co_return NotWhole();
  ControlReply reply{.status = head.code};
  while (reply.status != 200) {
    ASSIGN_OR_CO_RETURN(const std::string piece, co_await Next());
    if (piece.empty() || reply.body.size() > kControlBodyBytesMax) break;
    reply.body += piece;
  }
  co_return reply;
}

io::Task<StatusOr<std::string>> ControlStream::Next() {
  std::string piece;
  if (co_await connection_->ReadBody(piece, io::Now() + kAnswerTimeout) != session::HttpStatus::kOk)
    co_return NotWhole();
  co_return piece;
}

}  // namespace ringmail::server
