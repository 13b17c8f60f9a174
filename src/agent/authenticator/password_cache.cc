#include "agent/authenticator/password_cache.h"

#include <algorithm>
#include <utility>

#include "agent/authenticator/core.h"

namespace ringmail::agent {

void PasswordCache::set_time(std::chrono::seconds time) {
  time_ = time;
  if (time.count() > 0) return;
  young_ = {};
  old_ = {};
}

bool PasswordCache::Knows(std::string_view address, const storage::Credential& stored,
                          std::string_view password, MonotonicTime now) {
  Age(now);
  if (young_.marks.empty() && old_.marks.empty()) return false;
  const Mark mark = MarkOf(address, stored, password);
  return young_.marks.contains(mark) || old_.marks.contains(mark);
}

void PasswordCache::Learn(std::string_view address, const storage::Credential& stored,
                          std::string_view password, MonotonicTime now) {
  if (time_.count() == 0) return;
  Age(now);
  if (key_.empty()) key_.Set(RandomOctets(32));
  if (young_.marks.size() >= kPasswordCacheMax) old_ = std::exchange(young_, {});
  if (young_.marks.empty()) young_.began = now;
  young_.marks.insert(MarkOf(address, stored, password));
}

// Neither an address nor what is stored has a NUL, and the password stands last.
PasswordCache::Mark PasswordCache::MarkOf(std::string_view address,
                                          const storage::Credential& stored,
                                          std::string_view password) const {
  constexpr std::string_view kNul("\0", 1);
  const codec::DigestValue digest = codec::Hmac(codec::DigestKind::kSha256, key_.view(),
                                                {address, kNul, stored.secret, kNul, password});
  Mark mark;
  std::copy_n(digest.octets.begin(), mark.size(), mark.begin());
  return mark;
}

void PasswordCache::Age(MonotonicTime now) {
  if (!young_.marks.empty() && now - young_.began >= Nanoseconds(time_) / 2)
    old_ = std::exchange(young_, {});
  if (!old_.marks.empty() && now - old_.began >= Nanoseconds(time_)) old_ = {};
}

}  // namespace ringmail::agent
