#include "ringmail/agent/account_backends.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/log.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/message/path.h"

namespace ringmail::agent {
namespace {

using backend::BackendAnswer;
using backend::BackendQuestion;
using backend::BackendVerdict;
using storage::AccountEntry;
using storage::DirectoryChange;

struct Waiter : ListHook<struct BackendWaiterTag> {
  io::Event event;
  BackendAnswer answer;
};
struct OpenQuestion {
  IntrusiveList<Waiter, struct BackendWaiterTag> waiters;
};

struct VerifyWaiter {
  io::Event event;
  BackendVerdict verdict;
  bool done = false;
  bool gone = false;  // its asker: then the verdict's end destroys it
};

// An answer that is kept. Linked in the order in which they came.
struct Kept : ListHook<struct BackendKeptTag> {
  std::string address;
  BackendAnswer answer;
  MonotonicTime until{};
};

struct Password {
  std::string digest;
  MonotonicTime until{};
};

struct BackendMetrics {
  Counter asked, cached, unavailable, late, refused, verified, provisioned;
  Gauge open;
};

// One backend, with what is known and open of it.
struct Source {
  BackendOptions options;
  std::unique_ptr<backend::AccountBackend> backend;
  absl::flat_hash_map<std::string, std::unique_ptr<OpenQuestion>> questions;
  IntrusiveList<Kept, struct BackendKeptTag> order;
  absl::flat_hash_map<std::string, std::unique_ptr<Kept>> kept;
  absl::flat_hash_map<std::string, Password> passwords;
  uint32_t open = 0;
  bool failing = false;
  BackendMetrics metrics;
};

std::string MakeKey() {
  std::string key;
  for (int i = 0; i < 4; ++i) {
    const uint64_t word = io::RandomUint64();
    for (unsigned shift = 0; shift < 64; shift += 8) key += static_cast<char>(word >> shift & 0xFF);
  }
  return key;
}

class Backends final : public AccountBackends {
 public:
  explicit Backends(storage::Directory& directory) : directory_(directory) {}
  ~Backends() override {
    for (const auto& one : sources_) CHECK_EQ(one->open, 0u);
  }

  void Add(BackendOptions options, std::unique_ptr<backend::AccountBackend> backend) override;
  bool Covers(std::string_view domain) const override;
  bool Concerns(std::string_view local_part, std::string_view domain) const override;
  io::Task<BackendFinding> Find(std::string address, BackendFreshness freshness) override;
  io::Task<BackendVerdict::Kind> Verify(std::string address, codec::Secret password) override;
  io::Task<BackendRecipient> FindRecipient(std::string local_part, std::string domain) override;
  void SetSeparators(std::string separators) override { separators_ = std::move(separators); }
  void RegisterMetrics(MetricRegistry& registry) override;
  io::Task<void> Stop() override;

 private:
  // Recipients on their way to those whom they mean.
  struct Following {
    BackendRecipient out;
    std::vector<std::string> expand;                       // addresses that may be aliases
    std::vector<std::pair<std::string, std::string>> ask;  // addresses, and as they were written
    absl::flat_hash_set<std::string> seen;
    size_t steps = 0;
    bool backends = false;  // one had a part
  };
  struct Asked {
    BackendFinding finding;
    std::string address;
  };

  // Whether the directory knows the address by itself.
  bool IsOwn(std::string_view address) const;
  bool IsProvisioned(std::string_view address) const;
  const BackendAnswer* Lookup(Source& source, std::string_view address);
  void Keep(Source& source, const std::string& address, const BackendAnswer& answer);
  void Note(Source& source, const std::string& why);
  io::Task<BackendAnswer> Ask(Source& source, std::string address, BackendFreshness freshness,
                              bool& cached);
  io::Task<void> RunQuestion(Source* source, std::string address);
  io::Task<void> RunVerify(Source* source, std::string address, codec::Secret password,
                           MonotonicTime deadline, VerifyWaiter* waiter);
  io::Task<Status> Provision(Source& source, std::string address, backend::BackendAccount account);
  io::Task<Asked> AskWithDetail(std::string address);
  io::Task<BackendRecipient> Follow(std::string address);
  void ExpandOne(const std::string& address, Following& following) const;
  void TakeForward(const std::string& address, const std::string& path,
                   const backend::BackendAccount& account, Following& following) const;

