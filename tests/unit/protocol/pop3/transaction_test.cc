// TRANSACTION and UPDATE: numbers that stand still, listings, and what is deleted when.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/protocol/pop3/conversation.h"

namespace ringmail::pop3 {
namespace {

using std::chrono::minutes;
using Turns = std::vector<std::string>;

class Pop3Transaction : public testing::Test, public Conversation {
 protected:
  Pop3Transaction() {
    for (uint32_t i = 1; i <= 3; ++i) house.Deliver("ann", Letter("x", i));  // 45, 53, 61 octets
  }
};

TEST_F(Pop3Transaction, CountsMessagesAndOctets) {
  EXPECT_EQ(
      TalkLoggedIn({"STAT\r\n", "LIST\r\n", "LIST 2\r\n", "UIDL\r\n", "UIDL 3\r\n", "NOOP\r\n"}),
      (Turns{"+OK 3 159\r\n", "+OK 3 messages (159 octets)\r\n1 45\r\n2 53\r\n3 61\r\n.\r\n",
             "+OK 2 53\r\n",
             "+OK Unique-ids follow\r\n1 0000000100000007\r\n2 0000000200000007\r\n3 "
             "0000000300000007\r\n.\r\n",
             "+OK 3 0000000300000007\r\n", "+OK Nothing done\r\n", ""}));
}

TEST_F(Pop3Transaction, ShowsNothingOfWhatIsMarkedAsDeletedUntilRset) {
  const Turns turns =
      TalkLoggedIn({"DELE 2\r\n", "STAT\r\n", "LIST\r\n", "UIDL\r\n", "LIST 2\r\n", "UIDL 2\r\n",
                    "RETR 2\r\n", "TOP 2 0\r\n", "DELE 2\r\n", "RSET\r\n", "LIST 2\r\n"});
  EXPECT_EQ(turns[0], "+OK Message 2 is deleted\r\n");
  EXPECT_EQ(turns[1], "+OK 2 106\r\n");
  EXPECT_EQ(turns[2], "+OK 2 messages (106 octets)\r\n1 45\r\n3 61\r\n.\r\n");
  EXPECT_EQ(turns[3], "+OK Unique-ids follow\r\n1 0000000100000007\r\n3 0000000300000007\r\n.\r\n");
  for (size_t i = 4; i <= 8; ++i) EXPECT_EQ(turns[i], "-ERR Message 2 is deleted\r\n") << i;
  EXPECT_EQ(turns[9], "+OK 3 messages (159 octets)\r\n");
  EXPECT_EQ(turns[10], "+OK 2 53\r\n");
}

TEST_F(Pop3Transaction, RefusesNumbersThatNoMessageHas) {
  const Turns turns = TalkLoggedIn({"LIST 0\r\n", "LIST 4\r\n", "UIDL 4294967295\r\n", "RETR x\r\n",
                                    "DELE -1\r\n", "TOP 9 1\r\n", "TOP 1\r\n", "TOP 1 x\r\n",
                                    "TOP 1 -1\r\n", "RETR 1 2\r\n", "LIST 1 \r\n"});
  for (const size_t i : {0u, 1u, 2u, 5u})
    EXPECT_EQ(turns[i], "-ERR No such message, there are 3\r\n") << i;
  for (const size_t i : {3u, 4u, 9u, 10u})
    EXPECT_EQ(turns[i], "-ERR That is no message number\r\n") << i;
  for (const size_t i : {6u, 7u, 8u}) EXPECT_EQ(turns[i], "-ERR Say TOP message lines\r\n") << i;
}

TEST_F(Pop3Transaction, DeletesAtQuitWhatWasMarkedAndNothingElse) {
  const Turns turns = TalkLoggedIn({"DELE 1\r\nDELE 3\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[1], "+OK 2 messages deleted, goodbye\r\n");
  EXPECT_EQ(house.messages("ann"), 1u);
  EXPECT_EQ(house.updates, 1u);
  EXPECT_EQ(metrics().messages_deleted.value(), 2u);
  EXPECT_EQ(TalkLoggedIn({"UIDL\r\n"})[0], "+OK Unique-ids follow\r\n1 0000000200000007\r\n.\r\n");
}

TEST_F(Pop3Transaction, DeletesNothingWithoutQuit) {
  options.errors_max = 3;
  // The connection is dropped.
  (void)TalkLoggedIn({"DELE 1\r\n"});
  // In the middle of QUIT.
  (void)TalkLoggedIn({"DELE 1\r\n", "QUIT\r"});
  // Nothing comes in time.
  (void)Play(
      {{.bytes = std::string(kLogin) + "DELE 1\r\n"}, {.bytes = "QUIT\r\n", .after = minutes(11)}});
  // Too many errors.
  (void)TalkLoggedIn({"DELE 1\r\n", "A\r\n", "A\r\n", "A\r\n", "QUIT\r\n"});
  // The network fails, or the session is cut.
  (void)Play(
      {{.bytes = std::string(kLogin) + "DELE 1\r\n"}, {.status = io::StreamStatus::kFailed}});
  (void)Play(
      {{.bytes = std::string(kLogin) + "DELE 1\r\n"}, {.status = io::StreamStatus::kCancelled}});
  // QUIT that is none.
  (void)TalkLoggedIn({"DELE 1\r\n", "QUIT x\r\n", "QUIT\n"});
  // After RSET there is nothing to delete.
  EXPECT_EQ(TalkLoggedIn({"DELE 1\r\nRSET\r\n", "QUIT\r\n"})[1], "+OK Goodbye\r\n");
  EXPECT_EQ(house.messages("ann"), 3u);
  EXPECT_EQ(house.updates, 0u);
}

TEST_F(Pop3Transaction, SaysThatMessagesAreStillThereAndFreesTheMaildrop) {
  house.update_fails = absl::ResourceExhaustedError("the disk is full");
  const Turns turns = TalkLoggedIn({"DELE 1\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[1], "-ERR [SYS/TEMP] Some deleted messages were not removed\r\n");
  EXPECT_NE(log().find("event=update_failed account=ann messages=1"), std::string::npos) << log();
  EXPECT_EQ(TalkLoggedIn({"STAT\r\n"})[0], "+OK 3 159\r\n");
}

TEST_F(Pop3Transaction, KeepsItsNumbersWhateverIsDeliveredOrDeletedMeanwhile) {
  waits = 0;
  at_wait = [](void* self) {
    auto& test = *static_cast<Conversation*>(self);
    // The second wait is the first one in TRANSACTION.
    if (++test.waits != 2) return;
    test.house.Deliver("ann", Letter("new", 9));
    test.house.Expunge("ann", 1);
  };
  const Turns turns = TalkLoggedIn(
      {"STAT\r\n", "UIDL\r\n", "RETR 1\r\n", "RETR 4\r\n", "DELE 1\r\nDELE 2\r\n", "QUIT\r\n"});
  EXPECT_EQ(turns[0], "+OK 3 159\r\n");
  EXPECT_EQ(turns[1],
            "+OK Unique-ids follow\r\n1 0000000100000007\r\n2 0000000200000007\r\n3 "
            "0000000300000007\r\n.\r\n");
  EXPECT_EQ(turns[2], "-ERR Message 1 is not there any more\r\n");
  EXPECT_EQ(turns[3], "-ERR No such message, there are 3\r\n");
  EXPECT_EQ(turns[5], "+OK 2 messages deleted, goodbye\r\n");
  at_wait = nullptr;
  EXPECT_EQ(TalkLoggedIn({"UIDL\r\n"})[0],
            "+OK Unique-ids follow\r\n1 0000000300000007\r\n2 0000000400000007\r\n.\r\n");
}

TEST_F(Pop3Transaction, AnswersCommandsThatWereSentAheadInTheirOrder) {
  const Turns turns =
      Talk({std::string(kLogin) + "STAT\r\nDELE 1\r\nSTAT\r\nRSET\r\nNOOP\r\nQUIT\r\n"});
  EXPECT_EQ(turns[1],
            "+OK Now the password\r\n+OK 3 messages (159 octets)\r\n+OK 3 159\r\n"
            "+OK Message 1 is deleted\r\n+OK 2 114\r\n+OK 3 messages (159 octets)\r\n"
            "+OK Nothing done\r\n+OK Goodbye\r\n");
}

TEST_F(Pop3Transaction, AnnouncesTheSameCapabilitiesAsBefore) {
  const Turns turns = Talk({"CAPA\r\n", std::string(kLogin), "CAPA\r\n"});
  EXPECT_EQ(turns[1], turns[3]);
}

TEST_F(Pop3Transaction, ListsABigMaildropWithoutHoldingTheList) {
  House::Resident& ben = house.Add("ben", "p");
  storage::AccountTransaction many;
  constexpr uint32_t kMany = 100'000;
  for (uint32_t i = 1; i <= kMany; ++i) {
    storage::Append append;
    append.mailbox = storage::MailboxId(1);
    append.content = ContentId(i);
    append.bytes = i;
    many.changes.emplace_back(append);
  }
  (void)ben.state.Apply(storage::ModSeq(1), many);
  Settings settings(options);
  io::Connection connection({{.bytes = "USER ben\r\nPASS p\r\nUIDL\r\nLIST\r\n"}});
  auto baggage = std::make_unique<Baggage>();
  baggage->listener = std::make_shared<const Pop3ListenerOptions>(listener);
  {
    Session session(shared(), settings, std::move(baggage), io::Stream(&connection));
    io::RunStill(session.Run());
  }
  const std::string& listed = connection.turns.at(1);
  EXPECT_NE(listed.find("\r\n100000 000186a000000007\r\n.\r\n"), std::string::npos);
  EXPECT_TRUE(listed.ends_with("\r\n100000 100000\r\n.\r\n"));
  EXPECT_LE(connection.unflushed_max, kOutputBytesMax + 64);
  EXPECT_GT(connection.unflushed_max, kOutputBytesMax);
}

TEST_F(Pop3Transaction, GivesUpAListThatTheClientDoesNotTake) {
  House::Resident& ben = house.Add("ben", "p");
  storage::AccountTransaction many;
  for (uint32_t i = 1; i <= 10'000; ++i) {
    storage::Append append;
    append.mailbox = storage::MailboxId(1);
    append.content = ContentId(i);
    many.changes.emplace_back(append);
  }
  (void)ben.state.Apply(storage::ModSeq(1), many);
  for (const char* verb : {"LIST", "UIDL"}) {
    Settings settings(options);
    io::Connection connection(
        {{.bytes = std::string("USER ben\r\nPASS p\r\nDELE 1\r\n") + verb + "\r\nQUIT\r\n"}});
    connection.flush_status = io::StreamStatus::kTimedOut;
    auto baggage = std::make_unique<Baggage>();
    baggage->listener = std::make_shared<const Pop3ListenerOptions>(listener);
    {
      Session session(shared(), settings, std::move(baggage), io::Stream(&connection));
      io::RunStill(session.Run());
    }
    EXPECT_LT(connection.turns.back().size(), kOutputBytesMax + 200);
  }
  EXPECT_EQ(metrics().ends_timeout.value(), 2u);
  // QUIT came behind the list, and nobody has seen it.
  EXPECT_EQ(house.messages("ben"), 10'000u);
}

}  // namespace
}  // namespace ringmail::pop3
