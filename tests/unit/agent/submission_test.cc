#include "ringmail/agent/submission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agent/fake_directory.h"

namespace ringmail::agent {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::ElementsAre;

constexpr std::string_view kDate = "Date: Mon, 23 Nov 2026 05:42:08 +0000\r\n";
constexpr std::string_view kOurDate = "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n";
constexpr std::string_view kId = "Message-ID: <1@client.example>\r\n";
constexpr std::string_view kOurId = "Message-ID: <made@mx.example.org>\r\n";
constexpr std::string_view kFrom = "From: Bob <bob@example.org>\r\n";

struct Outcome {
  CompletedHeader header;
  std::string body;
};

Outcome Complete(std::string_view content, size_t step = SIZE_MAX) {
  HeaderCompletion completion;
  Outcome out;
  while (!content.empty()) {
    const std::string_view piece = content.substr(0, step);
    const size_t used = completion.ended() ? 0 : completion.Take(piece);
    out.body += piece.substr(used);
    content.remove_prefix(piece.size());
  }
  out.header = completion.Complete(
      {.now = {}, .message_id = "made@mx.example.org", .sender = "bob@example.org"});
  return out;
}

std::string Join(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

TEST(Completion, LeavesAMessageThatLacksNothingAsItIs) {
  const std::string header =
      Join({"Received: from a by b; Mon, 23 Nov 2026 05:42:08 +0000\r\n", kFrom, kDate, kId,
            "Subject: x\r\n folded\r\nX-Odd : \xe4\r\n\r\n"});
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, SIZE_MAX}) {
    const Outcome done = Complete(header + "body\r\n\r\nFrom: x\r\n", step);
    EXPECT_EQ(done.header.problem, HeaderProblem::kNone);
    EXPECT_EQ(done.header.text, header);
    EXPECT_EQ(done.body, "body\r\n\r\nFrom: x\r\n");
    EXPECT_THAT(done.header.from, ElementsAre("bob@example.org"));
  }
}

TEST(Completion, AddsDateAndMessageIdBehindTheOtherFields) {
  EXPECT_EQ(Complete(Join({kFrom, "\r\nbody"})).header.text,
            Join({kFrom, kOurDate, kOurId, "\r\n"}));
}

TEST(Completion, PutsADateAndAMessageIdRightThatAreNone) {
  for (const std::string_view date : {"Date: tomorrow\r\n", "Date:\r\n", "Date: 31 Jun 2026\r\n"}) {
    EXPECT_EQ(Complete(Join({kFrom, date, kId, "\r\n"})).header.text,
              Join({kFrom, kId, kOurDate, "\r\n"}))
        << date;
  }
  for (const std::string_view id :
       {"Message-ID: none\r\n", "Message-ID: <a@b> <c@d>\r\n", "Message-ID: <@b>\r\n",
        "Message-ID: <a@>\r\n", "Message-ID: a@b\r\n", "Message-ID: <>\r\n"}) {
    EXPECT_EQ(Complete(Join({kFrom, id, kDate, "\r\n"})).header.text,
              Join({kFrom, kDate, kOurId, "\r\n"}))
        << id;
  }
}

TEST(Completion, RemovesBccAndReturnPathWithTheirContinuations) {
  EXPECT_EQ(Complete(Join({"Return-Path: <x@y>\r\n", kFrom, "Bcc: a@b.example,\r\n c@d.example\r\n",
                           kDate, "bCC :\r\nResent-Bcc: e@f.example\r\nReturn-Path: <>\r\n", kId,
                           "\r\n"}))
                .header.text,
            Join({kFrom, kDate, kId, "\r\n"}));
}

