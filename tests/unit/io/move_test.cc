// Moves over the kernel's rings, with every fallback of its features (io/move.h).
#include <string>
#include <utility>
#include <vector>

#include "io/kernel/socket_address.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/move.h"
#include "ringmail/io/timer.h"
#include "shard_test.h"

namespace ringmail::io {
namespace {

INSTANTIATE_TEST_SUITE_P(Each, Fallbacks, testing::ValuesIn(kFeaturesOff));

// Detaches and attaches again, on this shard.
Task<void> Hop(Stream& stream) {
  DetachResult detached = co_await stream.Detach(Soon());
  EXPECT_EQ(detached.status, StreamStatus::kOk);
  if (detached.status != StreamStatus::kOk) co_return;
  StatusOr<Stream> attached = Attach(detached.connection);
  EXPECT_TRUE(attached.ok());
  stream = *std::move(attached);
}

TEST_P(Fallbacks, AMoveLeavesNoBufferNoBlockAndNoPlaceBehind) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    std::string sent, received;
    for (size_t i = 0; i < 300; ++i) {
      const std::string words = "words " + std::to_string(i) + std::string(i * 17 % 9000, '.');
      sent += words;
      pair.client.Write(words);
      // Sometimes all has arrived, sometimes it is on its way.
      if (i % 3 != 0) EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
      if (i % 5 == 0) co_await Yield();
      if (i % 7 == 0 && pair.server.input().empty() && !sent.empty() &&
          received.size() < sent.size() && i % 3 != 0) {
        EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
      }
      const std::string_view some = pair.server.input().substr(0, 5000);
      received += some;
      pair.server.Consume(some.size());
      const std::string left(pair.server.input());
      co_await Hop(pair.server);
      EXPECT_EQ(pair.server.input(), left);
    }
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    received += co_await ReadBytes(pair.server, sent.size() - received.size());
    EXPECT_TRUE(received == sent);
    Shard& shard = Shard::Here();
    EXPECT_EQ(shard.connections().used(), 2u);
    EXPECT_EQ(shard.buffers().held(), 0u);
    EXPECT_EQ(shard.blocks().used(), 0u);
  });
}

TEST_P(Fallbacks, AnIdleConnectionMovesAndHearsTheNextByte) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Shard::Here().set_idle_after(std::chrono::milliseconds(2));
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    Shard& shard = Shard::Here();
    for (int i = 0; i < 10; ++i) {
      const uint64_t polls = shard.counts().polls_armed;
      do {
        EXPECT_EQ(co_await pair.server.Receive(Now() + std::chrono::milliseconds(5)),
                  StreamStatus::kTimedOut);
      } while (shard.features().poll_when_idle && shard.counts().polls_armed == polls);
      co_await Hop(pair.server);
    }
    pair.client.Write("x");
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await ReadBytes(pair.server, 1), "x");
  });
}

TEST(MoveTest, AFullShardTakesNoneInAndAPlaceIsKeptForTheWayBack) {
  RuntimeOptions options = TestOptions();
  options.connections_max = 2;
  RunOnShards(options, [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    DetachResult detached = co_await pair.server.Detach(Soon());
    CO_ASSERT_TRUE(detached.status == StreamStatus::kOk);
    EXPECT_EQ(Shard::Here().connections().used(), 1u);
    ConnectResult third = co_await Connect(listener.local(), {}, Soon());
    EXPECT_EQ(third.status, StreamStatus::kOk);
    const StatusOr<Stream> refused = Attach(detached.connection);
    EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
    EXPECT_TRUE(detached.connection.open());
    third.stream.Abort();
    // With its last completion its place is free.
    while (Shard::Here().connections().full()) co_await Yield();
    StatusOr<Stream> attached = Attach(detached.connection);
    CO_ASSERT_TRUE(attached.ok());
    pair.client.Write("hello");
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await ReadBytes(*attached, 5), "hello");
  });
}

// More than a connection may hold ahead of its reader, and a ring of buffers that others need.
TEST_P(Fallbacks, WhatATalkativePeerHadSentGoesAlongAndTheBuffersStay) {
  RuntimeOptions options = Options();
  options.receive_buffers = 8;
  options.receive_buffer_bytes = 1024;
  RunOnShards(options, [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    const std::string sent(60'000, 'm');
    pair.client.Write(sent);
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
    DetachResult detached = co_await pair.server.Detach(Soon());
    CO_ASSERT_TRUE(detached.status == StreamStatus::kOk);
    EXPECT_EQ(Shard::Here().buffers().held(), 0u);
    StatusOr<Stream> attached = Attach(detached.connection);
    CO_ASSERT_TRUE(attached.ok());
    EXPECT_TRUE(co_await ReadBytes(*attached, sent.size()) == sent);
  });
}

}  // namespace
}  // namespace ringmail::io
