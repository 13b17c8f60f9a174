#include "agent/transfer/transfer_core.h"
#include "ringmail/agent/mail_transaction.h"

namespace ringmail::agent {
namespace {

constexpr FixedLimit kLimits[] = {
    {"transactions out to one destination", kLaneCreditsMax, "of one shard", "",
     "messages wait in the queue"},
    {"recipients once aliases are expanded", kExpandedRecipientsMax, "of one transaction", "",
     "452 4.5.3"},
    {"recipients delivered together", kLocalRecipientsMax, "of one message and shard", "",
     "the next batch"},
    {"header section of a submission", kSubmissionHeaderBytesMax, "octets", "RFC 6409 §8",
     "552 5.3.4"},
    {"mailboxes in From", kOriginatorsMax, "of a submission", "RFC 5322 §3.6.2", "554 5.6.0"},
    {"accounts whose rates are counted", kRatedAccountsMax, "of one shard", "",
     "the one that was quiet for longest is forgotten"},
};

}  // namespace

std::span<const FixedLimit> AgentLimits() { return kLimits; }

}  // namespace ringmail::agent
