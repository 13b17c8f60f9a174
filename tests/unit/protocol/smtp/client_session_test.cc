// The client's conversation with peers good and bad.
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "tests/unit/protocol/smtp/scripted_peer.h"

namespace ringmail::smtp {
namespace {

using agent::Outcome;
using std::chrono::milliseconds;

// One parcel on a session of its own.
Parcel Carry(Carriage& carriage, Parcel parcel = {}) {
  static Parcel* current;
  current = &parcel;
  EXPECT_TRUE(carriage.Run([](Carriage& c) -> io::Task<void> { co_await c.Send(*current); }));
  return parcel;
}

// Two parcels, one after the other, on one session. The second is returned.
Parcel CarrySecond(Carriage& carriage, Parcel first, Parcel parcel = {}) {
  static std::pair<Parcel*, Parcel*> current;
  current = {&first, &parcel};
  EXPECT_TRUE(carriage.Run([](Carriage& c) -> io::Task<void> {
    auto session = co_await c.OpenSession();
    co_await Carriage::Deliver(*session, *current.first);
    co_await Carriage::Deliver(*session, *current.second);
    session->Cancel();  // Harmless, also where the session has ended.
    co_await session->Quit();
  }));
  return parcel;
}

TEST(SmtpClient, SendsAllInOneRoundTripWhereThePeerTakesChunks) {
  Carriage c;
  const Parcel parcel = Carry(c);
  EXPECT_EQ(parcel.outcome(), Outcome::kDelivered);
  EXPECT_LT(parcel.took, milliseconds(30));
  ASSERT_EQ(c.peer.messages.size(), 1u);
  EXPECT_EQ(c.peer.messages[0], parcel.content);
  EXPECT_TRUE(c.peer.Heard("BDAT 20 LAST") && c.peer.Heard("QUIT"));
}

TEST(SmtpClient, SendsDataInTwoRoundTripsWherePipeliningIsAll) {
  Carriage c;
  c.peer.extensions = {"PIPELINING"};
  const Parcel parcel = Carry(c, {.to = Recipients({"a@x", "b@x", "c@x"})});
  EXPECT_EQ(parcel.outcome(2), Outcome::kDelivered);
  EXPECT_GE(parcel.took, milliseconds(40));
  EXPECT_LT(parcel.took, milliseconds(50));
  EXPECT_EQ(c.peer.messages.at(0), parcel.content);
}

TEST(SmtpClient, NeverTalksAheadOfAPeerWithoutPipelining) {
  for (const bool chunking : {false, true}) {
    Carriage c;
    c.peer.extensions = {"8BITMIME"};
    if (chunking) c.peer.extensions.push_back("CHUNKING");
    const Parcel parcel = Carry(c, {.to = Recipients({"a@x", "b@x"}),
                                    .content = std::string(5000, 'x') + "\r\n",
                                    .piece_bytes = 1000});
    EXPECT_EQ(parcel.outcome(1), Outcome::kDelivered);
    EXPECT_EQ(c.peer.messages.at(0), parcel.content);
    if (!chunking) EXPECT_EQ(c.peer.ahead, 0u);
  }
}

TEST(SmtpClient, SaysHeloToAPeerThatDoesNotKnowEhlo) {
  Carriage c;
  c.peer.Say("EHLO", "500-what\r\n500 PIPELINING\r\n");
  EXPECT_EQ(Carry(c).outcome(), Outcome::kDelivered);
  EXPECT_TRUE(c.peer.Heard("HELO relay.example.org") && c.peer.Heard("DATA"));
  EXPECT_EQ(c.peer.ahead, 0u);
}

TEST(SmtpClient, ContentArrivesAsItIsWhateverItsPiecesAndItsDots) {
  std::string text = ".first\r\n..\r\n.\r\n";
  while (text.size() < 600'000)
    text += ".a line that begins with a dot\r\nand one that does not\r\n";
  std::string stuffed;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && (i == 0 || text[i - 1] == '\n')) stuffed += '.';
    stuffed += text[i];
  }
  for (const bool chunking : {false, true}) {
    for (const size_t piece : {size_t{7'001}, size_t{256 << 10}, text.size()}) {
      Carriage c;
      c.peer.extensions = {"PIPELINING"};
      if (chunking) c.peer.extensions.push_back("CHUNKING");
      const Parcel parcel = Carry(c, {.content = text, .piece_bytes = piece});
      ASSERT_EQ(parcel.outcome(), Outcome::kDelivered);
      EXPECT_TRUE(c.peer.messages.at(0) == (chunking ? text : stuffed)) << piece;
    }
  }
}

TEST(SmtpClient, EndsContentThatLacksItsLastLineEnd) {
  for (const auto& [content, taken] : {std::pair("body", "body\r\n"), std::pair("", ""),
                                       std::pair("x\r\n", "x\r\n"), std::pair("\r\n", "\r\n")}) {
    Carriage c;
    c.peer.extensions = {};
    EXPECT_EQ(Carry(c, {.content = content, .piece_bytes = 1}).outcome(), Outcome::kDelivered);
    EXPECT_EQ(c.peer.messages.at(0), taken);
  }
}

TEST(SmtpClient, AsksPlainlyWhereParametersAreRefusedAndNotForTheNextMessage) {
  Carriage c;
  c.peer.Say("MAIL", "555 5.5.4 SIZE what\r\n", 0, 1);
  EXPECT_EQ(Carry(c).outcome(), Outcome::kDelivered);
  EXPECT_EQ(c.peer.Count("MAIL FROM:<a@sender.example>"), 2u);
  EXPECT_EQ(c.peer.messages.size(), 1u);

  Carriage bad;
  bad.peer.Say("MAIL FROM:<bad@", "501 5.1.7 bad sender\r\n");
  EXPECT_EQ(CarrySecond(bad, {.from = "bad@x"}).outcome(), Outcome::kDelivered);
  EXPECT_TRUE(bad.peer.Heard("MAIL FROM:<a@sender.example> SIZE="));
}

TEST(SmtpClient, RemembersWhoOffersChunkingAndDoesNotKnowIt) {
  for (const size_t piece : {size_t{256 << 10}, size_t{100'000}}) {
    Carriage c;
    c.peer.no_bdat = true;
    static Parcel* parcel;
    static Outcome first;
    Parcel letter{.content = std::string(400'000, 'x') + "\r\n", .piece_bytes = piece};
    parcel = &letter;
    ASSERT_TRUE(c.Run([](Carriage& carriage) -> io::Task<void> {
      co_await carriage.Send(*parcel);
      first = parcel->outcome();
      co_await carriage.Send(*parcel);
    }));
    EXPECT_EQ(first, Outcome::kUntried);
    EXPECT_EQ(letter.outcome(), Outcome::kDelivered);
    EXPECT_TRUE(c.peer.messages.at(0) == letter.content);
  }
}

TEST(SmtpClient, NeverTakesRepliesToContentForThoseToTheNextMessage) {
  // The peer reads the content as commands, and nobody was accepted who would be told so.
  for (const char* refused : {"RCPT", "MAIL"}) {
    Carriage c;
    c.peer.no_bdat = true;
    c.peer.Say(refused, "555 5.5.4 no\r\n", 0, 1);
    EXPECT_EQ(CarrySecond(c, {.content = "a\r\nb\r\nc\r\n"}).outcome(), Outcome::kUntried);
    EXPECT_EQ(c.peer.Count("MAIL"), 1u) << refused;
    EXPECT_TRUE(c.peer.messages.empty());
  }
}

TEST(SmtpClient, EndsASessionWhosePeerSaysMoreThanItWasAsked) {
  Carriage c;
  c.peer.Say("BDAT", "250 2.0.0 taken\r\n250 2.0.0 and again\r\n");
  EXPECT_EQ(CarrySecond(c, {}).outcome(), Outcome::kUntried);
  EXPECT_EQ(c.peer.Count("MAIL"), 1u);
}

TEST(SmtpClient, TheFirstRefusedChunkSaysWhatBecomesOfTheMessage) {
  Carriage c;
  c.peer.Say("BDAT", "452 4.3.1 disk full\r\n", 0, 1);
  c.peer.Say("BDAT", "503 5.5.1 no transaction\r\n");
  const Parcel parcel =
      Carry(c, {.content = std::string(400'000, 'x') + "\r\n", .piece_bytes = 256 << 10});
  EXPECT_EQ(parcel.outcome(), Outcome::kDeferred);
  EXPECT_EQ(parcel.results[0].reply.code, 452);
}

TEST(SmtpClient, EachRecipientHasItsOwnOutcome) {
  for (const std::vector<std::string>& extensions :
       {std::vector<std::string>{}, {"PIPELINING"}, {"PIPELINING", "CHUNKING"}}) {
    Carriage c;
    c.peer.extensions = extensions;
    c.peer.Say("RCPT TO:<later@", "450 4.2.0 later\r\n");
    c.peer.Say("RCPT TO:<never@", "550-5.1.1 no\r\n550 5.1.1 never\r\n");
    c.peer.Say("RCPT TO:<full@", "452 4.2.2 mailbox full\r\n");
    c.peer.Say("RCPT TO:<odd@", "354 what\r\n");
    c.peer.Say("RCPT TO:<many@", "452 4.5.3 too many\r\n");
    const Parcel parcel = Carry(
        c,
        {.to = Recipients({"ok@x", "later@x", "never@x", "full@x", "odd@x", "many@x", "ok2@x"})});
    const std::vector<Outcome> expected = {
        Outcome::kDelivered, Outcome::kDeferred, Outcome::kFailed,   Outcome::kDeferred,
        Outcome::kDeferred,  Outcome::kUntried,  Outcome::kDelivered};
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(parcel.outcome(i), expected[i]) << i;
    EXPECT_EQ(parcel.results[2].reply.text, "no\nnever");
    EXPECT_EQ(parcel.results[4].reply.code, 451);
  }
}

TEST(SmtpClient, AnEmptyMessageEndsADataThatNobodyWants) {
  Carriage c;
  c.peer.extensions = {"PIPELINING"};
  c.peer.Say("RCPT TO:<no@", "550 5.1.1 no\r\n");
  c.peer.Say("DATA", "354 all the same\r\n", 0, 1);
  EXPECT_EQ(CarrySecond(c, {.to = Recipients({"no@x"})}).outcome(), Outcome::kDelivered);
  EXPECT_EQ(c.peer.messages.at(0), "");
  EXPECT_EQ(c.peer.connections, 1u);
}

// At each stage: 421, a closed connection, silence, and what is no reply at all.
TEST(SmtpClient, WhateverEndsATransactionDefersItAndNothingIsTakenForDelivered) {
  for (const bool plain : {true, false}) {
    for (const char* stage : {"MAIL", "RCPT", "DATA", "(end)", "BDAT"}) {
      for (const std::string_view reply :
           {std::string_view("421 4.3.2 closing\r\n"), kHangUp, kSilence,
            std::string_view("HTTP/1.1 400 Bad\r\n"), std::string_view("250-a\r\n251 b\r\n")}) {
        Carriage c;
        const bool chunks = stage == std::string_view("BDAT");
        if (plain) c.peer.extensions.clear();
        if (!plain && !chunks) c.peer.extensions = {"PIPELINING"};
        if (plain && chunks) c.peer.extensions = {"CHUNKING"};
        c.peer.Say(stage, reply);
        const Parcel parcel = Carry(c);
        EXPECT_EQ(parcel.outcome(), Outcome::kDeferred) << stage << " " << reply;
        EXPECT_TRUE(parcel.results[0].reply.transient()) << stage << " " << reply;
        EXPECT_LT(parcel.took, std::chrono::minutes(16));
        const bool end = stage == std::string_view("(end)") || (chunks && plain);
        if (end && reply != "421 4.3.2 closing\r\n") EXPECT_TRUE(parcel.ambiguous) << reply;
        if (plain && !end) EXPECT_FALSE(parcel.ambiguous) << stage << reply;
      }
    }
  }
}

TEST(SmtpClient, AKeptConnectionThatThePeerGivesUpHasTriedNothing) {
  for (const std::string_view reply : {kHangUp, std::string_view("421 4.4.2 idle\r\n")}) {
    Carriage c;
    c.peer.extensions = {"PIPELINING"};
    c.peer.Say("MAIL", reply, 1);
    const Parcel parcel = CarrySecond(c, {});
    EXPECT_EQ(parcel.outcome(), Outcome::kUntried) << reply;
    EXPECT_FALSE(parcel.ambiguous);
  }
}

TEST(SmtpClient, APeerThatRefusesParametersAndClosesHasBeenAsked) {
  Carriage c;
  c.peer.Say("MAIL", "501 5.5.4 what\r\n");
  c.peer.Say("RCPT", kHangUp);
  EXPECT_EQ(Carry(c).outcome(), Outcome::kDeferred);
}

TEST(SmtpClient, NothingIsSentToAPeerThatDidNotSayItTakesIt) {
  Carriage c;
  c.peer.extensions = {"SIZE 10"};
  for (Parcel parcel : {Parcel{}, Parcel{.content = "\xff\r\n", .flags = storage::kContent8Bit},
                        Parcel{.content = "\n", .flags = storage::kContentBinary},
                        Parcel{.parameters = {.smtp_utf8 = true}, .content = "x\r\n"}}) {
    EXPECT_EQ(Carry(c, std::move(parcel)).outcome(), Outcome::kFailed);
  }
  EXPECT_FALSE(c.peer.Heard("MAIL"));
}

TEST(SmtpClient, PassesParametersOnWhereTheyAreOffered) {
  Carriage c;
  Parcel parcel{.parameters = {.body = message::BodyType::kBinaryMime,
                               .smtp_utf8 = true,
                               .dsn_return = message::DsnReturn::kHeaders,
                               .envelope_id = "id+2B1"}};
  parcel.to[0].notify = message::kNotifySuccess | message::kNotifyDelay;
  parcel.to[0].original_recipient = "rfc822;o@x";
  EXPECT_EQ(Carry(c, parcel).outcome(), Outcome::kDelivered);
  EXPECT_TRUE(c.peer.Heard(
      "MAIL FROM:<a@sender.example> BODY=BINARYMIME SMTPUTF8 SIZE=20 RET=HDRS ENVID=id+2B1"));
  EXPECT_TRUE(c.peer.Heard("RCPT TO:<b@rcpt.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@x"));
}

TEST(SmtpClient, NeverEndsContentThatItCouldNotReadWhole) {
  for (const bool chunking : {false, true}) {
    for (const bool longer : {false, true}) {
      Carriage c;
      c.peer.extensions = {"PIPELINING"};
      if (chunking) c.peer.extensions.push_back("CHUNKING");
      Parcel parcel{.content = std::string(3000, 'x') + "\r\n", .piece_bytes = 1000};
      (longer ? parcel.missing_bytes : parcel.unreadable_from) = 2000;
      const Parcel sent = Carry(c, parcel);
      EXPECT_EQ(sent.outcome(), Outcome::kDeferred);
      EXPECT_FALSE(sent.ambiguous);
      EXPECT_TRUE(c.peer.messages.empty());
    }
  }
}

TEST(SmtpClient, HonoursThePeersLimits) {
  Carriage c;
  c.peer.extensions = {"PIPELINING", "LIMITS RCPTMAX=7 MAILMAX=1"};
  ASSERT_TRUE(c.Run([](Carriage& carriage) -> io::Task<void> {
    auto session = co_await carriage.OpenSession();
    EXPECT_EQ(session->recipients_max(), 7u);
    Parcel parcel;
    co_await Carriage::Deliver(*session, parcel);
    EXPECT_FALSE(session->usable());
    co_await session->Quit();
  }));
  EXPECT_TRUE(c.peer.Heard("QUIT"));
}

TEST(SmtpClient, AGreetingThatIsNoneIsNoSessionAndSaysWhetherItMayPass) {
  struct Case {
    const char* stage;
    std::string_view reply;
    bool permanent;
  };
  for (const Case& test : {Case{"(greeting)", "554 5.7.1 not you\r\n", false},
                           {"(greeting)", "421 busy\r\n", false},
                           {"(greeting)", "521 no mail here\r\n", true},
                           {"(greeting)", kHangUp, false},
                           {"(greeting)", kSilence, false},
                           {"(greeting)", "250 hm\r\n", false},
                           {"(greeting)", "220 RELAY.example.org ESMTP\r\n", true},
                           {"EHLO", "421 4.3.2 no\r\n", false},
                           {"EHLO", "354 go on\r\n", false},
                           {"EHLO", kHangUp, false},
                           {"EHLO", kSilence, false}}) {
    Carriage c;
    c.peer.Say(test.stage, test.reply);
    static message::Reply reply;
    ASSERT_TRUE(c.Run([](Carriage& carriage) -> io::Task<void> {
      agent::SessionResult result = co_await carriage.Open();
      EXPECT_EQ(result.session, nullptr);
      reply = result.reply;
    }));
    EXPECT_EQ(reply.permanent(), test.permanent) << test.reply;
    EXPECT_EQ(reply.transient(), !test.permanent) << test.reply;
  }
}

TEST(SmtpClient, AHostThatDoesNotListenIsUnreachableForNow) {
  Carriage c;
  c.listening = false;
  ASSERT_TRUE(c.Run([](Carriage& carriage) -> io::Task<void> {
    const agent::SessionResult result = co_await carriage.Open();
    EXPECT_EQ(result.session, nullptr);
    EXPECT_EQ(result.reply.status, (message::EnhancedStatus{4, 4, 1}));
  }));
}

io::Task<void> CancelLater(agent::TransportSession* session) {
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(1));
  session->Cancel();
}

TEST(SmtpClient, CancelEndsWhatIsUnderWay) {
  Carriage c;
  c.peer.Say("MAIL", kSilence);
  ASSERT_TRUE(c.Run([](Carriage& carriage) -> io::Task<void> {
    auto session = co_await carriage.OpenSession();
    io::Gate gate;
    gate.Spawn(CancelLater(session.get()));
    Parcel parcel;
    co_await Carriage::Deliver(*session, parcel);
    EXPECT_EQ(parcel.outcome(), Outcome::kDeferred);
    EXPECT_LT(parcel.took, std::chrono::seconds(2));
    co_await gate.Close();
    co_await session->Quit();
  }));
}

// --- LMTP (RFC 2033)

struct StoreCarriage : Carriage {
  StoreCarriage() { protocol = agent::HopProtocol::kLmtp; }
};

TEST(LmtpClient, SaysLhloAndTakesAReplyForEachRecipient) {
  for (const bool chunking : {false, true}) {
    StoreCarriage c;
    if (!chunking) c.peer.extensions = {"PIPELINING"};
    c.peer.Say("RCPT TO:<b@x", "550 5.1.1 unknown\r\n");
    c.peer.Say(chunking ? "BDAT" : "(end)",
               "250 2.1.5 a has it\r\n452 4.2.2 c is full\r\n550 5.7.1 d wants none\r\n");
    const Parcel parcel = Carry(c, {.to = Recipients({"a@x", "b@x", "c@x", "d@x"})});
    EXPECT_TRUE(c.peer.Heard("LHLO relay.example.org"));
    EXPECT_FALSE(c.peer.Heard("EHLO"));
    EXPECT_EQ(parcel.outcome(0), Outcome::kDelivered);
    EXPECT_EQ(parcel.outcome(1), Outcome::kFailed);
    EXPECT_EQ(parcel.results[1].reply.code, 550);
    EXPECT_EQ(parcel.outcome(2), Outcome::kDeferred);
    EXPECT_EQ(parcel.results[2].reply.text, "c is full");
    EXPECT_EQ(parcel.outcome(3), Outcome::kFailed);
    EXPECT_FALSE(parcel.ambiguous);
    EXPECT_TRUE(c.peer.Heard("QUIT"));
    EXPECT_EQ(c.peer.messages.size(), 1u);
  }
}

TEST(LmtpClient, GoesOnWithTheNextMessageAfterManyReplies) {
  StoreCarriage c;
  c.peer.extensions = {"PIPELINING"};
  c.peer.Say("(end)", "250 2.1.5 a\r\n250 2.1.5 b\r\n", 0, 1);
  const Parcel second = CarrySecond(c, {.to = Recipients({"a@x", "b@x"})}, {});
  EXPECT_EQ(second.outcome(), Outcome::kDelivered);
  EXPECT_EQ(c.peer.connections, 1u);
}

TEST(LmtpClient, DoesNotFallBackToSmtp) {
  StoreCarriage c;
  c.peer.Say("LHLO", "500 5.5.1 what\r\n");
  ASSERT_TRUE(c.Run([](Carriage& carriage) -> io::Task<void> {
    const agent::SessionResult result = co_await carriage.Open();
    EXPECT_EQ(result.session, nullptr);
  }));
  EXPECT_FALSE(c.peer.Heard("HELO"));
}

TEST(LmtpClient, WhatThePeerSaidOfSomeStandsWhereItHangsUpOnTheOthers) {
  StoreCarriage c;
  c.peer.extensions = {"PIPELINING"};
  c.peer.Say("(end)", "250 2.1.5 a has it\r\n421 4.3.2 closing\r\n");
  const Parcel closed = Carry(c, {.to = Recipients({"a@x", "b@x", "c@x"})});
  EXPECT_EQ(closed.outcome(0), Outcome::kDelivered);
  EXPECT_EQ(closed.outcome(1), Outcome::kDeferred);
  EXPECT_EQ(closed.outcome(2), Outcome::kDeferred);
  StoreCarriage mute;
  mute.peer.extensions = {"PIPELINING"};
  mute.peer.Say("(end)", "250 2.1.5 a has it\r\n");
  const Parcel waited = Carry(mute, {.to = Recipients({"a@x", "b@x"})});
  EXPECT_EQ(waited.outcome(0), Outcome::kDelivered);
  EXPECT_EQ(waited.outcome(1), Outcome::kDeferred);
  EXPECT_TRUE(waited.ambiguous);
}

TEST(LmtpClient, AStoreThatDoesNotKnowBdatIsAskedByData) {
  StoreCarriage c;
  c.peer.no_bdat = true;
  c.peer.Say("(end)", "250 2.1.5 a\r\n250 2.1.5 b\r\n");
  const Parcel parcel = Carry(c, {.to = Recipients({"a@x", "b@x"})});
  EXPECT_EQ(parcel.outcome(0), Outcome::kUntried);
  EXPECT_EQ(parcel.outcome(1), Outcome::kUntried);
  EXPECT_FALSE(parcel.ambiguous);
}

TEST(LmtpClient, NobodyAcceptedIsNobodyToAnswerFor) {
  for (const bool chunking : {false, true}) {
    StoreCarriage c;
    if (!chunking) c.peer.extensions = {"PIPELINING"};
    c.peer.Say("RCPT", "550 5.1.1 unknown\r\n");
    const Parcel parcel = Carry(c, {.to = Recipients({"a@x", "b@x"})});
    EXPECT_EQ(parcel.outcome(0), Outcome::kFailed);
    EXPECT_EQ(parcel.outcome(1), Outcome::kFailed);
    EXPECT_TRUE(c.peer.Heard("QUIT"));
  }
}

}  // namespace
}  // namespace ringmail::smtp
