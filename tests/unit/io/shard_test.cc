// Shards with each other and with the pool: messages, room, doorbells, blocking calls, random
// numbers, the end.
#include "shard_test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>
#include <vector>

#include "io/kernel/runtime.h"
#include "ringmail/base/ids.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {
namespace {

INSTANTIATE_TEST_SUITE_P(Each, Fallbacks,
                         testing::Values("", "message-ring,registered-ring", "deferred-task-work"));

struct PingPong {
  static constexpr int kRounds = 2000;
  Event* answered[4] = {};
};

void Answer(ShardMessage& message) { message.Pointer<Event>(0)->Notify(); }
void Ask(ShardMessage& message) {
  ShardMessage answer;
  answer.run = &Answer;
  answer.SetPointer(0, message.Pointer<Event>(0));
  CHECK(TryPost(ShardIndex(static_cast<uint16_t>(message.words[1])), answer));
}

// Both sides sleep each time: every message needs its doorbell.
TEST_P(Fallbacks, AMessageWakesAShardThatSleeps) {
  RuntimeOptions options = Options();
  options.shard_count = 2;
  RunOnShards(options, [](void*) -> Task<void> {
    const ShardIndex other(static_cast<uint16_t>(1 - ThisShard().value));
    for (int i = 0; i < PingPong::kRounds; ++i) {
      Event answered;
      ShardMessage message;
      message.run = &Ask;
      message.SetPointer(0, &answered);
      message.words[1] = ThisShard().value;
      co_await Post(other, message);
      EXPECT_EQ(co_await answered.Wait(Soon()), Wake::kNotified);
    }
  });
}

struct Flood {
  static constexpr uint64_t kMessages = 100'000;
  struct alignas(64) Receiver {
    uint64_t next[4] = {};
    uint64_t wrong = 0;
    uint64_t count = 0;
  };
  Receiver receivers[4];
};

void Receive(ShardMessage& message) {
  auto& receiver = message.Pointer<Flood>(0)->receivers[ThisShard().value];
  const auto from = static_cast<size_t>(message.words[1]);
  if (receiver.next[from] != message.words[2]) ++receiver.wrong;
  receiver.next[from] = message.words[2] + 1;
  ++receiver.count;
}

// All send to all, themselves too, far more than the queues hold: nothing is lost, doubled or out
// of order.
TEST_P(Fallbacks, FloodsThroughFullQueuesKeepTheirOrder) {
  RuntimeOptions options = Options();
  options.shard_count = 3;
  Flood flood;
  RunOnShards(
      options,
      [](void* context) -> Task<void> {
        for (uint64_t i = 0; i < Flood::kMessages; ++i) {
          for (uint16_t to = 0; to < ShardCount(); ++to) {
            ShardMessage message;
            message.run = &Receive;
            message.SetPointer(0, static_cast<Flood*>(context));
            message.words[1] = ThisShard().value;
            message.words[2] = i;
            co_await Post(ShardIndex(to), message);
          }
        }
        auto& mine = static_cast<Flood*>(context)->receivers[ThisShard().value];
        while (mine.count < Flood::kMessages * ShardCount())
          co_await SleepUntil(Now() + std::chrono::milliseconds(1));
        EXPECT_EQ(mine.wrong, 0u);
      },
      &flood);
}

TEST_P(Fallbacks, TryPostRefusesWhenTheQueueIsFullAndWaitersAreServedInOrder) {
  RuntimeOptions options = Options();
  options.shard_count = 2;
  static std::atomic<bool> go{false};
  go = false;
  Flood flood;
  RunOnShards(
      options,
      [](void* context) -> Task<void> {
        if (ThisShard().value == 1) {
          // Does not look at its queue until shard 0 has filled it.
          while (!go.load()) std::this_thread::yield();
          auto& mine = static_cast<Flood*>(context)->receivers[1];
          while (mine.count < kShardQueueMessagesMax + 10)
            co_await SleepUntil(Now() + std::chrono::milliseconds(1));
          EXPECT_EQ(mine.wrong, 0u);
          co_return;
        }
        ShardMessage message;
        message.run = &Receive;
        message.SetPointer(0, static_cast<Flood*>(context));
        uint64_t number = 0;
        while (TryPost(ShardIndex(1), message)) message.words[2] = ++number;
        EXPECT_EQ(number, kShardQueueMessagesMax);
        Gate gate;
        for (int i = 0; i < 10; ++i) {
          message.words[2] = number++;
          gate.Spawn(
              [](ShardMessage m) -> Task<void> { co_await Post(ShardIndex(1), m); }(message));
        }
        EXPECT_EQ(gate.inside(), 10u);
        EXPECT_FALSE(TryPost(ShardIndex(1), message));  // others wait
        go = true;
        co_await gate.Close();
      },
      &flood);
}

struct Sum {
  std::atomic<int> calls{0};
  std::thread::id shard_thread;
};

// P11's sibling: five times what the pool lets wait.
TEST_P(Fallbacks, BlockingCallsRunElsewhereAndMoreThanThePoolHoldsWait) {
  RuntimeOptions options = Options();
  options.shard_count = 2;
  RunOnShards(options, [](void*) -> Task<void> {
    Sum sum;
    sum.shard_thread = std::this_thread::get_id();
    Gate gate;
    constexpr int kCalls = 5 * static_cast<int>(kBlockingCallsMax);
    for (int i = 0; i < kCalls; ++i) {
      gate.Spawn([](Sum* shared) -> Task<void> {
        co_await RunBlocking(
            [](void* context) {
              CHECK(!OnShard());
              CHECK(std::this_thread::get_id() != static_cast<Sum*>(context)->shard_thread);
              static_cast<Sum*>(context)->calls.fetch_add(1);
            },
            shared);
        CHECK(OnShard() && std::this_thread::get_id() == shared->shard_thread);
      }(&sum));
    }
    co_await gate.Close();
    EXPECT_EQ(sum.calls.load(), kCalls);
  });
}

TEST_P(Fallbacks, AShardWhoseMainHasReturnedStillServesTheOthers) {
  RuntimeOptions options = Options();
  options.shard_count = 2;
  RunOnShards(options, [](void*) -> Task<void> {
    if (ThisShard().value == 1) co_return;
    for (int i = 0; i < 20; ++i) {
      co_await SleepUntil(Now() + std::chrono::milliseconds(1));
      Event answered;
      ShardMessage message;
      message.run = &Ask;
      message.SetPointer(0, &answered);
      co_await Post(ShardIndex(1), message);
      EXPECT_EQ(co_await answered.Wait(Soon()), Wake::kNotified);
    }
  });
}

struct RefusedBell {
  Event answered;
  bool refused = false;
};

void SayAnswered(ShardMessage& message) { message.Pointer<Event>(0)->Notify(); }
void AnswerAnyway(ShardMessage& message) {
  ShardMessage answer;
  answer.run = &SayAnswered;
  answer.SetPointer(0, message.Pointer<Event>(0));
  CHECK(TryPost(ShardIndex(0), answer));
}

// What a kernel that refuses one ring's message to another does: the sender hears of it, and the
// receiver, which sleeps, must be woken in the other way.
TEST(Shard, AShardThatSleepsIsWokenThoughTheRingMessageIsRefused) {
  RefusedBell test;
  RuntimeOptions options = TestOptions();
  options.shard_count = 2;
  RunOnShards(
      options,
      [](void* context) -> Task<void> {
        auto& test = *static_cast<RefusedBell*>(context);
        if (ThisShard().value != 0) co_return;
        Shard& shard = Shard::Here();
        Inbox& inbox = shard.runtime().inbox(1);
        const MonotonicTime deadline = Soon();
        while (!test.refused && Now() < deadline) {
          ShardMessage message;
          message.run = &AnswerAnyway;
          message.SetPointer(0, &test.answered);
          CHECK(inbox.QueueFrom(0).messages.TryPush(message));
          // As TryPost, but the ring that it names is none. Only one who sleeps is rung for.
          if (inbox.Announce(0)) {
            io_uring_sqe* sqe = shard.ring().Sqe();
            io_uring_prep_msg_ring(sqe, -1, 0, UserData(Kind::kDoorbell), 0);
            shard.ring().Mark(sqe, Kind::kBell, nullptr, 1);
            test.refused = true;
          }
          EXPECT_EQ(co_await test.answered.Wait(deadline), Wake::kNotified);
          co_await SleepUntil(Now() + kTimerTick);
        }
      },
      &test);
  EXPECT_TRUE(test.refused);
}

// P14. Whether the child has the page is asked of the kernel, by calls that are safe after a fork.
TEST(Shard, AProcessThatIsForkedDoesNotShareTheRings) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    const io_uring& ring = *Shard::Here().ring().raw();
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    void* const shared[] = {ring.sq.sqes, ring.sq.ring_ptr, ring.cq.ring_ptr};
    for (void* const memory : shared) {
      auto* const start =
          reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(memory) & ~(page - 1));
      unsigned char resident = 0;
      EXPECT_EQ(mincore(start, 1, &resident), 0);
      const pid_t child = fork();
      if (child == 0) _exit(mincore(start, 1, &resident) != 0 && errno == ENOMEM ? 0 : 1);
      CO_ASSERT_TRUE(child > 0);
      int status = -1;
      EXPECT_EQ(waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    co_return;
  });
}

