// Senders and receivers of the mail world with each other, with no server between them: each kind
// of receiver takes everything in the end, and what both wrote into the ledger agrees.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/sim/io/world.h"
#include "tests/sim/mail/ledger.h"
#include "tests/sim/mail/plan.h"
#include "tests/sim/mail/receiver.h"
#include "tests/sim/mail/sender.h"
#include "tests/sim/mail/smtp_line.h"

namespace ringmail::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint32_t kMessages = 60;

Plan PlanOf(PeerKind kind, uint32_t number, uint64_t seed) {
  Plan plan;
  plan.scenario = "peers";
  plan.seed = seed;
  plan.senders = 2;
  plan.messages_per_connection = 7;
  plan.peers.push_back({.kind = kind, .number = number});
  for (uint32_t i = 1; i <= kMessages; ++i) {
    MessagePlan message;
    message.number = i;
    message.sender = i % 2;
    message.at = milliseconds(i * 3);
    message.recipients.assign(1 + i % 4, {});
    message.bytes = i % 20 == 0 ? 300'000 : i * 97 % 5000;
    message.null_path = i % 9 == 0;
    message.eight_bit = i % 5 == 0 && kind != PeerKind::kOldHost;
    message.chunks = i % 3 == 0;
    message.dots = i % 4 == 0;
    plan.messages.push_back(message);
  }
  return plan;
}

class Stage {
 public:
  explicit Stage(Plan plan, NetworkOptions network = {})
      : plan_(std::move(plan)), ledger_(plan_), world_({.seed = plan_.seed, .network = network}) {
    Node& node = world_.AddNode({.name = "receiver"});
    receiver_ = std::make_unique<Receiver>(node, plan_, 0, ledger_);
    nodes_.push_back(&node);
    for (uint32_t i = 0; i < plan_.senders; ++i) {
      Node& home = world_.AddNode({.name = fmt::format("s{}", i)});
      nodes_.push_back(&home);
      senders_.push_back(std::make_unique<Sender>(
          home, plan_, i, ledger_, io::Endpoint{.ip = node.ip(), .port = 25, .unix_path = {}}));
    }
  }
  ~Stage() {
    for (Node* node : nodes_) {
      if (node->running()) node->Kill();
    }
  }
  void Start() {
    receiver_->Start();
    for (auto& sender : senders_) sender->Start();
  }
  bool RunUntilDone(Nanoseconds at_most) {
    return world_.RunUntil(
        [this] {
          return std::all_of(senders_.begin(), senders_.end(),
                             [](const auto& one) { return one->done(); });
        },
        at_most);
  }
  // Lets those that took an answer late, or say goodbye, come to their end.
  void Settle() {
    world_.RunFor(minutes(40));
    ledger_.Audit([](const MessageBook&, uint32_t) { return false; }, world_.now());
  }
  std::string violations() const {
    std::string out;
    for (const std::string& one : ledger_.violations()) {
      // A sender holds its server to the protocol, and a liar says what is no reply.
      const bool lie = plan_.peers[0].kind == PeerKind::kLiar && one.starts_with("reply: ");
      if (!lie) out += one + "\n";
    }
    return out;
  }
  template <typename F>
  void ForEachRecipient(F f) {
    for (auto& [number, book] : ledger_.messages()) {
      for (RecipientBook& recipient : book.recipients) f(book, recipient);
    }
  }
  uint64_t Unseen() {
    uint64_t unseen = 0;
    ForEachRecipient([&](MessageBook&, RecipientBook& r) {
      for (const Delivery& one : r.deliveries) unseen += !one.answer_seen;
    });
    return unseen;
  }

  Plan plan_;
  Ledger ledger_;
  World world_;
  std::unique_ptr<Receiver> receiver_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<Node*> nodes_;
};

struct KindAndNumber {
  PeerKind kind;
  uint32_t number;
};

class EveryKind : public testing::TestWithParam<KindAndNumber> {};

TEST_P(EveryKind, TakesEverythingInTheEndAndBothSidesAgree) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Stage stage(PlanOf(GetParam().kind, GetParam().number, seed));
    stage.Start();
    ASSERT_TRUE(stage.RunUntilDone(hours(48)));
    stage.Settle();
    ASSERT_EQ(stage.violations(), "");
    EXPECT_EQ(stage.receiver_->sessions(), 0u);
    stage.ForEachRecipient([](MessageBook& book, RecipientBook& r) {
      EXPECT_TRUE(r.acknowledged == 1 || r.refused) << book.plan->number;
      EXPECT_EQ(r.acknowledged > 0 && r.deliveries.empty(), false) << book.plan->number;
      EXPECT_LE(r.deliveries.size(), r.acknowledged + r.unanswered) << book.plan->number;
    });
  }
}

