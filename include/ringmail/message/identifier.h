// Message-ID, In-Reply-To, References and Content-ID (RFC 5322 §3.6.4, obsolete forms of §4.5.4).
//
// Promise: pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringmail::message {

// The ids of a raw value, in order, without their angle brackets, white space and comments. Phrases
// between them (obsolete) are passed over. Where there is no angle bracket at all, words with an
// "@".
std::vector<std::string> ParseMessageIds(std::string_view value);

}  // namespace ringmail::message
