// The authority itself judges each token (RFC 7662).
#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/authenticator/token_source.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/codec/base64_text.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/session/http_client.h"

namespace ringmail::agent {
namespace {

// application/x-www-form-urlencoded, of all that RFC 3986 §2.3 does not leave as it is.
void AppendForm(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[octet >> 4];
      out += kHex[octet & 15];
    }
  }
}

// RFC 6749 §2.3.1.
std::string BasicOf(const TokenServerOptions& server) {
  std::string pair;
  AppendForm(pair, server.client_id);
  pair += ':';
  AppendForm(pair, server.client_secret.view());
  return "Basic " +
         codec::ToBase64(pair, codec::Base64Form::kFlat, codec::Base64Padding::kRequired);
}

class IntrospectionSource final : public TokenSource {
 public:
  IntrospectionSource(std::shared_ptr<const credential::TokenPolicy> policy,
                      std::shared_ptr<const TokenServerOptions> server, TokenMetrics& metrics);

  io::Task<TokenAnswer> Check(const codec::Secret& token) override;
  void Stop() override;

 private:
  struct Kept {
    credential::TokenResult result;
    MonotonicTime until{};
  };
  struct Waiter {
    io::Event event;
    session::HttpClient* client = nullptr;
  };

  const credential::TokenResult* Find(const std::string& digest);
  void Keep(const std::string& digest, const credential::Introspection& read);
  io::Task<session::HttpClient*> Take(MonotonicTime deadline);
  void GiveBack(session::HttpClient* client);
  io::Task<TokenAnswer> Ask(session::HttpClient* client, const codec::Secret& token,
                            std::string digest, MonotonicTime deadline);
  TokenAnswer Failed(std::string why);

  const std::shared_ptr<const credential::TokenPolicy> policy_;
  const std::shared_ptr<const TokenServerOptions> server_;
  TokenMetrics& metrics_;
  std::vector<std::unique_ptr<session::HttpClient>> clients_;
  std::vector<session::HttpClient*> free_;
  std::deque<Waiter*> waiting_;
  // By the SHA-256 of the token, which itself is not kept; in the order of their coming.
  absl::flat_hash_map<std::string, Kept> kept_;
  std::deque<std::string> order_;
  bool stopped_ = false, failing_ = false;
  MonotonicTime failed_at_{};
  std::string problem_;
};

IntrospectionSource::IntrospectionSource(std::shared_ptr<const credential::TokenPolicy> policy,
                                         std::shared_ptr<const TokenServerOptions> server,
                                         TokenMetrics& metrics)
    : policy_(std::move(policy)), server_(std::move(server)), metrics_(metrics) {
  for (uint32_t i = 0; i < kTokenCallsMax; ++i) {
    clients_.push_back(
        session::HttpClient::Make({.tls = server_->tls,
                                   .user_agent = server_->user_agent,
                                   .body_bytes_max = credential::kTokenIntrospectionBytesMax,
                                   .connect_timeout = server_->timeout}));
    free_.push_back(clients_.back().get());
  }
}

void IntrospectionSource::Stop() {
  stopped_ = true;
  for (const auto& one : clients_) one->Stop();
  for (Waiter* const one : waiting_) one->event.Notify();
  waiting_.clear();
}

const credential::TokenResult* IntrospectionSource::Find(const std::string& digest) {
  const auto found = kept_.find(digest);
  if (found == kept_.end() || found->second.until <= io::Now()) return nullptr;
  metrics_.kept.Add();
  return &found->second.result;
}

void IntrospectionSource::Keep(const std::string& digest, const credential::Introspection& read) {
  Nanoseconds time = server_->cache_time;
  if (read.result.accepted) time = std::min<Nanoseconds>(time, read.ends - io::WallNow());
  if (time <= Nanoseconds::zero()) return;
  const auto [at, fresh] = kept_.try_emplace(digest);
  at->second = {.result = read.result, .until = io::Now() + time};
  if (!fresh) return;
  order_.push_back(digest);
  if (order_.size() <= kTokensKept) return;
  kept_.erase(order_.front());
  order_.pop_front();
}