TEST_P(EveryKind, DoesSoByOneOctetAtATimeAndOverALongWay) {
  NetworkOptions network;
  network.segment_bytes = 1;
  network.latency = milliseconds(80);
  network.jitter = milliseconds(40);
  Plan plan = PlanOf(GetParam().kind, GetParam().number, 5);
  std::erase_if(plan.messages,
                [](const MessagePlan& m) { return m.bytes > 3000 || m.number > 25; });
  Stage stage(plan, network);
  stage.Start();
  ASSERT_TRUE(stage.RunUntilDone(hours(48)));
  stage.Settle();
  EXPECT_EQ(stage.violations(), "");
}

TEST_P(EveryKind, DoesTheSameAgainForTheSameSeed) {
  std::string first;
  for (int round = 0; round < 2; ++round) {
    Stage stage(PlanOf(GetParam().kind, GetParam().number, 3));
    stage.Start();
    ASSERT_TRUE(stage.RunUntilDone(hours(48)));
    const Counts& c = stage.ledger_.counts();
    const std::string now =
        fmt::format("{} {} {} {} {} {}", stage.world_.now().time_since_epoch().count(), c.messages,
                    c.deliveries, c.duplicates, c.refusals, c.resends);
    if (round == 0) first = now;
    EXPECT_EQ(now, first);
  }
}

TEST_P(EveryKind, IsCorrectAtOnceWhenAskedToBehave) {
  Stage stage(PlanOf(GetParam().kind, GetParam().number, 7));
  stage.receiver_->Behave();
  stage.Start();
  // But for what a refuser refuses for good there is nothing to retry.
  ASSERT_TRUE(stage.RunUntilDone(minutes(1)));
  stage.Settle();
  EXPECT_EQ(stage.violations(), "");
  EXPECT_EQ(stage.ledger_.counts().duplicates, 0u);
  EXPECT_EQ(stage.ledger_.counts().resends, 0u);
  EXPECT_EQ(stage.ledger_.counts().refusals > 0, GetParam().kind == PeerKind::kRefuser);
}

