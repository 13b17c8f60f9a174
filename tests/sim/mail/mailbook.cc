#include "tests/sim/mail/mailbook.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace ringmail::sim {
namespace {

struct UniqueId {
  uint64_t validity = 0, uid = 0;
};

// Of the default form: "000000116955bce8", UID and UIDVALIDITY.
std::optional<UniqueId> ReadUniqueId(std::string_view text) {
  constexpr size_t kDigits = 8;
  UniqueId id;
  if (text.size() != 2 * kDigits) return std::nullopt;
  const char* const middle = text.data() + kDigits;
  const auto uid = std::from_chars(text.data(), middle, id.uid, 16);
  const auto validity = std::from_chars(middle, middle + kDigits, id.validity, 16);
  if (uid.ptr != middle || validity.ptr != middle + kDigits) return std::nullopt;
  return id;
}

// The first line of `text`, which loses it; "" where it does not begin so.
std::string_view TakeField(std::string_view& text, std::string_view name) {
  const size_t end = text.find("\r\n");
  if (!text.starts_with(name) || end == text.npos) return {};
  const std::string_view value = text.substr(name.size(), end - name.size());
  text.remove_prefix(end + 2);
  return value;
}

}  // namespace

Mailbook::Mailbook(const Plan& plan, Violation violation)
    : plan_(plan), violation_(std::move(violation)), boxes_(plan.accounts.size()) {
  for (const MessagePlan& message : plan.messages) messages_[message.number] = &message;
}

void Mailbook::Acknowledged(uint32_t message, const std::set<uint32_t>& accounts) {
  for (const uint32_t account : accounts) ++expected_[{message, account}].acknowledged;
}

void Mailbook::Unanswered(uint32_t message, const std::set<uint32_t>& accounts) {
  for (const uint32_t account : accounts) ++expected_[{message, account}].unanswered;
}

void Mailbook::Reported(uint32_t message, uint32_t account) {
  ++expected_[{message, account}].reports;
}

void Mailbook::ServerStarted(MonotonicTime now) { starts_.push_back(now); }

// What a failed or unanswered QUIT left to the disk, the next start finds out, one way or the
// other.
bool Mailbook::SettledSince(MonotonicTime maybe_since, MonotonicTime began) const {
  return std::any_of(starts_.begin(), starts_.end(),
                     [&](MonotonicTime start) { return start > maybe_since && start < began; });
}

// RFC 9051 §2.3.1.1: a new message has a uid over all that were ever there.
void Mailbook::Add(uint32_t account, const MaildropLine& line, uint64_t before) {
  Box& box = boxes_[account];
  const std::optional<UniqueId> id = ReadUniqueId(line.unique_id);
  if (!id) return violation_("unique-id", "is none of ours: " + line.unique_id);
  if (box.validity == 0) box.validity = id->validity;
  if (id->validity != box.validity || id->uid <= before) {
    violation_("unique-id", fmt::format("box{} has a new message {}, after {:08x}{:08x}", account,
                                        line.unique_id, before, box.validity));
  }
  box.uid_max = std::max(box.uid_max, id->uid);
  box.copies[line.unique_id] = {.bytes = line.bytes};
  ++seen_;
}

void Mailbook::CheckGone(uint32_t account, const std::vector<MaildropLine>& lines) {
  std::set<std::string_view> listed;
  for (const MaildropLine& line : lines) listed.insert(line.unique_id);
  if (listed.size() != lines.size())
    violation_("unique-id", fmt::format("box{} lists one of them twice", account));
  for (auto& [unique_id, copy] : boxes_[account].copies) {
    if (listed.contains(unique_id)) continue;
    if (copy.state == State::kThere) {
      violation_("vanished", fmt::format("box{} had {}, message {}, and nobody deleted it", account,
                                         unique_id, copy.message));
    }
    copy.state = State::kGone;
  }
}

void Mailbook::Listed(uint32_t account, const std::vector<MaildropLine>& lines,
                      MonotonicTime began) {
  Box& box = boxes_[account];
  const uint64_t before = box.uid_max;
  for (const MaildropLine& line : lines) {
    const auto found = box.copies.find(line.unique_id);
    if (found == box.copies.end()) {
      Add(account, line, before);
      continue;
    }
    Copy& copy = found->second;
    if (copy.state == State::kGone) {
      violation_("came back", fmt::format("box{} lists {} again, message {}, which was deleted",
                                          account, line.unique_id, copy.message));
    }
    if (copy.bytes != line.bytes) {
      violation_("size", fmt::format("{} of box{} has {} octets, and had {}", line.unique_id,
                                     account, line.bytes, copy.bytes));
    }
    if (copy.state == State::kMaybe && SettledSince(copy.maybe_since, began))
      copy.state = State::kThere;
  }
  CheckGone(account, lines);
}