// Null: too many wait, or the time is over.
io::Task<session::HttpClient*> IntrospectionSource::Take(MonotonicTime deadline) {
  if (stopped_) co_return nullptr;
  if (!free_.empty()) {
    session::HttpClient* const client = free_.back();
    free_.pop_back();
    co_return client;
  }
  if (waiting_.size() >= kTokenCallsWaitingMax) co_return nullptr;
  Waiter waiter;
  waiting_.push_back(&waiter);
  (void)co_await waiter.event.Wait(deadline);
  if (waiter.client == nullptr) std::erase(waiting_, &waiter);
  co_return waiter.client;
}

void IntrospectionSource::GiveBack(session::HttpClient* client) {
  if (waiting_.empty()) {
    free_.push_back(client);
    return;
  }
  Waiter* const next = waiting_.front();
  waiting_.pop_front();
  next->client = client;
  next->event.Notify();
}

TokenAnswer IntrospectionSource::Failed(std::string why) {
  if (stopped_) return NotTold("stopped");
  failing_ = true;
  failed_at_ = io::Now();
  problem_ = std::move(why);
  metrics_.failures.Add();
  LogLine(io::ShardLog(), LogLevel::kWarning, "token_server_failed")
      .Field("url", server_->introspection_url)
      .Field("what", problem_);
  return NotTold(problem_);
}

io::Task<TokenAnswer> IntrospectionSource::Check(const codec::Secret& token) {
  TokenAnswer answer{.told = true, .result = {}};
  // RFC 6750 §2.1: what no token can be is nobody's business but ours.
  const std::string_view text = token.view();
  if (text.empty() || text.size() > credential::kTokenBytesMax) {
    answer.result.why = text.empty() ? "no token" : "longer than 8192 octets";
    co_return answer;
  }
  const std::string digest(codec::Digest(codec::DigestKind::kSha256, {text}).view());
  const MonotonicTime deadline = io::Now() + server_->timeout;
  for (;;) {
    if (const credential::TokenResult* known = Find(digest)) {
      answer.result = *known;
      co_return answer;
    }
    if (failing_ && io::Now() - failed_at_ < kTokenFailurePause) co_return NotTold(problem_);
    const bool waits = free_.empty();
    session::HttpClient* const client = co_await Take(deadline);
    if (client == nullptr) co_return NotTold(stopped_ ? "stopped" : "too many tokens wait");
    // The one that was waited for may have been about the same token.
    if (waits && Find(digest) != nullptr) {
      GiveBack(client);
      continue;
    }
    co_return co_await Ask(client, token, digest, deadline);
  }
}

// RFC 7662 §2.1.
io::Task<TokenAnswer> IntrospectionSource::Ask(session::HttpClient* client,
                                               const codec::Secret& token, std::string digest,
                                               MonotonicTime deadline) {
  session::HttpCall call;
  call.method = "POST";
  const auto url = session::HttpUrl::Parse(server_->introspection_url);
  CHECK(url.has_value());  // the contract's REQUIRES
  call.url = *url;
  call.fields = {{"Accept", "application/json"}, {"Authorization", BasicOf(*server_)}};
  call.content_type = "application/x-www-form-urlencoded";
  call.body = "token=";
  AppendForm(call.body, token.view());
  call.body += "&token_type_hint=access_token";
  call.repeatable = true;  // it is a question
  metrics_.calls.Add();
  const session::HttpReply reply = co_await client->Call(std::move(call), deadline);
  GiveBack(client);
  if (!reply.ok()) co_return Failed(reply.problem);
  // §2.3: 401 is about us, and nothing is known of the token.
  if (reply.head.code != 200) {
    co_return Failed("the server of tokens answers " + std::to_string(reply.head.code) +
                     (reply.head.code == 401 ? ": it does not take our client_id and secret" : ""));
  }
  const credential::Introspection read =
      credential::ReadIntrospection(*policy_, reply.body, io::WallNow());
  if (!read.understood) co_return Failed("the server of tokens gives " + read.result.why);
  failing_ = false;
  Keep(digest, read);
  co_return TokenAnswer{.told = true, .result = read.result};
}

}  // namespace

std::shared_ptr<TokenSource> MakeIntrospectionSource(
    std::shared_ptr<const credential::TokenPolicy> policy,
    std::shared_ptr<const TokenServerOptions> server, TokenMetrics& metrics) {
  return std::make_shared<IntrospectionSource>(std::move(policy), std::move(server), metrics);
}

}  // namespace ringmail::agent
