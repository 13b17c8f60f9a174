#include "protocol/acme/limits.h"

#include "ringmail/protocol/acme.h"

namespace ringmail::acme {
namespace {

constexpr FixedLimit kLimits[] = {
    {"ACME answer of an authority", kAnswerBytesMax, "octets", "",
     "the order is tried again later"},
    {"ACME names of one certificate", kNamesMax, "names", "", "the configuration is refused"},
    {"ACME requests refused with badNonce", kBadNoncesMax, "of one order", "RFC 8555 §6.5",
     "the order is tried again later"},
    {"ACME looks at what is not decided", kPollsMax, "of one order", "RFC 8555 §7.5.1",
     "the order is taken up again later"},
    {"ACME order", static_cast<uint64_t>(kOrderTimeout.count()), "seconds", "",
     "it is taken up again later"},
    {"ACME connections to the responder", kResponderSessionsMax, "of one shard", "",
     "the next are closed"},
    {"ACME connection to the responder", static_cast<uint64_t>(kResponderTimeout.count()),
     "seconds", "", "it is closed"},
};

}  // namespace

std::span<const FixedLimit> AcmeLimits() { return kLimits; }

}  // namespace ringmail::acme
