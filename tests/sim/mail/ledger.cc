#include "tests/sim/mail/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ringmail::sim {
namespace {

// Copies that the client may not know of, or whose outcome the server may not have noted.
uint32_t Excuses(const std::vector<Delivery>& copies) {
  return static_cast<uint32_t>(std::count_if(copies.begin(), copies.end(), [](const Delivery& one) {
    return one.excused || !one.answer_seen;
  }));
}

std::string PathsOf(const MessageBook& book, uint32_t recipient) {
  return fmt::format("<{}> (queued as {})", ForwardPathOf(*book.plan, recipient),
                     fmt::join(book.queue_ids, ", "));
}

std::string Describe(const RecipientBook& r) {
  return fmt::format(
      "acknowledged {}, unanswered {}, delivered {}, of those with a lost answer {}, reported {}, "
      "warned of {}, refused "
      "for good {}, deferred {}",
      r.acknowledged, r.unanswered, r.deliveries.size(), Excuses(r.deliveries), r.reports.size(),
      r.warnings.size(), r.refused_for_good, r.deferred);
}

// By how much the wall clock may be ahead of the time that passed.
Nanoseconds ClockAhead(const Plan& plan) {
  Nanoseconds ahead{0};
  for (const FaultPlan& fault : plan.faults) {
    const bool forward = fault.kind == FaultKind::kClockJump && fault.place % 2 == 0;
    if (forward) ahead += std::chrono::seconds(static_cast<int64_t>(fault.number));
  }
  return ahead;
}

}  // namespace

Ledger::Ledger(const Plan& plan)
    : plan_(plan), mailbook_(plan, [this](std::string_view kind, std::string what) {
        Violation(kind, std::move(what));
      }) {
  for (const MessagePlan& message : plan.messages) {
    MessageBook& book = messages_[message.number];
    book.plan = &message;
    book.recipients.resize(message.recipients.size());
  }
}

MessageBook* Ledger::Find(uint32_t message) {
  const auto found = messages_.find(message);
  return found == messages_.end() ? nullptr : &found->second;
}

void Ledger::Violation(std::string_view kind, std::string what) {
  if (std::find(violation_kinds_.begin(), violation_kinds_.end(), kind) != violation_kinds_.end())
    return;
  violation_kinds_.emplace_back(kind);
  violations_.push_back(fmt::format("{}: {}", kind, what));
}

void Ledger::Acknowledged(uint32_t message, const std::vector<uint32_t>& accepted,
                          std::string_view reply, MonotonicTime now) {
  MessageBook& book = *Find(message);
  if (book.queue_ids.empty()) book.acknowledged_first = now;
  // "250 2.0.0 Accepted: queued as ID"
  std::string_view id = reply;
  while (!id.empty() && (id.back() == '\r' || id.back() == '\n')) id.remove_suffix(1);
  book.queue_ids.emplace_back(id.substr(id.rfind(' ') + 1));
  ++counts_.messages;
  for (const uint32_t recipient : accepted) {
    ++book.recipients[recipient].acknowledged;
    ++counts_.recipients;
  }
  mailbook_.Acknowledged(message, Accounts(book, accepted));
}

// One content comes once into a mailbox, however many of its recipients lead there.
std::set<uint32_t> Ledger::Accounts(const MessageBook& book,
                                    const std::vector<uint32_t>& list) const {
  std::set<uint32_t> accounts;
  for (const uint32_t recipient : list) {
    const std::vector<uint32_t> some = AccountsOf(plan_, book.plan->recipients[recipient]);
    accounts.insert(some.begin(), some.end());
  }
  return accounts;
}

void Ledger::Unanswered(uint32_t message, const std::vector<uint32_t>& accepted) {
  mailbook_.Unanswered(message, Accounts(*Find(message), accepted));
  for (const uint32_t recipient : accepted) ++Find(message)->recipients[recipient].unanswered;
}

