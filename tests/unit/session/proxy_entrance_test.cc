#include "ringmail/session/proxy_entrance.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/io/still_io.h"

namespace ringmail::session {
namespace {

using io::Happening;

struct Entering {
  ProxyEntrance entrance;
  io::Stream* stream = nullptr;
  ProxyHeader header;
  bool admitted = false;
  std::string rest;
};

io::Task<void> Enter(Entering* entering) {
  entering->admitted =
      co_await entering->entrance.Admit(*entering->stream, "mx", &entering->header);
  entering->rest = entering->stream->input();
}

class ProxyEntranceTest : public testing::Test {
 protected:
  ProxyEntranceTest() { io::ResetStillIo(); }
  void Run(std::vector<Happening> script) {
    io::Connection connection(std::move(script));
    connection.peer = *io::Endpoint::Parse("10.0.0.1:999");
    connection.local = *io::Endpoint::Parse("10.0.0.2:25");
    io::Stream stream(&connection);
    entering_.stream = &stream;
    io::RunStill(Enter(&entering_));
    peer_ = stream.peer();
    local_ = stream.local();
    log_ = io::TakeStillLog();
    EXPECT_EQ(entering_.entrance.waiting(), 0u);
    EXPECT_TRUE(connection.output.empty()) << "a proxy is never answered";
  }
  Entering entering_;
  io::Endpoint peer_, local_;
  std::string log_;
};

const std::string kHeader = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n";

TEST_F(ProxyEntranceTest, TheStreamIsThenTheClientsHoweverTheHeaderCame) {
  for (size_t cut = 1; cut <= kHeader.size(); ++cut) {
    Run({{.bytes = kHeader.substr(0, cut)}, {.bytes = kHeader.substr(cut) + "EHLO"}});
    ASSERT_TRUE(entering_.admitted) << log_;
    EXPECT_EQ(peer_.ToString(), "192.0.2.1:56324");
    EXPECT_EQ(local_.ToString(), "198.51.100.2:25");
    // Nothing behind the header is taken; at a cut between both it has not come yet.
    EXPECT_EQ(entering_.rest, cut == kHeader.size() ? "" : "EHLO");
  }
}

TEST_F(ProxyEntranceTest, AProxyThatSpeaksForItselfKeepsItsAddress) {
  Run({{.bytes = "PROXY UNKNOWN\r\n"}});
  EXPECT_TRUE(entering_.admitted);
  EXPECT_EQ(peer_.ToString(), "10.0.0.1:999");
  EXPECT_EQ(local_.ToString(), "10.0.0.2:25");
}

TEST_F(ProxyEntranceTest, WithoutAHeaderNobodyComesInAndTheLogSaysWhy) {
  Run({{.bytes = "EHLO mx.example.org\r\n"}});
  EXPECT_FALSE(entering_.admitted);
  EXPECT_NE(log_.find("event=proxy_refused proxy=10.0.0.1 listener=mx "
                      "why=\"the PROXY header is missing\""),
            std::string::npos)
      << log_;
}

TEST_F(ProxyEntranceTest, TheHeaderHasSecondsInAll) {
  // Each octet in time, all of them not.
  std::vector<Happening> script;
  for (const char c : kHeader) {
    script.push_back({.bytes = std::string(1, c), .after = std::chrono::milliseconds(200)});
  }
  Run(script);
  EXPECT_FALSE(entering_.admitted);
  EXPECT_NE(log_.find("did not come in time"), std::string::npos) << log_;
}

TEST_F(ProxyEntranceTest, AnEndBeforeTheEndOfTheHeaderIsAFaultAndOneBeforeAllIsNot) {
  Run({{.bytes = "PROXY TC"}});
  EXPECT_FALSE(entering_.admitted);
  EXPECT_NE(log_.find("is not complete: the connection was closed"), std::string::npos) << log_;
  Run({});
  EXPECT_FALSE(entering_.admitted);
  EXPECT_EQ(log_.find("level=warning"), std::string::npos) << log_;
}

TEST_F(ProxyEntranceTest, ALongLineIsNotWaitedFor) {
  Run({{.bytes = "PROXY UNKNOWN " + std::string(5000, 'x')}});
  EXPECT_FALSE(entering_.admitted);
  EXPECT_NE(log_.find("has no end of line in 107 octets"), std::string::npos) << log_;
}

TEST_F(ProxyEntranceTest, AfterStopNobodyIsAdmitted) {
  entering_.entrance.Stop();
  Run({{.bytes = kHeader}});
  EXPECT_FALSE(entering_.admitted);
}

TEST(IsProxy, IsWhoComesFromOneOfTheNetworks) {
  const std::vector<IpNetwork> proxies = {*IpNetwork::Parse("10.0.0.0/8"),
                                          *IpNetwork::Parse("2001:db8::/32")};
  EXPECT_TRUE(IsProxy(proxies, *io::Endpoint::Parse("10.1.2.3:4")));
  EXPECT_TRUE(IsProxy(proxies, *io::Endpoint::Parse("[2001:db8::1]:4")));
  EXPECT_FALSE(IsProxy(proxies, *io::Endpoint::Parse("192.0.2.1:4")));
  EXPECT_FALSE(IsProxy(proxies, *io::Endpoint::Parse("unix:/run/x")));
  EXPECT_FALSE(IsProxy({}, *io::Endpoint::Parse("10.1.2.3:4")));
}

}  // namespace
}  // namespace ringmail::session
