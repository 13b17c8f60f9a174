// What include/ringmail/io/move.h promises, held against each implementation: this file is linked
// with the kernel's and with the simulator's.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/unit/io/run_on_shards.h"
#include "tests/unit/io/wander.h"

namespace ringmail::io {
namespace {

using namespace wander;
using std::chrono::milliseconds;

constexpr Crypto kEveryCrypto[] = {Crypto::kNone, Crypto::kTls12, Crypto::kTls13};

// --- The session, over shards

Task<void> EchoesOnItsWay(Scene& scene, Mailbox& here) {
  Pair pair = co_await Connected(scene.crypto);
  here.Begin(std::move(pair.server), Habit::kEchoes);
  size_t compared = 0;
  co_await SendAndCompare(&pair.client, scene.bytes, &compared);
  EXPECT_EQ(compared, scene.bytes);
}

TEST(MoveContractTest, AThousandMovesNeitherLoseNorDoubleNorReorderAnOctet) {
  for (const Crypto crypto : kEveryCrypto) {
    for (uint16_t shards = 1; shards <= 4; ++shards) {
      Scene scene;
      scene.play = &EchoesOnItsWay;
      scene.crypto = crypto;
      scene.bytes = 120'000;
      RunContract(shards, &Main, &scene);
      EXPECT_GE(scene.moves, 1000u) << static_cast<int>(crypto) << " " << shards;
    }
  }
}

Task<void> ManyEcho(Scene& scene, Mailbox& here) {
  constexpr size_t kSessions = 24;
  std::vector<Pair> pairs;
  for (size_t i = 0; i < kSessions; ++i) pairs.push_back(co_await Connected(scene.crypto));
  std::vector<size_t> compared(kSessions);
  Gate gate;
  for (size_t i = 0; i < kSessions; ++i) {
    here.Begin(std::move(pairs[i].server), Habit::kEchoes);
    gate.Spawn(SendAndCompare(&pairs[i].client, scene.bytes, &compared[i]));
  }
  co_await gate.Close();
  for (const size_t one : compared) EXPECT_EQ(one, scene.bytes);
}

TEST(MoveContractTest, ManySessionsCrossEachOther) {
  for (const Crypto crypto : {Crypto::kNone, Crypto::kTls13}) {
    Scene scene;
    scene.play = &ManyEcho;
    scene.crypto = crypto;
    scene.bytes = 10'000;
    RunContract(3, &Main, &scene);
    EXPECT_GE(scene.moves, 24u * 80);
  }
}

Task<void> SpeaksAndCloses(Scene& scene, Mailbox& here) {
  Pair pair = co_await Connected(scene.crypto);
  here.Begin(std::move(pair.server), Habit::kRestless);
  const std::string words = Pattern(scene.bytes);
  pair.client.Write(words);
  co_await pair.client.Close(Soon());
  // The session's own end is not the client's: its shards wait for it.
}

TEST(MoveContractTest, ThePeersLastWordsAndItsEndAreHeardThoughTheyCameDuringAMove) {
  for (const Crypto crypto : kEveryCrypto) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{60'000}}) {
      Scene scene;
      scene.play = &SpeaksAndCloses;
      scene.crypto = crypto;
      scene.bytes = bytes;
      RunContract(2, &Main, &scene);
      EXPECT_GE(scene.moves, 50u);
      EXPECT_EQ(scene.received, Pattern(bytes));
      EXPECT_EQ(scene.last_status, static_cast<int>(StreamStatus::kEnd));
    }
  }
}

Task<void> SpeaksAndAborts(Scene& scene, Mailbox& here) {
  Pair pair = co_await Connected(scene.crypto);
  here.Begin(std::move(pair.server), Habit::kRestless);
  pair.client.Write("half a comm");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  const uint64_t ended = scene.sessions_ended;
  pair.client.Abort();
  Event pause;
  while (scene.sessions_ended == ended) (void)co_await pause.Wait(Now() + milliseconds(1));
}

TEST(MoveContractTest, APeerThatGoesAwayDuringAMoveEndsTheSessionOnTheShardWhereItIs) {
  for (const Crypto crypto : kEveryCrypto) {
    Scene scene;
    scene.play = &SpeaksAndAborts;
    scene.crypto = crypto;
    RunContract(2, &Main, &scene);
    EXPECT_TRUE(scene.last_status == static_cast<int>(StreamStatus::kEnd) ||
                scene.last_status == static_cast<int>(StreamStatus::kFailed));
    EXPECT_GE(scene.moves, 50u);
  }
}

// --- Shutdown

Task<void> KeepsTalking(Stream* stream) {
  for (;;) {
    stream->Write("talk");
    if (co_await stream->Receive(Soon()) != StreamStatus::kOk) break;
    stream->Consume(stream->input().size());
  }
  co_await stream->Close(Soon());
}

Task<void> StopsInTheMiddle(Scene& scene, Mailbox& here) {
  constexpr size_t kSessions = 8;
  std::vector<Pair> pairs;
  for (size_t i = 0; i < kSessions; ++i) pairs.push_back(co_await Connected(scene.crypto));
  Gate gate;
  for (Pair& pair : pairs) {
    here.Begin(std::move(pair.server), Habit::kEchoes);
    gate.Spawn(KeepsTalking(&pair.client));
  }
  for (size_t i = 0; i < scene.bytes; ++i) co_await Yield();
  // The others go one after the other, while sessions are on their way to them and from them.
  for (uint16_t i = 1; i < ShardCount(); ++i) {
    co_await StopShard(scene, i);
    for (size_t j = 0; j < scene.bytes; ++j) co_await Yield();
  }
  here.SetStopping();
  co_await gate.Close();
}

TEST(MoveContractTest, AShardThatStopsRefusesAndEverySessionEndsWhereItStands) {
  for (const Crypto crypto : {Crypto::kNone, Crypto::kTls13}) {
    for (size_t turns = 0; turns < 120; turns += 7) {
      Scene scene;
      scene.play = &StopsInTheMiddle;
      scene.crypto = crypto;
      scene.bytes = turns;
      RunContract(3, &Main, &scene);
      EXPECT_GT(scene.refusals, 0u);
      EXPECT_EQ(scene.sessions_ended % 8, 0u);
    }
  }
}

// --- Refusals, on one shard

struct Alone {
  Crypto crypto = Crypto::kNone;
};

Task<void> IsRefused(void* context) {
  const Crypto crypto = static_cast<Alone*>(context)->crypto;
  Pair pair = co_await Connected(crypto);
  pair.client.Write("onetwo");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
  pair.server.Consume(3);
  pair.server.Write("sent before the move");
  MoveResult result = co_await MoveSession(pair.server, ThisShard(), kNobodysPlace,
                                           std::make_unique<Luggage>(), Soon());
  EXPECT_EQ(result.outcome, MoveOutcome::kRefused);
  EXPECT_NE(result.state, nullptr);
  EXPECT_EQ(pair.server.output_bytes(), 0u);
  EXPECT_EQ(pair.server.input(), "two");
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.input(), "sent before the move");
  pair.client.Consume(pair.client.input().size());
  pair.server.Consume(3);
  pair.client.Write("three");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.server.input(), "three");
}

