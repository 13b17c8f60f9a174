// The header of the PROXY protocol, versions 1 and 2, by which a proxy says whose connection it
// carries (HAProxy's "The PROXY protocol", doc/proxy-protocol.txt): read and written. Pure.
//
// Promise: ReadProxyHeader says the same of the same octets however they came: kNeedMore only while
//   all that came belongs to a header, so that nothing behind it is ever taken.
// Limits: kProxyV1BytesMax, kProxyV2BytesMax, kProxyUniqueIdBytesMax.
// Errors: kBad with a problem, as the end of a sentence that begins with "the header"; a bad header
//   is a reason to close, since nobody knows who is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/io/endpoint.h"

namespace ringmail::session {

inline constexpr size_t kProxyV1BytesMax = 107;  // §2.1, with CRLF
// §2.2: 16 octets and up to 65,535; addresses and the TLVs in use take some hundred.
inline constexpr size_t kProxyV2FixedBytes = 16;
inline constexpr size_t kProxyV2BytesMax = kProxyV2FixedBytes + 4096;
inline constexpr size_t kProxyUniqueIdBytesMax = 128;  // §2.2.5

// §2.2.6: what a proxy says of the TLS that it took off.
struct ProxyTls {
  bool tls = false;
  bool certificate = false;           // the client showed one, in this connection or its session
  bool verified = false;              // and it was good
  std::string version, cipher, name;  // "TLSv1.3"; the name is the certificate's common name
};

struct ProxyHeader {
  uint8_t version = 1;
  // Not known (§2.1), or the proxy speaks for itself (LOCAL, §2.2): the connection's own addresses
  // hold, and both endpoints are empty.
  bool own = false;
  io::Endpoint source, destination;
  std::string authority;  // what the client asked for by SNI
  std::string alpn;
  std::string unique_id;
  ProxyTls tls;
};

enum class ProxyRead : uint8_t { kNeedMore, kDone, kBad };

struct ProxyReadResult {
  ProxyRead state = ProxyRead::kNeedMore;
  size_t bytes = 0;  // of kDone: what the header took
  ProxyHeader header;
  std::string_view problem;  // of kBad; lives for ever
};

// `input` is everything from the connection's first octet on.
ProxyReadResult ReadProxyHeader(std::string_view input);

// Version 1. UNKNOWN where there is no pair of addresses of one family.
std::string WriteProxyV1(const ProxyHeader& header);
// Version 2 with a checksum; LOCAL where `own` is set, UNSPEC where there is no pair of addresses.
// What does not fit kProxyV2BytesMax is left out.
std::string WriteProxyV2(const ProxyHeader& header);

}  // namespace ringmail::session
