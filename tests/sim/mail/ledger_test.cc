// The ledger's checks can fail: each is shown what it must not let pass, beside what it must.
#include "tests/sim/mail/ledger.h"

#include <gtest/gtest.h>

#include "tests/sim/mail/plan.h"

namespace ringmail::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonotonicTime kNow{hours(1)};
constexpr std::string_view kTrace = "Received: from s by mx0 id 1\r\n\tfor <x>\r\n";

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    plan_.peers.resize(2);
    plan_.messages.push_back({.number = 1, .recipients = {{0}, {1}}, .bytes = 100});
    plan_.messages.push_back({.number = 2, .recipients = {{0}}, .bytes = 10, .null_path = true});
    ledger_.emplace(plan_);
  }
  std::string Content(uint32_t message) const {
    return std::string(kTrace) + ContentOf(plan_, plan_.messages[message - 1]);
  }
  std::string Path(uint32_t message, uint32_t recipient) const {
    return ForwardPathOf(plan_.messages[message - 1], recipient);
  }
  void Accept(uint32_t message) {
    std::vector<uint32_t> all;
    for (uint32_t i = 0; i < plan_.messages[message - 1].recipients.size(); ++i) all.push_back(i);
    ledger_->Acknowledged(message, all, "250 2.0.0 Ok: queued as ABC", kNow);
  }
  void Deliver(uint32_t message, uint32_t recipient, bool seen = true,
               MonotonicTime seen_at = kNow) {
    const MessagePlan& plan = plan_.messages[message - 1];
    const uint64_t transaction =
        ledger_->Took(plan.recipients[recipient].index, ReversePathOf(plan),
                      {Path(message, recipient)}, Content(message), kNow);
    if (seen) ledger_->AnswerSeen(transaction, seen_at);
  }
  void ReportFailed(uint32_t message, uint32_t recipient) {
    const std::string text = "Received: x\r\n\r\nFinal-Recipient: rfc822; " +
                             Path(message, recipient) + "\r\nAction: failed\r\n";
    ledger_->AnswerSeen(ledger_->Took(UINT32_MAX, "", {"s0.m1@home.example"}, text, kNow), kNow);
  }
  // The kind of the first violation; "" for none.
  std::string Judge(bool queued = false, MonotonicTime now = kNow) {
    ledger_->Audit([queued](const MessageBook&, uint32_t) { return queued; }, now);
    if (ledger_->violations().empty()) return {};
    const std::string& first = ledger_->violations().front();
    return first.substr(0, first.find(':'));
  }

  Plan plan_;
  std::optional<Ledger> ledger_;
};

TEST_F(LedgerTest, DeliveredOnceIsGood) {
  Accept(1);
  Deliver(1, 0);
  Deliver(1, 1);
  EXPECT_EQ(Judge(), "");
}

TEST_F(LedgerTest, WhatWasAcknowledgedAndIsNowhereIsLost) {
  Accept(1);
  Deliver(1, 0);
  EXPECT_EQ(Judge(), "lost");
}

TEST_F(LedgerTest, WhatIsStillQueuedIsNotLost) {
  Accept(1);
  EXPECT_EQ(Judge(true), "");
}

TEST_F(LedgerTest, WhatWasNeverAcceptedMayNotCome) {
  Deliver(1, 0);
  EXPECT_EQ(Judge(), "never accepted");
}

TEST_F(LedgerTest, ASecondCopyNeedsALostAnswer) {
  Accept(2);
  Deliver(2, 0);
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "delivered too often");
}

TEST_F(LedgerTest, ALostAnswerExcusesOneCopy) {
  Accept(2);
  Deliver(2, 0, false);
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "");
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "delivered too often");
}

TEST_F(LedgerTest, AnEndOfTheServerExcusesWhatItCannotHaveNoted) {
  Accept(2);
  Deliver(2, 0);
  ledger_->ServerEnded(kNow + milliseconds(1), milliseconds(10));
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "");
}

