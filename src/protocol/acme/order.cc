#include "protocol/acme/order.h"

#include <algorithm>
#include <utility>

#include "protocol/acme/limits.h"
#include "ringmail/base/check.h"

namespace ringmail::acme {
namespace {

using Outcome = AcmeResult::Outcome;

std::string Words(const Problem& problem) {
  std::string out = problem.type;
  if (!problem.detail.empty()) out += (out.empty() ? "" : ": ") + problem.detail;
  return out.empty() ? "no reason given" : out;
}

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    };
    return lower(x) == lower(y);
  });
}

}  // namespace

std::string_view ToString(ChallengeKind kind) {
  return kind == ChallengeKind::kHttp01 ? "http-01" : "tls-alpn-01";
}

Order::Order(OrderOptions options)
    : options_(std::move(options)),
      account_url_(options_.account_url),
      order_url_(options_.order_url),
      resumed_(!options_.order_url.empty()),
      account_known_(!options_.account_url.empty()) {}

Request Order::Post(std::string url, std::string payload) const {
  return {.method = Method::kPost,
          .url = std::move(url),
          .nonce = nonce_,
          .account_url = account_url_,
          .payload = std::move(payload)};
}

Step Order::Next() const {
  Step step;
  switch (state_) {
    case State::kDirectory:
      step.request = {.method = Method::kGet, .url = options_.directory_url};
      break;
    case State::kNonce:
      step.request = {.method = Method::kHead, .url = directory_.new_nonce};
      break;
    case State::kAccount:
      step.request = Post(directory_.new_account, NewAccountPayload(options_.contacts));
      break;
    case State::kNewOrder:
      step.request = Post(directory_.new_order, NewOrderPayload(options_.names));
      break;
    case State::kReadOrder:
      step.request = Post(order_url_, {});
      break;
    case State::kReadAuthorization:
      step.request = Post(order_.authorizations[at_], {});
      break;
    case State::kBegin:
      // §7.5.1: an empty object says that the answer is there.
      step.request = Post(pending_[at_].challenge_url, "{}");
      break;
    case State::kPollAuthorization:
      step.request = Post(pending_[at_].authorization_url, {});
      break;
    case State::kFinalize:
      step.request = Post(order_.finalize, FinalizePayload(options_.request_der));
      break;
    case State::kDownload:
      step.request = Post(order_.certificate, {});
      break;
    case State::kSaveAccount:
    case State::kSaveOrder:
      step.kind = Step::Kind::kSave;
      break;
    case State::kAnswer:
      step.kind = Step::Kind::kAnswer;
      for (const Pending& one : pending_) step.answers.push_back(one.answer);
      break;
    case State::kWait:
      step.kind = Step::Kind::kWait;
      step.wait = wait_;
      break;
    case State::kCertificate:
      step.kind = Step::Kind::kCertificate;
      step.certificate_pem = certificate_pem_;
      break;
    case State::kFailed:
      step.kind = Step::Kind::kFailed;
      step.failure = failure_;
      break;
  }
  return step;
}

void Order::Done() {
  switch (state_) {
    case State::kSaveAccount:
      state_ = State::kNewOrder;
      break;
    case State::kSaveOrder:
      // What newOrder said is the order, as it would be read.
      at_ = 0;
      pending_.clear();
      state_ = State::kReadOrder;
      break;
    case State::kAnswer:
      at_ = 0;
      BeginNext();
      break;
    case State::kWait:
      state_ = after_wait_;
      break;
    default:
      CHECK(false);
  }
}

void Order::Took(const Reply& reply, WallTime now) {
  // §6.5: each answer brings the next request's nonce.
  nonce_ = GoodNonce(reply.nonce) ? reply.nonce : std::string();
  if (reply.code < 200 || reply.code > 299) {
    TakeProblem(reply, now);
  } else {
    // A fresh nonce does not count: only a new nonce refused again and again is a fault.
    if (state_ != State::kNonce) bad_nonces_ = 0;
    switch (state_) {
      case State::kDirectory:
        TakeDirectory(reply);
        break;
      case State::kNonce:
        if (nonce_.empty()) return Fail(Outcome::kLater, "the authority gives no nonce");
        state_ = after_wait_;
        break;
      case State::kAccount:
        TakeAccount(reply);
        break;
      case State::kNewOrder:
        TakeNewOrder(reply, now);
        break;
      case State::kReadOrder:
      case State::kFinalize:
        TakeOrder(reply, now);
        break;
      case State::kReadAuthorization:
        TakeAuthorization(reply);
        break;
      case State::kBegin:
        ++at_;
        BeginNext();
        break;
      case State::kPollAuthorization:
        TakePolled(reply, now);
        break;
      case State::kDownload:
        certificate_pem_ = reply.body;
        state_ = State::kCertificate;
        break;
      default:
        CHECK(false);
    }
  }
  // Whatever is sent next needs a nonce; where this answer brought none, one is fetched.
  const bool sends =
      state_ != State::kDirectory && state_ != State::kNonce && Next().kind == Step::Kind::kSend;
  if (sends && nonce_.empty()) {
    after_wait_ = state_;
    state_ = State::kNonce;
  }
}

