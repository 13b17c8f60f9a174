// IP addresses and networks as values: parsing, writing, membership. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail {

struct IpAddress {
  enum class Family : uint8_t { kNone, kV4, kV6 };
  Family family = Family::kNone;
  // Network byte order; IPv4 in the first four.
  std::array<uint8_t, 16> bytes{};

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.family, a.bytes);
  }

  // Dotted quad, or RFC 4291 text without a zone. An IPv4-mapped IPv6 address becomes IPv4.
  static std::optional<IpAddress> Parse(std::string_view text);
  // RFC 5952 for IPv6. Empty for kNone.
  std::string ToString() const;
  // RFC 5321 §4.1.3, with brackets: "[192.0.2.1]", "[IPv6:2001:db8::1]".
  std::string ToAddressLiteral() const;
  bool loopback() const;
};

struct IpNetwork {
  IpAddress address;
  uint8_t prefix_bits = 0;

  // "192.0.2.0/24", "::1", "2001:db8::/32"; bits beyond the prefix must be zero.
  static std::optional<IpNetwork> Parse(std::string_view text);
  bool Contains(const IpAddress& a) const;
  // The network of `a` with the given length; longer than the family allows means the address
  // itself.
  static IpNetwork Of(const IpAddress& a, uint8_t prefix_bits);
  friend bool operator==(const IpNetwork&, const IpNetwork&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpNetwork& n) {
    return H::combine(std::move(h), n.address, n.prefix_bits);
  }
};

}  // namespace ringmail