TEST(Shard, TheClockStandsStillWithinATurnAndGoesOnBetweenThem) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    const MonotonicTime before = Now();
    for (volatile int i = 0; i < 100'000; i = i + 1) {
    }
    EXPECT_EQ(Now(), before);
    co_await SleepUntil(before + std::chrono::milliseconds(3));
    EXPECT_GE(Now(), before + std::chrono::milliseconds(3));
    EXPECT_GT(UnixSeconds(WallNow()), 1'600'000'000);
  });
}

TEST(Shard, RandomNumbersDoNotRepeat) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    std::set<uint64_t> seen;
    for (int i = 0; i < 10'000; ++i) seen.insert(RandomUint64());
    EXPECT_EQ(seen.size(), 10'000u);
    co_return;
  });
}

// An idle shard sleeps: it makes no turn for nothing.
TEST(Shard, AnIdleShardSleepsUntilItsNextDeadline) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    const uint64_t before = Shard::Here().turns();
    co_await SleepUntil(Now() + std::chrono::milliseconds(50));
    // The levels of the wheel cost a few.
    EXPECT_LE(Shard::Here().turns() - before, 8u);
  });
}

TEST(Shard, LiteralsResolveAtOnceAndNamesThroughTheSystem) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    const auto literal = co_await ResolveHost("192.0.2.7", Soon());
    CO_ASSERT_TRUE(literal.ok());
    EXPECT_EQ(literal->front(), *IpAddress::Parse("192.0.2.7"));
    const auto local = co_await ResolveHost("localhost", Soon());
    CO_ASSERT_TRUE(local.ok());
    EXPECT_TRUE(local->front().loopback());
    EXPECT_EQ((co_await ResolveHost("", Soon())).status().code(), absl::StatusCode::kNotFound);
  });
}

}  // namespace
}  // namespace ringmail::io
