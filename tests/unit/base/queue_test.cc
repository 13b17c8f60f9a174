#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "ringmail/base/intrusive_list.h"
#include "ringmail/base/spsc_queue.h"

namespace ringmail {
namespace {

struct First;
struct Second;
struct Element : ListHook<First>, ListHook<Second> {
  explicit Element(int v) : value(v) {}
  int value;
};

std::vector<int> Values(IntrusiveList<Element, First>& list) {
  std::vector<int> values;
  for (Element& element : list) values.push_back(element.value);
  return values;
}

TEST(IntrusiveListTest, KeepsOrderAndLetsElementsLeaveByThemselves) {
  IntrusiveList<Element, First> list;
  IntrusiveList<Element, Second> other;
  Element a(1), c(3);
  list.PushBack(a);
  {
    Element b(2);
    list.PushBack(b);
    list.PushBack(c);
    other.PushFront(b);
    EXPECT_EQ(Values(list), (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(other.front().value, 2);
  }
  EXPECT_EQ(Values(list), (std::vector<int>{1, 3})) << "b left both lists with its life";
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(list.back().value, 3);
  static_cast<ListHook<First>&>(a).Unlink();
  EXPECT_EQ(list.PopFront().value, 3);
  EXPECT_TRUE(list.empty());
}

TEST(IntrusiveListTest, SpliceTakesAllInOrder) {
  IntrusiveList<Element, First> list, more;
  Element a(1), b(2), c(3);
  list.PushBack(a);
  more.PushBack(b);
  more.PushBack(c);
  list.Splice(more);
  EXPECT_TRUE(more.empty());
  EXPECT_EQ(Values(list), (std::vector<int>{1, 2, 3}));
}

TEST(IntrusiveListDeathTest, OneElementInOneListTwiceIsABug) {
  IntrusiveList<Element, First> list;
  Element a(1);
  list.PushBack(a);
  EXPECT_DEATH(list.PushBack(a), "CHECK failed");
}

TEST(SpscQueueTest, RefusesWhenFullAndKeepsOrder) {
  SpscQueue<int, 4> queue;
  int value = 0;
  EXPECT_FALSE(queue.TryPop(value));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.TryPush(i));
  EXPECT_FALSE(queue.TryPush(4));
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(queue.TryPop(value));
    EXPECT_EQ(value, i);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(SpscQueueTest, NothingIsLostOrReorderedBetweenThreads) {
  SpscQueue<uint32_t, 64> queue;
  constexpr uint32_t kCount = 300000;
  std::thread producer([&queue] {
    for (uint32_t i = 0; i < kCount;) {
      if (queue.TryPush(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint32_t expected = 0; expected < kCount;) {
    uint32_t value = 0;
    if (!queue.TryPop(value)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(value, expected);
    ++expected;
  }
  producer.join();
}

}  // namespace
}  // namespace ringmail
