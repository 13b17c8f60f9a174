#include "server/control/service.h"

#include <algorithm>

#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/session/http.h"
#include "server/control/routes.h"
#include "server/directory/text.h"

namespace ringmail::server {
namespace {

constexpr Nanoseconds kAcceptPause = std::chrono::milliseconds(200);
constexpr Nanoseconds kCloseTimeout = std::chrono::seconds(2);

class HttpAnswer final : public ControlResponse {
 public:
  explicit HttpAnswer(session::HttpServerConnection& connection) : connection_(connection) {}

  void Begin(uint16_t status, std::string_view content_type) override {
    connection_.BeginChunked(status, content_type);
  }

  io::Task<bool> Send(std::string_view piece) override {
    if (!good_ || piece.empty()) co_return good_;
    // Each piece goes before the next is made: a client that reads slowly holds one.
    good_ =
        co_await connection_.SendChunk(piece, io::Now() + kControlTimeout) == io::StreamStatus::kOk;
    co_return good_;
  }

  void Abort() override { good_ = false; }

  // False: the client is gone.
  bool End() {
    if (good_) connection_.EndChunked();
    return good_;
  }

 private:
  session::HttpServerConnection& connection_;
  bool good_ = true;
};

class StreamedBody final : public RequestBody {
 public:
  explicit StreamedBody(session::HttpServerConnection& connection) : connection_(connection) {}
  io::Task<bool> Next(std::string& piece) override {
    co_return co_await connection_.ReadBody(piece, io::Now() + kControlTimeout) ==
        session::HttpStatus::kOk;
  }

 private:
  session::HttpServerConnection& connection_;
};

// What an answer that came early has left of the body: a client hears the answer once it has sent.
// False: too much of it, or the client is gone.
io::Task<bool> PassOver(session::HttpServerConnection& connection) {
  uint64_t passed = 0;
  while (connection.body_left() > 0) {
    std::string piece;
    if (passed > kDirectoryTextBytesMax) co_return false;
    if (co_await connection.ReadBody(piece, io::Now() + kControlTimeout) !=
        session::HttpStatus::kOk)
      co_return false;
    passed += piece.size();
  }
  co_return true;
}

void Refuse(session::HttpServerConnection& connection, uint16_t code) {
  const std::string_view reason = session::HttpReason(code);
  connection.Respond(code, kJsonType, "{\"error\":\"" + std::string(reason) + "\"}\n");
}

// The body, where the request does not take it as a stream. False: refused, or the client is gone.
io::Task<bool> ReadWholeBody(session::HttpServerConnection& connection,
                             session::HttpRequest& request) {
  if (connection.body_left() > kDirectoryTextBytesMax) {
    connection.ForbidKeepAlive();
    Refuse(connection, 413);
    co_return false;
  }
  while (connection.body_left() > 0) {
    std::string piece;
    if (co_await connection.ReadBody(piece, io::Now() + kControlTimeout) !=
        session::HttpStatus::kOk)
      co_return false;
    request.body += piece;
  }
  co_return true;
}

io::Task<void> Converse(std::span<ShardServer* const> servers, io::Stream& stream) {
  session::HttpServerConnection connection(stream);
  while (connection.keep_alive()) {
    session::HttpRequest request;
    const session::HttpStatus status =
        co_await connection.ReadRequestHead(request, io::Now() + kControlTimeout);
    if (status == session::HttpStatus::kRefused) Refuse(connection, request.refusal);
    if (status != session::HttpStatus::kOk) co_return;
    LogLine(io::ShardLog(), LogLevel::kDebug, "control")
        .Field("method", request.method)
        .Field("target", request.target);
    const bool streamed = TakesStream(request.method, request.target);
    if (!streamed && !co_await ReadWholeBody(connection, request)) co_return;
    StreamedBody body(connection);
    HttpAnswer answer(connection);
    co_await Answer(servers,
                    {.method = request.method,
                     .target = request.target,
                     .body = request.body,
                     .stream = streamed ? &body : nullptr},
                    answer);
    if (!answer.End() || !co_await PassOver(connection)) co_return;
  }
}

}  // namespace

void ControlService::Listen(io::Listener listener) {
  listener_ = std::move(listener);
  gate_.Spawn(Accept());
}

io::Task<void> ControlService::Accept() {
  for (;;) {
    io::AcceptResult accepted = co_await listener_.Accept();
    if (accepted.status == io::StreamStatus::kCancelled || gate_.closing()) co_return;
    if (accepted.status != io::StreamStatus::kOk) {
      co_await io::SleepUntil(io::Now() + kAcceptPause);
      continue;
    }
    if (streams_.size() < kControlConnectionsMax) gate_.Spawn(Serve(std::move(accepted.stream)));
  }
}

io::Task<void> ControlService::Serve(io::Stream stream) {
  streams_.push_back(&stream);
  co_await Converse(servers_, stream);
  streams_.erase(std::find(streams_.begin(), streams_.end(), &stream));
  co_await stream.Close(io::Now() + kCloseTimeout);
}

io::Task<void> ControlService::Stop(MonotonicTime deadline) {
  if (listener_.open()) listener_.Cancel();
  if (co_await gate_.CloseUntil(deadline)) co_return;
  // A connection kept for a next request, or a client that does not read.
  for (io::Stream* stream : streams_) stream->Cancel();
  co_await gate_.Close();
}

}  // namespace ringmail::server
