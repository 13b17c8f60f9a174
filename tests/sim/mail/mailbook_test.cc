// The mailbook's checks can fail: each is shown what it must not let pass, beside what it must.
#include "tests/sim/mail/mailbook.h"

#include <gtest/gtest.h>

#include "tests/sim/mail/ledger.h"

namespace ringmail::sim {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr MonotonicTime kNow{hours(1)};
constexpr auto kAccount = RecipientPlan::Kind::kAccount;

class MailbookTest : public testing::Test {
 protected:
  MailbookTest() {
    plan_.peers.resize(1);
    plan_.accounts.resize(2);
    plan_.aliases.push_back({.accounts = {0, 1}});
    plan_.messages.push_back({.number = 1, .recipients = {{0, kAccount}}, .bytes = 100});
    plan_.messages.push_back(
        {.number = 2,
         .recipients = {{0, RecipientPlan::Kind::kDetail}, {0, RecipientPlan::Kind::kAlias}},
         .bytes = 10});
    plan_.messages.push_back(
        {.number = 3, .recipients = {{0, kAccount}}, .bytes = 10, .null_path = true});
    ledger_.emplace(plan_);
  }
  Mailbook& book() { return ledger_->mailbook(); }
  std::string Content(uint32_t message, std::string_view delivered_to) const {
    const MessagePlan& plan = plan_.messages[message - 1];
    return "Return-Path: <" + ReversePathOf(plan) +
           ">\r\nDelivered-To: " + std::string(delivered_to) +
           "\r\nReceived: from s by mx0 id 1\r\n\tfor <x>\r\n" + ContentOf(plan_, plan);
  }
  void Accept(uint32_t message, const std::vector<uint32_t>& recipients = {0}) {
    ledger_->Acknowledged(message, recipients, "250 2.0.0 Ok: queued as ABC", kNow);
  }
  // As a reader sees one message to box0, under this unique-id.
  MaildropLine Line(uint32_t message, std::string unique_id) const {
    return {std::move(unique_id), Content(message, "box0@local.example").size()};
  }
  void List(const std::vector<MaildropLine>& lines, MonotonicTime began = kNow) {
    book().Listed(0, lines, began);
  }
  void Read(uint32_t message, const std::string& unique_id) {
    book().Retrieved(0, Line(message, unique_id), Content(message, "box0@local.example"));
  }
  // Message 1 comes, is seen, and is read.
  void Have1() {
    Accept(1);
    List({Line(1, "0000000100000007")});
    Read(1, "0000000100000007");
  }
  // The kind of the first violation; "" for none.
  std::string Judge(MonotonicTime now = kNow) {
    ledger_->AuditMailboxes(now);
    if (ledger_->violations().empty()) return {};
    const std::string& first = ledger_->violations().front();
    return first.substr(0, first.find(':'));
  }