void Ledger::PutOff(uint32_t message, const std::vector<uint32_t>& recipients) {
  const bool may_fail =
      std::any_of(plan_.faults.begin(), plan_.faults.end(),
                  [](const FaultPlan& f) { return f.kind == FaultKind::kDiskError; });
  if (may_fail) Unanswered(message, recipients);
}

void Ledger::Refused(uint32_t message, uint32_t recipient) {
  Find(message)->recipients[recipient].refused = true;
  ++counts_.refusals;
}

// What stands before the content as it was sent is trace, one field for each server that it passed.
void Ledger::CheckContent(const MessageBook& book, std::string_view content, uint32_t peer) {
  const std::string sent = ContentOf(plan_, *book.plan);
  if (!content.ends_with(sent)) {
    const size_t header = content.find("\r\nFrom: ");
    const std::string_view came = header == content.npos ? content : content.substr(header + 2);
    const auto [a, b] = std::mismatch(came.begin(), came.end(), sent.begin(), sent.end());
    Violation(
        "content",
        fmt::format("message {} came to peer {} with other octets: {} for {}, differing from {} on",
                    book.plan->number, peer, came.size(), sent.size(), a - came.begin()));
    return;
  }
  std::string_view trace = content.substr(0, content.size() - sent.size());
  uint32_t fields = 0;
  while (!trace.empty()) {
    const bool folded = trace[0] == ' ' || trace[0] == '\t';
    fields += trace.starts_with("Received: ");
    const size_t end = trace.find("\r\n");
    if ((!folded && !trace.starts_with("Received: ")) || end == trace.npos) {
      Violation("trace", fmt::format("message {} came to peer {} behind: {}", book.plan->number,
                                     peer, trace));
      return;
    }
    trace.remove_prefix(end + 2);
  }
  if (fields > plan_.servers) {
    Violation("trace", fmt::format("message {} came to peer {} with {} Received fields",
                                   book.plan->number, peer, fields));
  }
}

uint64_t Ledger::Took(uint32_t peer, std::string_view reverse_path,
                      const std::vector<std::string>& forward_paths, std::string_view content,
                      MonotonicTime now) {
  Transaction transaction{.answered = now};
  const Delivery delivery{.peer = peer, .transaction = transactions_.size(), .answered = now};
  const MessageBook* checked = nullptr;
  for (const std::string& path : forward_paths) {
    uint32_t message = 0, recipient = 0;
    if (path.ends_with("@home.example")) {
      if (!reverse_path.empty())
        Violation("report", fmt::format("<{}> got mail from <{}>", path, reverse_path));
      TookReport(transaction, delivery, path, content);
      continue;
    }
    MessageBook* book = ReadForwardPath(path, message, recipient) ? Find(message) : nullptr;
    if (book == nullptr || recipient >= book->recipients.size() ||
        path != ForwardPathOf(*book->plan, recipient)) {
      Violation("recipient",
                fmt::format("peer {} got mail to <{}>, which nobody sent", peer, path));
      continue;
    }
    if (book->plan->recipients[recipient] != RecipientPlan{peer}) {
      Violation("route", fmt::format("peer {} got mail to <{}>", peer, path));
    }
    if (reverse_path != ReversePathOf(*book->plan)) {
      Violation("reverse-path", fmt::format("<{}> came from <{}>", path, reverse_path));
    }
    if (checked != book) CheckContent(*book, content, peer);
    checked = book;
    RecipientBook& r = book->recipients[recipient];
    if (!r.deliveries.empty()) ++counts_.duplicates;
    r.deliveries.push_back(delivery);
    ++counts_.deliveries;
    transaction.places.push_back({message, recipient, &RecipientBook::deliveries});
  }
  ++counts_.transactions;
  transactions_.push_back(std::move(transaction));
  return delivery.transaction;
}

