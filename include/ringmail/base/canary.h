// Canaries: known faults, planted where a real one would be, that prove that the simulator's checks
// can fail.
//
// Made by: a build configured with -Dcanaries=true, which holds all of them and does what every
//   build does until one is chosen. In any other build Planted is false at compile time: not an
//   instruction of a canary remains, and none can be chosen.
// Order: SetCanary before the first shard runs, or between two runs; then Planted, any number of
//   times.
// Shard: one choice for the whole process, read by all.
// Limits: one canary at a time, so that what is found is found for its own sake.
//
// A new canary: an enumerator here, a row of the table in src/base/canary.cc, and
// `if (Planted(Canary::k…))` at the line that a mistake would change: one line or block, with no
// state of its own, and only in rooms above io, whose simulated form has none of their faults.
#pragma once

#include <cstdint>

#ifdef RINGMAIL_CANARIES
#include <optional>
#include <span>
#include <string_view>
#endif

namespace ringmail {

// What each does wrong: AllCanaries.
enum class Canary : uint8_t {
  kNone,

  // storage
  kAckBeforeSync,
  kTrustSecondSync,
  kSkipDirectorySync,
  kDropLastRecord,
  kStopAtDamage,
  kForgetPartialOutcome,
  kForgetVanishedShards,
  kReuseContentEarly,
  kCompactionDropsRecord,
  kEvictLentContent,
  kCacheOverLimit,
  kUidTwice,
  kForgetHold,
  kReplaySkips,
  kCheckpointForgetsPage,
  kFreeHeld,

  // agent
  kForgetDeferredRecipient,
  kForgetLostAnswer,
  kLaneNeverReopens,
  kLoseCrossShardJob,
  kSessionsOverLimit,
  kReportFirstOnly,
  kReportFailureForgotten,
  kReportAboutReport,
  kWarnAgainAfterRestart,
  kExpireWhenOverdue,
  kUnwrittenIsDelivered,
  kAliasLosesTarget,

  // protocol/smtp, the client
  kSwapNeighbours,
  kLostAnswerIsDelivered,
  kResumeClosedSession,
  kUnreadResetReply,
  kNoRewind,
  kWaitForever,
  kLeakConnection,
  kDnsFailureIsFinal,

  // protocol/smtp, the server
  kUnstuffedSeam,
  kCommitHalfContent,

  // protocol/pop3
  kDeletedBeforeDurable,
  kDeleteWithoutQuit,
  kMaildropMoves,
  kMaildropShared,

  kEnd_,  // how many there are
};

#ifdef RINGMAIL_CANARIES

struct CanaryRow {
  Canary canary;
  std::string_view name;         // "ack-before-sync"
  std::string_view description;  // what goes wrong, in one line
};

// All but kNone, in order.
std::span<const CanaryRow> AllCanaries();
// "none" for kNone.
std::string_view CanaryName(Canary canary);
// "none", or the name of one of them.
std::optional<Canary> FindCanary(std::string_view name);
// From now on this one, or none.
void SetCanary(Canary canary);
// REQUIRES: not kNone.
bool Planted(Canary canary);

#else

constexpr bool Planted(Canary) { return false; }

#endif

}  // namespace ringmail
