// The mail submission agent (RFC 6409): what a client that has authenticated may send, as whom, how
// much of it, and what its message is given that it lacks.
//
// Used by MailTransaction for every source with an account; nothing here knows a protocol.
// Order: JudgeIdentity and SubmissionRates at any time; HeaderCompletion: Take until ended(), or
//   until the content ends, then Complete once.
// Promise: pure but for the directory that is passed in. What Complete returns was checked: each
//   mailbox of From and Sender was read by the grammar of RFC 5322 §3.4 and nothing more lenient,
//   so that nobody reads another author in it than the one that was judged.
// Shard: one.
// Limits: kSubmissionHeaderBytesMax of memory while a header section arrives; the body is not held.
//   SubmissionRates: kRatedAccountsMax accounts of some 150 octets.
// Errors: Replies: 550 5.7.1 an identity that is not theirs, 554 5.6.0 no message (RFC 6409 §6.1,
//   §5), 450 4.7.1 and 452 4.7.1 too much at present, 451 4.3.0 the directory cannot tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ringmail/base/time.h"
#include "ringmail/message/path.h"
#include "ringmail/message/reply.h"
#include "ringmail/storage/directory.h"

namespace ringmail::agent {

// Of a message that is submitted; it is held in memory until its end has come.
inline constexpr size_t kSubmissionHeaderBytesMax = 256u << 10;
// Mailboxes in From or Sender.
inline constexpr size_t kOriginatorsMax = 100;
// Accounts whose messages of the last day are counted, of one shard. Beyond, the one that was quiet
// for longest is forgotten.
inline constexpr size_t kRatedAccountsMax = 100'000;

// As whom an account may send.
enum class SubmissionIdentities : uint8_t {
  kEnforced,         // reverse-path, From and Sender are addresses of the account
  kReversePathOnly,  // From and Sender are anybody's
  kAny,
};
enum class NullReversePath : uint8_t { kRefused, kAllowed };  // RFC 8098 §3: an MDN's is null

// Of one account; 0: no limit. A window slides: the last hour counts, not the hour on the clock.
struct SubmissionLimits {
  uint32_t messages_per_hour = 500;
  uint32_t messages_per_day = 2000;
  uint32_t recipients_per_hour = 2000;
  uint32_t recipients_per_day = 5000;
  friend bool operator==(const SubmissionLimits&, const SubmissionLimits&) = default;
};

struct SubmissionPolicy {
  SubmissionIdentities identities = SubmissionIdentities::kEnforced;
  NullReversePath null_reverse_path = NullReversePath::kAllowed;
  SubmissionLimits limits;
};

// --- identity (RFC 6409 §6.1) ---

enum class Identity : uint8_t {
  kOwn,
  kForeign,      // somebody else's, or nobody's
  kUnavailable,  // the directory cannot tell at present
};
// Whether `address` is the account's: its own address, with a detail or without, or an alias that
// leads to it. A catch-all is an alias. `account` as authentication gave it. Null: nobody has
// aliases.
Identity JudgeIdentity(const storage::Directory* directory, std::string_view account,
                       const message::Mailbox& address);

// The mailboxes of a From or Sender field, "local@domain" each; nullopt: not the grammar of RFC
// 5322 §3.4 (phrases may have dots and UTF-8), none, or more than kOriginatorsMax.
std::optional<std::vector<std::string>> ReadOriginators(std::string_view value);

// --- rates ---

class SubmissionRates {
 public:
  explicit SubmissionRates(size_t accounts_max = kRatedAccountsMax) : accounts_max_(accounts_max) {}

  // Nothing: counted, and there is room. Otherwise the refusal, 450 4.7.1.
  std::optional<message::Reply> TakeMessage(std::string_view account,
                                            const SubmissionLimits& limits, MonotonicTime now);
  // 452 4.7.1: those that were accepted may go.
  std::optional<message::Reply> TakeRecipient(std::string_view account,
                                              const SubmissionLimits& limits, MonotonicTime now);
  // What was taken and did not become a message.
  void GiveBack(std::string_view account, uint32_t messages, uint32_t recipients,
                MonotonicTime now);
  // What the account has sent by way of another shard; `account` by KeyOf. May exceed any limit.
  void Learn(uint64_t account, uint32_t messages, uint32_t recipients, MonotonicTime now);
  // Two accounts may have the same, as rarely as two numbers of 64 bits: then they share a limit.
  static uint64_t KeyOf(std::string_view account);
  size_t size() const { return entries_.size(); }

 private:
  // What the current period has, and how much of the one before still counts.
  struct Window {
    MonotonicTime begun{};
    uint32_t before = 0, now = 0;
    void Move(MonotonicTime at, Nanoseconds period);
    uint64_t Count(MonotonicTime at, Nanoseconds period) const;
  };
  struct Entry {
    uint64_t account = 0;
    Window messages_hour, messages_day, recipients_hour, recipients_day;
  };
  Entry& Find(uint64_t account, MonotonicTime now);

  const size_t accounts_max_;
  std::list<Entry> entries_;  // the one that sent last comes first
  absl::flat_hash_map<uint64_t, std::list<Entry>::iterator> by_account_;
};

// --- completion (RFC 6409 §8) ---

enum class HeaderProblem : uint8_t {
  kNone,
  kTooLarge,    // over kSubmissionHeaderBytesMax
  kNoMessage,   // a line that is no field, or no field at all
  kBareOctet,   // a CR, LF or NUL that stands alone
  kRepeated,    // a field that may be there once (RFC 5322 §3.6) is there twice
  kNoFrom,      // RFC 5322 §3.6: it has to be there
  kOriginator,  // From or Sender cannot be read
};

struct CompletionFacts {
  WallTime now{};
  // Without brackets, unlike any other; for a message that has none.
  std::string_view message_id;
  // Who sends, for a message with several authors and no Sender (RFC 5322 §3.6.2).
  std::string_view sender;
};

struct CompletedHeader {
  HeaderProblem problem = HeaderProblem::kNone;
  std::string culprit;  // the name of the field that `problem` is about, or ""
  // With its empty line, if there was one: what was sent, without Bcc, Resent-Bcc and Return-Path,
  // with Date, Message-ID and Sender where they lacked or could not be read. Nothing else changes.
  std::string text;
  std::vector<std::string> from, sender;  // mailboxes
};

// Holds the header section of a message as it arrives, cut anywhere.
class HeaderCompletion {
 public:
  // Returns how many octets belong to the header section; the rest is body. REQUIRES: !ended().
  size_t Take(std::string_view bytes);
  // The empty line has come, or it is certain that this will be refused.
  bool ended() const { return ended_; }
  CompletedHeader Complete(const CompletionFacts& facts);

 private:
  std::string held_;
  bool ended_ = false;
  bool too_large_ = false;
};

// The reply for a problem: 554 5.6.0, but 552 5.3.4 for kTooLarge. REQUIRES: not kNone.
message::Reply ReplyForHeader(const CompletedHeader& header);

}  // namespace ringmail::agent
