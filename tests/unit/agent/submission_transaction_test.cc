// A submission on its way through the door: identity, completion and rates where they meet the
// store.
#include <gtest/gtest.h>

#include "tests/unit/agent/fake_directory.h"
#include "tests/unit/agent/office.h"

namespace ringmail::agent {
namespace {

using io::Task;
using message::Reply;

constexpr std::string_view kBob = "bob@example.org";

MailSource Bob() {
  return {.client = *IpAddress::Parse("203.0.113.9"),
          .helo = "client.example",
          .with_protocol = "ESMTPSA",
          .authenticated = true,
          .account = kBob};
}

// An office where Bob and Eve live, and what Bob sends arrives at dest.example.
class Submitting : public testing::Test {
 public:
  Submitting() {
    directory.AddAccount("bob@example.org", 1);
    directory.AddAccount("eve@example.org", 2);
    directory.AddAlias("sales@example.org", {"bob@example.org"});
    office.door.identity_directory = &directory;
    office.transfer.relay_next_hop = NextHop::Parse("dest.example");
    office.peers["dest.example"] = {};
    current = this;
  }
  static Task<std::string> Sent(Desk& desk, std::string text, std::string from = "bob@example.org",
                                size_t recipients = 1) {
    Letter letter{.from = std::move(from), .to = {}, .text = std::move(text)};
    for (size_t i = 0; i < recipients; ++i)
      letter.to.push_back("r" + std::to_string(i) + "@dest.example");
    const Reply reply = co_await Office::Submit(desk, std::move(letter), Bob());
    co_return reply.code == 250 ? "250" : reply.ToLine();
  }
  const std::vector<Taken>& taken() { return office.peers["dest.example"].taken; }

  FakeDirectory directory;
  Office office;
  static Submitting* current;
};
Submitting* Submitting::current = nullptr;

constexpr const char* kMessage = "From: bob@example.org\r\nSubject: s\r\n\r\n";

TEST_F(Submitting, AMessageIsCompletedWhileItsBodyStreams) {
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    std::string body;
    for (int i = 0; i < 20'000; ++i) body += ".dots, and the text behind them\r\n";
    EXPECT_EQ(co_await Sent(desk,
                            ".odd: field\r\nFrom: bob@example.org\r\nBcc: x@y.example\r\n"
                            "..x: y\r\n\r\n" +
                                body),
              "250");
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
    EXPECT_EQ(current->taken().size(), 1u);
    if (current->taken().empty()) co_return;
    const std::string& text = current->taken()[0].text;
    EXPECT_EQ(text.find("Bcc"), std::string::npos);
    EXPECT_NE(text.find("with ESMTPSA"), std::string::npos);
    // Nothing in it says who authenticated.
    const std::string trace = text.substr(0, text.find(".odd"));
    EXPECT_EQ(trace.find("bob"), std::string::npos) << trace;
    const size_t added = text.find("..x: y\r\nDate: ");
    EXPECT_NE(added, std::string::npos);
    const size_t id = text.find("\r\nMessage-ID: <", added);
    EXPECT_NE(id, std::string::npos);
    EXPECT_TRUE(text.ends_with("@mx.example.org>\r\n\r\n" + body));
  }));
}

TEST_F(Submitting, TwoMessagesHaveTwoIds) {
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(co_await Sent(desk, kMessage), "250");
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
    const auto id = [](size_t i) {
      const std::string& text = current->taken().at(i).text;
      return text.substr(text.find("Message-ID:"));
    };
    EXPECT_NE(id(0), id(1));
  }));
}

TEST_F(Submitting, TheReversePathIsTheAccountsOrNull) {
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    EXPECT_EQ(co_await Sent(desk, kMessage, "BOB+x@example.org"), "250");
    EXPECT_EQ(co_await Sent(desk, kMessage, "sales@example.org"), "250");
    EXPECT_EQ(co_await Sent(desk, kMessage, ""), "250");
    EXPECT_EQ(co_await Sent(desk, kMessage, "eve@example.org"),
              "550 5.7.1 <eve@example.org> is not an address of yours");
    EXPECT_EQ(co_await Sent(desk, kMessage, "bob@dest.example"),
              "550 5.7.1 <bob@dest.example> is not an address of yours");
    MailDoor::Options strict = o.door;
    strict.submission.null_reverse_path = NullReversePath::kRefused;
    desk.door->Reconfigure(strict);
    EXPECT_EQ((co_await Sent(desk, kMessage, "")).substr(0, 9), "550 5.7.1");
    current->directory.Say("eve@example.org", FakeDirectory::Kind::kUnavailable);
    EXPECT_EQ((co_await Sent(desk, kMessage, "eve@example.org")).substr(0, 9), "451 4.3.0");
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(taken().size(), 3u);
  EXPECT_EQ(office.Metric("ringmail_refused_messages_total"), 4u);
}

