#include "ringmail/storage/store.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {
namespace {

using io::Task;

TEST(Store, KeepsAMessageAcrossARestart) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    auto id = co_await self.Put(store, MakeText(4000, 1), 1);
    EXPECT_TRUE(id.ok()) << id.status();
  }));
  ASSERT_EQ(w.ledger.accepted.size(), 1u);
  w.Verify(1);
  EXPECT_EQ(w.seen, 1u);
}

TEST(Store, KeepsContentOfEverySizeInMemoryAndOnDisk) {
  StoreWorld w;
  w.options.segment_bytes = 2u << 20;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    uint64_t seed = 0;
    for (const size_t bytes : {0u, 1u, 100u, 4095u, 4096u, 4097u, 65536u, 229375u, 229376u, 229377u,
                               300000u, 1000000u, 5000000u}) {
      std::string text = MakeText(bytes, ++seed);
      auto id = co_await self.Put(store, text, 1);
      CO_ASSERT_TRUE(id.ok());
      QueuedMessage* message = store.queue().Find(*id);
      CO_ASSERT_TRUE(message != nullptr);
      EXPECT_EQ(Bytes(message->content()), bytes);
      auto read = co_await StoreWorld::Read(store, *message);
      EXPECT_TRUE(read.ok() && *read == text) << bytes;
    }
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, 13u);
  EXPECT_TRUE(w.Check().clean());
}

Task<std::string> ReadPart(ShardStore& store, Content& content, ContentPart part) {
  std::string text;
  Lend(content);
  {
    ContentReader reader(store, content, part);
    for (;;) {
      const auto piece = co_await reader.Next();
      EXPECT_TRUE(piece.ok()) << piece.status();
      if (!piece.ok() || piece->bytes.empty()) break;
      for (const uint32_t dot : piece->dot_lines) EXPECT_EQ(piece->bytes[dot], '.');
      text += piece->bytes;
    }
  }
  Return(content);
  co_return text;
}

constexpr std::string_view kReturnPath = "Return-Path: <sender@example.org>\r\n";

Task<void> CheckPrefixed(ShardStore& store) {
  uint64_t count = 0;
  for (QueueId id = store.queue().Visit(
           {}, 1, [](void* c, QueuedMessage&) { ++*static_cast<uint64_t*>(c); }, &count);
       id.value != 0;
       id = store.queue().Visit(
           id, 1, [](void* c, QueuedMessage&) { ++*static_cast<uint64_t*>(c); }, &count)) {
    Content& content = store.queue().Find(id)->content();
    EXPECT_EQ(PrefixBytes(content), kReturnPath.size());
    const std::string text = MakeText(Bytes(content), 1);
    EXPECT_TRUE(co_await ReadPart(store, content, ContentPart::kMessage) == text);
    EXPECT_TRUE(co_await ReadPart(store, content, ContentPart::kAll) ==
                std::string(kReturnPath) + text);
  }
  EXPECT_EQ(count, 4u);
}

TEST(Store, KeepsAPrefixThatOnlyThoseSeeWhoAskForIt) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld&, ShardStore& store) -> Task<void> {
    for (const size_t bytes : {0u, 500u, 229376u, 1000000u}) {
      const QueueId id = store.queue().NewId();
      auto writer = co_await StoreWorld::Write(store.queue(), MakeText(bytes, 1), kReturnPath);
      CO_ASSERT_TRUE(writer.ok());
      EXPECT_EQ(writer->bytes(), bytes);
      auto queued = co_await store.queue().Enqueue(id, MakeEnvelope(1), *std::move(writer), {});
      CO_ASSERT_TRUE(queued.ok());
    }
    co_await CheckPrefixed(store);
  }));
  ASSERT_TRUE(w.Run(
      1, [](StoreWorld&, ShardStore& store) -> Task<void> { co_await CheckPrefixed(store); }));
}

TEST(Store, KeepsContentOfNothingButDotLinesWithinItsLimits) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    std::string text;
    for (int i = 0; i < 50000; ++i) text += ".\r\n";
    auto id = co_await self.Put(store, text, 1);
    EXPECT_TRUE(id.ok()) << id.status();
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, 1u);
}

