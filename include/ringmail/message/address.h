// Address lists of header fields: RFC 5322 §3.4, the obsolete forms of §4.4, RFC 6532, and what
// clients make of lists that follow none of them.
//
// Promise: pure; every input gives a list. Groups come as markers in the flat list, as IMAP has
// them (RFC 9051 §7.5.2). Limits: kAddressesMax entries; what follows is dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail::message {

inline constexpr size_t kAddressesMax = 100000;

enum class AddressKind : uint8_t {
  kMailbox,
  kGroup,     // `name` begins here
  kGroupEnd,  // the innermost group ends
};

struct Address {
  AddressKind kind = AddressKind::kMailbox;
  // The display name: without quotes, comments and folding, encoded words still encoded (DecodeText
  // reads them). Where there is none, the last comment after the address: the habit of RFC 822 for
  // "user@host (Full Name)".
  std::string name;
  std::string route;       // "@a,@b" of RFC 5322 §4.4, without its colon
  std::string local_part;  // without quotes
  std::string domain;      // or "[…]"; empty for a word that stands alone

  friend bool operator==(const Address&, const Address&) = default;
};

std::vector<Address> ParseAddressList(std::string_view value);

// "local@domain", the local part quoted where it must be. "" for markers.
std::string AddrSpec(const Address& address);

}  // namespace ringmail::message
