// The keys of an issuer, by URL (RFC 7517 §5).
#include <algorithm>
#include <deque>
#include <utility>

#include "agent/authenticator/token_source.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/session/http_client.h"

namespace ringmail::agent {
namespace {

session::HttpClientOptions ClientOptionsOf(const TokenServerOptions& server) {
  return {.tls = server.tls,
          .user_agent = server.user_agent,
          .body_bytes_max = credential::kTokenKeySetBytesMax,
          .connect_timeout = server.timeout};
}

class KeySetSource final : public TokenSource {
 public:
  KeySetSource(std::shared_ptr<const credential::TokenPolicy> policy,
               std::shared_ptr<const TokenServerOptions> server, TokenMetrics& metrics)
      : policy_(*policy),
        server_(std::move(server)),
        metrics_(metrics),
        http_(session::HttpClient::Make(ClientOptionsOf(*server_))) {
    policy_.keys = {};
  }

  io::Task<TokenAnswer> Check(const codec::Secret& token) override;
  void Stop() override {
    stopped_ = true;
    http_->Stop();
  }

 private:
  bool MayFetch() const {
    return !stopped_ && (!tried_ || io::Now() - tried_at_ >= kTokenKeysPause);
  }
  bool Older(std::chrono::seconds age) const { return !there_ || io::Now() - got_at_ > age; }
  io::Task<void> Fetch();
  io::Task<std::string> FetchKeys();

  credential::TokenPolicy policy_;  // with the keys that were fetched
  const std::shared_ptr<const TokenServerOptions> server_;
  TokenMetrics& metrics_;
  const std::unique_ptr<session::HttpClient> http_;
  bool there_ = false;  // keys
  bool tried_ = false, stopped_ = false, fetching_ = false;
  MonotonicTime got_at_{}, tried_at_{};
  std::string problem_;  // of the last try; "": it brought keys
  std::deque<io::Event*> waiting_;
};

io::Task<TokenAnswer> KeySetSource::Check(const codec::Secret& token) {
  // One of those that come asks anew; the others go on with the keys that there are.
  if (Older(kTokenKeysAgeMax) ? fetching_ || MayFetch()
                              : Older(server_->refresh) && !fetching_ && MayFetch()) {
    co_await Fetch();
  }
  if (Older(kTokenKeysAgeMax)) co_return NotTold(problem_.empty() ? "stopped" : problem_);
  TokenAnswer answer{.told = true,
                     .result = credential::VerifyToken(policy_, token.view(), io::WallNow())};
  if (!answer.result.unknown_key) co_return answer;
  if (fetching_ || MayFetch()) {
    co_await Fetch();
    answer.result = credential::VerifyToken(policy_, token.view(), io::WallNow());
    if (!answer.result.unknown_key) co_return answer;
  }
  // Whether its key is a new one nobody knows while the server does not say.
  if (!problem_.empty()) co_return NotTold(problem_);
  co_return answer;
}

// One call for all who want it.
io::Task<void> KeySetSource::Fetch() {
  if (fetching_) {
    io::Event turn;
    waiting_.push_back(&turn);
    (void)co_await turn.Wait(kNever);  // the call under way has its own end
    co_return;
  }
  fetching_ = true;
  tried_ = true;
  tried_at_ = io::Now();
  metrics_.calls.Add();
  problem_ = co_await FetchKeys();
  fetching_ = false;
  if (!problem_.empty() && !stopped_) {
    metrics_.failures.Add();
    LogLine(io::ShardLog(), LogLevel::kWarning, "token_server_failed")
        .Field("url", server_->key_set_url)
        .Field("what", problem_);
  }
  while (!waiting_.empty()) {
    io::Event* const next = waiting_.front();
    waiting_.pop_front();
    next->Notify();
  }
}

// "" or what went wrong.
io::Task<std::string> KeySetSource::FetchKeys() {
  session::HttpCall call;
  const auto url = session::HttpUrl::Parse(server_->key_set_url);
  CHECK(url.has_value());  // the contract's REQUIRES
  call.url = *url;
  call.repeatable = true;
  // The next call is an hour away.
  call.fields = {{"Accept", "application/jwk-set+json, application/json"}, {"Connection", "close"}};
  const session::HttpReply reply =
      co_await http_->Call(std::move(call), io::Now() + server_->timeout);
  if (!reply.ok()) co_return reply.problem;
  if (reply.head.code != 200) {
    co_return "the server of the key set answers " + std::to_string(reply.head.code);
  }
  auto keys = credential::TokenKeys::Parse(reply.body);
  if (!keys.ok()) co_return "the key set: " + std::string(Std(keys.status().message()));
  policy_.keys = *std::move(keys);
  there_ = true;
  got_at_ = io::Now();
  LogLine(io::ShardLog(), LogLevel::kInfo, "token_keys")
      .Field("url", server_->key_set_url)
      .Field("keys", static_cast<uint64_t>(policy_.keys.keys.size()))
      .Field("ignored", static_cast<uint64_t>(policy_.keys.ignored));
  co_return "";
}

}  // namespace

std::shared_ptr<TokenSource> MakeKeySetSource(std::shared_ptr<const credential::TokenPolicy> policy,
                                              std::shared_ptr<const TokenServerOptions> server,
                                              TokenMetrics& metrics) {
  return std::make_shared<KeySetSource>(std::move(policy), std::move(server), metrics);
}

}  // namespace ringmail::agent
