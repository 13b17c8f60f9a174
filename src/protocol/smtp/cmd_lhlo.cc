// LHLO (RFC 2033 §4.1): what EHLO is to SMTP.

#include "protocol/smtp/commands.h"

namespace ringmail::smtp {

Next RunLhlo(Session& session, std::string_view argument) { return RunEhlo(session, argument); }

}  // namespace ringmail::smtp
