#include "ringmail/base/ip_address.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <cstring>
#include <random>

namespace ringmail {
namespace {

std::string Canonical(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  return address ? address->ToString() : "none";
}

TEST(IpAddressTest, IsWrittenAsRfc5952Says) {
  EXPECT_EQ(Canonical("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Canonical("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(Canonical("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1") << "one group is kept";
  EXPECT_EQ(Canonical("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1") << "the longest run";
  EXPECT_EQ(Canonical("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1") << "the first of equals";
  EXPECT_EQ(Canonical("0:0:0:0:0:0:0:0"), "::");
  EXPECT_EQ(Canonical("1::"), "1::");
  EXPECT_EQ(Canonical("::1"), "::1");
  EXPECT_EQ(Canonical("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
  EXPECT_EQ(Canonical("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
  EXPECT_EQ(Canonical("::ffff:192.0.2.1"), "192.0.2.1") << "one address, one form";
}

TEST(IpAddressTest, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           ".",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1.2.3.",
                           "1..2.3",
                           "0x1.2.3.4",
                           ":",
                           ":::",
                           "1:",
                           ":1",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "::1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1.2.3",
                           "::1.2.3.4:1",
                           "1.2.3.4::",
                           "fe80::1%eth0",
                           "[::1]"}) {
    EXPECT_EQ(IpAddress::Parse(text), std::nullopt) << text;
  }
}

TEST(IpAddressTest, AgreesWithTheLibraryOfTheSystem) {
  std::mt19937 random(6);
  static constexpr std::string_view kPieces[] = {
      ":", "::", ".", "0", "1", "ff", "ffff", "10", "255", "256", "1.2.3.4", "abcd:", "0:0:", "9"};
  int valid = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    for (size_t n = random() % 10; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
    uint8_t v4[4], v6[16];
    const auto address = IpAddress::Parse(text);
    if (inet_pton(AF_INET, text.c_str(), v4) == 1) {
      ASSERT_TRUE(address && address->family == IpAddress::Family::kV4) << text;
      ASSERT_EQ(std::memcmp(address->bytes.data(), v4, 4), 0) << text;
      ++valid;
    } else if (inet_pton(AF_INET6, text.c_str(), v6) == 1) {
      ASSERT_TRUE(address.has_value()) << text;
      if (address->family == IpAddress::Family::kV6) {
        ASSERT_EQ(std::memcmp(address->bytes.data(), v6, 16), 0) << text;
      }
      ++valid;
    } else {
      ASSERT_FALSE(address.has_value()) << text;
    }
  }
  EXPECT_GT(valid, 100);
}

TEST(IpAddressTest, WhatIsWrittenIsReadBack) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    IpAddress address{.family = IpAddress::Family::kV6};
    for (auto& byte : address.bytes) {
      byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : 0);
    }
    address.bytes[0] |= 0x20;
    ASSERT_EQ(IpAddress::Parse(address.ToString()), address) << address.ToString();
    char text[INET6_ADDRSTRLEN];
    ASSERT_STREQ(inet_ntop(AF_INET6, address.bytes.data(), text, sizeof(text)),
                 address.ToString().c_str());
  }
}

TEST(IpAddressTest, AddressLiteralsHaveTheirTag) {
  EXPECT_EQ(IpAddress::Parse("192.0.2.1")->ToAddressLiteral(), "[192.0.2.1]");
  EXPECT_EQ(IpAddress::Parse("2001:db8::1")->ToAddressLiteral(), "[IPv6:2001:db8::1]");
  EXPECT_EQ(IpAddress{}.ToAddressLiteral(), "");
}

TEST(IpAddressTest, KnowsLoopback) {
  EXPECT_TRUE(IpAddress::Parse("127.1.2.3")->loopback());
  EXPECT_TRUE(IpAddress::Parse("::1")->loopback());
  EXPECT_TRUE(IpAddress::Parse("::ffff:127.0.0.1")->loopback());
  EXPECT_FALSE(IpAddress::Parse("128.0.0.1")->loopback());
  EXPECT_FALSE(IpAddress::Parse("::2")->loopback());
  EXPECT_FALSE(IpAddress::Parse("1::1")->loopback());
  EXPECT_FALSE(IpAddress{}.loopback());
}

TEST(IpNetworkTest, ContainsWhatHasItsPrefix) {
  const IpNetwork net = *IpNetwork::Parse("192.0.2.128/25");
  EXPECT_TRUE(net.Contains(*IpAddress::Parse("192.0.2.200")));
  EXPECT_FALSE(net.Contains(*IpAddress::Parse("192.0.2.127")));
  EXPECT_FALSE(net.Contains(*IpAddress::Parse("c000:2c8::")));
  EXPECT_FALSE(net.Contains(IpAddress{}));
  const IpNetwork v6 = *IpNetwork::Parse("2001:db8::/33");
  EXPECT_TRUE(v6.Contains(*IpAddress::Parse("2001:db8:7fff::1")));
  EXPECT_FALSE(v6.Contains(*IpAddress::Parse("2001:db8:8000::1")));
  EXPECT_TRUE(IpNetwork::Parse("0.0.0.0/0")->Contains(*IpAddress::Parse("255.255.255.255")));
  EXPECT_FALSE(IpNetwork::Parse("::/0")->Contains(*IpAddress::Parse("1.2.3.4")));
  EXPECT_TRUE(IpNetwork::Parse("::1")->Contains(*IpAddress::Parse("::1")));
  EXPECT_TRUE(IpNetwork::Parse("::ffff:10.0.0.0/104")->Contains(*IpAddress::Parse("10.9.9.9")));
}

TEST(IpNetworkTest, RefusesBitsBeyondThePrefixAndImpossiblePrefixes) {
  for (const char* text : {"192.0.2.1/24", "192.0.2.0/33", "::/129", "::1/127", "1.2.3.4/",
                           "1.2.3.4/032", "1.2.3.4/-1", "1.2.3.4/a", "1.2.3.4/3 2", "/8", "",
                           "::ffff:10.0.0.0/95", "1.2.3.0/24/24"}) {
    EXPECT_EQ(IpNetwork::Parse(text), std::nullopt) << text;
  }
}

TEST(IpNetworkTest, NetworkOfAnAddressClearsTheRest) {
  EXPECT_EQ(IpNetwork::Of(*IpAddress::Parse("192.0.2.255"), 25),
            *IpNetwork::Parse("192.0.2.128/25"));
  EXPECT_EQ(IpNetwork::Of(*IpAddress::Parse("192.0.2.255"), 64).prefix_bits, 32);
  EXPECT_EQ(IpNetwork::Of(*IpAddress::Parse("2001:db8:1:2:3::4"), 56),
            *IpNetwork::Parse("2001:db8:1::/56"));
}

}  // namespace
}  // namespace ringmail
