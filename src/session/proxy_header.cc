// Sections are those of doc/proxy-protocol.txt, revision of 2020/03/05 and later.
#include "ringmail/session/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "ringmail/codec/crc32c.h"

namespace ringmail::session {
namespace {

constexpr std::string_view kV1Begin = "PROXY ";
constexpr std::string_view kV2Begin("\r\n\r\n\0\r\nQUIT\n", 12);  // §2.2

// §2.2: the octets behind the signature.
enum Command : uint8_t { kLocal = 0x0, kProxy = 0x1 };
enum Family : uint8_t { kUnspecified = 0x0, kInet = 0x1, kInet6 = 0x2, kUnix = 0x3 };
enum Transport : uint8_t { kAnyTransport = 0x0, kByteStream = 0x1 };
constexpr size_t kInetBytes = 12, kInet6Bytes = 36, kUnixBytes = 216;

// §2.2.1 to §2.2.7.
enum Type : uint8_t {
  kAlpn = 0x01,
  kAuthority = 0x02,
  kCrc32c = 0x03,
  kUniqueId = 0x05,
  kSsl = 0x20,
  kSslVersion = 0x21,
  kSslName = 0x22,
  kSslCipher = 0x23,
};
constexpr uint8_t kClientSsl = 0x01, kClientCertificate = 0x02 | 0x04;
constexpr size_t kTlvBytes = 3, kSslFixedBytes = 5, kCrcBytes = 4;

ProxyReadResult Bad(std::string_view problem) {
  return {.state = ProxyRead::kBad, .bytes = 0, .header = {}, .problem = problem};
}
ProxyReadResult NeedMore() { return {}; }

uint8_t Octet(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }
uint16_t Two(std::string_view text) {
  return static_cast<uint16_t>(Octet(text, 0) << 8 | Octet(text, 1));
}
uint32_t Four(std::string_view text) { return uint32_t{Two(text)} << 16 | Two(text.substr(2)); }

void PutTwo(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

// --- Version 1

// §2.1: decimal, no sign, no zeros in front.
std::optional<uint16_t> ReadPort(std::string_view text) {
  uint16_t port = 0;
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// The next word, and one space behind it but for the last.
std::string_view TakeWord(std::string_view& rest) {
  const size_t space = rest.find(' ');
  const std::string_view word = rest.substr(0, space);
  rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  return word;
}

// §2.1: an address of the family that was named; a mapped one is written with colons all the same.
std::optional<IpAddress> ReadAddress(std::string_view text, bool v6) {
  if ((text.find(':') != std::string_view::npos) != v6) return std::nullopt;
  return IpAddress::Parse(text);
}

ProxyReadResult ReadV1(std::string_view input) {
  const std::string_view head = input.substr(0, kProxyV1BytesMax);
  const size_t end = head.find('\n');
  if (end == std::string_view::npos) {
    return input.size() >= kProxyV1BytesMax ? Bad("has no end of line in 107 octets") : NeedMore();
  }
  if (head[end - 1] != '\r') return Bad("ends without CRLF");
  ProxyReadResult result{.state = ProxyRead::kDone, .bytes = end + 1, .header = {}, .problem = {}};
  std::string_view rest = head.substr(kV1Begin.size(), end - 1 - kV1Begin.size());
  const std::string_view family = TakeWord(rest);
  if (family == "UNKNOWN") {
    // §2.1: "the receiver must ignore anything presented before the CRLF".
    result.header.own = true;
    return result;
  }
  const bool v6 = family == "TCP6";
  if (!v6 && family != "TCP4") return Bad("names no family that version 1 has");
  const auto source = ReadAddress(TakeWord(rest), v6);
  const auto destination = ReadAddress(TakeWord(rest), v6);
  const auto source_port = ReadPort(TakeWord(rest));
  // The last word: a space behind it would be part of it.
  const auto destination_port = ReadPort(rest);
  if (!source || !destination) return Bad("has no address where one must be");
  if (!source_port || !destination_port) return Bad("has no port where one must be");
  result.header.source = {.ip = *source, .port = *source_port, .unix_path = {}};
  result.header.destination = {.ip = *destination, .port = *destination_port, .unix_path = {}};
  return result;
}

// --- Version 2

// A mapped address is the IPv4 address that it stands for, or who is banned as the one would come
// as the other.
IpAddress AddressOf(std::string_view octets) {
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  IpAddress ip;
  if (octets.size() == 16 && octets.starts_with(kMapped)) octets.remove_prefix(kMapped.size());
  ip.family = octets.size() == 4 ? IpAddress::Family::kV4 : IpAddress::Family::kV6;
  std::memcpy(ip.bytes.data(), octets.data(), octets.size());
  return ip;
}

struct Tlv {
  uint8_t type = 0;
  std::string_view value;
};
// False: what is left is none.
bool TakeTlv(std::string_view& rest, Tlv& tlv) {
  if (rest.size() < kTlvBytes) return false;
  const size_t bytes = Two(rest.substr(1));
  if (rest.size() - kTlvBytes < bytes) return false;
  tlv = {Octet(rest, 0), rest.substr(kTlvBytes, bytes)};
  rest.remove_prefix(kTlvBytes + bytes);
  return true;
}

bool ReadSsl(std::string_view value, ProxyTls& tls) {
  if (value.size() < kSslFixedBytes) return false;
  tls.tls = (Octet(value, 0) & kClientSsl) != 0;
  tls.certificate = (Octet(value, 0) & kClientCertificate) != 0;
  tls.verified = tls.certificate && Four(value.substr(1)) == 0;
  std::string_view rest = value.substr(kSslFixedBytes);
  Tlv tlv;
  while (!rest.empty()) {
    if (!TakeTlv(rest, tlv)) return false;
    if (tlv.type == kSslVersion) tls.version = tlv.value;
    if (tlv.type == kSslName) tls.name = tlv.value;
    if (tlv.type == kSslCipher) tls.cipher = tlv.value;
  }
  return true;
}

// §2.2.3: of the whole header, with zeros in its own place.
bool GoodChecksum(std::string_view header, std::string_view value) {
  const auto at = static_cast<size_t>(value.data() - header.data());
  constexpr std::string_view kZeros("\0\0\0\0", kCrcBytes);
  uint32_t crc = codec::Crc32c(0, header.substr(0, at));
  crc = codec::Crc32c(crc, kZeros);
  crc = codec::Crc32c(crc, header.substr(at + kCrcBytes));
  return crc == Four(value);
}

// Empty, or what is wrong.
std::string_view ReadTlvs(std::string_view whole, std::string_view rest, ProxyHeader& header) {
  bool checked = false;
  Tlv tlv;
  while (!rest.empty()) {
    if (!TakeTlv(rest, tlv)) return "has a TLV that is longer than itself";
    switch (tlv.type) {
      case kAlpn:
        header.alpn = tlv.value;
        break;
      case kAuthority:
        header.authority = tlv.value;
        break;
      case kCrc32c:
        if (checked || tlv.value.size() != kCrcBytes) return "has a checksum of a wrong length";
        if (!GoodChecksum(whole, tlv.value)) return "has a wrong checksum";
        checked = true;
        break;
      case kUniqueId:
        if (tlv.value.size() > kProxyUniqueIdBytesMax) return "has an ID of more than 128 octets";
        header.unique_id = tlv.value;
        break;
      case kSsl:
        if (!ReadSsl(tlv.value, header.tls)) return "has a TLV of TLS that cannot be read";
        break;
      default:
        // §2.2: "the receiver must skip" what it does not know.
        break;
    }
  }
  return {};
}

// Behind the fixed part; empty, or what is wrong.
std::string_view ReadAddresses(uint8_t family, std::string_view& rest, ProxyHeader& header) {
  const size_t bytes = family == kInet    ? kInetBytes
                       : family == kInet6 ? kInet6Bytes
                       : family == kUnix  ? kUnixBytes
                                          : 0;
  if (rest.size() < bytes) return "is too short for its addresses";
  if (family == kInet || family == kInet6) {
    const size_t one = family == kInet ? 4 : 16;
    header.source = {AddressOf(rest.substr(0, one)), Two(rest.substr(2 * one)), {}};
    header.destination = {AddressOf(rest.substr(one, one)), Two(rest.substr(2 * one + 2)), {}};
  } else {
    // §2.2: a client at a Unix socket of the proxy's has no address that means anything here.
    header.own = true;
  }
  rest.remove_prefix(bytes);
  return {};
}

ProxyReadResult ReadV2(std::string_view input) {
  if (input.size() < kProxyV2FixedBytes) return NeedMore();
  const uint8_t version = Octet(input, 12) >> 4, command = Octet(input, 12) & 0xf;
  const uint8_t family = Octet(input, 13) >> 4, transport = Octet(input, 13) & 0xf;
  if (version != 2) return Bad("has a version that nobody knows");
  if (command > kProxy) return Bad("has a command that nobody knows");
  // §2.2: LOCAL means the proxy itself, whatever else is there.
  if (command == kProxy && (family > kUnix || transport > kByteStream)) {
    return Bad("carries what is no stream");
  }
  const size_t bytes = kProxyV2FixedBytes + Two(input.substr(14));
  if (bytes > kProxyV2BytesMax) return Bad("is too long");
  if (input.size() < bytes) return NeedMore();
  ProxyReadResult result{.state = ProxyRead::kDone, .bytes = bytes, .header = {}, .problem = {}};
  result.header.version = 2;
  if (command == kLocal) {
    result.header.own = true;
    return result;
  }
  const std::string_view whole = input.substr(0, bytes);
  std::string_view rest = whole.substr(kProxyV2FixedBytes);
  std::string_view problem = ReadAddresses(family, rest, result.header);
  // §2.2: UNSPEC with any transport or none; addresses need a stream.
  if (problem.empty() && transport == kAnyTransport && !result.header.own) {
    problem = "has addresses of no transport";
  }
  if (problem.empty()) problem = ReadTlvs(whole, rest, result.header);
  return problem.empty() ? result : Bad(problem);
}

bool Pair(const ProxyHeader& header) {
  return !header.own && header.source.ip.family != IpAddress::Family::kNone &&
         header.source.ip.family == header.destination.ip.family;
}

void PutTlv(std::string& out, uint8_t type, std::string_view value, size_t room) {
  if (value.empty() || out.size() + kTlvBytes + value.size() > room) return;
  out += static_cast<char>(type);
  PutTwo(out, value.size());
  out += value;
}

std::string SslValue(const ProxyTls& tls, size_t room) {
  std::string value;
  value += static_cast<char>(kClientSsl | (tls.certificate ? kClientCertificate : 0));
  // §2.2.6: zero where a certificate was shown and is good, "and non-zero otherwise".
  value.append(3, '\0');
  value += static_cast<char>(tls.certificate && tls.verified ? 0 : 1);
  PutTlv(value, kSslVersion, tls.version, room);
  PutTlv(value, kSslCipher, tls.cipher, room);
  PutTlv(value, kSslName, tls.name, room);
  return value;
}

}  // namespace

ProxyReadResult ReadProxyHeader(std::string_view input) {
  if (input.empty()) return NeedMore();
  const auto begins = [input](std::string_view with) {
    return input.substr(0, with.size()) == with.substr(0, input.size());
  };
  if (begins(kV2Begin)) return input.size() < kV2Begin.size() ? NeedMore() : ReadV2(input);
  if (begins(kV1Begin)) return input.size() < kV1Begin.size() ? NeedMore() : ReadV1(input);
  return Bad("is missing");
}

std::string WriteProxyV1(const ProxyHeader& header) {
  if (!Pair(header)) return "PROXY UNKNOWN\r\n";
  const bool v4 = header.source.ip.family == IpAddress::Family::kV4;
  return std::string(v4 ? "PROXY TCP4 " : "PROXY TCP6 ") + header.source.ip.ToString() + " " +
         header.destination.ip.ToString() + " " + std::to_string(header.source.port) + " " +
         std::to_string(header.destination.port) + "\r\n";
}

std::string WriteProxyV2(const ProxyHeader& header) {
  const bool pair = Pair(header);
  const bool v4 = header.source.ip.family == IpAddress::Family::kV4;
  std::string out(kV2Begin);
  out += static_cast<char>(0x20 | (header.own ? kLocal : kProxy));
  out += static_cast<char>(pair ? (v4 ? kInet : kInet6) << 4 | kByteStream : 0);
  PutTwo(out, 0);
  if (pair) {
    const size_t bytes = v4 ? 4 : 16;
    for (const io::Endpoint* one : {&header.source, &header.destination}) {
      out.append(reinterpret_cast<const char*>(one->ip.bytes.data()), bytes);
    }
    PutTwo(out, header.source.port);
    PutTwo(out, header.destination.port);
  }
  const size_t room = kProxyV2BytesMax - kTlvBytes - kCrcBytes;
  PutTlv(out, kAlpn, header.alpn, room);
  PutTlv(out, kAuthority, header.authority, room);
  if (header.unique_id.size() <= kProxyUniqueIdBytesMax) {
    PutTlv(out, kUniqueId, header.unique_id, room);
  }
  if (header.tls.tls) PutTlv(out, kSsl, SslValue(header.tls, room / 2), room);
  PutTlv(out, kCrc32c, std::string_view("\0\0\0\0", kCrcBytes), kProxyV2BytesMax);
  const size_t bytes = out.size() - kProxyV2FixedBytes;
  out[14] = static_cast<char>(bytes >> 8);
  out[15] = static_cast<char>(bytes & 0xff);
  const uint32_t crc = codec::Crc32c(0, out);
  for (size_t i = 0; i < kCrcBytes; ++i) {
    out[out.size() - kCrcBytes + i] = static_cast<char>(crc >> (24 - 8 * i) & 0xff);
  }
  return out;
}

}  // namespace ringmail::session
