#include "ringmail/session/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace ringmail::session {
namespace {

using namespace std::string_literals;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

io::Endpoint At(std::string_view text) { return *io::Endpoint::Parse(text); }

std::string Two(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}
std::string Tlv(char type, std::string_view value) {
  return type + Two(value.size()) + std::string(value);
}
// A header of version 2 from its parts.
std::string V2(char command, char family, std::string_view rest) {
  return std::string(kSignature) + command + family + Two(rest.size()) + std::string(rest);
}
const std::string kInet = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x19"s;  // 192.0.2.1:12345

void ExpectBad(std::string_view header, std::string_view problem) {
  const ProxyReadResult result = ReadProxyHeader(header);
  EXPECT_EQ(result.state, ProxyRead::kBad) << header;
  EXPECT_EQ(result.problem, problem) << header;
}

TEST(ProxyHeaderTest, Version1SaysWhoIsThereAndWhoWasAskedFor) {
  const ProxyReadResult v4 = ReadProxyHeader("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO");
  ASSERT_EQ(v4.state, ProxyRead::kDone) << v4.problem;
  EXPECT_EQ(v4.bytes, 44u);
  EXPECT_EQ(v4.header.source, At("192.0.2.1:56324"));
  EXPECT_EQ(v4.header.destination, At("198.51.100.2:25"));
  EXPECT_FALSE(v4.header.own);
  const ProxyReadResult v6 = ReadProxyHeader("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n");
  ASSERT_EQ(v6.state, ProxyRead::kDone) << v6.problem;
  EXPECT_EQ(v6.header.source, At("[2001:db8::1]:0"));
  EXPECT_EQ(v6.header.destination.port, 65535);
}

TEST(ProxyHeaderTest, Version1MayNotKnowAndThenWhateverFollowsMeansNothing) {
  for (const std::string_view one :
       {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"}) {
    const ProxyReadResult result = ReadProxyHeader(one);
    ASSERT_EQ(result.state, ProxyRead::kDone);
    EXPECT_TRUE(result.header.own);
    EXPECT_EQ(result.bytes, one.size());
  }
}

TEST(ProxyHeaderTest, Version1IsTakenToTheLetter) {
  constexpr std::string_view kAddress = "has no address where one must be";
  constexpr std::string_view kPort = "has no port where one must be";
  ExpectBad("EHLO x\r\n", "is missing");
  ExpectBad("PROXX", "is missing");
  ExpectBad("proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "is missing");
  ExpectBad("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "names no family that version 1 has");
  ExpectBad("PROXY \r\n", "names no family that version 1 has");
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", "ends without CRLF");
  ExpectBad("PROXY \n", "ends without CRLF");
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3 1 1\r\n", kAddress);
  ExpectBad("PROXY TCP4 ::1 ::1 1 1\r\n", kAddress);
  ExpectBad("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", kAddress);
  ExpectBad("PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", kAddress);
  ExpectBad("PROXY TCP4\r\n", kAddress);
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", kPort);
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 1 -1\r\n", kPort);
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", kPort);
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", kPort);
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", kPort);
  ExpectBad("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", kPort);
}

TEST(ProxyHeaderTest, Version1HasAtMost107Octets) {
  const std::string_view begin = "PROXY UNKNOWN ";
  const std::string most = std::string(begin) + std::string(107 - begin.size() - 2, 'x') + "\r\n";
  EXPECT_EQ(ReadProxyHeader(most).state, ProxyRead::kDone);
  ExpectBad(std::string(begin) + std::string(108 - begin.size() - 2, 'x') + "\r\n",
            "has no end of line in 107 octets");
}

TEST(ProxyHeaderTest, Version2SaysWhoIsThereAndWhoWasAskedFor) {
  const ProxyReadResult v4 = ReadProxyHeader(V2(0x21, 0x11, kInet) + "more");
  ASSERT_EQ(v4.state, ProxyRead::kDone) << v4.problem;
  EXPECT_EQ(v4.bytes, 28u);
  EXPECT_EQ(v4.header.version, 2);
  EXPECT_EQ(v4.header.source, At("192.0.2.1:12345"));
  EXPECT_EQ(v4.header.destination, At("198.51.100.2:25"));
  const std::string address = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01";
  const ProxyReadResult v6 =
      ReadProxyHeader(V2(0x21, 0x21, address + address + "\x00\x01\x00\x02"s));
  ASSERT_EQ(v6.state, ProxyRead::kDone) << v6.problem;
  EXPECT_EQ(v6.header.source, At("[2001:db8::1]:1"));
  EXPECT_EQ(v6.header.destination, At("[2001:db8::1]:2"));
}

TEST(ProxyHeaderTest, AMappedAddressIsTheIpv4AddressThatItStandsFor) {
  const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\x00\x02\x01"s;
  const ProxyReadResult result =
      ReadProxyHeader(V2(0x21, 0x21, mapped + mapped + "\x00\x01\x00\x02"s));
  ASSERT_EQ(result.state, ProxyRead::kDone) << result.problem;
  EXPECT_EQ(result.header.source, At("192.0.2.1:1"));
}

TEST(ProxyHeaderTest, WhoSpeaksForItselfKeepsItsAddress) {
  // LOCAL, whatever stands behind it; no family; a Unix socket of the proxy's.
  for (const std::string& one : {V2(0x20, 0x00, ""), V2(0x20, '\xff', "rubbish"),
                                 V2(0x21, 0x00, ""), V2(0x21, 0x31, std::string(216, 'u'))}) {
    const ProxyReadResult result = ReadProxyHeader(one + "x");
    ASSERT_EQ(result.state, ProxyRead::kDone) << result.problem;
    EXPECT_TRUE(result.header.own);
    EXPECT_EQ(result.bytes, one.size());
  }
}

TEST(ProxyHeaderTest, Version2OfAnythingElseIsRefused) {
  ExpectBad(V2(0x11, 0x11, kInet), "has a version that nobody knows");
  ExpectBad(V2(0x22, 0x11, kInet), "has a command that nobody knows");
  ExpectBad(V2(0x21, 0x12, kInet), "carries what is no stream");
  ExpectBad(V2(0x21, 0x41, kInet), "carries what is no stream");
  ExpectBad(V2(0x21, 0x10, kInet), "has addresses of no transport");
  ExpectBad(V2(0x21, 0x11, kInet.substr(1)), "is too short for its addresses");
  ExpectBad(V2(0x21, 0x31, std::string(215, 'u')), "is too short for its addresses");
  ExpectBad(V2(0x21, 0x11, kInet + "\x04"s), "has a TLV that is longer than itself");
  ExpectBad(V2(0x21, 0x11, kInet + "\x04\x00\x02x"s), "has a TLV that is longer than itself");
  ExpectBad(V2(0x21, 0x11, kInet + Tlv(0x05, std::string(129, 'i'))),
            "has an ID of more than 128 octets");
  ExpectBad(V2(0x21, 0x11, kInet + Tlv(0x03, "abc")), "has a checksum of a wrong length");
  ExpectBad(V2(0x21, 0x11, kInet + Tlv(0x03, "\0\0\0\0"s)), "has a wrong checksum");
  ExpectBad(V2(0x21, 0x11, kInet + Tlv(0x20, "abcd")), "has a TLV of TLS that cannot be read");
  ExpectBad(V2(0x21, 0x11, kInet + Tlv(0x20, "\1\0\0\0\0\x21\0\5x"s)),
            "has a TLV of TLS that cannot be read");
}

TEST(ProxyHeaderTest, Version2HasALengthBeforeItHasItsOctets) {
  std::string longest = V2(0x21, 0x11, kInet + Tlv(0x04, std::string(4096 - 12 - 3, 'n')));
  ASSERT_EQ(longest.size(), kProxyV2BytesMax);
  EXPECT_EQ(ReadProxyHeader(longest).state, ProxyRead::kDone);
  EXPECT_EQ(ReadProxyHeader(longest.substr(0, 4111)).state, ProxyRead::kNeedMore);
  // One octet more is refused before any of it has come.
  ExpectBad(std::string(kSignature) + "\x21\x11" + Two(4097), "is too long");
}

TEST(ProxyHeaderTest, WhatIsWrittenIsRead) {
  const ProxyHeader header{.version = 2,
                           .own = false,
                           .source = At("192.0.2.1:12345"),
                           .destination = At("198.51.100.2:465"),
                           .authority = "mx.example.org",
                           .alpn = "imap",
                           .unique_id = "id-1",
                           .tls = {.tls = true,
                                   .certificate = true,
                                   .verified = true,
                                   .version = "TLSv1.3",
                                   .cipher = "TLS_AES_128_GCM_SHA256",
                                   .name = "ann"}};
  std::string written = WriteProxyV2(header);
  const ProxyReadResult result = ReadProxyHeader(written + "behind");
  ASSERT_EQ(result.state, ProxyRead::kDone) << result.problem;
  EXPECT_EQ(result.bytes, written.size());
  EXPECT_EQ(result.header.source, header.source);
  EXPECT_EQ(result.header.destination, header.destination);
  EXPECT_EQ(result.header.authority, "mx.example.org");
  EXPECT_EQ(result.header.alpn, "imap");
  EXPECT_EQ(result.header.unique_id, "id-1");
  EXPECT_TRUE(result.header.tls.tls && result.header.tls.certificate && result.header.tls.verified);
  EXPECT_EQ(result.header.tls.version, "TLSv1.3");
  EXPECT_EQ(result.header.tls.cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(result.header.tls.name, "ann");
  // The checksum covers every octet, once one knows that it is one.
  const size_t type_at = written.size() - 7;
  for (size_t i = 16; i < written.size(); ++i) {
    if (i == type_at) continue;
    std::string broken = written;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    EXPECT_NE(ReadProxyHeader(broken).state, ProxyRead::kDone) << i;
  }
  EXPECT_EQ(WriteProxyV1(header), "PROXY TCP4 192.0.2.1 198.51.100.2 12345 465\r\n");
}

TEST(ProxyHeaderTest, WithoutACertificateItSaysThatNoneIsVerified) {
  ProxyHeader header{.source = At("[::1]:1"), .destination = At("[::2]:2")};
  header.tls = {.tls = true, .certificate = false, .verified = true};
  const ProxyReadResult result = ReadProxyHeader(WriteProxyV2(header));
  ASSERT_EQ(result.state, ProxyRead::kDone) << result.problem;
  EXPECT_TRUE(result.header.tls.tls);
  EXPECT_FALSE(result.header.tls.certificate);
  EXPECT_FALSE(result.header.tls.verified);
  EXPECT_EQ(WriteProxyV1(header), "PROXY TCP6 ::1 ::2 1 2\r\n");
}

TEST(ProxyHeaderTest, WithoutAPairOfAddressesItIsWrittenAsUnknown) {
  ProxyHeader header{.source = At("[::1]:1"), .destination = At("192.0.2.1:1")};
  EXPECT_EQ(WriteProxyV1(header), "PROXY UNKNOWN\r\n");
  EXPECT_TRUE(ReadProxyHeader(WriteProxyV2(header)).header.own);
  header.own = true;
  const std::string local = WriteProxyV2(header);
  EXPECT_EQ(local[12], 0x20);
  EXPECT_TRUE(ReadProxyHeader(local).header.own);
}

TEST(ProxyHeaderTest, WhatDoesNotFitIsLeftOut) {
  ProxyHeader header{.source = At("192.0.2.1:1"), .destination = At("192.0.2.2:2")};
  header.authority = std::string(5000, 'a');
  header.unique_id = std::string(129, 'i');
  header.tls = {.tls = true, .version = "TLSv1.2", .cipher = {}, .name = std::string(5000, 'n')};
  const ProxyReadResult result = ReadProxyHeader(WriteProxyV2(header));
  ASSERT_EQ(result.state, ProxyRead::kDone) << result.problem;
  EXPECT_EQ(result.header.authority, "");
  EXPECT_EQ(result.header.unique_id, "");
  EXPECT_EQ(result.header.tls.version, "TLSv1.2");
  EXPECT_EQ(result.header.tls.name, "");
}

TEST(ProxyHeaderTest, EveryBeginningNeedsMoreAndTheWholeDoesNot) {
  const ProxyHeader header{.source = At("192.0.2.1:12345"),
                           .destination = At("198.51.100.2:465"),
                           .authority = "mx.example.org",
                           .alpn = {},
                           .unique_id = {},
                           .tls = {.tls = true, .version = "TLSv1.3"}};
  for (const std::string& whole :
       {WriteProxyV1(header), WriteProxyV2(header), "PROXY UNKNOWN\r\n"s, V2(0x20, 0, "")}) {
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      EXPECT_EQ(ReadProxyHeader(whole.substr(0, bytes)).state, ProxyRead::kNeedMore) << bytes;
    }
    EXPECT_EQ(ReadProxyHeader(whole).state, ProxyRead::kDone);
  }
}

}  // namespace
}  // namespace ringmail::session