TEST(Completion, NamesASenderWhereThereAreSeveralAuthors) {
  const std::string_view authors = "From: bob@example.org, eve@example.org\r\n";
  EXPECT_EQ(Complete(Join({authors, kDate, kId, "\r\n"})).header.text,
            Join({authors, kDate, kId, "Sender: <bob@example.org>\r\n\r\n"}));
  const std::string named = Join({authors, "Sender: eve@example.org\r\n", kDate, kId, "\r\n"});
  const Outcome done = Complete(named);
  EXPECT_EQ(done.header.text, named);
  EXPECT_THAT(done.header.sender, ElementsAre("eve@example.org"));
}

TEST(Completion, ContentThatIsAllHeaderIsAMessageToo) {
  EXPECT_EQ(Complete(Join({kFrom, kDate, kId})).header.text, Join({kFrom, kDate, kId}));
  // BDAT need not end in a line end.
  EXPECT_EQ(Complete(Join({kDate, kId, "From: bob@example.org"})).header.text,
            Join({kDate, kId, "From: bob@example.org\r\n"}));
}

HeaderProblem Problem(std::string_view content) {
  const HeaderProblem problem = Complete(content).header.problem;
  EXPECT_EQ(Complete(content, 1).header.problem, problem) << content;
  if (problem != HeaderProblem::kNone) EXPECT_EQ(Complete(content).header.text, "");
  return problem;
}

TEST(Completion, RefusesWhatIsNoMessage) {
  EXPECT_EQ(Problem(""), HeaderProblem::kNoMessage);
  EXPECT_EQ(Problem("\r\nbody\r\n"), HeaderProblem::kNoMessage);
  EXPECT_EQ(Problem("Hello, this is no header\r\n"), HeaderProblem::kNoMessage);
  EXPECT_EQ(Problem(Join({" continued\r\n", kFrom, "\r\n"})), HeaderProblem::kNoMessage);
  EXPECT_EQ(Problem(Join({"From bob Mon Nov 23\r\n", kFrom, "\r\n"})), HeaderProblem::kNoMessage);
  EXPECT_EQ(Problem(Join({kFrom, "no field\r\n\r\n"})), HeaderProblem::kNoMessage);
  EXPECT_EQ(Problem("Subject: x\r\n\r\n"), HeaderProblem::kNoFrom);
  EXPECT_EQ(Problem("From: bob@example.org\nFrom: eve@example.org\r\n\r\n"),
            HeaderProblem::kBareOctet);
  EXPECT_EQ(Problem(Join({kFrom, "Subject: a\rb\r\n\r\n"})), HeaderProblem::kBareOctet);
  EXPECT_EQ(Problem(Join({kFrom, {"Subject: a\0b\r\n\r\n", 17}})), HeaderProblem::kBareOctet);
  EXPECT_EQ(Problem(Join({kFrom, kFrom, "\r\n"})), HeaderProblem::kRepeated);
  EXPECT_EQ(Problem(Join({kFrom, "from : eve@example.org\r\n\r\n"})), HeaderProblem::kRepeated);
  EXPECT_EQ(Problem(Join({kFrom, "Subject: a\r\nSUBJECT: b\r\n\r\n"})), HeaderProblem::kRepeated);
  EXPECT_EQ(Problem("From:\r\n\r\n"), HeaderProblem::kOriginator);
  EXPECT_EQ(Problem(Join({kFrom, "Sender: a@b.example, c@d.example\r\n\r\n"})),
            HeaderProblem::kOriginator);
}

TEST(Completion, EveryProblemHasAReply) {
  EXPECT_EQ(ReplyForHeader({.problem = HeaderProblem::kNoMessage}).ToLine().substr(0, 9),
            "554 5.6.0");
  EXPECT_EQ(ReplyForHeader({.problem = HeaderProblem::kBareOctet}).code, 554);
  EXPECT_EQ(ReplyForHeader({.problem = HeaderProblem::kRepeated, .culprit = "From"}).ToLine(),
            "554 5.6.0 The field From is there twice");
  EXPECT_EQ(ReplyForHeader({.problem = HeaderProblem::kNoFrom}).code, 554);
  EXPECT_EQ(ReplyForHeader({.problem = HeaderProblem::kOriginator, .culprit = "From"}).code, 554);
  EXPECT_EQ(ReplyForHeader({.problem = HeaderProblem::kTooLarge}).ToLine().substr(0, 9),
            "552 5.3.4");
}

