#include "ringmail/agent/routes.h"

#include <gtest/gtest.h>

namespace ringmail::agent {
namespace {

NextHop Hop(std::string_view text) { return *NextHop::Parse(text); }

TEST(NextHop, MaySpeakLmtpAtItsOwnPort) {
  const NextHop hop = Hop("lmtp://store.example");
  EXPECT_EQ(hop.protocol, HopProtocol::kLmtp);
  EXPECT_EQ(hop.port, 24);  // RFC 2033 §5
  EXPECT_EQ(hop.ToString(), "lmtp://store.example:24");
  EXPECT_EQ(Hop(hop.ToString()), hop);
  EXPECT_EQ(Hop("lmtp://[2001:db8::1]:2400").ToString(), "lmtp://[2001:db8::1]:2400");
  EXPECT_NE(Hop("lmtp://store.example:25"), Hop("store.example:25"));
  EXPECT_FALSE(NextHop::Parse("lmtp://").has_value());
  EXPECT_FALSE(NextHop::Parse("smtp://store.example").has_value());
}

TEST(NextHop, MayBeASocketOfThisHost) {
  const NextHop hop = Hop("lmtp://unix:/run/dovecot/lmtp");
  EXPECT_TRUE(hop.unix_socket());
  EXPECT_FALSE(hop.local());
  EXPECT_EQ(hop.protocol, HopProtocol::kLmtp);
  EXPECT_EQ(hop.host, "unix:/run/dovecot/lmtp");
  EXPECT_EQ(hop.ToString(), "lmtp://unix:/run/dovecot/lmtp");
  EXPECT_EQ(Hop(hop.ToString()), hop);
  EXPECT_EQ(Hop("unix:/run/smtp").ToString(), "unix:/run/smtp");
  EXPECT_FALSE(Hop("unix.example").unix_socket());
  EXPECT_EQ(Hop("unix"), (NextHop{"unix", 25}));
  EXPECT_EQ(Hop(Hop("unix").ToString()), Hop("unix"));
  EXPECT_FALSE(NextHop::Local(ShardIndex(0)).unix_socket());
  for (const char* text : {"unix:", "unix:run/x", "unix:/run/a b", "unix:/run/a\n"})
    EXPECT_FALSE(NextHop::Parse(text).has_value()) << text;
}

TEST(NextHop, IsReadWithPortAndAddress) {
  EXPECT_EQ(Hop("mx.example.net"), (NextHop{"mx.example.net", 25}));
  EXPECT_EQ(Hop("MX.Example.NET:587"), (NextHop{"mx.example.net", 587}));
  EXPECT_EQ(Hop("192.0.2.1:2525"), (NextHop{"192.0.2.1", 2525}));
  EXPECT_EQ(Hop("[192.0.2.1]"), (NextHop{"192.0.2.1", 25}));
  EXPECT_EQ(Hop("[2001:db8::1]:24"), (NextHop{"2001:db8::1", 24}));
  EXPECT_EQ(Hop("[2001:db8::1]:24").ToString(), "[2001:db8::1]:24");
  EXPECT_EQ(Hop("mx.example.net").ToString(), "mx.example.net:25");
}

TEST(NextHop, IsRefusedWhereItIsNone) {
  for (const char* text :
       {"", ":25", "host:", "host:0", "host:65536", "host:25x", "host:-1", "[192.0.2.1",
        "[host]:25", "[192.0.2.1]25", "ho st", "-host-:25", "host:25:26"}) {
    EXPECT_FALSE(NextHop::Parse(text).has_value()) << text;
  }
}

TEST(RouteTable, TheLongestMatchWins) {
  const RouteTable table({{"example.net", Hop("exact")},
                          {".example.net", Hop("sub")},
                          {".b.example.net", Hop("subsub")},
                          {".NET", Hop("net")}},
                         Hop("relay"));
  EXPECT_EQ(table.Find("example.net")->host, "exact");
  EXPECT_EQ(table.Find("EXAMPLE.Net")->host, "exact");
  EXPECT_EQ(table.Find("a.example.net")->host, "sub");
  EXPECT_EQ(table.Find("b.example.net")->host, "sub");
  EXPECT_EQ(table.Find("a.b.example.net")->host, "subsub");
  EXPECT_EQ(table.Find("other.net")->host, "net");
  EXPECT_EQ(table.Find("badexample.org")->host, "relay");
}

TEST(RouteTable, WithoutRouteAndRelayThereIsNoHop) {
  const RouteTable none({}, std::nullopt);
  EXPECT_EQ(none.Find("example.net"), nullptr);
  const RouteTable one({{"example.net", Hop("exact")}}, std::nullopt);
  EXPECT_EQ(one.Find("a.example.net"), nullptr);
  EXPECT_EQ(one.Find("net"), nullptr);
  EXPECT_EQ(one.Find(""), nullptr);
  EXPECT_EQ(one.Find("[192.0.2.1]"), nullptr);
}

TEST(DomainOf, IsWhatFollowsTheLastAt) {
  EXPECT_EQ(DomainOf("a@example.net"), "example.net");
  EXPECT_EQ(DomainOf("\"a@b\"@example.net"), "example.net");
  EXPECT_EQ(DomainOf("a@[192.0.2.1]"), "[192.0.2.1]");
  EXPECT_EQ(DomainOf("postmaster"), "");
}

}  // namespace
}  // namespace ringmail::agent