TEST(Store, RemembersStatesAttemptsRepliesAndFlagsAcrossARestart) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    auto id = co_await self.Put(store, "a\r\n", 3);
    CO_ASSERT_TRUE(id.ok());
    EXPECT_TRUE((co_await self.Settle(store, *id, 1, RecipientState::kDelivered)).ok());
    EXPECT_TRUE((co_await self.Settle(store, *id, 0, RecipientState::kPending)).ok());
    std::vector<MessageUpdate> updates;
    updates.push_back({.id = *id,
                       .next_attempt = FromUnixSeconds(1'767'000'123),
                       .held = MessageUpdate::Flag::kOn,
                       .delay_warned = MessageUpdate::Flag::kOn});
    EXPECT_TRUE((co_await store.queue().Record(std::move(updates))).ok());
  }));
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    CO_ASSERT_TRUE(store.queue().size() == 1);
    QueuedMessage* message = store.queue().Find(QueueId(self.ledger.accepted.begin()->first));
    CO_ASSERT_TRUE(message != nullptr);
    EXPECT_EQ(message->pending_count(), 2u);
    EXPECT_EQ(message->state(1), RecipientState::kDelivered);
    EXPECT_EQ(message->attempts(), 2);
    EXPECT_TRUE(message->held());
    EXPECT_TRUE(message->delay_warned());
    EXPECT_EQ(UnixSeconds(message->next_attempt()), 1'767'000'123);
    EXPECT_EQ(message->envelope().reverse_path(), "sender@example.org");
    EXPECT_EQ(message->envelope().recipient(2).path, "x2@example.net");
    CO_ASSERT_TRUE(message->last_reply(0) != nullptr);
    EXPECT_EQ(message->last_reply(0)->reply.code, 451);
    EXPECT_EQ(message->last_reply(0)->reply.text, "said");
    EXPECT_EQ(message->last_reply(0)->remote_host, "mx.example.net");
    EXPECT_EQ(message->last_reply(2), nullptr);
    co_return;
  }));
}

TEST(Store, ForgetsAMessageWhoseLastRecipientIsSettled) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    auto id = co_await self.Put(store, "a\r\n", 2);
    CO_ASSERT_TRUE(id.ok());
    EXPECT_TRUE((co_await self.SettleAll(store, *id)).ok());
    EXPECT_EQ(store.queue().Find(*id), nullptr);
    EXPECT_EQ(store.queue().size(), 0u);
    // What has left is not changed any more.
    std::vector<MessageUpdate> late;
    late.push_back({.id = *id, .held = MessageUpdate::Flag::kOn});
    EXPECT_TRUE((co_await store.queue().Record(std::move(late))).ok());
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, 0u);
}

TEST(Store, SharesOneContentAmongMessagesAndKeepsItUntilTheLastIsDone) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    const std::string text = MakeText(9000, 5);
    auto first = co_await self.Put(store, text, 1);
    CO_ASSERT_TRUE(first.ok());
    Content& content = store.queue().Find(*first)->content();
    const QueueId second = store.queue().NewId();
    auto shared = co_await store.queue().EnqueueShared(second, MakeEnvelope(1, "y"), content, {});
    CO_ASSERT_TRUE(shared.ok());
    self.ledger.accepted[second.value] = {text, {RecipientState::kPending}};
    EXPECT_EQ(&(*shared)->content(), &content);
    EXPECT_TRUE((co_await self.SettleAll(store, *first)).ok());
    auto read = co_await StoreWorld::Read(store, *store.queue().Find(second));
    EXPECT_TRUE(read.ok() && *read == text);
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, 1u);
}

TEST(Store, TakesADsnTogetherWithTheOutcomeItReports) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    auto failed = co_await self.Put(store, "a\r\n", 1);
    CO_ASSERT_TRUE(failed.ok());
    auto writer = co_await StoreWorld::Write(store.queue(), "your message\r\n");
    const QueueId dsn = store.queue().NewId();
    std::vector<MessageUpdate> updates;
    updates.push_back({.id = *failed});
    updates[0].outcomes.push_back(
        {.recipient = 0, .state = RecipientState::kFailed, .reply = {.code = 550, .text = "no"}});
    auto message = co_await store.queue().Enqueue(dsn, MakeEnvelope(1, "z"), *std::move(writer),
                                                  std::move(updates));
    CO_ASSERT_TRUE(message.ok());
    self.ledger.accepted.erase(failed->value);
    self.ledger.finished.insert(failed->value);
    self.ledger.accepted[dsn.value] = {"your message\r\n", {RecipientState::kPending}};
    EXPECT_EQ(store.queue().size(), 1u);
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, 1u);
}

Task<void> PutMany(StoreWorld* self, ShardStore* store, int count, int* left) {
  for (int i = 0; i < count; ++i) {
    auto id = co_await self->Put(
        *store, MakeText(3000 + static_cast<size_t>(i), static_cast<uint64_t>(i)), 1);
    EXPECT_TRUE(id.ok()) << id.status();
  }
  --*left;
}