// A report of an account names the account, whatever the sender wrote to.
void Ledger::TookLocalReport(std::string_view home_path, uint32_t account, MonotonicTime now) {
  // "s0.m7@home.example"
  uint32_t number = 0;
  if (const size_t at = home_path.find(".m"); at != home_path.npos) {
    home_path.remove_prefix(at + 2);
    std::from_chars(home_path.data(), home_path.data() + home_path.size(), number);
  }
  const MessageBook* const book = Find(number);
  if (book == nullptr || account >= plan_.accounts.size())
    return Violation("report", fmt::format("<{}> got one of box{}", home_path, account));
  if (!MayHaveExpired(*book, now)) {
    Violation("reported without a cause",
              fmt::format("message {}, which was to come into box{}", number, account));
  }
  mailbook_.Reported(number, account);
  ++counts_.reports;
}

void Ledger::TookReport(Transaction& transaction, const Delivery& delivery,
                        std::string_view home_path, std::string_view content) {
  constexpr std::string_view kField = "Final-Recipient: rfc822; ";
  for (size_t at = 0; (at = content.find(kField, at)) != content.npos;) {
    at += kField.size();
    const size_t end = content.find("\r\n", at);
    if (end == content.npos) break;
    const bool failed = content.substr(end + 2, 14) == "Action: failed";
    if (!failed && content.substr(end + 2, 15) != "Action: delayed") continue;
    uint32_t message = 0, recipient = 0;
    const std::string_view path = content.substr(at, end - at);
    if (uint32_t account = 0; ReadAccountAddress(path, account)) {
      if (failed) TookLocalReport(home_path, account, delivery.answered);
      continue;
    }
    MessageBook* book = ReadForwardPath(path, message, recipient) ? Find(message) : nullptr;
    if (book == nullptr || recipient >= book->recipients.size()) {
      Violation("report", fmt::format("a report of <{}>, to which nobody sent", path));
      continue;
    }
    if (book->plan->null_path)
      Violation("report", fmt::format("a report of <{}>, whose reverse-path is null", path));
    const auto copies = failed ? &RecipientBook::reports : &RecipientBook::warnings;
    (book->recipients[recipient].*copies).push_back(delivery);
    counts_.reports += failed;
    transaction.places.push_back({message, recipient, copies});
  }
}

Delivery* Ledger::FindDelivery(const Place& place, uint64_t transaction) {
  RecipientBook& r = Find(place.message)->recipients[place.recipient];
  for (Delivery& one : r.*place.copies) {
    if (one.transaction == transaction) return &one;
  }
  return nullptr;
}

void Ledger::AnswerSeen(uint64_t transaction, MonotonicTime now) {
  seen_.push_back({transaction, now});
  for (const Place& place : transactions_[transaction].places) {
    Delivery& delivery = *FindDelivery(place, transaction);
    // With one that threw commands away nobody can tell which answer the client took it for.
    const bool liar =
        delivery.peer < plan_.peers.size() && plan_.peers[delivery.peer].kind == PeerKind::kLiar;
    delivery.answer_seen = !liar;
  }
}

void Ledger::Denied(std::string_view forward_path, int code) {
  uint32_t message = 0, recipient = 0;
  if (!ReadForwardPath(forward_path, message, recipient)) return;
  MessageBook* book = Find(message);
  if (book == nullptr || recipient >= book->recipients.size()) {
    Violation("recipient",
              fmt::format("somebody was asked for <{}>, to which nobody sent", forward_path));
    return;
  }
  ++(code >= 500 ? book->recipients[recipient].refused_for_good
                 : book->recipients[recipient].deferred);
}

void Ledger::ServerEnded(MonotonicTime now, Nanoseconds window) {
  const auto excuse = [this](uint64_t transaction) {
    for (const Place& place : transactions_[transaction].places)
      FindDelivery(place, transaction)->excused = true;
  };
  for (uint64_t i = transactions_.size(); i > 0 && transactions_[i - 1].answered + window >= now;)
    excuse(--i);
  for (size_t i = seen_.size(); i > 0 && seen_[i - 1].at + window >= now; --i)
    excuse(seen_[i - 1].transaction);
}

