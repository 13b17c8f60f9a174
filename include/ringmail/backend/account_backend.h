// Who else knows accounts: a passwd-file, a data base, a directory service. One question, one
// answer; what is cached, bounded and provisioned is agent/account_backends.h.
//
// Made by: MakePasswdFileBackend (passwd_file.h), MakeSqliteBackend (sqlite.h), MakeProcessBackend
//   (process_backend.h), on each shard.
// Order: any number of Find and Verify at a time; Cancel, wait for what is under way, destruction.
// Promise: every question ends, at the latest soon after its deadline or after Cancel; those that
//   end by themselves only are of the blocking pool, and bounded by what they ask (SQLite's steps
//   and busy timeout, the size of a file). kUnknown only where the backend itself has said so:
//   whatever kept it from answering is kUnavailable.
// Shard: each its own.
// Errors: kUnavailable with `why`, a sentence for the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/time.h"
#include "ringmail/codec/digest.h"
#include "ringmail/io/task.h"

namespace ringmail::backend {

inline constexpr size_t kBackendForwardMax = 1000;
inline constexpr size_t kBackendNetworksMax = 256;
inline constexpr size_t kBackendPasswordBytesMax = 4096;

// What a backend says of an account.
struct BackendAccount {
  // As credential/password.h reads it; "": none is said.
  std::string password;
  // Verify says whether a password is right.
  bool verify = false;
  // False: the account takes no mail and lets nobody in.
  bool enabled = true;
  // Absent: the backend does not say, and what the directory has stays.
  std::optional<uint64_t> quota_bytes, quota_messages;
  // Not empty: mail goes to these instead, as they are written there. The account's own address
  // among them: a copy stays.
  std::vector<std::string> forward;
  // Where restricted: logins come from these networks only.
  bool restricted = false;
  std::vector<IpNetwork> networks;
  friend bool operator==(const BackendAccount&, const BackendAccount&) = default;
};

struct BackendAnswer {
  enum class Kind : uint8_t { kUnavailable, kUnknown, kFound };
  Kind kind = Kind::kUnavailable;
  BackendAccount account;  // of kFound
  std::string why;         // of kUnavailable
};

struct BackendVerdict {
  enum class Kind : uint8_t { kUnavailable, kMismatch, kMatch };
  Kind kind = Kind::kUnavailable;
  std::string why;  // of kUnavailable
};

// An address in the directory's form (storage/directory_entry.h), and its two parts.
struct BackendQuestion {
  std::string address, local_part, domain;
  static BackendQuestion Of(std::string_view address);
};

class AccountBackend {
 public:
  virtual ~AccountBackend() = default;
  virtual io::Task<BackendAnswer> Find(BackendQuestion question, MonotonicTime deadline) = 0;
  // REQUIRES: Find said `verify` of the account.
  virtual io::Task<BackendVerdict> Verify(BackendQuestion question, codec::Secret password,
                                          MonotonicTime deadline) = 0;
  // What waits ends with kUnavailable, and what begins.
  virtual void Cancel() = 0;
};

}  // namespace ringmail::backend