TEST(Store, GathersWhatArrivesDuringAWriteIntoTheNextBatch) {
  StoreWorld w;
  int writes = 0;
  ASSERT_TRUE(w.Run(1, [&writes](StoreWorld& self, ShardStore& store) -> Task<void> {
    return [](StoreWorld& s, ShardStore& st, int* out) -> Task<void> {
      // Let the segments that are made ready in the background be done.
      co_await io::SleepUntil(io::Now() + std::chrono::seconds(10));
      s.node.disk().fault = [out](const sim::DiskRequest& request) {
        if (request.operation == sim::DiskOperation::kWrite &&
            request.durability == io::Durability::kDurable)
          ++*out;
        return 0;
      };
      io::Gate gate;
      int left = 20;
      for (int i = 0; i < 20; ++i) gate.Spawn(PutMany(&s, &st, 5, &left));
      co_await gate.Close();
    }(self, store, &writes);
  }));
  // Twenty writers in step: five rounds, each one batch.
  EXPECT_EQ(writes, 5);
  w.Verify(1);
  EXPECT_EQ(w.seen, 100u);
}

TEST(Store, FailsForGoodWhenAWriteFails) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    auto first = co_await self.Put(store, "kept\r\n", 1);
    CO_ASSERT_TRUE(first.ok());
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(10));
    bool once = true;
    self.node.disk().fault = [once](const sim::DiskRequest& request) mutable {
      const bool hit = once && request.operation == sim::DiskOperation::kWrite &&
                       request.durability == io::Durability::kDurable;
      if (hit) once = false;
      return hit ? EIO : 0;
    };
    io::Gate gate;
    auto refused = co_await self.Put(store, "lost\r\n", 1);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store.queue().Acceptance().code(), absl::StatusCode::kUnavailable);
    auto later = co_await self.Put(store, "refused\r\n", 1);
    EXPECT_EQ(later.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ((co_await self.Settle(store, *first, 0, RecipientState::kDelivered)).code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(store.queue().size(), 1u);
    self.node.disk().fault = nullptr;
  }));
  w.ledger.finishing.clear();
  w.ledger.settling.clear();
  w.Verify(1);
}

struct Recorder : Queue::Observer {
  std::vector<uint64_t> entered, left;
  void Entered(QueuedMessage& message) override { entered.push_back(message.id().value); }
  void Leaving(QueuedMessage& message) override { left.push_back(message.id().value); }
};

TEST(Store, TellsItsObserverWhatIsThereWhatEntersAndWhatLeaves) {
  StoreWorld w;
  Recorder recorder;
  ASSERT_TRUE(w.Run(1, [&recorder](StoreWorld& self, ShardStore& store) -> Task<void> {
    return [](StoreWorld& s, ShardStore& st, Recorder* out) -> Task<void> {
      auto first = co_await s.Put(st, "a\r\n", 1);
      st.queue().SetObserver(out);
      EXPECT_EQ(out->entered.size(), 1u);
      auto second = co_await s.Put(st, "b\r\n", 1);
      EXPECT_EQ(out->entered.size(), 2u);
      EXPECT_TRUE((co_await s.SettleAll(st, *first)).ok());
      EXPECT_EQ(out->left, std::vector<uint64_t>{first->value});
      (void)second;
    }(self, store, &recorder);
  }));
}

TEST(Store, NeverGivesOutAQueueIdTwiceAcrossACrash) {
  StoreWorld w;
  std::set<uint64_t> ids;
  for (int run = 0; run < 4; ++run) {
    w.Start(1, [&ids](StoreWorld& self, ShardStore& store) -> Task<void> {
      return [](StoreWorld& s, ShardStore& st, std::set<uint64_t>* out) -> Task<void> {
        for (int i = 0; i < 50; ++i) EXPECT_TRUE(out->insert(st.queue().NewId().value).second);
        (void)co_await s.Put(st, "a\r\n", 1);
        for (int i = 0; i < 50; ++i) EXPECT_TRUE(out->insert(st.queue().NewId().value).second);
        co_await io::SleepUntil(io::Now() + std::chrono::hours(2));
      }(self, store, &ids);
    });
    w.world.RunFor(std::chrono::seconds(5));
    w.Crash(sim::DiskLoss::kRandom);
  }
  EXPECT_EQ(ids.size(), 400u);
}

TEST(Store, RefusesAnEnvelopeThatFitsNoGroupCommit) {
  StoreWorld w;
  ASSERT_TRUE(w.Run(1, [](StoreWorld& self, ShardStore& store) -> Task<void> {
    auto id = co_await self.Put(store, "a\r\n", 60000);
    EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument);
    auto good = co_await self.Put(store, "a\r\n", 20000);
    EXPECT_TRUE(good.ok()) << good.status();
  }));
  w.Verify(1);
  EXPECT_EQ(w.seen, 1u);
}

}  // namespace
}  // namespace ringmail::storage
