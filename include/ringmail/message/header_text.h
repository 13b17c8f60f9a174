// Unstructured text of header fields: unfolded (RFC 5322 §2.2.3), decoded (RFC 2047, RFC 6532).
//
// Promise: pure; results are valid UTF-8 without controls but HT, whatever goes in.
#pragma once

#include <string>
#include <string_view>

namespace ringmail::message {

// Without the line ends of folding and without blanks around; octets as they are.
std::string Unfold(std::string_view value);

// What a reader is to see of an unstructured field, a phrase or a comment. Encoded words are
// decoded wherever they stand and white space between two of them is dropped (RFC 2047 §6.2); those
// of one charset are decoded together, since senders cut characters in two. Octets over 127 are
// UTF-8 (RFC 6532 §3), and where they are not, windows-1252.
std::string DecodeText(std::string_view value);

}  // namespace ringmail::message
