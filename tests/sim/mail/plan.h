// What will happen in one simulated mail world: who sends what to whom, how the peers behave, and
// which faults strike when. All of it follows from a scenario and a seed, and a run of the same
// plan does the same again.
//
// A plan has a text form (one line an item), so that a failure, made small (shrink.h), can be kept
// under scenarios/ and read by a person. Messages, visits and faults keep their numbers when others
// are taken out. Times are since the beginning of the run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::sim {

enum class PeerKind : uint8_t {
  kCorrect,
  kGreylister,   // 451 to each recipient until `number` seconds after it first asked
  kTarpit,       // each reply comes `number` milliseconds late
  kRefuser,      // by plan: of each recipient and content, `number` percent 4yz, half as many 5yz
  kCloser,       // closes: after any reply, before any, or in the middle of a line
  kLate,         // now and then answers later than the client waits
  kLiar,         // offers what it does not do: PIPELINING, CHUNKING, SIZE, 8BITMIME, DSN, LIMITS
  kSizeBreaker,  // offers a SIZE and refuses less, at MAIL, in the content or at its end
  kOldHost,      // knows HELO only
  kOneAtATime,   // 421 to all connections but one; one recipient a transaction, 452 to more
  kCount
};
std::string_view Name(PeerKind kind);

struct PeerPlan {
  PeerKind kind = PeerKind::kCorrect;
  uint32_t number = 0;   // as the kind says
  bool by_name = false;  // the route names a host, so that DNS has a say
  friend bool operator==(const PeerPlan&, const PeerPlan&) = default;
};

// Who lives on the first server: account n is <boxN@local.example>, alias n <listN@local.example>.
struct AccountPlan {
  uint32_t quota_messages = 0;  // 0: none
  friend bool operator==(const AccountPlan&, const AccountPlan&) = default;
};
struct AliasPlan {
  std::vector<uint32_t> accounts;
  friend bool operator==(const AliasPlan&, const AliasPlan&) = default;
};

// Where the mail of one recipient goes, as the plan writes it: a peer's number; "b2": an account;
// "b2+": the same with a detail; "l0": an alias.
struct RecipientPlan {
  enum class Kind : uint8_t { kPeer, kAccount, kDetail, kAlias };
  uint32_t index = 0;
  Kind kind = Kind::kPeer;
  bool local() const { return kind != Kind::kPeer; }
  friend bool operator==(const RecipientPlan&, const RecipientPlan&) = default;
};

struct MessagePlan {
  uint32_t number = 0;  // unique in the plan; content and marks follow from it
  uint32_t sender = 0;  // which sender brings it
  Nanoseconds at{0};    // not before this
  std::vector<RecipientPlan>
      recipients;          // recipient i of message n is <mn.ri@dP.example> at a peer
  uint32_t bytes = 0;      // of the body, about
  bool null_path = false;  // MAIL FROM:<>
  bool eight_bit = false;  // octets over 127, BODY=8BITMIME
  bool chunks = false;     // by BDAT, in several chunks
  bool whole = false;      // RET=FULL: a report is to bring it back
  bool dots = false;       // many lines that begin with dots, and a last line that is one
  friend bool operator==(const MessagePlan&, const MessagePlan&) = default;
};

// An account's owner comes by POP3, reads, and deletes some of what was read.
struct VisitPlan {
  enum class Ending : uint8_t {
    kQuit,    // and waits for the answer
    kLeave,   // sends QUIT, and is gone
    kVanish,  // without QUIT
  };
  uint32_t number = 0;  // unique in the plan; what is read and deleted follows from it
  uint32_t account = 0;
  Nanoseconds at{0};       // not before this; another may be there
  Nanoseconds lingers{0};  // between the first look and the second
  uint32_t read_percent = 100;
  uint32_t delete_percent = 0;  // of what was read
  Ending ending = Ending::kQuit;
  friend bool operator==(const VisitPlan&, const VisitPlan&) = default;
};
std::string_view Name(VisitPlan::Ending ending);

