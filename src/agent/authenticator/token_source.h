// Whoever is asked about tokens over the network: the keys of their issuer, or the issuer itself.
//
// Made by: the authenticator, for one configuration. Order: Check at any time, any number at once;
//   Stop once. Ends in: destruction, when no Check is under way.
// Promise: what cannot be asked is never guessed: a Check that has no answer in time is `told` no.
//   No wait is longer than TokenServerOptions::timeout.
// Shard: one. Limits: below. Errors: TokenAnswer::told; a line "token_server_failed" in the log.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ringmail/agent/authenticator.h"
#include "ringmail/base/metrics.h"
#include "ringmail/codec/digest.h"
#include "ringmail/credential/token.h"
#include "ringmail/io/task.h"

namespace ringmail::agent {

// Whoever sends tokens of keys that nobody has makes us fetch no more often than this.
inline constexpr std::chrono::seconds kTokenKeysPause{30};
// Keys are used so long where they cannot be fetched again: a day without their server is survived,
// and a key that was withdrawn does not live for ever.
inline constexpr std::chrono::seconds kTokenKeysAgeMax{86'400};
inline constexpr uint32_t kTokenCallsMax = 4;
inline constexpr uint32_t kTokenCallsWaitingMax = 256;
inline constexpr size_t kTokensKept = 8192;
// After an introspection without an answer the next are told so at once.
inline constexpr std::chrono::seconds kTokenFailurePause{2};

struct TokenMetrics {
  Counter calls, failures, kept;
};

struct TokenAnswer {
  bool told = false;  // somebody could judge it; otherwise result.why says why not
  credential::TokenResult result;
};

class TokenSource {
 public:
  // Null where `server` is.
  static std::shared_ptr<TokenSource> Make(std::shared_ptr<const credential::TokenPolicy> policy,
                                           std::shared_ptr<const TokenServerOptions> server,
                                           TokenMetrics& metrics);
  virtual ~TokenSource() = default;
  // Awaited at once.
  virtual io::Task<TokenAnswer> Check(const codec::Secret& token) = 0;
  // Whatever is asked or waited for ends.
  virtual void Stop() = 0;
};

std::shared_ptr<TokenSource> MakeKeySetSource(std::shared_ptr<const credential::TokenPolicy> policy,
                                              std::shared_ptr<const TokenServerOptions> server,
                                              TokenMetrics& metrics);
std::shared_ptr<TokenSource> MakeIntrospectionSource(
    std::shared_ptr<const credential::TokenPolicy> policy,
    std::shared_ptr<const TokenServerOptions> server, TokenMetrics& metrics);

TokenAnswer NotTold(std::string why);

}  // namespace ringmail::agent
