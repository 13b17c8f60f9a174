#include "agent/transfer/transfer_core.h"

namespace ringmail::agent {
namespace {

constexpr FixedLimit kLimits[] = {
    {"transactions out to one destination", kLaneCreditsMax, "of one shard", "",
     "messages wait in the queue"},
    {"recipients compared with each other", kDuplicateCheckMax, "of one transaction", "",
     "a recipient named twice is kept twice"},
};

}  // namespace

std::span<const FixedLimit> AgentLimits() { return kLimits; }

}  // namespace ringmail::agent