bool Ledger::Settled(const MessageBook& book, uint32_t recipient) {
  const RecipientBook& r = book.recipients[recipient];
  return !r.deliveries.empty() || !r.reports.empty() ||
         (book.plan->null_path && r.refused_for_good > 0);
}

bool Ledger::MayHaveExpired(const MessageBook& book, MonotonicTime now) const {
  return now - book.acknowledged_first + ClockAhead(plan_) > plan_.expire_after;
}

bool Ledger::MayFail(const MessageBook& book, uint32_t recipient, MonotonicTime now) const {
  const RecipientBook& r = book.recipients[recipient];
  if (book.plan->recipients[recipient].local()) return MayHaveExpired(book, now);
  const PeerKind kind = plan_.peers[book.plan->recipients[recipient].index].kind;
  const bool narrow = kind == PeerKind::kOldHost || kind == PeerKind::kLiar;
  const bool too_big = kind == PeerKind::kSizeBreaker || kind == PeerKind::kLiar;
  // Kept unreadable until it expired.
  const bool rotten = std::any_of(plan_.faults.begin(), plan_.faults.end(),
                                  [](const FaultPlan& f) { return f.kind == FaultKind::kRot; });
  return r.refused_for_good > 0 || MayHaveExpired(book, now) || rotten || too_big ||
         (narrow && book.plan->eight_bit);
}

void Ledger::AuditRecipient(const MessageBook& book, uint32_t recipient, bool queued,
                            MonotonicTime now) {
  // The mailbook has it.
  if (book.plan->recipients[recipient].local()) return;
  const RecipientBook& r = book.recipients[recipient];
  const auto say = [&](std::string_view kind) {
    Violation(kind, PathsOf(book, recipient) + ": " + Describe(r));
  };
  const size_t came = r.deliveries.size();
  const size_t told = r.reports.size();
  const uint32_t taken = r.acknowledged + r.unanswered;
  if (r.acknowledged > 0 && came == 0 && told == 0 && !queued &&
      !(book.plan->null_path && MayFail(book, recipient, now)) &&
      !(r.refused_for_good > 0 && ClockAhead(plan_) > plan_.expire_after)) {
    say("lost");
  }
  if (taken == 0 && (came > 0 || told > 0)) say("never accepted");
  if (told > 0 && !MayFail(book, recipient, now)) say("reported without a cause");
  // Between two servers of ours nobody here sees which answers were lost.
  if (plan_.servers > 1 && book.plan->recipients[recipient].index % 2 == 1 && !plan_.faults.empty())
    return;
  const uint32_t excuses = Excuses(r.deliveries);
  if (came > taken + excuses) say("delivered too often");
  if (told > taken + Excuses(r.reports)) say("reported too often");
  if (r.warnings.size() > taken + Excuses(r.warnings)) say("warned too often");
  if (came > 0 && told > 0 && r.unanswered == 0 && excuses == 0) say("delivered and reported");
  if (came > 1) counts_.excused += came - 1;
}

void Ledger::Audit(const StillQueued& still_queued, MonotonicTime now) {
  for (const auto& [number, book] : messages_) {
    for (uint32_t i = 0; i < book.recipients.size(); ++i) {
      const bool open = book.recipients[i].acknowledged > 0 && !Settled(book, i);
      AuditRecipient(book, i, open && still_queued(book, i), now);
    }
  }
}

void Ledger::AuditMailboxes(MonotonicTime now) {
  mailbook_.Audit([this, now](uint32_t message) {
    const MessageBook& book = *Find(message);
    return book.plan->null_path && MayHaveExpired(book, now);
  });
  counts_.boxed = mailbook_.seen();
  counts_.deleted = mailbook_.deleted();
}

}  // namespace ringmail::sim