TEST(Completion, HoldsAHeaderSectionOfTheLimitAndNotOneOctetMore) {
  for (const size_t more : {size_t{0}, size_t{1}}) {
    for (const size_t step : {size_t{4096}, SIZE_MAX}) {
      std::string content = Join({kFrom, kDate, kId, "Subject: \r\n\r\n"});
      content.insert(content.size() - 4,
                     std::string(kSubmissionHeaderBytesMax - content.size() + more, 'x'));
      ASSERT_EQ(content.size(), kSubmissionHeaderBytesMax + more);
      const Outcome done = Complete(content + "body", step);
      EXPECT_EQ(done.header.problem, more == 0 ? HeaderProblem::kNone : HeaderProblem::kTooLarge);
      if (more == 0) EXPECT_EQ(done.body, "body");
    }
  }
  // Whatever comes behind it.
  EXPECT_EQ(Complete(std::string(kSubmissionHeaderBytesMax + 1, 'x'), 1000).header.problem,
            HeaderProblem::kTooLarge);
}

std::string Originators(std::string_view value) {
  const auto mailboxes = ReadOriginators(value);
  if (!mailboxes) return "none";
  std::string out;
  for (const std::string& one : *mailboxes) out += (out.empty() ? "" : " ") + one;
  return out;
}

TEST(Originators, AreReadInEveryFormOfTheGrammar) {
  EXPECT_EQ(Originators(" bob@example.org"), "bob@example.org");
  EXPECT_EQ(Originators("Bob B. Builder <bob@example.org>"), "bob@example.org");
  EXPECT_EQ(Originators("\"Builder, Bob\" (at (nested \\) home)) <bob@example.org> (x)"),
            "bob@example.org");
  EXPECT_EQ(Originators("bob@example.org (Bob)\r\n"), "bob@example.org");
  EXPECT_EQ(Originators("Bob\r\n <bob@example.org>,\r\n\teve@example.org"),
            "bob@example.org eve@example.org");
  EXPECT_EQ(Originators("\"b o b\"@example.org"), "\"b o b\"@example.org");
  EXPECT_EQ(Originators("bob@[192.0.2.1]"), "bob@[192.0.2.1]");
  EXPECT_EQ(Originators("J\xc3\xb6rg <j\xc3\xb6rg@example.org>"), "j\xc3\xb6rg@example.org");
  EXPECT_EQ(Originators("=?utf-8?q?B=C3=B6b?= <bob@example.org>"), "bob@example.org");
  EXPECT_EQ(Originators("Us: bob@example.org, Eve <eve@example.org>;"),
            "bob@example.org eve@example.org");
  EXPECT_EQ(Originators("Nobody:; , bob@example.org"), "bob@example.org");
}

TEST(Originators, ThatTwoReadersMightReadDifferentlyAreNobody) {
  for (const std::string_view value : {"",
                                       "bob",
                                       "Bob",
                                       "<>",
                                       "bob@",
                                       "@example.org",
                                       "bob@example.org,",
                                       ",bob@example.org",
                                       "bob@example.org eve@example.org",
                                       "bob@example.org <eve@example.org>",
                                       "<bob@example.org> <eve@example.org>",
                                       "<bob@example.org> eve@example.org",
                                       "Foo, Inc. <bob@example.org>",
                                       "bob <@a,@b:bob@example.org>",
                                       "bob@example.org;",
                                       "Us: bob@example.org",
                                       "Us: Them: bob@example.org;;",
                                       "Us:;",
                                       "\"bob@example.org",
                                       "bob@example.org (",
                                       "<bob@example.org",
                                       "bob@example.org>",
                                       "bo b@example.org",
                                       "bob@exam ple.org",
                                       "bob@@example.org",
                                       "b..ob@example.org",
                                       "bob@example..org",
                                       "<<bob@example.org>>",
                                       "bob\\@example.org",
                                       "bob@example.org\\",
                                       "\"bob\"eve@example.org",
                                       "bob@[192.0.2.1",
                                       "[bob@example.org]",
                                       "\"a\r\n b\"@example.org",
                                       ":bob@example.org;"}) {
    EXPECT_EQ(Originators(value), "none") << value;
  }
  EXPECT_EQ(Originators(std::string_view("bob@example.org\0", 16)), "none");
}

