// Octets both ways: all of them, in order, each direction to its own end.
#include <string>

#include "protocol/tunnel/limits.h"
#include "tests/unit/protocol/tunnel/tunnel_world.h"

namespace ringmail::tunnel {
namespace {

std::string Pattern(size_t bytes, uint32_t seed) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    text[i] = static_cast<char>(((i + seed) * 2654435761u) >> 13);
  }
  return text;
}

class TunnelRelayTest : public TunnelWorld, public testing::WithParamInterface<TunnelMode> {
 protected:
  void SetUp() override { GetParam() == TunnelMode::kWrap ? Wrap() : Unwrap(); }
};
INSTANTIATE_TEST_SUITE_P(BothModes, TunnelRelayTest,
                         testing::Values(TunnelMode::kWrap, TunnelMode::kUnwrap),
                         [](const auto& one) {
                           return std::string(one.param == TunnelMode::kWrap ? "Wrap" : "Unwrap");
                         });

TEST_P(TunnelRelayTest, MegabytesGoBothWaysAtOnce) {
  End client{.says = Pattern(3'000'000, 1)}, target{.says = Pattern(2'500'000, 2)};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_TRUE(client.heard == target.says);
  EXPECT_TRUE(target.heard == client.says);
  EXPECT_EQ(client.status, io::StreamStatus::kEnd);
  EXPECT_EQ(target.status, io::StreamStatus::kEnd);
  EXPECT_EQ(Count("ringmail_tunnel_connections_total"), 1u);
  EXPECT_EQ(Count("ringmail_tunnel_octets_total{to=\"target\"}"), 3000000u);
  const std::string log = Log();
  EXPECT_NE(log.find("to_target=3000000 to_client=2500000"), std::string::npos) << log;
  EXPECT_NE(log.find("end=done"), std::string::npos) << log;
  EXPECT_NE(log.find("tls=\"TLSv1.3 "), std::string::npos) << log;
}

// The end of a question is what its answer waits for.
TEST_P(TunnelRelayTest, AnEndGoesOnAndTheOtherDirectionStays) {
  End client{.says = "question"};
  End target{.says = Pattern(500'000, 3), .says_first = false};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_EQ(target.heard, "question");
  EXPECT_TRUE(client.heard == target.says);
  EXPECT_EQ(client.status, io::StreamStatus::kEnd);
}

TEST_P(TunnelRelayTest, TheTargetMayEndFirst) {
  End client{.says = Pattern(500'000, 4), .says_first = false};
  End target{.says = "greeting"};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_EQ(client.heard, "greeting");
  EXPECT_TRUE(target.heard == client.says);
}

TEST_P(TunnelRelayTest, AnEndWithoutAWordIsAnEnd) {
  End client, target;
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_EQ(client.status, io::StreamStatus::kEnd);
  EXPECT_EQ(target.status, io::StreamStatus::kEnd);
}

// The network holds two windows, and the tunnel what it may; the writer waits for the rest.
TEST_P(TunnelRelayTest, WhoDoesNotReadHoldsTheOtherBackAndLosesNothing) {
  End client{.says = "go", .deaf = seconds(300)};
  End target{.says = Pattern(4'000'000, 5)};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  world_.RunFor(seconds(200));
  EXPECT_FALSE(target.done);
  RunToEnd({&client, &target});
  EXPECT_TRUE(client.heard == target.says);
}

TEST_P(TunnelRelayTest, ATargetThatResetsCutsTheClientOff) {
  End client{.says = "question", .ends_output = false};
  End target{.says = "half an ans", .pause = seconds(1), .aborts = true};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  if (GetParam() == TunnelMode::kWrap) {
    // No close_notify: the client can tell.
    EXPECT_EQ(client.status, io::StreamStatus::kFailed);
  }
  EXPECT_EQ(Log().find("end=done"), std::string::npos) << Log();
  EXPECT_EQ(Count("ringmail_tunnel_connections_failed_total{reason=\"lost\"}"), 1u);
}

TEST_P(TunnelRelayTest, WhereNothingMovesItEndsAfterTheIdleTime) {
  options_.idle_timeout = seconds(50);
  End client{.says = "question", .ends_output = false};
  End target{.says = "", .ends_output = false};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  world_.RunFor(seconds(45));
  EXPECT_EQ(service_->connection_count(), 1u);
  RunToEnd({&client, &target}, seconds(20));
  EXPECT_EQ(target.heard, "question");
  EXPECT_NE(Log().find("end=idle"), std::string::npos) << Log();
  if (GetParam() == TunnelMode::kWrap) {
    EXPECT_EQ(client.status, io::StreamStatus::kFailed);
    EXPECT_EQ(client.error, io::kTlsTruncated);
  }
}

TEST_P(TunnelRelayTest, OneDirectionThatMovesKeepsBoth) {
  options_.idle_timeout = seconds(50);
  End client{.says = "still here.", .times = 10, .pause = seconds(30)};
  End target{.says = "answer", .says_first = false};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_EQ(target.heard.size(), 110u);
  EXPECT_EQ(client.heard, "answer");
}

// Whoever cuts the wire must not be able to make an end of it (RFC 8446 §6.1).
TEST_F(TunnelWorld, AnEndOfTlsWithoutCloseNotifyIsNoEnd) {
  Wrap();
  End client{.says = "half a quest", .drops_tls = true};
  End target{.says = "answer", .says_first = false};
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_NE(Log().find("end=\"the client's TLS was cut off\""), std::string::npos) << Log();
}

}  // namespace
}  // namespace ringmail::tunnel
