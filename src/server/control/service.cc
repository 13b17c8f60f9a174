#include "server/control/service.h"

#include <algorithm>

#include <fmt/format.h>

#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "server/control/http_message.h"
#include "server/control/routes.h"

namespace ringmail::server {
namespace {

constexpr Nanoseconds kAcceptPause = std::chrono::milliseconds(200);

class HttpResponse final : public ControlResponse {
 public:
  HttpResponse(io::Stream& stream, bool chunked) : stream_(stream), chunked_(chunked) {}

  void Begin(uint16_t status, std::string_view content_type) override {
    stream_.Write(FormatResponseHead(status, content_type, chunked_));
  }

  io::Task<bool> Send(std::string_view piece) override {
    if (piece.empty()) co_return good_;
    if (chunked_) stream_.Write(fmt::format("{:x}\r\n", piece.size()));
    stream_.Write(piece);
    if (chunked_) stream_.Write("\r\n");
    // Each piece goes before the next is made: a client that reads slowly holds one.
    good_ = good_ && co_await stream_.Flush(io::Now() + kControlTimeout) == io::StreamStatus::kOk;
    co_return good_;
  }

  void End() {
    if (chunked_ && good_) stream_.Write("0\r\n\r\n");
  }

 private:
  io::Stream& stream_;
  const bool chunked_;
  bool good_ = true;
};

// Reads a request's head into `head`. 200, an error status, or 0: the client went away.
io::Task<uint16_t> ReadHead(io::Stream& stream, RequestHead& head) {
  const MonotonicTime deadline = io::Now() + kControlTimeout;
  std::string text;
  for (;;) {
    if (co_await stream.Receive(deadline) != io::StreamStatus::kOk) co_return 0;
    const size_t before = text.size();
    text += stream.input().substr(0, kHeadBytesMax + 1 - before);
    const size_t end = HeadEnd(text);
    if (end != text.npos) {
      stream.Consume(end - before);
      co_return ParseRequestHead(std::string_view(text).substr(0, end), head);
    }
    if (text.size() > kHeadBytesMax) co_return 431;
    stream.Consume(text.size() - before);
  }
}

io::Task<bool> SkipBody(io::Stream& stream, uint64_t bytes) {
  const MonotonicTime deadline = io::Now() + kControlTimeout;
  while (bytes > 0) {
    if (stream.input().empty() && co_await stream.Receive(deadline) != io::StreamStatus::kOk)
      co_return false;
    const size_t taken = static_cast<size_t>(std::min<uint64_t>(bytes, stream.input().size()));
    stream.Consume(taken);
    bytes -= taken;
  }
  co_return true;
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
  RequestHead head;
  const uint16_t status = co_await ReadHead(stream, head);
  if (status != 0 && (status != 200 || co_await SkipBody(stream, head.content_bytes))) {
    HttpResponse response(stream, !head.http10);
    if (status == 200) {
      LogLine(io::ShardLog(), LogLevel::kDebug, "control")
          .Field("method", head.method)
          .Field("target", head.target);
      co_await Answer(servers_, {.method = head.method, .target = head.target}, response);
    } else {
      response.Begin(status, kJsonType);
      (void)co_await response.Send(fmt::format("{{\"error\":\"{}\"}}\n", ReasonPhrase(status)));
    }
    response.End();
  }
  streams_.erase(std::find(streams_.begin(), streams_.end(), &stream));
  co_await stream.Close(io::Now() + std::chrono::seconds(2));
}

io::Task<void> ControlService::Stop(MonotonicTime deadline) {
  if (listener_.open()) listener_.Cancel();
  if (co_await gate_.CloseUntil(deadline)) co_return;
  for (io::Stream* stream : streams_) stream->Cancel();
  co_await gate_.Close();
}

}  // namespace ringmail::server
