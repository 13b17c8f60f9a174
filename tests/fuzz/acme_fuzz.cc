// What an authority says: whatever it is, an order ends or asks for more, within its limits, and
// nothing that is kept, shown or sent on is but what it may be.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/acme/limits.h"
#include "protocol/acme/order.h"
#include "protocol/acme/responder.h"
#include "protocol/acme/wire.h"

namespace {

using namespace ringmail;

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckProblem(const acme::Problem& problem) {
  Require(problem.detail.size() <= acme::kProblemBytesMax);
  for (char c : problem.detail) Require(static_cast<unsigned char>(c) >= ' ' && c != '\x7F');
}

void CheckStep(const acme::Step& step) {
  using Kind = acme::Step::Kind;
  if (step.kind == Kind::kSend) {
    Require(acme::GoodUrl(step.request.url));
    Require(step.request.nonce.empty() || acme::GoodNonce(step.request.nonce));
  }
  if (step.kind == Kind::kWait)
    Require(step.wait >= acme::kPollPauseFirst && step.wait <= acme::kPollRetryAfterMax);
  for (const acme::ChallengeAnswer& one : step.answers) {
    Require(one.token.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789-_") == std::string::npos);
  }
}

}  // namespace

// Answers, one behind the other: a zero octet ends each. The first octet of one says its code and
// which fields it has.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  CheckProblem(acme::ParseProblem(rest));
  if (const auto order = acme::ParseOrderObject(rest)) {
    CheckProblem(order->error);
    for (const std::string& url : order->authorizations) Require(acme::GoodUrl(url));
  }
  if (const auto retry = acme::ParseRetryAfter(rest, FromUnixSeconds(1'000'000)))
    Require(retry->count() >= 0 && *retry <= acme::kRetryAfterMax);
  if (const auto state = acme::DecodeState(rest))
    Require(acme::DecodeState(acme::EncodeState(*state)) == state);
  (void)acme::DecodeCertificate(rest);
  (void)acme::TokenOf(rest);
  acme::Order order({.directory_url = "https://ca/dir",
                     .contacts = {},
                     .names = {"mx.example.org"},
                     .thumbprint = "thumb",
                     .request_der = "csr",
                     .account_url = size % 2 == 0 ? "" : "https://ca/acct/1",
                     .order_url = size % 3 == 0 ? "https://ca/o/1" : ""});
  while (!rest.empty()) {
    const acme::Step step = order.Next();
    CheckStep(step);
    if (step.kind == acme::Step::Kind::kFailed || step.kind == acme::Step::Kind::kCertificate)
      break;
    if (step.kind != acme::Step::Kind::kSend) {
      order.Done();
      continue;
    }
    const auto head = static_cast<uint8_t>(rest.front());
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view body =
        rest.substr(std::min<size_t>(1, end), end - std::min<size_t>(1, end));
    constexpr uint16_t kCodes[] = {200, 201, 400, 403, 404, 429, 500, 503};
    order.Took({.code = kCodes[head % 8],
                .body = std::string(body),
                .nonce = (head & 8) != 0 ? "nonce" : "",
                .location = (head & 16) != 0 ? "https://ca/acct/2" : std::string(body),
                .retry_after = (head & 32) != 0 ? "5" : std::string(body)},
               FromUnixSeconds(1'000'000));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}
