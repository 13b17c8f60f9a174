#include "server/serve/capacity.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

TEST(CapacityTest, WithDescriptorsEnoughTheConfiguredNumberStands) {
  Config config;
  config.smtp.sessions_max = 1000;
  const Capacity capacity = PlanCapacity(config, 2, 20'000);
  EXPECT_TRUE(capacity.enough);
  EXPECT_EQ(capacity.sessions_per_shard, 1000u);
  EXPECT_EQ(capacity.connections_per_shard, 2024u);
}

TEST(CapacityTest, EachServiceThatListensHasItsConnections) {
  Config config;
  config.smtp.sessions_max = 1000;
  config.listeners.resize(3);
  config.listeners[1].options.protocol = config.listeners[2].options.protocol =
      session::ListenerProtocol::kPop3;
  const Capacity capacity = PlanCapacity(config, 2, 20'000);
  EXPECT_TRUE(capacity.enough);
  EXPECT_EQ(capacity.sessions_per_shard, 1000u);
  EXPECT_EQ(capacity.connections_per_shard, 3024u);
  config.smtp.sessions_max = 5000;
  EXPECT_FALSE(PlanCapacity(config, 1, 11'407).enough);
  EXPECT_TRUE(PlanCapacity(config, 1, 11'408).enough);
  // Where POP3 alone listens, no descriptors wait for SMTP.
  config.listeners[0].options.protocol = session::ListenerProtocol::kPop3;
  EXPECT_FALSE(PlanCapacity(config, 1, 6407).enough);
  EXPECT_TRUE(PlanCapacity(config, 1, 6408).enough);
}

TEST(CapacityTest, ADefaultIsLoweredToWhatFits) {
  const Capacity capacity = PlanCapacity(Config{}, 2, 20'000);
  EXPECT_TRUE(capacity.enough);
  EXPECT_EQ(capacity.sessions_per_shard, (20'000u - 256 - 2 * 128) / 2 - 1024);
  EXPECT_NE(capacity.explanation.find("LimitNOFILE"), std::string::npos);
}

TEST(CapacityTest, WhatWasConfiguredAndDoesNotFitIsAnErrorThatSaysHowMuchWould) {
  Config config;
  config.smtp.sessions_max = 5000;
  const Capacity capacity = PlanCapacity(config, 1, 1024);
  EXPECT_FALSE(capacity.enough);
  EXPECT_EQ(capacity.explanation,
            "the limit of 1024 is too low for [limits] connections = 5000 on each of 1 shards: "
            "raise it to 5704 "
            "(LimitNOFILE= in the systemd unit, or ulimit -n), or lower connections to 320");
  // What it asks for is enough, and one less is not.
  EXPECT_FALSE(PlanCapacity(config, 1, 6407).enough);
  EXPECT_TRUE(PlanCapacity(config, 1, 6408).enough);
}

TEST(CapacityTest, ATunnelHasTwoForEachConnectionAndAtMostHalfOfAll) {
  Config config;
  config.tunnels.emplace_back().options.connections_max = 1000;
  const Capacity without = PlanCapacity(Config{}, 1, 1'000'000);
  const Capacity with = PlanCapacity(config, 1, 1'000'000);
  EXPECT_EQ(with.sessions_per_shard, without.sessions_per_shard);
  EXPECT_EQ(with.connections_per_shard, without.connections_per_shard + 2000);
  config.tunnels.front().options.connections_max = 1'000'000;
  const Capacity full = PlanCapacity(config, 1, 20'384);
  EXPECT_TRUE(full.enough);
  EXPECT_EQ(full.connections_per_shard, 20'000u);
  EXPECT_EQ(full.sessions_per_shard, 10'000u - 1024);
}

TEST(CapacityTest, WithHardlyAnyDescriptorsItDoesNotStart) {
  EXPECT_FALSE(PlanCapacity(Config{}, 4, 256).enough);
  EXPECT_FALSE(PlanCapacity(Config{}, 1, 400).enough);
}

}  // namespace
}  // namespace ringmail::server