TEST(Originators, AreAsManyAsTheLimitAndNotOneMore) {
  std::string value = "a@b.example";
  for (size_t i = 1; i < kOriginatorsMax; ++i) value += ", a@b.example";
  EXPECT_EQ(ReadOriginators(value)->size(), kOriginatorsMax);
  EXPECT_FALSE(ReadOriginators(value + ", a@b.example"));
}

Identity Judge(const FakeDirectory& directory, std::string_view address,
               std::string_view account = "bob@example.org") {
  return JudgeIdentity(&directory, account,
                       *message::ParseMailbox(address, message::Utf8::kAllowed));
}

TEST(Identity, IsTheAccountsAddressWithOrWithoutDetailOrAnAliasThatLeadsToIt) {
  FakeDirectory directory;
  directory.AddAccount("bob@example.org", 1);
  directory.AddAccount("eve@example.org", 2);
  directory.AddAlias("sales@example.org", {"eve@example.org", "bob@example.org"});
  directory.AddAlias("press@example.org", {"eve@example.org"});
  directory.Say("old@example.org", FakeDirectory::Kind::kMoved);
  directory.Say("who@example.org", FakeDirectory::Kind::kUnknown);
  EXPECT_EQ(Judge(directory, "bob@example.org"), Identity::kOwn);
  EXPECT_EQ(Judge(directory, "BOB@Example.ORG"), Identity::kOwn);
  EXPECT_EQ(Judge(directory, "\"bob\"@example.org"), Identity::kOwn);
  EXPECT_EQ(Judge(directory, "bob+lists@example.org"), Identity::kOwn);
  EXPECT_EQ(Judge(directory, "sales@example.org"), Identity::kOwn);
  for (const std::string_view other :
       {"eve@example.org", "press@example.org", "old@example.org", "who@example.org",
        "bob@example.com", "bob@sub.example.org", "eve+bob@example.org"}) {
    EXPECT_EQ(Judge(directory, other), Identity::kForeign) << other;
  }
}

TEST(Identity, OfAnAccountOfAnotherBackendIsItsOwnAddress) {
  const FakeDirectory directory;
  EXPECT_EQ(Judge(directory, "eve@ldap.example", "Eve@ldap.example"), Identity::kOwn);
  EXPECT_EQ(Judge(directory, "bob@ldap.example", "Eve@ldap.example"), Identity::kForeign);
  EXPECT_EQ(Judge(directory, "bob@ldap.example", "no address"), Identity::kForeign);
  EXPECT_EQ(JudgeIdentity(nullptr, "eve@a.example", {.local_part = "eve", .domain = "a.example"}),
            Identity::kOwn);
  EXPECT_EQ(JudgeIdentity(nullptr, "eve@a.example", {.local_part = "bob", .domain = "a.example"}),
            Identity::kForeign);
}

TEST(Identity, ThatDamageMayHideIsNotRefusedForGood) {
  FakeDirectory directory;
  directory.AddAlias("sales@example.org", {"eve@example.org"});
  directory.Say("lost@example.org", FakeDirectory::Kind::kUnavailable);
  EXPECT_EQ(Judge(directory, "lost@example.org"), Identity::kUnavailable);
  directory.certain = false;
  EXPECT_EQ(Judge(directory, "bob@example.net"), Identity::kUnavailable);
  directory.expansion_unavailable = true;
  EXPECT_EQ(Judge(directory, "sales@example.org"), Identity::kUnavailable);
}

