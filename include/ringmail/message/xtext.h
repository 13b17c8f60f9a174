// xtext (RFC 3461 §4), and the forms of a UTF-8 address in a delivery status notification (RFC 6533
// §3). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringmail::message {

// "+" and "=" are written as "+2B" and "+3D", as is what is not between "!" and "~".
std::string EncodeXtext(std::string_view text);
// nullopt where `xtext` is none. The result may hold any octet: it is a peer's.
std::optional<std::string> DecodeXtext(std::string_view xtext);

// utf-8-addr-xtext: ASCII without "+", "=" and "\", others as "\x{E9}". REQUIRES: `address` is
// valid UTF-8.
std::string EncodeUtf8Address(std::string_view address);
// What EncodeUtf8Address made, or utf-8-addr-unitext, as UTF-8. nullopt where it is neither.
std::optional<std::string> DecodeUtf8Address(std::string_view text);

}  // namespace ringmail::message