enum class FaultKind : uint8_t {
  // The server's machine. `number`: its shards at the next start; 0 keeps them. It starts again
  // after `lasts`.
  kPowerCut,
  kKill,
  kTerminate,
  // At its `place`-th write or sync since this fault's time, otherwise as kPowerCut and kKill.
  kPowerCutAtWrite,
  kKillAtWrite,
  kReload,  // SIGHUP
  // Its disk.
  kDiskError,  // EIO at the `place`-th request since then, of any kind; the operator restarts after
               // `lasts`
  kDiskFull,   // ENOSPC for new blocks, while it lasts
  kSlowDisk,   // `number` times slower
  kRot,        // a bit of a record that was written long ago; seen at the next reading
  // Network between the server and `peer` (senders too where peer is kEveryone).
  kLatency,    // `number` milliseconds more, with as much jitter
  kPartition,  // packets are lost, both ways
  kReset,  // of a live connection after `place` more octets (number 0, 1); 2: it stalls while this
           // lasts; 3: for ever
  kHalfClose,     // the peer's side of a live connection ends, and it still reads
  kRefuse,        // connections are refused
  kBacklogFull,   // connections are neither accepted nor refused
  kTinySegments,  // one octet at a time
  // Others.
  kClockJump,   // the wall clock jumps by `number` seconds, back where `place` is odd
  kDnsFailure,  // names are not found (number 0), or the resolver fails (1), or is slow (2), or
                // lies (3)
  kSlowShard,   // shard `place` is `number` times slower
  kPause,       // the process stands still, while kernel, disk and network go on
  kCount
};
std::string_view Name(FaultKind kind);

struct FaultPlan {
  static constexpr uint32_t kEveryone = UINT32_MAX;
  static constexpr uint32_t kHome = UINT32_MAX - 1;  // where reports go
  uint32_t id = 0;
  FaultKind kind = FaultKind::kKill;
  Nanoseconds at{0};
  Nanoseconds lasts{0};
  uint32_t server = 0;
  uint32_t peer = kEveryone;
  uint64_t place = 0;
  uint64_t number = 0;
  friend bool operator==(const FaultPlan&, const FaultPlan&) = default;
};

struct Plan {
  std::string scenario;
  uint64_t seed = 1;
  uint32_t servers = 1;  // 2: the first relays what is for peers of odd number to the second
  uint16_t shards = 1;
  uint32_t senders = 4;
  uint32_t messages_per_connection = 100;  // of a sender
  Nanoseconds expire_after = std::chrono::hours(6);
  Nanoseconds warn_after = std::chrono::hours(4);  // senders are told of a delay
  uint32_t connections_max = 200;                  // of one shard of a server
  uint32_t shard_queue = 1024;                     // messages between two shards, at most
  uint32_t cache_bytes = 1u << 20;                 // of content that a server keeps in memory
  uint32_t window_bytes = 256u << 10;              // of a connection: sent and not yet read
  Nanoseconds behave_after{0};  // peers are as their kinds say until then, and while faults last
  std::vector<PeerPlan> peers;
  std::vector<AccountPlan> accounts;  // of the first server
  std::vector<AliasPlan> aliases;
  std::vector<MessagePlan> messages;
  std::vector<VisitPlan> visits;
  std::vector<FaultPlan> faults;
  friend bool operator==(const Plan&, const Plan&) = default;
};

// The scenarios that a seed may be played in; the first is the mix of all others.
struct Scenario {
  std::string_view name;
  std::string_view about;
};
const std::vector<Scenario>& Scenarios();
bool IsScenario(std::string_view name);
// REQUIRES: IsScenario.
Plan MakePlan(std::string_view scenario, uint64_t seed);

std::string Print(const Plan& plan);
// Errors: line and what is wrong with it.
StatusOr<Plan> ParsePlan(std::string_view text);

// Numbers that follow from others, for all whose choices are the plan's and not the moment's.
uint64_t Mix(uint64_t a, uint64_t b);

// The content of a message, whole, with its header section; every line ends in CRLF.
std::string ContentOf(const Plan& plan, const MessagePlan& message);
std::string ReversePathOf(const MessagePlan& message);  // "" or sN.mN@home.example
std::string ForwardPathOf(const MessagePlan& message, size_t recipient);
std::string AddressOfAccount(uint32_t account);
std::string AddressOfAlias(uint32_t alias);
// What an alias names for one of its accounts: some with a detail.
std::string AliasTargetOf(uint32_t alias, uint32_t account);
// Whose mailboxes it comes into; none for a peer's.
std::vector<uint32_t> AccountsOf(const Plan& plan, RecipientPlan to);
// Of "boxN@local.example", with or without a detail.
bool ReadAccountAddress(std::string_view path, uint32_t& account);
// Of a forward-path made here that leads to a peer; false for any other.
bool ReadForwardPath(std::string_view path, uint32_t& message, uint32_t& recipient);
// "m<number>" in the field that ContentOf adds; 0 where there is none.
uint32_t MessageOf(std::string_view content);

}  // namespace ringmail::sim