TEST_F(LedgerTest, AnEndLongAfterExcusesNothing) {
  Accept(2);
  Deliver(2, 0);
  ledger_->ServerEnded(kNow + milliseconds(11), milliseconds(10));
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "delivered too often");
}

TEST_F(LedgerTest, AnAnswerThatWasLongOnItsWayCountsFromWhereItArrived) {
  Accept(2);
  Deliver(2, 0, true, kNow + seconds(30));
  ledger_->ServerEnded(kNow + seconds(30) + milliseconds(1), milliseconds(10));
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "");
}

TEST_F(LedgerTest, ASenderWithoutAnAnswerMayHaveSentTwice) {
  ledger_->Unanswered(2, {0});
  Accept(2);
  Deliver(2, 0);
  Deliver(2, 0);
  EXPECT_EQ(Judge(), "");
}

TEST_F(LedgerTest, OtherOctetsAreSeen) {
  Accept(2);
  std::string content = Content(2);
  content[content.size() - 3] ^= 1;
  ledger_->Took(0, "", {Path(2, 0)}, content, kNow);
  EXPECT_EQ(Judge(), "content");
}

TEST_F(LedgerTest, AHeaderThatIsNotTraceIsSeen) {
  Accept(2);
  ledger_->Took(0, "", {Path(2, 0)}, "X-Ours: 1\r\n" + Content(2), kNow);
  EXPECT_EQ(Judge(), "trace");
}

TEST_F(LedgerTest, AnotherHostAnotherSenderAndAnotherRecipientAreSeen) {
  ledger_->Took(1, "", {Path(2, 0)}, Content(2), kNow);
  ledger_->Took(0, "x@home.example", {Path(2, 0)}, Content(2), kNow);
  ledger_->Took(0, "", {"m2.r7@d0.example"}, Content(2), kNow);
  ASSERT_EQ(ledger_->violations().size(), 3u);
  EXPECT_TRUE(ledger_->violations()[0].starts_with("route: "));
  EXPECT_TRUE(ledger_->violations()[1].starts_with("reverse-path: "));
  EXPECT_TRUE(ledger_->violations()[2].starts_with("recipient: "));
}

TEST_F(LedgerTest, AReportSettlesWhatAPeerRefused) {
  Accept(1);
  Deliver(1, 0);
  ledger_->Denied(Path(1, 1), 550);
  ReportFailed(1, 1);
  EXPECT_EQ(Judge(), "");
}

TEST_F(LedgerTest, AReportOfWhatNobodyRefusedIsSeen) {
  Accept(1);
  Deliver(1, 0);
  ledger_->Denied(Path(1, 1), 451);
  ReportFailed(1, 1);
  EXPECT_EQ(Judge(), "reported without a cause");
}

TEST_F(LedgerTest, AReportAfterTheExpiryIsGood) {
  Accept(1);
  Deliver(1, 0);
  ReportFailed(1, 1);
  EXPECT_EQ(Judge(false, kNow + plan_.expire_after + milliseconds(1)), "");
}

TEST_F(LedgerTest, AReportToANullReversePathIsSeen) {
  ReportFailed(2, 0);
  EXPECT_TRUE(ledger_->violations()[0].starts_with("report: "));
}

TEST_F(LedgerTest, DeliveredAndReportedIsSeen) {
  Accept(1);
  Deliver(1, 0);
  Deliver(1, 1);
  ledger_->Denied(Path(1, 1), 550);
  ReportFailed(1, 1);
  EXPECT_EQ(Judge(), "delivered and reported");
}

TEST_F(LedgerTest, ReportedTwiceIsSeen) {
  Accept(1);
  Deliver(1, 0);
  ledger_->Denied(Path(1, 1), 550);
  ReportFailed(1, 1);
  ReportFailed(1, 1);
  EXPECT_EQ(Judge(), "reported too often");
}

TEST_F(LedgerTest, ARefusedNullPathNeedsNoReport) {
  Accept(2);
  ledger_->Denied(Path(2, 0), 550);
  EXPECT_EQ(Judge(), "");
}

}  // namespace
}  // namespace ringmail::sim