void Order::TakeDirectory(const Reply& reply) {
  auto directory = ParseDirectoryObject(reply.body);
  if (!directory)
    return Fail(Outcome::kLater, "what answers at the directory's URL is no directory of ACME");
  directory_ = *std::move(directory);
  if (account_url_.empty() && directory_.external_account_required) {
    return Fail(Outcome::kRefused,
                "this authority wants an external account (RFC 8555 §7.3.4), which is not "
                "supported: choose another");
  }
  state_ = account_url_.empty() ? State::kAccount
           : order_url_.empty() ? State::kNewOrder
                                : State::kReadOrder;
}

void Order::TakeAccount(const Reply& reply) {
  if (!GoodUrl(reply.location))
    return Fail(Outcome::kLater, "the authority does not say where the account is");
  account_url_ = reply.location;
  order_url_.clear();
  state_ = State::kSaveAccount;
}

void Order::TakeNewOrder(const Reply& reply, WallTime) {
  if (!GoodUrl(reply.location) || !ParseOrderObject(reply.body))
    return Fail(Outcome::kLater, "the authority's order cannot be read");
  order_url_ = reply.location;
  resumed_ = false;
  state_ = State::kSaveOrder;
}

void Order::TakeOrder(const Reply& reply, WallTime now) {
  auto order = ParseOrderObject(reply.body);
  if (!order) return Fail(Outcome::kLater, "the authority's order cannot be read");
  order_ = *std::move(order);
  switch (order_.status) {
    case OrderStatus::kPending:
      // All that we had to prove is proved: the authority has not noticed yet.
      if (polls_ > 0 && pending_.empty() && at_ >= order_.authorizations.size())
        return Pause(reply, now, State::kReadOrder);
      at_ = 0;
      pending_.clear();
      return NextAuthorization();
    case OrderStatus::kReady:
      state_ = State::kFinalize;
      return;
    case OrderStatus::kProcessing:
      return Pause(reply, now, State::kReadOrder);
    case OrderStatus::kValid:
      state_ = State::kDownload;
      return;
    case OrderStatus::kInvalid:
      break;
  }
  const bool again = resumed_;
  Forget();
  // One that died while nobody looked says nothing of a new one.
  if (again) {
    state_ = State::kNewOrder;
    return;
  }
  Fail(Outcome::kRefused, "the order was refused: " + Words(order_.error));
}

// The authorization at `at_` is next; behind the last, what is pending is answered.
void Order::NextAuthorization() {
  if (at_ < order_.authorizations.size()) {
    state_ = State::kReadAuthorization;
  } else if (pending_.empty()) {
    ++polls_;
    state_ = State::kReadOrder;
    if (polls_ > kPollsMax) Fail(Outcome::kLater, "the authority does not come to an end");
  } else {
    state_ = State::kAnswer;
  }
}

void Order::TakeAuthorization(const Reply& reply) {
  const auto authorization = ParseAuthorizationObject(reply.body);
  if (!authorization) return Fail(Outcome::kLater, "the authority's authorization cannot be read");
  const std::string& url = order_.authorizations[at_];
  ++at_;
  if (authorization->status == AuthorizationStatus::kValid) return NextAuthorization();
  if (authorization->status == AuthorizationStatus::kInvalid) {
    const bool again = resumed_;
    Forget();
    if (!again) return Fail(Outcome::kRefused, authorization->name + " is not authorized any more");
    state_ = State::kNewOrder;
    return;
  }
  const bool ordered =
      std::any_of(options_.names.begin(), options_.names.end(),
                  [&](const std::string& name) { return SameName(name, authorization->name); });
  if (!ordered)
    return Fail(Outcome::kLater, "the authority asks about a name that was not ordered");
  for (const ChallengeObject& challenge : authorization->challenges) {
    if (challenge.type != ToString(options_.challenge)) continue;
    pending_.push_back(
        {.authorization_url = url,
         .challenge_url = challenge.url,
         .begun = challenge.begun,
         .answer = {.name = authorization->name,
                    .token = challenge.token,
                    .key_authorization = KeyAuthorization(challenge.token, options_.thumbprint)}});
    return NextAuthorization();
  }
  Fail(Outcome::kRefused, "the authority does not offer " +
                              std::string(ToString(options_.challenge)) + " for " +
                              authorization->name);
}

