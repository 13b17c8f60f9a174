#include "server/control/client.h"

#include <cerrno>

#include <fmt/format.h>

#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "server/control/http_message.h"

namespace ringmail::server {
namespace {

constexpr Nanoseconds kConnectTimeout = std::chrono::seconds(10);
// A command on many messages answers when all of it is on stable storage.
constexpr Nanoseconds kAnswerTimeout = std::chrono::minutes(10);

Status NotWhole() { return absl::UnavailableError("the server's answer ended too soon"); }

class BodyReader {
 public:
  BodyReader(ControlReply& reply, bool chunked, bool (*take)(void*, std::string_view),
             void* context)
      : reply_(reply), chunked_(chunked), take_(take), context_(context) {}

  // Consumes from `input`; false: no more is wanted, or `input` is wrong (see status()).
  bool Feed(std::string_view input, size_t& consumed) {
    consumed = 0;
    if (!chunked_) {
      consumed = input.size();
      return Deliver(input);
    }
    for (;;) {
      std::string_view data;
      const size_t taken = chunks_.Feed(input.substr(consumed), data);
      consumed += taken;
      if (!data.empty() && !Deliver(data)) return false;
      if (chunks_.state() == ChunkReader::State::kEnd ||
          chunks_.state() == ChunkReader::State::kWrong)
        return false;
      if (taken == 0) return true;
    }
  }
  // Whether everything was read, or reading was ended on purpose.
  bool whole(bool at_end) const {
    return stopped_ || (chunked_ ? chunks_.state() == ChunkReader::State::kEnd : at_end);
  }

 private:
  bool Deliver(std::string_view data) {
    if (take_ != nullptr && reply_.status == 200) {
      stopped_ = !take_(context_, data);
      return !stopped_;
    }
    if (reply_.body.size() + data.size() > kControlBodyBytesMax) return false;
    reply_.body += data;
    return true;
  }

  ControlReply& reply_;
  const bool chunked_;
  bool (*take_)(void*, std::string_view);
  void* context_;
  bool stopped_ = false;
  ChunkReader chunks_;
};

}  // namespace

io::Task<StatusOr<ControlReply>> Fetch(std::string socket, std::string method, std::string target,
                                       bool (*take)(void* context, std::string_view piece),
                                       void* context) {
  io::ConnectResult connected =
      co_await io::Connect({.unix_path = socket}, {}, io::Now() + kConnectTimeout);
  if (connected.status != io::StreamStatus::kOk) {
    // A socket that nobody listens at is left behind by a server that was killed.
    if (connected.error == ECONNREFUSED) co_return absl::NotFoundError(Absl(socket));
    co_return ErrnoStatus(connected.error == 0 ? ETIMEDOUT : connected.error, socket);
  }
  io::Stream& stream = connected.stream;
  stream.Write(fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method,
      target));
  const MonotonicTime deadline = io::Now() + kAnswerTimeout;
  std::string pending;  // read and not yet understood
  ControlReply reply;
  std::optional<BodyReader> body;
  for (;;) {
    const io::StreamStatus status = co_await stream.Receive(deadline);
    if (status == io::StreamStatus::kEnd && body && body->whole(/*at_end=*/true)) break;
    if (status != io::StreamStatus::kOk) co_return NotWhole();
    pending += stream.input();
    stream.Consume(stream.input().size());
    if (!body) {
      const size_t end = HeadEnd(pending);
      if (end == pending.npos && pending.size() <= kHeadBytesMax) continue;
      const auto head = ParseResponseHead(std::string_view(pending).substr(0, end));
      if (end == pending.npos || !head)
        co_return absl::UnavailableError("the server's answer is no HTTP");
      reply.status = head->status;
      body.emplace(reply, head->chunked, take, context);
      pending.erase(0, end);
    }
    size_t consumed = 0;
    const bool more = body->Feed(pending, consumed);
    pending.erase(0, consumed);
    if (more) continue;
    if (!body->whole(/*at_end=*/false)) co_return NotWhole();
    break;
  }
  co_await stream.Close(io::Now() + std::chrono::seconds(1));
  co_return reply;
}

}  // namespace ringmail::server
