#include <algorithm>

#include "absl/hash/hash.h"
#include "fmt/format.h"
#include "ringmail/agent/submission.h"

namespace ringmail::agent {
namespace {

constexpr Nanoseconds kHour = std::chrono::hours(1);
constexpr Nanoseconds kDay = std::chrono::hours(24);

message::Reply Refusal(uint16_t code, std::string_view what, uint32_t most,
                       std::string_view period) {
  return {code,
          {4, 7, 1},
          fmt::format("{} {} in {}, and no more; try again later", most, what, period)};
}

}  // namespace

void SubmissionRates::Window::Move(MonotonicTime at, Nanoseconds period) {
  if (at - begun < period) return;
  before = at - begun < 2 * period ? now : 0;
  now = 0;
  // By whole periods, so that what came before goes on sliding out.
  begun += (at - begun) / period * period;
}

// The period before is taken to have been even: what is left of it after the part that has slid
// out still counts.
uint64_t SubmissionRates::Window::Count(MonotonicTime at, Nanoseconds period) const {
  const auto left = static_cast<uint64_t>((period - (at - begun)) / std::chrono::milliseconds(1));
  const auto whole = static_cast<uint64_t>(period / std::chrono::milliseconds(1));
  return now + (before * left + whole - 1) / whole;
}

uint64_t SubmissionRates::KeyOf(std::string_view account) { return absl::HashOf(account); }

SubmissionRates::Entry& SubmissionRates::Find(uint64_t account, MonotonicTime now) {
  const auto found = by_account_.find(account);
  if (found != by_account_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    if (entries_.size() >= accounts_max_) {
      by_account_.erase(entries_.back().account);
      entries_.pop_back();
    }
    entries_.emplace_front().account = account;
    Entry& entry = entries_.front();
    for (Window* window : {&entry.messages_hour, &entry.messages_day, &entry.recipients_hour,
                           &entry.recipients_day}) {
      window->begun = now;
    }
    by_account_.emplace(account, entries_.begin());
  }
  Entry& entry = entries_.front();
  entry.messages_hour.Move(now, kHour);
  entry.messages_day.Move(now, kDay);
  entry.recipients_hour.Move(now, kHour);
  entry.recipients_day.Move(now, kDay);
  return entry;
}

std::optional<message::Reply> SubmissionRates::TakeMessage(std::string_view account,
                                                           const SubmissionLimits& limits,
                                                           MonotonicTime now) {
  Entry& entry = Find(KeyOf(account), now);
  if (limits.messages_per_hour != 0 &&
      entry.messages_hour.Count(now, kHour) >= limits.messages_per_hour)
    return Refusal(450, "messages", limits.messages_per_hour, "an hour");
  if (limits.messages_per_day != 0 &&
      entry.messages_day.Count(now, kDay) >= limits.messages_per_day)
    return Refusal(450, "messages", limits.messages_per_day, "a day");
  ++entry.messages_hour.now;
  ++entry.messages_day.now;
  return std::nullopt;
}

std::optional<message::Reply> SubmissionRates::TakeRecipient(std::string_view account,
                                                             const SubmissionLimits& limits,
                                                             MonotonicTime now) {
  Entry& entry = Find(KeyOf(account), now);
  if (limits.recipients_per_hour != 0 &&
      entry.recipients_hour.Count(now, kHour) >= limits.recipients_per_hour)
    return Refusal(452, "recipients", limits.recipients_per_hour, "an hour");
  if (limits.recipients_per_day != 0 &&
      entry.recipients_day.Count(now, kDay) >= limits.recipients_per_day)
    return Refusal(452, "recipients", limits.recipients_per_day, "a day");
  ++entry.recipients_hour.now;
  ++entry.recipients_day.now;
  return std::nullopt;
}

void SubmissionRates::GiveBack(std::string_view account, uint32_t messages, uint32_t recipients,
                               MonotonicTime now) {
  // Forgotten meanwhile: there is nothing to give back to.
  if (!by_account_.contains(KeyOf(account))) return;
  Entry& entry = Find(KeyOf(account), now);
  // What was taken before the period turned slides out with it.
  const auto give = [](Window& window, uint32_t count) {
    window.now -= std::min(window.now, count);
  };
  give(entry.messages_hour, messages);
  give(entry.messages_day, messages);
  give(entry.recipients_hour, recipients);
  give(entry.recipients_day, recipients);
}

void SubmissionRates::Learn(uint64_t account, uint32_t messages, uint32_t recipients,
                            MonotonicTime now) {
  Entry& entry = Find(account, now);
  entry.messages_hour.now += messages;
  entry.messages_day.now += messages;
  entry.recipients_hour.now += recipients;
  entry.recipients_day.now += recipients;
}

}  // namespace ringmail::agent