  storage::Directory& directory_;
  std::vector<std::unique_ptr<Source>> sources_;
  absl::flat_hash_map<std::string, std::vector<Source*>> domains_;
  std::string separators_ = "+";
  std::string key_;
  io::Gate gate_;
  bool stopping_ = false;
};

void Backends::Add(BackendOptions options, std::unique_ptr<backend::AccountBackend> backend) {
  CHECK(backend != nullptr && options.entries_max > 0);
  auto source = std::make_unique<Source>();
  for (const std::string& domain : options.domains) domains_[domain].push_back(source.get());
  source->options = std::move(options);
  source->backend = std::move(backend);
  sources_.push_back(std::move(source));
}

bool Backends::Covers(std::string_view domain) const {
  return !domains_.empty() && domains_.contains(message::NormalizedDomain(domain));
}

bool Backends::Concerns(std::string_view local_part, std::string_view domain) const {
  if (domains_.empty()) return false;
  return Covers(domain) ||
         directory_.Resolve(local_part, domain).kind == storage::Resolution::Kind::kAlias;
}

bool Backends::IsOwn(std::string_view address) const {
  const auto row = directory_.Find(address);
  if (!row) return false;
  if (storage::EncodedKind(row->value) != storage::DirectoryKind::kAccount) return true;
  const auto view = storage::AccountView::Parse(address, row->value);
  // What cannot be read is the directory's to answer for.
  return !view || view->backend().empty();
}

bool Backends::IsProvisioned(std::string_view address) const {
  return directory_.Find(address).has_value() && !IsOwn(address);
}

// --- the cache ---

const BackendAnswer* Backends::Lookup(Source& source, std::string_view address) {
  const auto found = source.kept.find(Absl(address));
  if (found == source.kept.end()) return nullptr;
  if (found->second->until > io::Now()) return &found->second->answer;
  source.kept.erase(found);
  return nullptr;
}

void Backends::Keep(Source& source, const std::string& address, const BackendAnswer& answer) {
  source.kept.erase(address);
  if (answer.kind == BackendAnswer::Kind::kUnavailable) return;
  const Nanoseconds life = answer.kind == BackendAnswer::Kind::kFound
                               ? Nanoseconds(source.options.cache)
                               : Nanoseconds(source.options.negative_cache);
  if (life <= Nanoseconds(0)) return;
  // The oldest goes: it is the next to end, or nearly.
  if (source.kept.size() >= source.options.entries_max) {
    const std::string oldest = source.order.front().address;
    source.kept.erase(oldest);
  }
  auto kept = std::make_unique<Kept>();
  kept->address = address;
  kept->answer = answer;
  kept->until = io::Now() + life;
  source.order.PushBack(*kept);
  source.kept.emplace(address, std::move(kept));
}

// --- one question ---

void Backends::Note(Source& source, const std::string& why) {
  if (!why.empty()) source.metrics.unavailable.Add();
  if (source.failing == !why.empty()) return;
  source.failing = !why.empty();
  LogLine line(io::ShardLog(), source.failing ? LogLevel::kError : LogLevel::kInfo,
               source.failing ? "backend_unavailable" : "backend_available");
  line.Field("backend", source.options.name);
  if (source.failing) line.Field("why", why);
}

io::Task<void> Backends::RunQuestion(Source* source, std::string address) {
  BackendAnswer answer = co_await source->backend->Find(BackendQuestion::Of(address),
                                                        io::Now() + source->options.deadline);
  if (answer.kind == BackendAnswer::Kind::kFound && !stopping_) {
    const Status made = co_await Provision(*source, address, answer.account);
    if (!made.ok()) {
      answer = {.account = {},
                .why = "no account could be made: " + std::string(Std(made.message()))};
    }
  }
  if (answer.kind != BackendAnswer::Kind::kUnavailable) {
    answer.why.clear();
  } else if (answer.why.empty()) {
    answer.why = "the backend does not say why";
  }
  if (!stopping_) Note(*source, answer.why);
  Keep(*source, address, answer);
  source->metrics.open.Set(--source->open);
  const auto at = source->questions.find(address);
  CHECK(at != source->questions.end());
  const std::unique_ptr<OpenQuestion> question = std::move(at->second);
  source->questions.erase(at);
  while (!question->waiters.empty()) {
    Waiter& waiter = question->waiters.PopFront();
    waiter.answer = answer;
    waiter.event.Notify();
  }
}

io::Task<BackendAnswer> Backends::Ask(Source& source, std::string address,
                                      BackendFreshness freshness, bool& cached) {
  cached = false;
  BackendAnswer refused;
  if (freshness == BackendFreshness::kCached) {
    if (const BackendAnswer* const known = Lookup(source, address)) {
      cached = true;
      source.metrics.cached.Add();
      co_return *known;
    }
  }
  if (stopping_) co_return refused;
  Waiter waiter;
  const auto open = source.questions.find(address);
  if (open == source.questions.end()) {
    if (source.open >= source.options.questions_max) {
      source.metrics.refused.Add();
      Note(source, "too many questions are open");
      co_return refused;
    }
    source.metrics.asked.Add();
    source.metrics.open.Set(++source.open);
    auto question = std::make_unique<OpenQuestion>();
    question->waiters.PushBack(waiter);
    source.questions.emplace(address, std::move(question));
    // It may be answered at once.
    gate_.Spawn(RunQuestion(&source, address));
  } else {
    open->second->waiters.PushBack(waiter);
  }
  const MonotonicTime deadline = io::Now() + source.options.deadline;
  if (co_await waiter.event.Wait(deadline) == io::Wake::kTimedOut) {
    source.metrics.late.Add();
    Note(source, "no answer before the deadline");
    co_return refused;
  }
  co_return std::move(waiter.answer);
}

// --- accounts ---

io::Task<Status> Backends::Provision(Source& source, std::string address,
                                     backend::BackendAccount account) {
  // Somebody may change the directory at the same time: then it is looked at again.
  for (int tries = 0; tries < 4; ++tries) {
    const auto row = directory_.Find(address);
    if (!row && !directory_.complete())
      co_return absl::UnavailableError("the directory has lost entries");
    AccountEntry entry{.address = address, .created = io::WallNow()};
    auto expect = DirectoryChange::Expect::kAbsent;
    if (row) {
      if (IsOwn(address)) co_return absl::OkStatus();
      auto decoded = storage::DecodeEntry(address, row->value);
      if (!decoded) co_return absl::DataLossError("the account cannot be read");
      entry = std::get<AccountEntry>(*std::move(decoded));
      expect = DirectoryChange::Expect::kVersion;
    }
    const AccountEntry before = entry;
    entry.backend = source.options.name;
    entry.quota_bytes = account.quota_bytes.value_or(entry.quota_bytes);
    entry.quota_messages = account.quota_messages.value_or(entry.quota_messages);
    if (row && entry == before) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(storage::CheckEntry(entry));
    storage::DirectoryTransaction transaction;
    transaction.changes.push_back(DirectoryChange::Put(entry, expect));
    if (row) transaction.changes.back().version = row->version;
    const bool made = !row.has_value();
    const auto applied = co_await directory_.Apply(std::move(transaction));
    if (applied.ok()) {
      if (made) {
        source.metrics.provisioned.Add();
        LogLine(io::ShardLog(), LogLevel::kInfo, "account_provisioned")
            .Field("account", address)
            .Field("backend", source.options.name);
      }
      co_return absl::OkStatus();
    }
    const auto code = applied.status().code();
    if (code != absl::StatusCode::kAlreadyExists && code != absl::StatusCode::kAborted &&
        code != absl::StatusCode::kNotFound) {
      co_return applied.status();
    }
  }
  co_return absl::AbortedError("others keep changing it");
}

io::Task<BackendFinding> Backends::Find(std::string address, BackendFreshness freshness) {
  BackendFinding out;
  const auto found = domains_.find(Absl(storage::DomainOfName(address)));
  if (found == domains_.end() || IsOwn(address)) co_return out;
  const std::vector<Source*> sources = found->second;
  out.kind = BackendFinding::Kind::kUnknown;
  for (Source* const source : sources) {
    BackendAnswer answer = co_await Ask(*source, address, freshness, out.cached);
    if (answer.kind == BackendAnswer::Kind::kUnknown) continue;
    out.kind = BackendFinding::Kind::kUnavailable;
    if (answer.kind == BackendAnswer::Kind::kUnavailable) co_return out;
    // The operator may have deleted it since it was kept.
    if (!(co_await Provision(*source, address, answer.account)).ok()) co_return out;
    out.kind = IsOwn(address) ? BackendFinding::Kind::kNoPart : BackendFinding::Kind::kFound;
    out.account = std::move(answer.account);
    co_return out;
  }
  co_return out;
}

// --- passwords ---

io::Task<void> Backends::RunVerify(Source* source, std::string address, codec::Secret password,
                                   MonotonicTime deadline, VerifyWaiter* waiter) {
  waiter->verdict =
      co_await source->backend->Verify(BackendQuestion::Of(address), std::move(password), deadline);
  source->metrics.open.Set(--source->open);
  if (waiter->gone) {
    delete waiter;
  } else {
    waiter->done = true;
    waiter->event.Notify();
  }
}

io::Task<BackendVerdict::Kind> Backends::Verify(std::string address, codec::Secret password) {
  const auto found = domains_.find(Absl(storage::DomainOfName(address)));
  if (found == domains_.end()) co_return BackendVerdict::Kind::kUnavailable;
  Source* verifier = nullptr;
  for (Source* const source : found->second) {
    const BackendAnswer* const known = Lookup(*source, address);
    if (known != nullptr && known->kind == BackendAnswer::Kind::kUnknown) continue;
    verifier = source;
    break;
  }
  if (verifier == nullptr) co_return BackendVerdict::Kind::kMismatch;
  Source& source = *verifier;
  if (key_.empty()) key_ = MakeKey();
  const codec::DigestValue digest = codec::Hmac(
      codec::DigestKind::kSha256, key_, {address, std::string_view("\0", 1), password.view()});
  const std::string hash(digest.octets.begin(), digest.octets.begin() + 32);
  if (const auto known = source.passwords.find(address); known != source.passwords.end()) {
    if (known->second.until <= io::Now()) {
      source.passwords.erase(known);
    } else if (codec::ConstantTimeEqual(known->second.digest, hash)) {
      source.metrics.cached.Add();
      co_return BackendVerdict::Kind::kMatch;
    }
  }
  if (stopping_ || source.open >= source.options.questions_max) {
    source.metrics.refused.Add();
    co_return BackendVerdict::Kind::kUnavailable;
  }
  source.metrics.open.Set(++source.open);
  source.metrics.verified.Add();
  auto waiter = std::make_unique<VerifyWaiter>();
  const MonotonicTime deadline = io::Now() + source.options.deadline;
  gate_.Spawn(RunVerify(&source, address, std::move(password), deadline, waiter.get()));
  if (co_await waiter->event.Wait(deadline) == io::Wake::kTimedOut && !waiter->done) {
    waiter->gone = true;
    (void)waiter.release();  // RunVerify's now
    source.metrics.late.Add();
    Note(source, "no answer before the deadline");
    co_return BackendVerdict::Kind::kUnavailable;
  }
  const BackendVerdict::Kind kind = waiter->verdict.kind;
  if (kind == BackendVerdict::Kind::kUnavailable) {
    if (!stopping_) Note(source, waiter->verdict.why.empty() ? "no verdict" : waiter->verdict.why);
  } else {
    Note(source, "");
  }
  if (kind == BackendVerdict::Kind::kMatch && source.options.password_cache.count() > 0) {
    if (source.passwords.size() >= source.options.entries_max)
      source.passwords.erase(source.passwords.begin());
    source.passwords[address] = {hash, io::Now() + source.options.password_cache};
  }
  co_return kind;
}

// --- recipients ---

io::Task<Backends::Asked> Backends::AskWithDetail(std::string address) {
  Asked out{.finding = co_await Find(address, BackendFreshness::kCached), .address = address};
  if (out.finding.kind != BackendFinding::Kind::kUnknown) co_return out;
  const size_t separator = address.find_first_of(separators_);
  if (separator == address.npos || separator == 0 || separator > address.rfind('@')) co_return out;
  // RFC 5233 §1: what follows the separator is a detail of the same user.
  std::string user = address.substr(0, separator) + address.substr(address.rfind('@'));
  BackendFinding finding = co_await Find(user, BackendFreshness::kCached);
  if (finding.kind == BackendFinding::Kind::kNoPart) finding.kind = BackendFinding::Kind::kUnknown;
  out.finding = std::move(finding);
  if (IsOwn(user)) out.finding.kind = BackendFinding::Kind::kNoPart;
  out.address = std::move(user);
  co_return out;
}

io::Task<BackendRecipient> Backends::FindRecipient(std::string local_part, std::string domain) {
  using Kind = storage::Resolution::Kind;
  BackendRecipient out;
  const auto address = storage::DirectoryAddress(local_part + "@" + domain);
  if (!address) co_return out;
  storage::Resolution found = directory_.Resolve(local_part, domain);
  if (found.kind == Kind::kForeign || found.kind == Kind::kMoved) co_return out;
  if (found.kind == Kind::kAlias && !found.catch_all) co_return co_await Follow(*address);
  if (!Covers(domain)) {
    if (found.kind == Kind::kAlias) co_return co_await Follow(*address);
    co_return out;
  }
  const Asked asked = co_await AskWithDetail(*address);
  switch (asked.finding.kind) {
    case BackendFinding::Kind::kNoPart:
      co_return out;
    case BackendFinding::Kind::kUnavailable:
      out.kind = BackendRecipient::Kind::kUnavailable;
      co_return out;
    case BackendFinding::Kind::kFound:
      if (!asked.finding.account.enabled) {
        out.kind = BackendRecipient::Kind::kDisabled;
      } else if (!asked.finding.account.forward.empty()) {
        co_return co_await Follow(*address);
      }
      co_return out;
    case BackendFinding::Kind::kUnknown:
      break;
  }
  // An account that the backend has given up keeps its mail, and gets none.
  if (IsProvisioned(*address) || IsProvisioned(asked.address)) {
    out.kind = BackendRecipient::Kind::kUnknown;
    co_return out;
  }
  if (directory_.Resolve(local_part, domain).kind == Kind::kAlias)
    co_return co_await Follow(*address);
  co_return out;
}

void Backends::ExpandOne(const std::string& address, Following& following) const {
  const size_t at = address.rfind('@');
  const storage::Expansion ends = directory_.Expand(std::string_view(address).substr(0, at),
                                                    std::string_view(address).substr(at + 1));
  if (ends.unavailable) following.out.kind = BackendRecipient::Kind::kUnavailable;
  following.out.truncated |= ends.truncated;
  for (const storage::Expansion::Local& one : ends.accounts) {
    if (IsOwn(one.address) || !Covers(storage::DomainOfName(one.address))) {
      following.out.targets.push_back(one.path);
    } else {
      following.ask.emplace_back(one.address, one.path);
    }
  }
  for (const std::string& one : ends.foreign) following.out.targets.push_back(one);
  for (const std::string& one : ends.unknown) {
    const auto name = storage::DirectoryAddress(one);
    if (name && Covers(storage::DomainOfName(*name))) {
      following.ask.emplace_back(*name, one);
    } else {
      following.out.nowhere.push_back(one);
    }
  }
}

void Backends::TakeForward(const std::string& address, const std::string& path,
                           const backend::BackendAccount& account, Following& following) const {
  for (const std::string& one : account.forward) {
    const auto name = storage::DirectoryAddress(one);
    if (!name) {
      following.out.nowhere.push_back(one);
    } else if (*name == address) {
      following.out.targets.push_back(path);  // a copy stays
    } else if (!following.seen.insert(*name).second) {
      continue;
    } else if (directory_.IsLocalDomain(storage::DomainOfName(*name))) {
      following.expand.push_back(*name);
    } else {
      following.out.targets.push_back(storage::WrittenAddress(*name));
    }
  }
}

io::Task<BackendRecipient> Backends::Follow(std::string address) {
  Following following;
  following.expand.push_back(std::move(address));
  while (!following.expand.empty() || !following.ask.empty()) {
    if (++following.steps > storage::kExpansionMax ||
        following.out.targets.size() > storage::kExpansionMax) {
      following.out.truncated = true;
      break;
    }
    if (!following.expand.empty()) {
      const std::string next = std::move(following.expand.back());
      following.expand.pop_back();
      following.seen.insert(next);
      ExpandOne(next, following);
    } else {
      const auto [name, path] = std::move(following.ask.back());
      following.ask.pop_back();
      following.backends = true;
      const Asked asked = co_await AskWithDetail(name);
      switch (asked.finding.kind) {
        case BackendFinding::Kind::kNoPart:
          following.out.targets.push_back(path);
          break;
        case BackendFinding::Kind::kFound:
          if (!asked.finding.account.enabled) {
            following.out.nowhere.push_back(path);
          } else if (asked.finding.account.forward.empty()) {
            following.out.targets.push_back(path);
          } else {
            TakeForward(asked.address, path, asked.finding.account, following);
          }
          break;
        case BackendFinding::Kind::kUnknown:
          following.out.nowhere.push_back(path);
          break;
        case BackendFinding::Kind::kUnavailable:
          following.out.kind = BackendRecipient::Kind::kUnavailable;
          break;
      }
    }
    if (following.out.kind == BackendRecipient::Kind::kUnavailable) break;
  }
  // An alias of the directory alone is its own affair.
  if (!following.backends) co_return BackendRecipient{};
  if (following.out.kind == BackendRecipient::Kind::kNoPart)
    following.out.kind = BackendRecipient::Kind::kTargets;
  co_return std::move(following.out);
}

void Backends::RegisterMetrics(MetricRegistry& registry) {
  for (const auto& one : sources_) {
    BackendMetrics& m = one->metrics;
    const std::string label = "backend=\"" + one->options.name + "\"";
    registry.Add("ringmail_backend_questions_total", "Questions that a backend was asked", &m.asked,
                 label);
    registry.Add("ringmail_backend_cached_total", "Questions that the cache answered", &m.cached,
                 label);
    registry.Add("ringmail_backend_unavailable_total", "Questions without an answer",
                 &m.unavailable, label);
    registry.Add("ringmail_backend_late_total", "Askers who waited until the deadline", &m.late,
                 label);
    registry.Add("ringmail_backend_refused_total", "Questions refused, since too many were open",
                 &m.refused, label);
    registry.Add("ringmail_backend_verified_total", "Passwords that a backend was asked about",
                 &m.verified, label);
    registry.Add("ringmail_backend_provisioned_total", "Accounts made because a backend named them",
                 &m.provisioned, label);
    registry.Add("ringmail_backend_open", "Questions that are open", &m.open, label);
  }
}

io::Task<void> Backends::Stop() {
  stopping_ = true;
  for (const auto& one : sources_) one->backend->Cancel();
  co_await gate_.Close();
}

}  // namespace

std::unique_ptr<AccountBackends> AccountBackends::Make(storage::Directory& directory) {
  return std::make_unique<Backends>(directory);
}

}  // namespace ringmail::agent