  Plan plan_;
  std::optional<Ledger> ledger_;
};

TEST_F(MailbookTest, WhatCameOnceAndStaysIsGood) {
  Have1();
  List({Line(1, "0000000100000007")});
  Read(1, "0000000100000007");
  EXPECT_EQ(Judge(), "");
}

TEST_F(MailbookTest, WhatWasAcknowledgedAndIsInNoMailboxIsLost) {
  Accept(1);
  List({});
  EXPECT_EQ(Judge(), "lost");
}

TEST_F(MailbookTest, WhatNobodyReadIsNotKnownToHaveCome) {
  Accept(1);
  List({Line(1, "0000000100000007")});
  EXPECT_EQ(Judge(), "lost");
}

TEST_F(MailbookTest, EachAccountOfAnAliasIsOwedACopy) {
  Accept(2, {1});
  const std::string content = Content(2, "box0@local.example");
  book().Listed(0, {{"0000000100000007", content.size()}}, kNow);
  book().Retrieved(0, {"0000000100000007", content.size()}, content);
  EXPECT_EQ(Judge(), "lost");
}

TEST_F(MailbookTest, RecipientsThatLeadToOneMailboxBringOneCopy) {
  Accept(2, {0, 1});
  const std::string detail = Content(2, "box0+m2.r0@local.example");
  const std::string alias = Content(2, "box1+list0@local.example");
  book().Listed(0, {{"0000000100000007", detail.size()}}, kNow);
  book().Retrieved(0, {"0000000100000007", detail.size()}, detail);
  book().Listed(1, {{"0000000100000007", alias.size()}}, kNow);
  book().Retrieved(1, {"0000000100000007", alias.size()}, alias);
  EXPECT_EQ(Judge(), "");
}

TEST_F(MailbookTest, ASecondCopyIsSeen) {
  Have1();
  List({Line(1, "0000000100000007"), Line(1, "0000000200000007")});
  Read(1, "0000000200000007");
  EXPECT_EQ(Judge(), "twice in a mailbox");
}

TEST_F(MailbookTest, ASecondCopyIsSeenThoughTheFirstWasDeleted) {
  Have1();
  book().Deleting(0, {"0000000100000007"}, kNow);
  book().Deleted(0, {"0000000100000007"});
  List({Line(1, "0000000200000007")});
  Read(1, "0000000200000007");
  EXPECT_EQ(Judge(), "twice in a mailbox");
}

TEST_F(MailbookTest, ASenderWithoutAnAnswerMayHaveSentTwice) {
  ledger_->Unanswered(1, {0});
  Have1();
  List({Line(1, "0000000100000007"), Line(1, "0000000200000007")});
  Read(1, "0000000200000007");
  EXPECT_EQ(Judge(), "");
}

TEST_F(MailbookTest, WhatWasNeverAcceptedMayNotCome) {
  List({Line(1, "0000000100000007")});
  Read(1, "0000000100000007");
  EXPECT_EQ(Judge(), "never accepted");
}

TEST_F(MailbookTest, AReportStandsForACopy) {
  Accept(1);
  book().Reported(1, 0);
  EXPECT_EQ(Judge(), "");
}

TEST_F(MailbookTest, DeliveredAndReportedIsSeen) {
  Have1();
  book().Reported(1, 0);
  EXPECT_EQ(Judge(), "delivered and reported");
}

TEST_F(MailbookTest, ANullPathThatMayHaveExpiredNeedsNoReport) {
  Accept(3);
  EXPECT_EQ(Judge(kNow + plan_.expire_after + seconds(1)), "");
  EXPECT_EQ(Judge(), "lost");
}

TEST_F(MailbookTest, AReportWithoutACauseIsSeen) {
  Accept(1);
  const std::string text =
      "Received: x\r\n\r\nFinal-Recipient: rfc822; box0@local.example\r\nAction: failed\r\n";
  ledger_->Took(UINT32_MAX, "", {"s0.m1@home.example"}, text, kNow);
  EXPECT_EQ(Judge(), "reported without a cause");
}

TEST_F(MailbookTest, WhatNobodyDeletedMayNotVanish) {
  Have1();
  List({});
  EXPECT_EQ(Judge(), "vanished");
}

TEST_F(MailbookTest, WhatWasDeletedMayNotComeBack) {
  Have1();
  book().Deleting(0, {"0000000100000007"}, kNow);
  book().Deleted(0, {"0000000100000007"});
  List({});
  EXPECT_EQ(Judge(), "");
  List({Line(1, "0000000100000007")});
  EXPECT_EQ(Judge(), "came back");
}

TEST_F(MailbookTest, AQuitWithoutAnAnswerLeavesItOpen) {
  Have1();
  book().Deleting(0, {"0000000100000007"}, kNow);
  List({Line(1, "0000000100000007")}, kNow + seconds(1));
  // A write that failed may be found at the next start.
  book().ServerStarted(kNow + seconds(2));
  List({}, kNow + seconds(3));
  EXPECT_EQ(Judge(), "");
  List({Line(1, "0000000100000007")}, kNow + seconds(4));
  EXPECT_EQ(Judge(), "came back");
}

TEST_F(MailbookTest, AStartDecidesWhatWasOpen) {
  Have1();
  book().Deleting(0, {"0000000100000007"}, kNow);
  book().ServerStarted(kNow + seconds(1));
  List({Line(1, "0000000100000007")}, kNow + seconds(2));
  List({}, kNow + seconds(3));
  EXPECT_EQ(Judge(), "vanished");
}

TEST_F(MailbookTest, AUniqueIdOfAnotherMessageIsSeen) {
  Have1();
  Accept(3);
  book().Retrieved(0, Line(3, "0000000100000007"), Content(3, "box0@local.example"));
  EXPECT_EQ(Judge(), "unique-id");
}

TEST_F(MailbookTest, ANewMessageBelowAnOldUniqueIdIsSeen) {
  Accept(1);
  List({Line(1, "0000000500000007")});
  List({Line(3, "0000000400000007"), Line(1, "0000000500000007")});
  EXPECT_EQ(Judge(), "unique-id");
}

TEST_F(MailbookTest, AnotherUidValidityIsSeen) {
  Have1();
  List({Line(1, "0000000100000007"), Line(3, "0000000200000008")});
  EXPECT_EQ(Judge(), "unique-id");
}

TEST_F(MailbookTest, AUniqueIdThatIsListedTwiceIsSeen) {
  Accept(1);
  List({Line(1, "0000000100000007"), Line(1, "0000000100000007")});
  EXPECT_EQ(Judge(), "unique-id");
}

TEST_F(MailbookTest, ASizeThatChangesIsSeen) {
  Have1();
  MaildropLine line = Line(1, "0000000100000007");
  ++line.bytes;
  List({line});
  EXPECT_EQ(Judge(), "size");
}

TEST_F(MailbookTest, ASizeThatIsNotTheContentsIsSeen) {
  Accept(1);
  MaildropLine line = Line(1, "0000000100000007");
  ++line.bytes;
  List({line});
  book().Retrieved(0, line, Content(1, "box0@local.example"));
  EXPECT_EQ(Judge(), "size");
}

TEST_F(MailbookTest, OtherOctetsAreSeen) {
  Accept(1);
  std::string content = Content(1, "box0@local.example");
  content[content.size() - 3] ^= 1;
  List({Line(1, "0000000100000007")});
  book().Retrieved(0, Line(1, "0000000100000007"), content);
  EXPECT_EQ(Judge(), "content");
}

TEST_F(MailbookTest, AnotherAddressAndAnotherSenderAreSeen) {
  Accept(1);
  for (const auto& [from, to] :
       {std::pair("Delivered-To: box0", "Delivered-To: box1"),
        std::pair("Return-Path: <s0", "Return-Path: <s9"), std::pair("Received: ", "X-Passed: ")}) {
    std::string content = Content(1, "box0@local.example");
    content.replace(content.find(from), std::string_view(from).size(), to);
    ledger_.emplace(plan_);
    book().Retrieved(0, {"0000000100000007", content.size()}, content);
    EXPECT_EQ(Judge(), "trace") << to;
  }
}

}  // namespace
}  // namespace ringmail::sim
