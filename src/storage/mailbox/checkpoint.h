// Checkpoints: an account's state as records, from which and the transactions after it everything
// comes back. Pure; reads arbitrary bytes without fear (fuzzed).
//
// A checkpoint is a root and pages. Pages that did not change since the one before are not written
// again: a root names the number of each of its pages, and the newest page of that number that is
// not newer than the root is meant.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/base/status.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::storage {

class AccountCheckpoint {
 public:
  // The pages that changed after `since`, the state's number at the checkpoint before.
  static std::vector<std::pair<PageKey, const MailboxPage*>> Changed(const AccountState& state,
                                                                     ModSeq since);
  // Pages that the checkpoint before has and this one has not; they are said once.
  static std::vector<PageKey> TakeGone(AccountState& state);

  static void EncodeRoot(const AccountState& state, std::string& out);
  static void EncodePage(const MailboxPage& page, std::string& out);

  // Errors: kDataLoss.
  static StatusOr<MailboxPageRef> DecodePage(PageKey key, std::string_view bytes);
  // `page` gives what DecodePage made; the state takes it over.
  // Errors: kDataLoss, with what does not fit; whatever `page` returns.
  using Pages = std::function<StatusOr<MailboxPageRef>(PageKey)>;
  static StatusOr<AccountState> Restore(std::string_view root, const Pages& page);

 private:
  static Status RestorePages(AccountState& state, MailboxState& mailbox,
                             const std::vector<uint32_t>& numbers, const Pages& page);
};

}  // namespace ringmail::storage
