#include "protocol/smtp/limits.h"

#include "protocol/smtp/client_session.h"
#include "protocol/smtp/reply_wire.h"

namespace ringmail::smtp {
namespace {

constexpr FixedLimit kLimits[] = {
    {"SMTP command line", kCommandLineBytesMax, "octets", "RFC 5321 §4.5.3.1.4", "500 5.5.2"},
    {"HELO argument", kHeloBytesMax, "octets", "RFC 5321 §4.5.3.1.2", "501 5.5.4"},
    {"ENVID", kEnvelopeIdBytesMax, "octets", "RFC 3461 §4.4", "501 5.5.4"},
    {"AUTH of MAIL", kSubmitterBytesMax, "octets", "RFC 4954 §5", "501 5.5.4"},
    {"line of an authentication exchange", kAuthResponseBytesMax, "octets", "RFC 4954 §4",
     "500 5.5.6"},
    {"ORCPT", kOriginalRecipientBytesMax, "octets", "RFC 3461 §4.2", "501 5.5.4"},
    {"replies the client has not read", kOutputBytesMax, "octets per connection", "",
     "the session waits for it"},
    {"content of a refused message", kDiscardedBytesMax, "octets", "", "the connection is closed"},
    {"connections being turned away", kRefusalsMax, "at one time", "", "the next are reset"},
    {"reply line of a peer", kReplyLineBytesMax, "octets", "RFC 5321 §4.5.3.1.5",
     "deferred, and the connection is closed"},
    {"reply lines of a peer", kReplyLinesMax, "lines", "RFC 5321 §4.2.1",
     "deferred, and the connection is closed"},
    {"content sent along with its envelope", kEagerContentBytesMax, "octets", "RFC 3030 §2",
     "the recipients' replies are waited for first"},
};

}  // namespace

std::span<const FixedLimit> SmtpLimits() { return kLimits; }

}  // namespace ringmail::smtp