INSTANTIATE_TEST_SUITE_P(
    Peers, EveryKind,
    testing::Values(KindAndNumber{PeerKind::kCorrect, 0}, KindAndNumber{PeerKind::kGreylister, 90},
                    KindAndNumber{PeerKind::kTarpit, 15000}, KindAndNumber{PeerKind::kRefuser, 60},
                    KindAndNumber{PeerKind::kCloser, 0}, KindAndNumber{PeerKind::kLate, 0},
                    KindAndNumber{PeerKind::kLiar, 0}, KindAndNumber{PeerKind::kSizeBreaker, 0},
                    KindAndNumber{PeerKind::kOldHost, 0}, KindAndNumber{PeerKind::kOneAtATime, 0}),
    [](const auto& test) {
      std::string name(Name(test.param.kind));
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// What a kind does, counted over some seeds: so that none is as tame as the correct one.
struct Deeds {
  uint64_t deferred = 0, refused = 0, unanswered = 0, duplicates = 0, resends = 0, unseen = 0;
};

Deeds DeedsOf(PeerKind kind, uint32_t number) {
  Deeds deeds;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Stage stage(PlanOf(kind, number, seed));
    stage.Start();
    EXPECT_TRUE(stage.RunUntilDone(hours(48)));
    stage.Settle();
    stage.ForEachRecipient([&](MessageBook&, RecipientBook& r) {
      deeds.deferred += r.deferred;
      deeds.refused += r.refused_for_good;
      deeds.unanswered += r.unanswered;
    });
    deeds.duplicates += stage.ledger_.counts().duplicates;
    deeds.resends += stage.ledger_.counts().resends;
    deeds.unseen += stage.Unseen();
  }
  return deeds;
}

TEST(Deeds, ACorrectReceiverNeedsNoSecondTryAndSeesItsAnswersRead) {
  const Deeds deeds = DeedsOf(PeerKind::kCorrect, 0);
  EXPECT_EQ(deeds.resends, 0u);
  EXPECT_EQ(deeds.duplicates, 0u);
  EXPECT_EQ(deeds.deferred + deeds.refused + deeds.unanswered, 0u);
  // Only the last answer on a connection that is dropped without QUIT is not seen: at most four
  // recipients each of the connections of the senders with such manners.
  EXPECT_LT(deeds.unseen, 12 * kMessages / 7 * 4u);
}

TEST(Deeds, AGreylisterDefersEachRecipientOnceAtLeast) {
  const Deeds deeds = DeedsOf(PeerKind::kGreylister, 90);
  EXPECT_GE(deeds.deferred, 12u * kMessages * 2);
  EXPECT_EQ(deeds.refused, 0u);
}

TEST(Deeds, ARefuserDefersAndRefuses) {
  const Deeds deeds = DeedsOf(PeerKind::kRefuser, 30);
  EXPECT_GT(deeds.deferred, 100u);
  EXPECT_GT(deeds.refused, 100u);
}

TEST(Deeds, ACloserLosesAnswersAndGetsDuplicates) {
  const Deeds deeds = DeedsOf(PeerKind::kCloser, 0);
  EXPECT_GT(deeds.unanswered, 100u);
  EXPECT_GT(deeds.duplicates, 50u);
  EXPECT_LT(deeds.duplicates, deeds.unanswered);
  EXPECT_EQ(deeds.refused, 0u);
}

TEST(Deeds, WhoAnswersLateGetsDuplicatesAndSeesNoAnswerRead) {
  const Deeds deeds = DeedsOf(PeerKind::kLate, 0);
  EXPECT_GT(deeds.unanswered, 100u);
  EXPECT_GT(deeds.duplicates, 100u);
  EXPECT_GE(deeds.unseen, deeds.duplicates);
}

TEST(Deeds, ALiarCausesResendsOrRefusals) {
  const Deeds deeds = DeedsOf(PeerKind::kLiar, 0);
  EXPECT_GT(deeds.resends, 50u);
  EXPECT_GT(deeds.refused, 50u);
}

TEST(Deeds, ASizeBreakerRefusesWhatIsSmallerThanItsOffer) {
  EXPECT_GT(DeedsOf(PeerKind::kSizeBreaker, 0).refused, 100u);
}

TEST(Deeds, OneAtATimeTakesOneRecipientOfEachTransaction) {
  const Deeds deeds = DeedsOf(PeerKind::kOneAtATime, 0);
  EXPECT_GT(deeds.deferred, 12u * kMessages / 2);
  EXPECT_EQ(deeds.refused, 0u);
}

// --- A sender and what it may not believe

TEST(SenderTest, WaitsForAServerThatIsNotThereYet) {
  Stage stage(PlanOf(PeerKind::kCorrect, 0, 1));
  for (auto& sender : stage.senders_) sender->Start();
  stage.world_.RunFor(seconds(30));
  EXPECT_FALSE(stage.senders_[0]->done());
  stage.receiver_->Start();
  ASSERT_TRUE(stage.RunUntilDone(minutes(10)));
  stage.Settle();
  EXPECT_EQ(stage.violations(), "");
}

TEST(SenderTest, ResendsWhatAKilledServerDidNotAnswerAndNothingElse) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Stage stage(PlanOf(PeerKind::kCorrect, 0, seed));
    stage.Start();
    // Somewhere amid the mail, more than once.
    for (uint64_t kill = 0; kill < 5; ++kill) {
      stage.world_.RunFor(std::chrono::microseconds(Mix(seed, kill) % 60'000));
      stage.nodes_[0]->Kill();
      stage.world_.RunFor(milliseconds(Mix(seed, kill) % 3000));
      stage.receiver_->Start();
    }
    ASSERT_TRUE(stage.RunUntilDone(hours(3)));
    stage.Settle();
    EXPECT_EQ(stage.violations(), "");
    stage.ForEachRecipient([](MessageBook& book, RecipientBook& r) {
      EXPECT_EQ(r.acknowledged, 1u) << book.plan->number;
      EXPECT_LE(r.deliveries.size(), r.acknowledged + r.unanswered) << book.plan->number;
    });
  }
}

TEST(SenderTest, DoesNotHangWhereEveryPacketIsLostForAnHour) {
  Stage stage(PlanOf(PeerKind::kCorrect, 0, 2));
  stage.Start();
  stage.world_.RunFor(milliseconds(50));
  stage.world_.network_options().latency = hours(1);
  stage.world_.RunFor(hours(1));
  stage.world_.network_options().latency = milliseconds(1);
  ASSERT_TRUE(stage.RunUntilDone(hours(3)));
  stage.Settle();
  EXPECT_EQ(stage.violations(), "");
}

TEST(LineTest, WhatIsStuffedIsUnstuffedToTheSame) {
  std::string a, b;
  for (const std::string_view content :
       {".\r\n", "..\r\n.\r\n", "a\r\n", "a\r\n.\r\n..b\r\n", "\r\n.\r\n", ".a\r\n\r\n.\r\n"}) {
    const std::string_view stuffed = Stuff(content, a);
    EXPECT_EQ(("\r\n" + std::string(stuffed)).find("\r\n.\r\n"), std::string::npos) << content;
    EXPECT_EQ(Unstuff(stuffed, b), content);
  }
}

}  // namespace
}  // namespace ringmail::sim
