#include "ringmail/session/proxy_entrance.h"

#include <algorithm>
#include <string>

#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"

namespace ringmail::session {
namespace {

std::string_view ProblemOf(io::StreamStatus status) {
  switch (status) {
    case io::StreamStatus::kTimedOut:
      return "did not come in time";
    case io::StreamStatus::kEnd:
      return "is not complete: the connection was closed";
    case io::StreamStatus::kFailed:
      return "is not complete: the connection was lost";
    case io::StreamStatus::kOk:
    case io::StreamStatus::kCancelled:
      break;
  }
  return "is not complete";
}

// That a stream is among those that Stop cancels, whatever ends its wait.
class Waiting {
 public:
  Waiting(std::vector<io::Stream*>& all, io::Stream& one) : all_(all), one_(&one) {
    all_.push_back(one_);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { all_.erase(std::find(all_.begin(), all_.end(), one_)); }

 private:
  std::vector<io::Stream*>& all_;
  io::Stream* const one_;
};

// Everything of the header, and nothing that is behind it.
io::Task<ProxyReadResult> Read(io::Stream& stream, std::string& seen, MonotonicTime deadline) {
  for (;;) {
    const size_t before = seen.size();
    seen += stream.input().substr(0, kProxyV2BytesMax - std::min(before, kProxyV2BytesMax));
    ProxyReadResult result = ReadProxyHeader(seen);
    if (result.state == ProxyRead::kBad) co_return result;
    if (result.state == ProxyRead::kDone) {
      CHECK_GT(result.bytes, before);
      stream.Consume(result.bytes - before);
      co_return result;
    }
    CHECK_LT(seen.size(), kProxyV2BytesMax);
    stream.Consume(seen.size() - before);
    const io::StreamStatus status = co_await stream.Receive(deadline);
    if (status == io::StreamStatus::kOk) continue;
    result.problem = status == io::StreamStatus::kCancelled ? "" : ProblemOf(status);
    co_return result;
  }
}

}  // namespace

bool IsProxy(std::span<const IpNetwork> proxies, const io::Endpoint& client) {
  if (client.ip.family == IpAddress::Family::kNone) return false;
  return std::any_of(proxies.begin(), proxies.end(),
                     [&client](const IpNetwork& one) { return one.Contains(client.ip); });
}

ProxyEntrance::~ProxyEntrance() { CHECK(waiting_.empty()); }

io::Task<bool> ProxyEntrance::Admit(io::Stream& stream, std::string_view listener,
                                    ProxyHeader* header) {
  const std::string proxy = stream.peer().ip.ToString();
  const std::string name(listener);
  ProxyReadResult result;
  std::string seen;
  if (stopped_) co_return false;
  if (waiting_.size() >= kProxyWaitingMax) {
    result.problem = "is not waited for: too many connections owe one";
  } else {
    const Waiting waiting(waiting_, stream);
    result = co_await Read(stream, seen, io::Now() + kProxyHeaderTimeout);
    if (stopped_) co_return false;
  }
  if (result.state != ProxyRead::kDone) {
    // Who closes without a word looked whether anybody is here.
    const bool silent = seen.empty() && result.state == ProxyRead::kNeedMore;
    LogLine(io::ShardLog(), silent ? LogLevel::kDebug : LogLevel::kWarning, "proxy_refused")
        .Field("proxy", proxy)
        .Field("listener", name)
        .Field("why", "the PROXY header " + std::string(result.problem));
    co_return false;
  }
  if (!result.header.own) stream.SpeakFor(result.header.source, result.header.destination);
  if (header != nullptr) *header = std::move(result.header);
  co_return true;
}

void ProxyEntrance::Stop() {
  stopped_ = true;
  for (io::Stream* one : waiting_) one->Cancel();
}

}  // namespace ringmail::session
