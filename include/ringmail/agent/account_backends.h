// The backends of one shard (backend/account_backend.h) and what stands in front of them: which
// domain asks whom, a cache, a deadline for every question, a bound on how many are open, and the
// accounts that they make in the directory.
//
// What a backend names becomes an account of the directory the first time that it is asked for, at
// RCPT or at a login: with an id, which mailboxes hang on, the backend's name, its quota, and no
// password. Whether it is still there, and what proves its owner, is asked of the backend each
// time. What the operator has put into the directory himself is never asked for.
//
// Made by: the shard's server; Add for each backend, in the order in which they are asked.
// Order: Add; Find, Verify, FindRecipient; Stop; destruction.
// Promise: kUnknown only where every backend of the domain has said so. Every question ends at its
//   backend's deadline, and with the shard's Stop. A password is cached as a keyed hash of it, of
//   this process alone, and only where it was right.
// Shard: each its own.
// Limits: BackendOptions; storage::kExpansionMax recipients of one.
// Errors: kUnavailable: the backend, or the log that a new account goes to, does not answer. The
//   log line "backend_unavailable" says why, once, and "backend_available" that it is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/backend/account_backend.h"
#include "ringmail/base/metrics.h"
#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/directory.h"

namespace ringmail::agent {

struct BackendOptions {
  std::string name;
  std::vector<std::string> domains;  // normalized
  // How long what it said is believed; 0: it is asked each time.
  std::chrono::seconds cache{300};
  std::chrono::seconds negative_cache{30};  // of unknown accounts
  std::chrono::seconds password_cache{60};  // of passwords that the backend itself has checked
  std::chrono::seconds deadline{3};
  // Of one shard: answers that are kept, and questions that are open; beyond: unavailable.
  uint32_t entries_max = 10'000;
  uint32_t questions_max = 256;
  friend bool operator==(const BackendOptions&, const BackendOptions&) = default;
};

struct BackendFinding {
  enum class Kind : uint8_t {
    kNoPart,  // no backend has the domain, or the directory knows the address by itself
    kFound,
    kUnknown,
    kUnavailable,
  };
  Kind kind = Kind::kNoPart;
  bool cached = false;  // said before now
  backend::BackendAccount account;
};

enum class BackendFreshness : uint8_t { kCached, kAskAgain };

// What becomes of one recipient.
struct BackendRecipient {
  enum class Kind : uint8_t {
    kNoPart,  // what the directory says now, is the answer
    kUnknown,
    kDisabled,
    kUnavailable,
    kTargets,
  };
  Kind kind = Kind::kNoPart;
  // Of kTargets: as RCPT would name them; and those whom nobody answers to.
  std::vector<std::string> targets, nowhere;
  bool truncated = false;
};

class AccountBackends {
 public:
  static std::unique_ptr<AccountBackends> Make(storage::Directory& directory);
  // REQUIRES: stopped, or nothing was ever asked.
  virtual ~AccountBackends() = default;

  virtual void Add(BackendOptions options, std::unique_ptr<backend::AccountBackend> backend) = 0;
  // Whether a backend is asked for addresses of the domain. Any case.
  virtual bool Covers(std::string_view domain) const = 0;
  // Whether FindRecipient could say anything but kNoPart.
  virtual bool Concerns(std::string_view local_part, std::string_view domain) const = 0;

  // `address` is in the directory's form. After kFound the directory has the account.
  virtual io::Task<BackendFinding> Find(std::string address, BackendFreshness freshness) = 0;
  // REQUIRES: Find said `verify`.
  virtual io::Task<backend::BackendVerdict::Kind> Verify(std::string address,
                                                         codec::Secret password) = 0;
  // As RCPT names it: sub-addresses, aliases that lead to accounts of a backend, and accounts whose
  // mail a backend sends elsewhere.
  virtual io::Task<BackendRecipient> FindRecipient(std::string local_part, std::string domain) = 0;

  // What ends the user in "user+detail", as the directory has it.
  virtual void SetSeparators(std::string separators) = 0;
  virtual void RegisterMetrics(MetricRegistry& registry) = 0;
  // Open questions end with kUnavailable. Returns when none is left.
  virtual io::Task<void> Stop() = 0;
};

}  // namespace ringmail::agent
