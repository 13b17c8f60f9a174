// Our own disk: what is delivered while it is too full to say so.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "fmt/format.h"
#include "ringmail/agent/transfer.h"
#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Long answers fill the log while it gets no new segment; at the same time other mail is delivered.
TEST(TransferDisk, WhatIsDeliveredWhileTheDiskIsFullIsNotDeliveredTwice) {
  Office office;
  static bool full;
  full = false;
  sim::Disk& disk = office.node.disk();
  disk.fault = [&disk](const sim::DiskRequest& request) {
    const bool creates = request.operation == sim::DiskOperation::kOpen &&
                         !disk.Contents(std::string(request.path)).has_value();
    return full && creates ? ENOSPC : 0;
  };
  office.transfer.routes = {RouteTo("long.example", "long.example")};
  office.peers["long.example"].answer = [n = 0](const std::string&) mutable {
    return RecipientResult{Outcome::kDeferred,
                           {451, {4, 2, 0}, fmt::format("{} {}", n++, std::string(1000, 'x'))}};
  };
  office.peers["home.example"].transaction_time = seconds(1);
  office.transfer.destination.sessions_max = 1;
  office.transfer.retry.first_delay = seconds(10);
  office.transfer.retry.delay_max = seconds(10);
  office.transfer.retry.delay_warning_after = seconds(0);
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 300; ++i)
      co_await Office::Post(desk, {.to = {fmt::format("m{}@b.example", i)}});
    for (int i = 0; i < 10; ++i) {
      Letter letter;
      for (int r = 0; r < 100; ++r) letter.to.push_back(fmt::format("m{}r{}@long.example", i, r));
      EXPECT_TRUE((co_await Office::Post(desk, letter)).valid());
    }
    full = true;
    EXPECT_TRUE(co_await Office::Until([&o] { return o.LogCount("event=outcomes-wait") > 0; },
                                       minutes(4), seconds(1)));
    co_await Office::Sleep(seconds(5));
    const size_t taken = o.peers["home.example"].taken.size();
    EXPECT_LT(taken, 300u);
    co_await Office::Sleep(hours(1));
    // What was on its way may still arrive; then it waits for the disk.
    EXPECT_LE(o.peers["home.example"].taken.size(), taken + 256);
    full = false;
    o.peers["long.example"].answer = nullptr;
    EXPECT_TRUE(co_await o.Empty(hours(1)));
  }));
  std::set<std::string> paths;
  for (const Taken& taken : office.peers["home.example"].taken)
    EXPECT_TRUE(paths.insert(taken.path).second) << taken.path << " came twice";
  EXPECT_EQ(paths.size(), 300u);
}

}  // namespace
}  // namespace ringmail::agent