constexpr SubmissionLimits kLimits{.messages_per_hour = 3,
                                   .messages_per_day = 5,
                                   .recipients_per_hour = 4,
                                   .recipients_per_day = 6};

TEST(Rates, LetAsManyThroughAsTheLimitAndNotOneMore) {
  SubmissionRates rates;
  const MonotonicTime start{};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(rates.TakeMessage("bob", kLimits, start));
  const auto refusal = rates.TakeMessage("bob", kLimits, start);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->ToLine(), "450 4.7.1 3 messages in an hour, and no more; try again later");
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(rates.TakeRecipient("bob", kLimits, start));
  EXPECT_EQ(rates.TakeRecipient("bob", kLimits, start)->ToLine().substr(0, 9), "452 4.7.1");
  // Nobody else is held to it.
  EXPECT_FALSE(rates.TakeMessage("eve", kLimits, start));
  EXPECT_FALSE(rates.TakeMessage("bob", SubmissionLimits{.messages_per_hour = 0}, start));
}

TEST(Rates, AWindowSlidesAndTheDayHasALimitOfItsOwn) {
  SubmissionRates rates;
  MonotonicTime now{};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  // An hour later all of the hour before still counts, and half an hour after that a half of it.
  now += hours(1);
  EXPECT_TRUE(rates.TakeMessage("bob", kLimits, now));
  now += minutes(30);
  EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  EXPECT_TRUE(rates.TakeMessage("bob", kLimits, now));
  now += hours(3);
  EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  EXPECT_EQ(rates.TakeMessage("bob", kLimits, now)->ToLine().substr(0, 32),
            "450 4.7.1 5 messages in a day, a");
  now += hours(48);
  EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
}

TEST(Rates, WhatIsGivenBackMayBeTakenAgain) {
  SubmissionRates rates;
  const MonotonicTime now{};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  EXPECT_TRUE(rates.TakeMessage("bob", kLimits, now));
  rates.GiveBack("bob", 1, 7, now);
  EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  EXPECT_TRUE(rates.TakeMessage("bob", kLimits, now));
  rates.GiveBack("nobody", 1, 1, now);
  EXPECT_EQ(rates.size(), 1u);
}

TEST(Rates, WhatWasSentElsewhereCounts) {
  SubmissionRates rates;
  const MonotonicTime now{};
  EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  rates.Learn(SubmissionRates::KeyOf("bob"), 1, 9, now);
  EXPECT_TRUE(rates.TakeRecipient("bob", kLimits, now));
  EXPECT_FALSE(rates.TakeMessage("bob", kLimits, now));
  EXPECT_TRUE(rates.TakeMessage("bob", kLimits, now));
  rates.Learn(SubmissionRates::KeyOf("eve"), 3, 3, now);
  EXPECT_TRUE(rates.TakeMessage("eve", kLimits, now));
  EXPECT_EQ(rates.size(), 2u);
}

TEST(Rates, ForgetTheAccountThatWasQuietForLongestBeyondTheLimitOfAccounts) {
  SubmissionRates rates(2);
  const MonotonicTime now{};
  const SubmissionLimits one{.messages_per_hour = 1};
  EXPECT_FALSE(rates.TakeMessage("a", one, now));
  EXPECT_FALSE(rates.TakeMessage("b", one, now));
  EXPECT_EQ(rates.size(), 2u);
  EXPECT_TRUE(rates.TakeMessage("a", one, now));
  EXPECT_FALSE(rates.TakeMessage("c", one, now));
  EXPECT_EQ(rates.size(), 2u);
  EXPECT_TRUE(rates.TakeMessage("a", one, now));
  EXPECT_FALSE(rates.TakeMessage("b", one, now));
}

}  // namespace
}  // namespace ringmail::agent