TEST(MoveContractTest, WhereNobodyTakesItTheSessionGoesOnWhereItWas) {
  for (const Crypto crypto : kEveryCrypto) {
    Alone alone{crypto};
    RunContract(1, &IsRefused, &alone);
  }
}

// --- Detach and Attach

Task<void> KeepsAddresses(void*) {
  Pair pair = co_await Connected(Crypto::kNone);
  const Endpoint peer = pair.server.peer(), local = pair.server.local();
  DetachResult detached = co_await pair.server.Detach(Soon());
  EXPECT_EQ(detached.status, StreamStatus::kOk);
  EXPECT_FALSE(pair.server.open());
  pair.server.Cancel();
  pair.server.Abort();
  EXPECT_TRUE(detached.connection.open());
  EXPECT_EQ(detached.connection.peer(), peer);
  EXPECT_EQ(detached.connection.local(), local);
  EXPECT_FALSE(detached.connection.tls());
  StatusOr<Stream> attached = Attach(detached.connection);
  EXPECT_TRUE(attached.ok());
  EXPECT_FALSE(detached.connection.open());
  EXPECT_EQ(attached->peer(), peer);
  EXPECT_EQ(attached->local(), local);
  EXPECT_EQ(co_await attached->Receive(Now() + milliseconds(5)), StreamStatus::kTimedOut);
}