void Order::BeginNext() {
  while (at_ < pending_.size() && pending_[at_].begun) ++at_;
  if (at_ < pending_.size()) {
    state_ = State::kBegin;
    return;
  }
  at_ = 0;
  wait_ = kPollPauseFirst;
  after_wait_ = State::kPollAuthorization;
  state_ = State::kWait;
}

void Order::TakePolled(const Reply& reply, WallTime now) {
  const auto authorization = ParseAuthorizationObject(reply.body);
  if (!authorization) return Fail(Outcome::kLater, "the authority's authorization cannot be read");
  switch (authorization->status) {
    case AuthorizationStatus::kPending:
      return Pause(reply, now, State::kPollAuthorization);
    case AuthorizationStatus::kValid:
      if (++at_ < pending_.size()) return;
      pending_.clear();
      at_ = order_.authorizations.size();
      ++polls_;
      state_ = State::kReadOrder;
      return;
    case AuthorizationStatus::kInvalid:
      break;
  }
  Problem error;
  for (const ChallengeObject& one : authorization->challenges) {
    if (one.type == ToString(options_.challenge)) error = one.error;
  }
  Forget();
  Fail(Outcome::kRefused, authorization->name + " was not proved: " + Words(error));
}

// Twice as long each time, or as long as the authority says (§7.5.1).
void Order::Pause(const Reply& reply, WallTime now, State then) {
  if (++polls_ > kPollsMax) return Fail(Outcome::kLater, "the authority does not come to an end");
  const auto asked = ParseRetryAfter(reply.retry_after, now);
  if (asked && *asked > kPollRetryAfterMax) {
    Fail(Outcome::kLater, "the authority needs more time");
    failure_.retry_after = *asked;
    return;
  }
  const auto grown = std::min(kPollPauseFirst * (1 << std::min(polls_ / 2, 5u)), kPollPauseMax);
  wait_ = asked ? std::max(*asked, kPollPauseFirst) : grown;
  after_wait_ = then;
  state_ = State::kWait;
}

// §6.7.
void Order::TakeProblem(const Reply& reply, WallTime now) {
  const Problem problem = ParseProblem(reply.body);
  if (problem.type == "badNonce" && ++bad_nonces_ <= kBadNoncesMax) return;  // the same again
  if (StartAgain(reply, problem)) return;
  const auto retry_after = ParseRetryAfter(reply.retry_after, now);
  const bool later = reply.code >= 500 || reply.code == 429 || retry_after.has_value() ||
                     problem.type == "rateLimited" || problem.type == "badNonce" ||
                     problem.type == "serverInternal";
  // What the order itself is refused for does not come right by asking again.
  if (!later && !order_url_.empty()) Forget();
  Fail(later ? Outcome::kLater : Outcome::kRefused,
       "the authority answers " + std::to_string(reply.code) + ", " + Words(problem) +
           (problem.type == "userActionRequired" && !directory_.terms_of_service.empty()
                ? " (" + directory_.terms_of_service + ")"
                : ""));
  failure_.retry_after = retry_after.value_or(std::chrono::seconds(0));
}

// What was kept may not be there any more: the authority forgot the order, or the account (a test
// server forgets all of it at every start). Once each.
bool Order::StartAgain(const Reply& reply, const Problem& problem) {
  if (state_ == State::kFinalize && problem.type == "orderNotReady" && ++polls_ <= kPollsMax) {
    state_ = State::kReadOrder;
    return true;
  }
  if (account_known_ && problem.type == "accountDoesNotExist") {
    account_known_ = false;
    Forget();
    account_url_.clear();
    state_ = State::kAccount;
    return true;
  }
  const bool gone = reply.code == 404 || reply.code == 403 || problem.type == "malformed";
  if (resumed_ && gone && state_ == State::kReadOrder) {
    Forget();
    state_ = State::kNewOrder;
    return true;
  }
  return false;
}

void Order::Forget() {
  order_url_.clear();
  resumed_ = false;
  pending_.clear();
  at_ = 0;
}

void Order::Fail(AcmeResult::Outcome outcome, std::string problem) {
  failure_.outcome = outcome;
  failure_.problem = std::move(problem);
  state_ = State::kFailed;
}

}  // namespace ringmail::acme
