// An account for tests of what changes make of it.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "storage/mailbox/account_state.h"

namespace ringmail::storage {

inline constexpr MailboxId kInbox(1);

inline ContentId Content(uint64_t sequence) {
  return ContentId(QueueId::Make(LogId(3), sequence).value);
}

inline std::vector<UidRange> Uids(std::initializer_list<std::pair<uint32_t, uint32_t>> ranges) {
  std::vector<UidRange> uids;
  for (const auto& [first, last] : ranges) uids.push_back({Uid(first), Uid(last)});
  return uids;
}

struct Account {
  AccountState state{1};

  ChangeResult Do(AccountChange change) {
    const ModSeq number(state.applied().value + 1);
    return state.Apply(number, {.time_seconds = 1000, .changes = {std::move(change)}}).at(0);
  }
  ChangeResult Deliver(uint64_t content, uint32_t bytes = 10) {
    return Do(Append{.mailbox = kInbox, .content = Content(content), .bytes = bytes});
  }
  const MailboxState& inbox() const { return *state.FindName("INBOX"); }
};

}  // namespace ringmail::storage
