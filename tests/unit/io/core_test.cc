// The core by itself, told the time: no kernel, no clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <vector>

#include "io/core/scheduler.h"
#include "io/core/timer_wheel.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/task.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

MonotonicTime At(Nanoseconds t) { return MonotonicTime(t); }

class Core : public testing::Test {
 protected:
  Core() : scheduler_(ShardIndex(0), 1, log_, At(seconds(1000)), FromUnixSeconds(1)) {
    Scheduler::SetCurrent(&scheduler_);
  }
  // One turn of a loop, at `now`.
  void Turn(MonotonicTime now) {
    scheduler_.SetTime(now, FromUnixSeconds(1));
    scheduler_.BeginTurn();
    scheduler_.RunReady(SIZE_MAX);
  }
  LogBuffer log_{2 * kLogLineBytesMax};
  Scheduler scheduler_;
};

struct Fired {
  MonotonicTime when{};
  int count = 0;
  std::unique_ptr<Timer> timer = std::make_unique<Timer>(&Fired::Fire, this);
  static void Fire(void* self) {
    auto* fired = static_cast<Fired*>(self);
    fired->when = Now();
    ++fired->count;
  }
};

TEST_F(Core, ATimerFiresAtItsDeadlineRoundedUpAndNotBefore) {
  Fired f;
  f.timer->Arm(Now() + std::chrono::microseconds(10'300));
  Turn(Now() + milliseconds(10));
  EXPECT_EQ(f.count, 0);
  EXPECT_TRUE(f.timer->armed());
  Turn(Now() + milliseconds(1));
  EXPECT_EQ(f.count, 1);
  EXPECT_FALSE(f.timer->armed());
  Turn(Now() + hours(1));
  EXPECT_EQ(f.count, 1);
}

TEST_F(Core, ADeadlineThatHasPassedFiresInTheNextTurn) {
  Fired f;
  f.timer->Arm(Now() - seconds(3));
  EXPECT_LE(scheduler_.wheel().NextDeadline(), Now());
  EXPECT_EQ(f.count, 0);
  Turn(Now());
  EXPECT_EQ(f.count, 1);
}

TEST_F(Core, KNeverDisarmsAndArmingAgainMoves) {
  Fired f;
  f.timer->Arm(Now() + milliseconds(5));
  f.timer->Arm(kNever);
  EXPECT_EQ(scheduler_.wheel().NextDeadline(), kNever);
  f.timer->Arm(Now() + milliseconds(5));
  f.timer->Arm(Now() + milliseconds(50));
  Turn(Now() + milliseconds(20));
  EXPECT_EQ(f.count, 0);
  f.timer->Arm(Now() + milliseconds(1));
  Turn(Now() + milliseconds(1));
  EXPECT_EQ(f.count, 1);
}

TEST_F(Core, TimersFireInTheOrderOfTheirDeadlinesAndNeverEarly) {
  std::mt19937_64 random(20261123);
  std::vector<Fired> all(5000);
  std::vector<MonotonicTime> deadlines;
  for (Fired& f : all) {
    // Every level of the wheel: from 1 ms to years.
    const auto magnitude = random() % 38;
    const MonotonicTime deadline =
        Now() + milliseconds(1 + static_cast<int64_t>(random() % (uint64_t{1} << magnitude)));
    deadlines.push_back(deadline);
    f.timer->Arm(deadline);
  }
  MonotonicTime last{};
  for (int turns = 0; scheduler_.wheel().NextDeadline() != kNever; ++turns) {
    ASSERT_LT(turns, 100'000);
    const MonotonicTime next = scheduler_.wheel().NextDeadline();
    ASSERT_GE(next, last);
    last = next;
    Turn(next);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].count, 1);
    ASSERT_GE(all[i].when, deadlines[i]);
    ASSERT_LT(all[i].when, deadlines[i] + 2 * kTimerTick);
  }
}

TEST_F(Core, AJumpOfTheClockFiresEverythingOnceInOrder) {
  std::vector<int> order;
  struct Numbered {
    std::vector<int>* order;
    int number;
    std::unique_ptr<Timer> timer;
  };
  std::vector<std::unique_ptr<Numbered>> all;
  for (int i = 0; i < 1000; ++i) {
    auto n = std::make_unique<Numbered>(Numbered{&order, i, nullptr});
    n->timer = std::make_unique<Timer>(
        [](void* self) {
          auto* numbered = static_cast<Numbered*>(self);
          numbered->order->push_back(numbered->number);
        },
        n.get());
    n->timer->Arm(Now() + milliseconds(1 + i * 97));
    all.push_back(std::move(n));
  }
  Turn(Now() + hours(2));
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(Core, AMillionTimersAreArmedMovedDisarmedAndFired) {
  constexpr size_t kCount = 1'000'000;
  static_assert(sizeof(Timer) <= 48);
  int fired = 0;
  std::vector<std::unique_ptr<Timer>> timers;
  timers.reserve(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    timers.push_back(
        std::make_unique<Timer>([](void* count) { ++*static_cast<int*>(count); }, &fired));
    timers.back()->Arm(Now() + milliseconds(1 + i % 300'000));
  }
  for (size_t i = 0; i < kCount; i += 2) timers[i]->Arm(Now() + seconds(301));
  for (size_t i = 0; i < kCount; i += 4) timers[i]->Disarm();
  Turn(Now() + seconds(300));
  EXPECT_EQ(fired, static_cast<int>(kCount / 2));
  Turn(Now() + seconds(2));
  EXPECT_EQ(fired, static_cast<int>(kCount / 2 + kCount / 4));
  EXPECT_EQ(scheduler_.wheel().NextDeadline(), kNever);
}

TEST_F(Core, ATimerMayArmItselfAndDisarmAnotherWhileFiring) {
  struct Both {
    int self_count = 0;
    int other_count = 0;
    std::unique_ptr<Timer> self;
    std::unique_ptr<Timer> other;
  } both;
  both.self = std::make_unique<Timer>(
      [](void* context) {
        auto* b = static_cast<Both*>(context);
        ++b->self_count;
        b->other->Disarm();
        b->self->Arm(Now());
      },
      &both);
  both.other = std::make_unique<Timer>(
      [](void* context) { ++static_cast<Both*>(context)->other_count; }, &both);
  both.self->Arm(Now() + milliseconds(1));
  both.other->Arm(Now() + milliseconds(1));
  Turn(Now() + milliseconds(1));
  EXPECT_EQ(both.self_count, 1);  // a turn of its own, not the same one again
  EXPECT_EQ(both.other_count, 0);
  Turn(Now());
  EXPECT_EQ(both.self_count, 2);
}

TEST_F(Core, ATimerDestroyedWhileArmedDoesNotFire) {
  int fired = 0;
  {
    Timer timer([](void* count) { ++*static_cast<int*>(count); }, &fired);
    timer.Arm(Now() + milliseconds(1));
  }
  Turn(Now() + seconds(1));
  EXPECT_EQ(fired, 0);
}

Task<void> WaitFor(Event* event, MonotonicTime deadline, std::vector<Wake>* wakes) {
  wakes->push_back(co_await event->Wait(deadline));
}

TEST_F(Core, AnEventWakesItsWaiterLaterAndKeepsANotificationThatNobodyWaitsFor) {
  Event event;
  Gate gate;
  std::vector<Wake> wakes;
  gate.Spawn(WaitFor(&event, kNever, &wakes));
  EXPECT_TRUE(event.waiting());
  event.Notify();
  event.Notify();
  EXPECT_TRUE(wakes.empty());
  Turn(Now());
  EXPECT_EQ(wakes, std::vector<Wake>{Wake::kNotified});
  event.Notify();
  gate.Spawn(WaitFor(&event, kNever, &wakes));
  EXPECT_EQ(wakes.size(), 2u);  // at once
  gate.Spawn(WaitFor(&event, Now() + milliseconds(3), &wakes));
  Turn(Now() + milliseconds(3));
  EXPECT_EQ(wakes.back(), Wake::kTimedOut);
  EXPECT_EQ(gate.inside(), 0u);
}

TEST_F(Core, ANotificationThatMeetsTheTimeOutIsNotLost) {
  Event event;
  Gate gate;
  std::vector<Wake> wakes;
  gate.Spawn(WaitFor(&event, Now() + milliseconds(1), &wakes));
  scheduler_.SetTime(Now() + milliseconds(1), FromUnixSeconds(1));
  scheduler_.BeginTurn();  // timed out, not resumed yet
  event.Notify();
  scheduler_.RunReady(SIZE_MAX);
  EXPECT_EQ(wakes, std::vector<Wake>{Wake::kNotified});
}

Task<void> Count(int* count, int yields) {
  for (int i = 0; i < yields; ++i) co_await Yield();
  ++*count;
}

TEST_F(Core, YieldLetsEveryOtherReadyTaskRunFirst) {
  Gate gate;
  int slow = 0;
  int fast = 0;
  gate.Spawn(Count(&slow, 3));
  gate.Spawn(Count(&fast, 1));
  Turn(Now());
  EXPECT_EQ(fast, 1);
  EXPECT_EQ(slow, 0);
  Turn(Now());
  Turn(Now());
  EXPECT_EQ(slow, 1);
}

Task<void> Sleeper(MonotonicTime until, int* done) {
  co_await SleepUntil(until);
  ++*done;
}
Task<void> CloseGate(Gate* gate, bool* closed) {
  co_await gate->Close();
  *closed = true;
}

TEST_F(Core, AGateClosesWhenTheLastTaskHasLeft) {
  Gate gate;
  Gate outer;
  int done = 0;
  bool closed = false;
  gate.Spawn(Sleeper(Now() + milliseconds(5), &done));
  gate.Spawn(Sleeper(Now() + milliseconds(9), &done));
  gate.Spawn(Sleeper(Now(), &done));
  EXPECT_EQ(done, 1);
  EXPECT_EQ(gate.inside(), 2u);
  outer.Spawn(CloseGate(&gate, &closed));
  EXPECT_TRUE(gate.closing());
  Turn(Now() + milliseconds(5));
  EXPECT_FALSE(closed);
  Turn(Now() + milliseconds(5));
  EXPECT_EQ(done, 3);
  EXPECT_TRUE(closed);
}

TEST_F(Core, CloseUntilGivesUpAtItsDeadlineAndMayBeTriedAgain) {
  Gate gate;
  Gate outer;
  int done = 0;
  std::vector<bool> results;
  gate.Spawn(Sleeper(Now() + milliseconds(50), &done));
  outer.Spawn([](Gate* closing, std::vector<bool>* out) -> Task<void> {
    out->push_back(co_await closing->CloseUntil(Now() + milliseconds(10)));
    out->push_back(co_await closing->CloseUntil(kNever));
  }(&gate, &results));
  Turn(Now() + milliseconds(10));
  EXPECT_EQ(results, std::vector<bool>{false});
  Turn(Now() + milliseconds(50));
  EXPECT_EQ(results, (std::vector<bool>{false, true}));
}

struct Tracked {
  explicit Tracked(int* count) : count(count) {}
  Tracked(Tracked&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
  ~Tracked() {
    if (count != nullptr) ++*count;
  }
  int* count;
};

TEST_F(Core, ATasksArgumentsEndBeforeItsGateIsClosed) {
  int ended = 0;
  int ended_at_close = -1;
  Gate gate;
  Gate outer;
  gate.Spawn([](Tracked) -> Task<void> { co_await Yield(); }(Tracked(&ended)));
  outer.Spawn([](Gate* closing, int* count, int* at_close) -> Task<void> {
    co_await closing->Close();
    *at_close = *count;
  }(&gate, &ended, &ended_at_close));
  Turn(Now());
  Turn(Now());
  EXPECT_EQ(ended_at_close, 1);
}

TEST_F(Core, ASimulatedCrashDestroysEveryTaskWhereItStands) {
  int ended = 0;
  auto gate = std::make_unique<Gate>();
  auto inner = std::make_unique<Gate>();
  Event event;
  std::vector<Wake> wakes;
  gate->Spawn([](Gate* nested, Tracked, int* count) -> Task<void> {
    nested->Spawn([](Tracked) -> Task<void> { co_await SleepUntil(kNever); }(Tracked(count)));
    co_await SleepUntil(Now() + hours(1));
  }(inner.get(), Tracked(&ended), &ended));
  gate->Spawn(WaitFor(&event, kNever, &wakes));
  gate->Spawn([](Tracked) -> Task<void> { co_await Yield(); }(Tracked(&ended)));
  scheduler_.DestroyTasks();
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(gate->inside(), 0u);
  EXPECT_EQ(inner->inside(), 0u);
  EXPECT_FALSE(scheduler_.has_ready());
}

TEST(Endpoint, IsParsedAndWrittenAsTheSameText) {
  for (const char* text :
       {"192.0.2.1:25", "[2001:db8::1]:65535", "unix:/run/ringmail.sock", "0.0.0.0:0", "[::]:25"}) {
    const auto endpoint = Endpoint::Parse(text);
    ASSERT_TRUE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint->ToString(), text);
    EXPECT_EQ(Endpoint::Parse(endpoint->ToString()), endpoint);
  }
}

TEST(Endpoint, RefusesNamesMissingPortsAndWhatIsAmbiguous) {
  const std::string long_path = "unix:/" + std::string(107, 'x');
  for (const std::string& text : std::vector<std::string>{
           "", ":", "25", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:+25",
           "192.0.2.1: 25", "192.0.2.1:25 ", "localhost:25", "2001:db8::1:25", "[192.0.2.1]:25",
           "[2001:db8::1]", "[]:25", "unix:", long_path}) {
    EXPECT_FALSE(Endpoint::Parse(text).has_value()) << text;
  }
  EXPECT_TRUE(Endpoint::Parse(long_path.substr(0, long_path.size() - 1)).has_value());
}

}  // namespace
}  // namespace ringmail::io
