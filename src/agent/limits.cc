#include "agent/transfer/transfer_core.h"

namespace ringmail::agent {
namespace {

constexpr FixedLimit kLimits[] = {
    {"transactions out to one destination", kLaneCreditsMax, "of one shard", "",
     "messages wait in the queue"},
    {"recipients once aliases are expanded", kExpandedRecipientsMax, "of one transaction", "",
     "452 4.5.3"},
    {"recipients delivered together", kLocalRecipientsMax, "of one message and shard", "",
     "the next batch"},
};

}  // namespace

std::span<const FixedLimit> AgentLimits() { return kLimits; }

}  // namespace ringmail::agent