TEST(MoveContractTest, AConnectionKeepsItsAddressesAndIsQuietAfterwards) {
  RunContract(1, &KeepsAddresses, nullptr);
}

Task<void> DropsIt(void* context) {
  Pair pair = co_await Connected(static_cast<Alone*>(context)->crypto);
  { const DetachResult detached = co_await pair.server.Detach(Soon()); }
  EXPECT_NE(co_await pair.client.Receive(Soon()), StreamStatus::kTimedOut);
}

TEST(MoveContractTest, AMovedConnectionThatIsDestroyedClosesAtOnce) {
  for (const Crypto crypto : kEveryCrypto) {
    Alone alone{crypto};
    RunContract(1, &DropsIt, &alone);
  }
}

Task<void> DetachInto(Stream* stream, MonotonicTime deadline, DetachResult* result) {
  *result = co_await stream->Detach(deadline);
}

Task<void> IsInterrupted(void* context) {
  const Crypto crypto = static_cast<Alone*>(context)->crypto;
  {
    Pair pair = co_await Connected(crypto);
    DetachResult result;
    Gate gate;
    gate.Spawn(DetachInto(&pair.server, Soon(), &result));
    pair.server.Cancel();
    co_await gate.Close();
    EXPECT_EQ(result.status, StreamStatus::kCancelled);
    EXPECT_TRUE(pair.server.open());
    pair.server.Write("goodbye");
    Gate closing;
    closing.Spawn(KeepsTalking(&pair.client));
    co_await pair.server.Close(Soon());
    co_await closing.Close();
  }
  Pair pair = co_await Connected(crypto);
  DetachResult result;
  Gate gate;
  gate.Spawn(DetachInto(&pair.server, Soon(), &result));
  pair.server.Abort();
  co_await gate.Close();
  EXPECT_EQ(result.status, StreamStatus::kCancelled);
  EXPECT_FALSE(result.connection.open());
  EXPECT_NE(co_await pair.client.Receive(Soon()), StreamStatus::kTimedOut);
}

TEST(MoveContractTest, CancelAndAbortInTheMiddleOfADetachEndIt) {
  for (const Crypto crypto : kEveryCrypto) {
    Alone alone{crypto};
    RunContract(1, &IsInterrupted, &alone);
  }
}

Task<void> ReadsSlowly(Stream* stream, size_t bytes, std::string* out) {
  while (out->size() < bytes && co_await stream->Receive(Soon()) == StreamStatus::kOk) {
    out->append(stream->input());
    stream->Consume(stream->input().size());
  }
}

Task<void> DoesNotFlush(void* context) {
  Pair pair = co_await Connected(static_cast<Alone*>(context)->crypto);
  const std::string much = Pattern(24u << 20);
  pair.server.Write(much);
  DetachResult detached = co_await pair.server.Detach(Now() + milliseconds(30));
  EXPECT_EQ(detached.status, StreamStatus::kTimedOut);
  EXPECT_TRUE(pair.server.open());
  std::string read;
  Gate gate;
  gate.Spawn(ReadsSlowly(&pair.client, much.size(), &read));
  detached = co_await pair.server.Detach(Soon());
  EXPECT_EQ(detached.status, StreamStatus::kOk);
  co_await gate.Close();
  EXPECT_EQ(read, much);
}

TEST(MoveContractTest, APeerThatDoesNotReadHoldsADetachUntilItsDeadlineAndNoLonger) {
  for (const Crypto crypto : {Crypto::kNone, Crypto::kTls13}) {
    Alone alone{crypto};
    RunContract(1, &DoesNotFlush, &alone);
  }
}

Task<void> WasReset(void*) {
  Pair pair = co_await Connected(Crypto::kNone);
  pair.server.Write("unread, so that the close is a reset");
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kOk);
  pair.client.Abort();
  const StreamStatus status = co_await pair.server.Receive(Soon());
  const DetachResult detached = co_await pair.server.Detach(Soon());
  EXPECT_EQ(detached.status == StreamStatus::kOk, status == StreamStatus::kEnd);
  EXPECT_EQ(pair.server.open(), detached.status != StreamStatus::kOk);
}

TEST(MoveContractTest, AConnectionThatFailedDoesNotLeave) { RunContract(1, &WasReset, nullptr); }

}  // namespace
}  // namespace ringmail::io
