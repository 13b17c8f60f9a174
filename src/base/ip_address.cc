#include "ringmail/base/ip_address.h"

#include <algorithm>
#include <cstddef>

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

constexpr size_t kV4Bytes = 4;
constexpr size_t kV6Groups = 8;

// Reads a dotted quad that fills all of `text`. Leading zeros are refused: some readers take them
// for octal.
bool ParseDottedQuad(std::string_view text, uint8_t* out) {
  size_t at = 0;
  for (size_t i = 0; i < kV4Bytes; ++i) {
    if (i > 0) {
      if (at == text.size() || text[at] != '.') return false;
      ++at;
    }
    const size_t first = at;
    unsigned value = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      if (at - first == 3) return false;
      value = value * 10 + static_cast<unsigned>(text[at] - '0');
      ++at;
    }
    if (at == first || value > 255) return false;
    if (text[first] == '0' && at - first > 1) return false;
    out[i] = static_cast<uint8_t>(value);
  }
  return at == text.size();
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// One group of 1 to 4 hexadecimal digits at `at`; how many octets were read, 0 for none.
size_t ParseGroup(std::string_view text, size_t at, uint16_t& group) {
  size_t digits = 0;
  unsigned value = 0;
  while (at + digits < text.size() && HexValue(text[at + digits]) >= 0) {
    if (digits == 4) return 0;
    value = value << 4 | static_cast<unsigned>(HexValue(text[at + digits]));
    ++digits;
  }
  group = static_cast<uint16_t>(value);
  return digits;
}

// RFC 4291 §2.2: groups, at most one "::", and perhaps a dotted quad as the last 32 bits.
bool ParseV6(std::string_view text, std::array<uint8_t, 16>& out) {
  std::array<uint16_t, kV6Groups> groups{};
  size_t count = 0;
  size_t gap = kV6Groups + 1;  // the index at which "::" stands; beyond the end for none
  size_t at = 0;
  if (text.starts_with("::")) {
    gap = 0;
    at = 2;
  }
  while (at < text.size()) {
    if (count == kV6Groups) return false;
    const std::string_view rest = text.substr(at);
    if (rest.find(':') == std::string_view::npos && rest.find('.') != std::string_view::npos) {
      uint8_t quad[kV4Bytes];
      if (count + 2 > kV6Groups || !ParseDottedQuad(rest, quad)) return false;
      groups[count++] = static_cast<uint16_t>(quad[0] << 8 | quad[1]);
      groups[count++] = static_cast<uint16_t>(quad[2] << 8 | quad[3]);
      at = text.size();
      break;
    }
    const size_t digits = ParseGroup(text, at, groups[count]);
    if (digits == 0) return false;
    ++count;
    at += digits;
    if (at == text.size()) break;
    if (text[at] != ':') return false;
    ++at;
    if (at == text.size()) return false;  // a single colon at the end
    if (text[at] == ':') {
      if (gap <= kV6Groups) return false;
      gap = count;
      ++at;
    }
  }
  const bool has_gap = gap <= kV6Groups;
  // "::" stands for at least one group of zeros.
  if (has_gap ? count >= kV6Groups : count != kV6Groups) return false;
  const size_t after = has_gap ? count - gap : 0;
  for (size_t i = 0; i < kV6Groups; ++i) {
    uint16_t value = 0;
    if (!has_gap || i < gap) {
      value = groups[i];
    } else if (i >= kV6Groups - after) {
      value = groups[gap + (i - (kV6Groups - after))];
    }
    out[2 * i] = static_cast<uint8_t>(value >> 8);
    out[2 * i + 1] = static_cast<uint8_t>(value & 0xFF);
  }
  return true;
}

bool V4Mapped(const std::array<uint8_t, 16>& bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](uint8_t b) { return b == 0; }) &&
         bytes[10] == 0xFF && bytes[11] == 0xFF;
}

void AppendDecimal(unsigned value, std::string& out) { out += std::to_string(value); }

void AppendHexGroup(unsigned value, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const unsigned digit = value >> shift & 15;
    // RFC 5952 §4.1: no leading zeros.
    if (digit != 0 || started || shift == 0) {
      out += kHex[digit];
      started = true;
    }
  }
}