TEST_F(Submitting, FromAndSenderAreTheAccounts) {
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    EXPECT_EQ(co_await Sent(desk, "From: Sales <sales@example.org>\r\n\r\n"), "250");
    EXPECT_EQ(co_await Sent(desk, "From: eve@example.org\r\n\r\n"),
              "550 5.7.1 <eve@example.org> is not an address of yours");
    EXPECT_EQ(co_await Sent(desk, "From: bob@example.org, eve@example.org\r\n\r\n"),
              "550 5.7.1 <eve@example.org> is not an address of yours");
    EXPECT_EQ(co_await Sent(desk, "From: bob@example.org\r\nSender: eve@example.org\r\n\r\n"),
              "550 5.7.1 <eve@example.org> is not an address of yours");
    EXPECT_EQ(co_await Sent(desk, "From: bob@example.org <eve@example.org>\r\n\r\n"),
              "554 5.6.0 The field From cannot be read: write name <local@domain>");
    EXPECT_EQ((co_await Sent(desk, "no message\r\n")).substr(0, 9), "554 5.6.0");
    // Refused when it ends, however long it is.
    EXPECT_EQ((co_await Sent(desk, "From: eve@example.org\r\n\r\n" + std::string(300'000, 'x')))
                  .substr(0, 9),
              "550 5.7.1");
  }));
}

TEST_F(Submitting, APolicyMayAllowWhatItRefusesByDefault) {
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    MailDoor::Options options = o.door;
    options.submission.identities = SubmissionIdentities::kReversePathOnly;
    desk.door->Reconfigure(options);
    EXPECT_EQ(co_await Sent(desk, "From: eve@example.org\r\n\r\n"), "250");
    EXPECT_EQ((co_await Sent(desk, kMessage, "eve@example.org")).substr(0, 9), "550 5.7.1");
    options.submission.identities = SubmissionIdentities::kAny;
    desk.door->Reconfigure(options);
    EXPECT_EQ(co_await Sent(desk, "From: x@y.example\r\n\r\n", "eve@example.org"), "250");
    EXPECT_EQ((co_await Sent(desk, "From: \r\n\r\n", "eve@example.org")).substr(0, 9), "554 5.6.0");
  }));
}

TEST_F(Submitting, ContentOfExactlyTheLimitIsTakenWhateverIsAddedToIt) {
  office.door.limits.message_bytes_max = 100'000;
  ASSERT_TRUE(office.Run([](Office&, Desk& desk) -> Task<void> {
    std::string text = kMessage;
    text.append(100'000 - text.size(), 'x');
    EXPECT_EQ(co_await Sent(desk, text), "250");
    EXPECT_EQ((co_await Sent(desk, text + "x")).substr(0, 9), "552 5.3.4");
  }));
}

TEST_F(Submitting, RatesAreOfTheAccountWhateverShardItsConnectionsComeTo) {
  office.shards = 3;
  office.door.submission.limits = {.messages_per_hour = 6,
                                   .messages_per_day = 0,
                                   .recipients_per_hour = 0,
                                   .recipients_per_day = 0};
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    std::vector<MailDoor*> doors;
    for (const auto& one : o.desks) doors.push_back(one->door.get());
    desk.door->Start(std::move(doors));
    co_await Office::Sleep(std::chrono::seconds(1));
    // Two at each, one shard after the other.
    co_await Office::Sleep(std::chrono::seconds(10) * desk.index.value);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(co_await Sent(desk, kMessage), "250");
    co_await Office::Sleep(std::chrono::seconds(60));
    EXPECT_EQ((co_await Sent(desk, kMessage)).substr(0, 9), "450 4.7.1");
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_EQ(taken().size(), 6u);
}

TEST_F(Submitting, RatesCountWhatWasTakenAndNothingElse) {
  office.door.submission.limits = {.messages_per_hour = 2,
                                   .messages_per_day = 0,
                                   .recipients_per_hour = 3,
                                   .recipients_per_day = 0};
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    // What is refused is given back.
    for (int i = 0; i < 5; ++i)
      EXPECT_EQ((co_await Sent(desk, "From: eve@example.org\r\n\r\n")).substr(0, 3), "550");
    EXPECT_EQ(co_await Sent(desk, kMessage, "bob@example.org", 2), "250");
    // Of two recipients one fits; it gets the message.
    EXPECT_EQ(co_await Sent(desk, kMessage, "bob@example.org", 2), "250");
    EXPECT_EQ((co_await Sent(desk, kMessage)).substr(0, 9), "450 4.7.1");
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
    EXPECT_EQ(current->taken().size(), 3u);
    co_await Office::Sleep(std::chrono::hours(2));
    EXPECT_EQ(co_await Sent(desk, kMessage, "bob@example.org", 3), "250");
  }));
}

TEST_F(Submitting, WhoIsKnownByAddressAloneIsNoSubmitter) {
  office.door.relay.networks = {*IpNetwork::Parse("127.0.0.0/8")};
  ASSERT_TRUE(office.Run([](Office& o, Desk& desk) -> Task<void> {
    EXPECT_TRUE((co_await Office::Post(desk, {.to = {"r@dest.example"}, .text = "Bcc: x\r\n\r\n"}))
                    .valid());
    EXPECT_TRUE(co_await o.Empty(std::chrono::minutes(1)));
  }));
  EXPECT_TRUE(taken().at(0).text.ends_with("Bcc: x\r\n\r\n"));
}

}  // namespace
}  // namespace ringmail::agent
