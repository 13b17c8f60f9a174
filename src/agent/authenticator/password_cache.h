// Passwords that were found right a moment ago. A check of argon2id takes 19 MiB and some 30 ms of
// a core, and a mail program logs in every few minutes, by several connections at once.
//
// Made by: the authenticator. Ends in: destruction.
// Promise: Knows says yes only of what Learn was told of no longer than `time` ago, octet by octet.
//   A credential that is stored anew is another one.
// Kept is an HMAC (RFC 2104) under a key that never leaves the process, and nothing of a password
// that was wrong.
// Shard: one.
// Limits: two generations of kPasswordCacheMax. One takes entries for half of `time` and is
//   forgotten when it is `time` old, or when the next is full: an entry holds between half of
//   `time` and all of it, or less where more log in than there is room for.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "ringmail/base/time.h"
#include "ringmail/codec/digest.h"
#include "ringmail/storage/directory_entry.h"

namespace ringmail::agent {

inline constexpr size_t kPasswordCacheMax = 65'536;

class PasswordCache {
 public:
  explicit PasswordCache(std::chrono::seconds time) : time_(time) {}

  // 0: nothing is kept. What is there goes by the new time.
  void set_time(std::chrono::seconds time);
  bool Knows(std::string_view address, const storage::Credential& stored, std::string_view password,
             MonotonicTime now);
  void Learn(std::string_view address, const storage::Credential& stored, std::string_view password,
             MonotonicTime now);

 private:
  using Mark = std::array<uint8_t, 16>;  // half of the HMAC
  struct Generation {
    absl::flat_hash_set<Mark> marks;
    MonotonicTime began{};  // of the first
  };
  Mark MarkOf(std::string_view address, const storage::Credential& stored,
              std::string_view password) const;
  void Age(MonotonicTime now);

  std::chrono::seconds time_;
  codec::Secret key_;  // made when there is something to keep
  Generation young_, old_;
};

}  // namespace ringmail::agent