std::string V6ToString(const std::array<uint8_t, 16>& bytes) {
  std::array<unsigned, kV6Groups> groups;
  for (size_t i = 0; i < kV6Groups; ++i) {
    groups[i] = static_cast<unsigned>(bytes[2 * i]) << 8 | bytes[2 * i + 1];
  }
  // RFC 5952 §4.2: "::" takes the longest run of zeros, the first of equals, and never a single
  // group.
  size_t best = 0, best_length = 1;
  for (size_t i = 0; i < kV6Groups;) {
    size_t end = i;
    while (end < kV6Groups && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end + 1;
  }
  std::string out;
  for (size_t i = 0; i < kV6Groups;) {
    if (best_length > 1 && i == best) {
      out += "::";
      i += best_length;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    AppendHexGroup(groups[i], out);
    ++i;
  }
  return out;
}

uint8_t FamilyBits(IpAddress::Family family) {
  switch (family) {
    case IpAddress::Family::kNone:
      return 0;
    case IpAddress::Family::kV4:
      return 32;
    case IpAddress::Family::kV6:
      return 128;
  }
  return 0;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress address;
  if (text.find(':') == std::string_view::npos) {
    if (!ParseDottedQuad(text, address.bytes.data())) return std::nullopt;
    address.family = Family::kV4;
    return address;
  }
  if (!ParseV6(text, address.bytes)) return std::nullopt;
  address.family = Family::kV6;
  if (V4Mapped(address.bytes)) {
    // One address has one form, or a block list could be passed in the other.
    std::copy(address.bytes.begin() + 12, address.bytes.end(), address.bytes.begin());
    std::fill(address.bytes.begin() + kV4Bytes, address.bytes.end(), uint8_t{0});
    address.family = Family::kV4;
  }
  return address;
}

std::string IpAddress::ToString() const {
  switch (family) {
    case Family::kNone:
      return {};
    case Family::kV4: {
      std::string out;
      for (size_t i = 0; i < kV4Bytes; ++i) {
        if (i > 0) out += '.';
        AppendDecimal(bytes[i], out);
      }
      return out;
    }
    case Family::kV6:
      return V6ToString(bytes);
  }
  return {};
}

std::string IpAddress::ToAddressLiteral() const {
  switch (family) {
    case Family::kNone:
      return {};
    case Family::kV4:
      return "[" + ToString() + "]";
    case Family::kV6:
      return "[IPv6:" + ToString() + "]";
  }
  return {};
}

bool IpAddress::loopback() const {
  if (family == Family::kV4) return bytes[0] == 127;
  if (family == Family::kV6) {
    return std::all_of(bytes.begin(), bytes.end() - 1, [](uint8_t b) { return b == 0; }) &&
           bytes.back() == 1;
  }
  return false;
}

std::optional<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const uint8_t bits_max = FamilyBits(address->family);
  if (slash == std::string_view::npos) return IpNetwork{*address, bits_max};
  const std::string_view digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits.front() == '0')) {
    return std::nullopt;
  }
  unsigned bits = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    bits = bits * 10 + static_cast<unsigned>(c - '0');
  }
  // A mapped network ("::ffff:192.0.2.0/120") counts its prefix in 128 bits.
  if (address->family == IpAddress::Family::kV4 && text.find(':') != std::string_view::npos) {
    if (bits < 96) return std::nullopt;
    bits -= 96;
  }
  if (bits > bits_max) return std::nullopt;
  const IpNetwork network = Of(*address, static_cast<uint8_t>(bits));
  if (network.address != *address) return std::nullopt;
  return network;
}

bool IpNetwork::Contains(const IpAddress& a) const {
  return a.family != IpAddress::Family::kNone && a.family == address.family &&
         Of(a, prefix_bits).address == address;
}

IpNetwork IpNetwork::Of(const IpAddress& a, uint8_t prefix_bits) {
  IpNetwork network{a, std::min(prefix_bits, FamilyBits(a.family))};
  size_t bit = network.prefix_bits;
  for (size_t i = bit / 8; i < network.address.bytes.size(); ++i) {
    const size_t kept = i == bit / 8 ? bit % 8 : 0;
    network.address.bytes[i] &= static_cast<uint8_t>(0xFF00u >> kept);
  }
  return network;
}

}  // namespace ringmail
