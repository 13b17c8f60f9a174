// Whether what HELO or EHLO was given is a name of a host (RFC 5321 §4.1.1.1).
#pragma once

#include <string_view>

#include "ringmail/protocol/smtp.h"

namespace ringmail::smtp {

bool ValidHello(std::string_view name, HeloSyntax syntax);

}  // namespace ringmail::smtp