bool Mailbook::DeliveredTo(std::string_view address, uint32_t account,
                           const MessagePlan& message) const {
  for (size_t i = 0; i < message.recipients.size(); ++i) {
    const RecipientPlan to = message.recipients[i];
    const std::vector<uint32_t> accounts = AccountsOf(plan_, to);
    if (std::find(accounts.begin(), accounts.end(), account) == accounts.end()) continue;
    const bool alias = to.kind == RecipientPlan::Kind::kAlias;
    if (address == (alias ? AliasTargetOf(to.index, account) : ForwardPathOf(message, i)))
      return true;
  }
  return false;
}

// RFC 5321 §4.4: Return-Path is the first line. Then whose it is, and one Received field of ours.
void Mailbook::CheckContent(uint32_t account, const MaildropLine& line, const MessagePlan& message,
                            std::string_view content) {
  const std::string sent = ContentOf(plan_, message);
  const std::string where = fmt::format("message {} in box{}", message.number, account);
  if (content.size() != line.bytes) {
    violation_("size", fmt::format("{} has {} octets, and LIST says {}", where, content.size(),
                                   line.bytes));
  }
  if (!content.ends_with(sent)) {
    const size_t header = content.find("\r\nFrom: ");
    const std::string_view came = header == content.npos ? content : content.substr(header + 2);
    const auto [a, b] = std::mismatch(came.begin(), came.end(), sent.begin(), sent.end());
    violation_("content", fmt::format("{} has other octets: {} for {}, differing from {} on", where,
                                      came.size(), sent.size(), a - came.begin()));
    return;
  }
  std::string_view trace = content.substr(0, content.size() - sent.size());
  if (TakeField(trace, "Return-Path: ") != "<" + ReversePathOf(message) + ">")
    violation_("trace", fmt::format("{} has no Return-Path of its sender: {}", where, content));
  const std::string_view to = TakeField(trace, "Delivered-To: ");
  if (!DeliveredTo(to, account, message))
    violation_("trace", fmt::format("{} is Delivered-To: {}", where, to));
  uint32_t received = 0;
  while (!trace.empty()) {
    const bool first = trace.starts_with("Received: ");
    received += first;
    if (!first && trace[0] != ' ' && trace[0] != '\t') break;
    trace.remove_prefix(trace.find("\r\n") + 2);
  }
  if (!trace.empty() || received != 1)
    violation_("trace", fmt::format("{} comes behind: {}", where, content.substr(0, 500)));
}

void Mailbook::Retrieved(uint32_t account, const MaildropLine& line, std::string_view content) {
  const uint32_t number = MessageOf(content);
  const auto found = messages_.find(number);
  if (found == messages_.end()) {
    return violation_("content", fmt::format("{} of box{} is nothing that was sent: {}",
                                             line.unique_id, account, content.substr(0, 300)));
  }
  CheckContent(account, line, *found->second, content);
  Copy& copy = boxes_[account].copies[line.unique_id];
  if (copy.message != 0 && copy.message != number) {
    violation_("unique-id", fmt::format("{} of box{} was message {}, and is message {}",
                                        line.unique_id, account, copy.message, number));
  }
  if (copy.message != 0) return;
  copy.message = number;
  ++expected_[{number, account}].copies;
}

void Mailbook::Deleting(uint32_t account, const std::vector<std::string>& unique_ids,
                        MonotonicTime now) {
  for (const std::string& one : unique_ids) {
    Copy& copy = boxes_[account].copies[one];
    copy.state = State::kMaybe;
    copy.maybe_since = now;
  }
}

void Mailbook::Deleted(uint32_t account, const std::vector<std::string>& unique_ids) {
  for (const std::string& one : unique_ids) boxes_[account].copies[one].state = State::kGone;
  deleted_ += unique_ids.size();
}

void Mailbook::Audit(const std::function<bool(uint32_t message)>& given_up) {
  for (const auto& [key, e] : expected_) {
    const auto say = [&, number = key.first, account = key.second](std::string_view kind) {
      violation_(kind,
                 fmt::format("message {} to box{}: acknowledged {}, unanswered {}, reported "
                             "{}, came {}",
                             number, account, e.acknowledged, e.unanswered, e.reports, e.copies));
    };
    const uint32_t taken = e.acknowledged + e.unanswered;
    if (e.copies + e.reports < e.acknowledged && !given_up(key.first)) say("lost");
    if (e.copies > 0 && taken == 0) say("never accepted");
    if (e.copies > taken && taken > 0) say("twice in a mailbox");
    if (e.copies == taken && e.copies > 0 && e.reports > 0) say("delivered and reported");
  }
}

}  // namespace ringmail::sim
