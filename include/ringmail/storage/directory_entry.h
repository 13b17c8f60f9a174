// What the directory holds, as values: domains, accounts, aliases, addresses that moved, and what
// the server keeps for itself; and their
// encoding, which is what the log keeps. Pure, fuzzed.
//
// Names are normalized, and only that form is stored and compared:
//   domain   ASCII lower case (message::NormalizedDomain); an IDN in the form it was given in,
//            A-labels or U-labels: they are two names.
//   address  local-part@domain, the local part without quotes and ASCII lower case. RFC 5321 §2.4
//            has local parts case-sensitive for everybody but the host that owns the mailbox; we
//            are it, and "Bob" and "bob" are one person here. Octets beyond ASCII compare as they
//            are.
//   "=name"    is what the server keeps for itself, such as the key of its ACME account: no address
//            and no domain can begin so, and no text file of the directory shows it.
//   "@domain"  is the catch-all of the domain: an alias for whatever else is not known there.
// Limits: below; each refusal names the limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::storage {

// An encoded entry, in octets; one record of the log holds it.
inline constexpr size_t kDirectoryValueBytesMax = 256u << 10;
// Entries in all.
inline constexpr uint64_t kDirectoryEntriesMax = 50'000'000;
inline constexpr size_t kAccountCredentialsMax = 64;
inline constexpr size_t kCredentialNameBytesMax = 64;
inline constexpr size_t kCredentialSecretBytesMax = 1024;
inline constexpr size_t kDisplayNameBytesMax = 256;
inline constexpr size_t kDirectoryCommentBytesMax = 1024;
inline constexpr size_t kAliasTargetsMax = 5000;
inline constexpr size_t kKeptNameBytesMax = 64;
inline constexpr size_t kKeptValueBytesMax = 128u << 10;
inline constexpr size_t kBackendNameBytesMax = 64;

enum class CredentialKind : uint8_t {
  kPassword = 1,     // the account's own; any number while one is being replaced by another
  kAppPassword = 2,  // of one device or program, by name
  kScram = 3,        // the keys of SCRAM for the account's password
};
struct Credential {
  CredentialKind kind = CredentialKind::kPassword;
  std::string name;    // of an app password
  std::string secret;  // an encoded hash, opaque here
  WallTime created{};
  friend bool operator==(const Credential&, const Credential&) = default;
};

struct DomainEntry {
  std::string name;
  std::string comment;
  WallTime created{};
  friend bool operator==(const DomainEntry&, const DomainEntry&) = default;
};

struct AccountEntry {
  std::string address;
  // Given when the account is made, never again: what is stored for an account outlives a new
  // name, and is not inherited by a later account of the same name. 0: not given yet.
  uint64_t id = 0;
  std::string display_name, comment;
  bool enabled = true;
  uint64_t quota_bytes = 0;     // 0: none
  uint64_t quota_messages = 0;  // 0: none
  WallTime created{};
  std::vector<Credential> credentials;
  // The backend (backend/account_backend.h) that named the account, and says whether it is still
  // there and what proves its owner; "": the entry itself does.
  std::string backend;
  friend bool operator==(const AccountEntry&, const AccountEntry&) = default;
};

struct AliasEntry {
  std::string address;  // "@domain": the catch-all
  std::vector<std::string> targets;
  std::string comment;
  WallTime created{};
  friend bool operator==(const AliasEntry&, const AliasEntry&) = default;
};

// RFC 5321 §3.4: who wrote to `address` is told the new one.
struct MovedEntry {
  std::string address;
  std::string new_address;
  std::string comment;
  WallTime created{};
  friend bool operator==(const MovedEntry&, const MovedEntry&) = default;
};

// Of the server itself, not of its operator: what must outlive a restart and belongs to no account.
struct KeptEntry {
  std::string name;   // "=acme/account"
  std::string value;  // opaque here
  WallTime created{};
  friend bool operator==(const KeptEntry&, const KeptEntry&) = default;
};

using DirectoryEntry = std::variant<DomainEntry, AccountEntry, AliasEntry, MovedEntry, KeptEntry>;

enum class DirectoryKind : uint8_t { kDomain = 1, kAccount = 2, kAlias = 3, kMoved = 4, kKept = 5 };
std::string_view KindName(DirectoryKind kind);  // "account"
inline DirectoryKind KindOf(const DirectoryEntry& entry) {
  return static_cast<DirectoryKind>(entry.index() + 1);
}
const std::string& NameOf(const DirectoryEntry& entry);  // of a domain, or the address
WallTime CreatedOf(const DirectoryEntry& entry);
void SetCreated(DirectoryEntry& entry, WallTime created);

// The normalized form, or nothing where `text` is no domain, or no address, or one that nobody here
// may have: its local part begins with '"' or '@' ("\"@x\"@example.org").
std::optional<std::string> DirectoryDomain(std::string_view text);
std::optional<std::string> DirectoryAddress(std::string_view text);
// As DirectoryAddress, and "@domain".
std::optional<std::string> DirectoryAliasName(std::string_view text);
// What comes after the last "@"; the name itself of a domain.
std::string_view DomainOfName(std::string_view name);
// As RFC 5321 §4.1.2 writes it: the local part quoted where it must be.
std::string WrittenAddress(std::string_view address);

// OK, or what is wrong with it, as a sentence for the operator (kInvalidArgument).
Status CheckEntry(const DirectoryEntry& entry);

// The value of the record; the name is its key.
std::string EncodeEntry(const DirectoryEntry& entry);
// nullopt: not an encoding that this version understands.
std::optional<DirectoryEntry> DecodeEntry(std::string_view name, std::string_view value);
// The kind alone; nullopt where DecodeEntry would not even begin.
std::optional<DirectoryKind> EncodedKind(std::string_view value);

}  // namespace ringmail::storage
