#include "protocol/pop3/limits.h"

#include "ringmail/protocol/pop3.h"

namespace ringmail::pop3 {
namespace {

constexpr FixedLimit kLimits[] = {
    {"POP3 command line", kCommandLineBytesMax, "octets", "RFC 2449 §4", "-ERR"},
    {"POP3 response to a challenge", kLineBytesMax, "octets", "RFC 5034 §4", "-ERR"},
    {"POP3 replies the client has not read", kOutputBytesMax, "octets per connection", "",
     "the session waits for it"},
    {"POP3 ranges deleted in one transaction", kDeletedRangesMax, "ranges", "",
     "the rest in the next one"},
    {"POP3 logins remembered for LOGIN-DELAY", kLoginsRememberedMax, "of one shard", "",
     "the oldest are forgotten"},
    {"POP3 connections being turned away", kRefusalsMax, "at one time", "", "the next are reset"},
};

}  // namespace

std::span<const FixedLimit> Pop3Limits() { return kLimits; }

}  // namespace ringmail::pop3
