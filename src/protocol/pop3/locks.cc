#include "protocol/pop3/limits.h"
#include "protocol/pop3/maildrop.h"

namespace ringmail::pop3 {

MaildropLocks::Lock MaildropLocks::Take(AccountId account) {
  if (!held_.insert(account).second) return {};
  return Lock(this, account);
}

bool MaildropLocks::MayLogIn(AccountId account, MonotonicTime now, Nanoseconds delay) const {
  const auto found = logins_.find(account);
  return found == logins_.end() || now - found->second >= delay;
}

void MaildropLocks::NoteLogin(AccountId account, MonotonicTime now, Nanoseconds delay) {
  // What nobody asks for any more goes first, then what is oldest.
  while (!order_.empty() &&
         (now - order_.front().first >= delay || order_.size() >= kLoginsRememberedMax)) {
    const auto [time, oldest] = order_.front();
    order_.pop_front();
    const auto found = logins_.find(oldest);
    if (found != logins_.end() && found->second == time) logins_.erase(found);
  }
  if (delay <= Nanoseconds(0)) return;
  logins_[account] = now;
  order_.emplace_back(now, account);
}

}  // namespace ringmail::pop3
