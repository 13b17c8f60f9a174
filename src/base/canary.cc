// Only in a build with -Dcanaries=true.
#include "ringmail/base/canary.h"

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

constexpr CanaryRow kRows[] = {
    {Canary::kAckBeforeSync, "ack-before-sync",
     "a group commit is answered when it is written, not when it is on stable storage"},
    {Canary::kTrustSecondSync, "trust-second-sync",
     "a log write that failed is taken for good once a sync after it succeeds"},
    {Canary::kSkipDirectorySync, "skip-directory-sync",
     "the names of new segments are not synced before records go into them"},
    {Canary::kDropLastRecord, "drop-last-record",
     "recovery leaves out the last record of each batch that has several"},
    {Canary::kStopAtDamage, "stop-at-damage",
     "recovery takes a damaged batch in the last segment for its end, whatever follows"},
    {Canary::kForgetPartialOutcome, "forget-partial-outcome",
     "recovery ignores outcomes that do not settle all recipients of a message at once"},
    {Canary::kForgetVanishedShards, "forget-vanished-shards",
     "a start with fewer shards does not take over the logs of those that are gone"},
    {Canary::kReuseContentEarly, "reuse-content-early",
     "content does not keep its segment from being reused, only message records do"},
    {Canary::kCompactionDropsRecord, "compaction-drops-record",
     "compaction moves content and forgets to copy the message record behind it"},
    {Canary::kEvictLentContent, "evict-lent-content",
     "content leaves the cache while a session is sending it"},
    {Canary::kCacheOverLimit, "cache-over-limit", "the content cache never evicts"},
    {Canary::kUidTwice, "uid-twice",
     "a checkpoint is read as if the next uid were one more than that of the last message there"},
    {Canary::kForgetHold, "forget-hold",
     "that an account holds a content is not written down with its delivery"},
    {Canary::kReplaySkips, "replay-skips",
     "an account is opened without the last of several changes since its checkpoint"},
    {Canary::kCheckpointForgetsPage, "checkpoint-forgets-page",
     "checkpoints after the first do not write pages that changed"},
    {Canary::kFreeHeld, "free-held",
     "content is freed when the last message of the queue leaves, whoever holds it"},
    {Canary::kForgetDeferredRecipient, "forget-deferred-recipient",
     "the last of several recipients is recorded as delivered when it is deferred"},
    {Canary::kForgetLostAnswer, "forget-lost-answer",
     "recipients whose final answer was lost are recorded as failed, and nobody is told"},
    {Canary::kLaneNeverReopens, "lane-never-reopens",
     "messages that wait for an unreachable destination are never woken after its back-off"},
    {Canary::kLoseCrossShardJob, "lose-cross-shard-job",
     "a job is dropped when the queue to the other shard is full"},
    {Canary::kSessionsOverLimit, "sessions-over-limit",
     "the limit of sessions to one destination is not enforced"},
    {Canary::kReportFirstOnly, "report-first-only",
     "a DSN names only the first of the recipients that failed"},
    {Canary::kReportFailureForgotten, "report-failure-forgotten",
     "recipients are given up though their DSN could not be written"},
    {Canary::kReportAboutReport, "report-about-report",
     "a DSN that cannot be delivered is itself returned, to the null reverse-path"},
    {Canary::kWarnAgainAfterRestart, "warn-again-after-restart",
     "that a delay was reported is not written down"},
    {Canary::kExpireWhenOverdue, "expire-when-overdue",
     "a deferred message that is an hour overdue is given up, whatever its age"},
    {Canary::kUnwrittenIsDelivered, "unwritten-is-delivered",
     "a local delivery that the account's log did not take is reported as delivered"},
    {Canary::kAliasLosesTarget, "alias-loses-target",
     "an alias leads to the first of its accounts only"},
    {Canary::kSwapNeighbours, "swap-neighbours",
     "in a pipelined envelope the last two recipients get each other's reply"},
    {Canary::kLostAnswerIsDelivered, "lost-answer-is-delivered",
     "a connection that ends after the final dot is taken for a 250"},
    {Canary::kResumeClosedSession, "resume-closed-session",
     "on a kept session that the peer closed, a message gets the former message's answer"},
    {Canary::kUnreadResetReply, "unread-reset-reply",
     "the reply to RSET is left for the next transaction, whose replies are then off by one"},
    {Canary::kNoRewind, "no-rewind",
     "content is not read from its start again when a message is sent in a plainer form"},
    {Canary::kWaitForever, "wait-forever", "the client waits for replies without a deadline"},
    {Canary::kLeakConnection, "leak-connection",
     "a connection whose greeting or EHLO was refused is never closed"},
    {Canary::kDnsFailureIsFinal, "dns-failure-is-final",
     "a next hop whose name cannot be resolved now is taken to accept no mail at all"},
    {Canary::kUnstuffedSeam, "unstuffed-seam",
     "a dot that begins a line and a received buffer is not known to need stuffing"},
    {Canary::kCommitHalfContent, "commit-half-content",
     "content whose connection was lost in the middle goes into the queue"},
    {Canary::kDeletedBeforeDurable, "deleted-before-durable",
     "QUIT is answered before what was marked is deleted on stable storage"},
    {Canary::kDeleteWithoutQuit, "delete-without-quit",
     "what was marked is deleted though the connection was lost without QUIT"},
    {Canary::kMaildropMoves, "maildrop-moves",
     "a session shows messages that came into its mailbox meanwhile"},
    {Canary::kMaildropShared, "maildrop-shared",
     "a maildrop is opened though another session has it"},
};

constexpr bool InOrder() {
  size_t expected = 1;
  for (const CanaryRow& row : kRows) {
    if (static_cast<size_t>(row.canary) != expected++) return false;
  }
  return expected == static_cast<size_t>(Canary::kEnd_);
}
static_assert(InOrder(), "one row for each enumerator, in the same order");

constexpr std::string_view kNoneName = "none";

constinit std::atomic<Canary> chosen{Canary::kNone};

}  // namespace

std::span<const CanaryRow> AllCanaries() { return kRows; }

std::string_view CanaryName(Canary canary) {
  CHECK_LT(canary, Canary::kEnd_);
  return canary == Canary::kNone ? kNoneName : kRows[static_cast<size_t>(canary) - 1].name;
}

std::optional<Canary> FindCanary(std::string_view name) {
  if (name == kNoneName) return Canary::kNone;
  const auto found = std::find_if(std::begin(kRows), std::end(kRows),
                                  [name](const CanaryRow& row) { return row.name == name; });
  if (found == std::end(kRows)) return std::nullopt;
  return found->canary;
}

void SetCanary(Canary canary) {
  CHECK_LT(canary, Canary::kEnd_);
  chosen.store(canary, std::memory_order_relaxed);
}

bool Planted(Canary canary) {
  CHECK_NE(canary, Canary::kNone);
  return chosen.load(std::memory_order_relaxed) == canary;
}

}  // namespace ringmail
