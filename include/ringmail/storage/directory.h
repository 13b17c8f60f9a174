// The directory: which domains are ours, who lives in them, and how they prove who they are. Kept
// in the log of shard 0, read by every shard in memory.
//
// Made by: ShardStore::Open, one for each shard; shard 0's Publish, once all stores are open, gives
//   every other shard its view. Before that, shards other than 0 know nothing.
// Promise: look-ups are synchronous, without a lock, a wait or an allocation. Apply says OK when
//   the change is on stable storage and every shard looks at it. A transaction is all or nothing,
//   whatever its size, also after a crash (src/storage/README.md, the crash page).
//   What damage took away is never answered with a 5yz: a directory that lost entries says so
//   (Resolution::certain, kUnavailable) until AcceptDamage.
// Shard: each its own object; the entries are one immutable structure that all shards read. Views
//   into it (Resolution, AccountView) are valid until the next co_await.
// Limits: directory_entry.h; kDirectoryTransactionBytesMax. Memory: README, "Directory".
// Errors of Apply: kInvalidArgument (an entry is wrong), kAlreadyExists, kNotFound, kAborted (it is
//   not at the expected version), kFailedPrecondition (a domain still has addresses, an address no
//   domain), kResourceExhausted, kUnavailable (nothing was done; after a failed write of the log,
//   the restart tells).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/metrics.h"
#include "ringmail/base/status.h"
#include "ringmail/io/task.h"
#include "ringmail/storage/directory_entry.h"

namespace ringmail::storage {

// Names and values of one transaction together.
inline constexpr uint64_t kDirectoryTransactionBytesMax = 4ull << 30;
// Alias to alias to alias; what is deeper is not followed.
inline constexpr uint32_t kAliasDepthMax = 10;
// Addresses that one recipient may become.
inline constexpr size_t kExpansionMax = 10'000;

struct DirectoryOptions {
  // Any of these ends the user and begins the detail in "user+detail" (RFC 5233 §1); "": no
  // sub-addressing.
  std::string subaddress_separators = "+";
  // Domains that the configuration names: local, whatever the directory says.
  std::vector<std::string> configured_domains;  // normalized
};

// One account, as it lies in memory.
class AccountView {
 public:
  // nullopt: `value` is no account of an encoding that this version understands.
  static std::optional<AccountView> Parse(std::string_view address, std::string_view value);
  std::string_view address() const { return address_; }
  uint64_t id() const { return id_; }
  bool enabled() const { return enabled_; }
  uint64_t quota_bytes() const { return quota_bytes_; }
  uint64_t quota_messages() const { return quota_messages_; }
  std::string_view display_name() const { return display_name_; }
  // AccountEntry::backend.
  std::string_view backend() const { return backend_; }

  struct CredentialView {
    CredentialKind kind = CredentialKind::kPassword;
    std::string_view name, secret;
    WallTime created{};
  };
  // Calls visit(context, credential) for each, until it says false.
  void VisitCredentials(bool (*visit)(void* context, const CredentialView& credential),
                        void* context) const;

 private:
  std::string_view address_, value_, display_name_, backend_;
  uint64_t id_ = 0, quota_bytes_ = 0, quota_messages_ = 0;
  bool enabled_ = true;
};

// What the directory says of one address.
struct Resolution {
  enum class Kind : uint8_t {
    kForeign,      // the domain is not ours
    kAccount,      // account
    kAlias,        // see Directory::Expand
    kMoved,        // to new_address: 551, or 251 where we forward
    kUnknown,      // ours, and nobody: 550 5.1.1
    kUnavailable,  // damage may have taken the answer, or it cannot be read: 451 4.3.0
  };
  Kind kind = Kind::kForeign;
  bool certain = true;  // false: kForeign, but entries were lost, and the domain may be one
  bool catch_all = false;
  std::string_view name;    // of the entry that was found
  std::string_view detail;  // what follows the separator, as the peer wrote it
  std::optional<AccountView> account;
  std::string_view new_address;
};

// Where the mail for one recipient goes in the end.
struct Expansion {
  struct Local {
    std::string address;
    std::string detail;
    std::string path;  // as the alias names it, with the detail (RFC 5321 §4.1.2)
    uint64_t account_id = 0;
  };
  std::vector<Local> accounts;
  std::vector<std::string> foreign;  // addresses elsewhere
  std::vector<std::string> unknown;  // local targets that nobody answers to, moved or disabled ones
  bool unavailable = false;          // some of it cannot be told now: try later
  bool truncated = false;            // kAliasDepthMax or kExpansionMax was reached
};

struct DirectoryChange {
  enum class Expect : uint8_t { kAny, kAbsent, kPresent, kVersion };
  // An address, "@domain" or a domain, normalized.
  std::string name;
  std::string value;  // EncodeEntry; "": the entry goes
  Expect expect = Expect::kAny;
  uint64_t version = 0;  // of kVersion

  static DirectoryChange Put(const DirectoryEntry& entry, Expect expect);
  static DirectoryChange Erase(std::string name, Expect expect);
};
struct DirectoryTransaction {
  std::vector<DirectoryChange> changes;  // no name twice
  // What was lost is given up: the directory is whole again as it now stands.
  bool accept_damage = false;
};
struct DirectoryApplied {
  uint64_t version = 0;  // of every entry that it wrote
  uint64_t changed = 0;
};

// An entry in memory, for those who list.
struct DirectoryRow {
  std::string_view name, value;
  uint64_t version = 0;
};

class Directory {
 public:
  virtual ~Directory() = default;

  // --- look-ups, any shard ---

  virtual bool IsLocalDomain(std::string_view domain) const = 0;
  // `local_part` as the peer wrote it, quotes and case and all. Follows sub-addressing and
  // catch-all, but no alias.
  virtual Resolution Resolve(std::string_view local_part, std::string_view domain) const = 0;
  // Follows aliases to their ends. A loop is followed once.
  virtual Expansion Expand(std::string_view local_part, std::string_view domain) const = 0;
  // The entry of this very name.
  virtual std::optional<DirectoryRow> Find(std::string_view name) const = 0;
  virtual uint64_t size() const = 0;
  virtual uint64_t version() const = 0;
  // False: entries were lost to damage, and nobody has accepted it yet.
  virtual bool complete() const = 0;

  // --- changes, any shard ---

  virtual io::Task<StatusOr<DirectoryApplied>> Apply(DirectoryTransaction transaction) = 0;

  // --- shard 0 ---

  // A view that stands still while others change the directory. REQUIRES: shard 0; ended on it.
  class Pin {
   public:
    virtual ~Pin() = default;
    // Calls visit(context, row) for some `count_max` entries after `cursor`, in an order that is
    // the same in every version, and returns the next cursor; 0: that was the end. Begin with 0.
    virtual uint64_t Visit(uint64_t cursor, size_t count_max,
                           void (*visit)(void* context, const DirectoryRow& row),
                           void* context) const = 0;
    virtual std::optional<DirectoryRow> Find(std::string_view name) const = 0;
    virtual uint64_t size() const = 0;
    virtual uint64_t version() const = 0;
  };
  virtual std::unique_ptr<Pin> MakePin() = 0;
  // Gives `peers`, the directories of all shards in order, this shard's view. Returns when all have
  // it. REQUIRES: shard 0, once.
  virtual io::Task<void> Publish(std::vector<Directory*> peers) = 0;

  // --- each shard ---

  virtual void Reconfigure(DirectoryOptions options) = 0;
};

}  // namespace ringmail::storage
