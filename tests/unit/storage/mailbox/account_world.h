// Accounts in a simulated store, and a book of what they have promised.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/storage/message_source.h"
#include "tests/unit/storage/store_fixture.h"

namespace ringmail::storage {

inline io::Task<void> Pause() { co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(2)); }

// What one account has been promised. A message is known by its text, which is like no other's.
struct AccountBook {
  std::map<std::string, Uid> kept;  // Apply said OK, and the queue was told
  std::set<std::string> maybe;      // asked for, not answered
  std::set<std::string> going;      // to be expunged, not answered
  std::set<std::string> gone;       // expunged: must never come back
};

class AccountWorld {
 public:
  explicit AccountWorld(uint64_t seed = 1) : w(seed) {}

  // --- on a shard ---

  // Puts a message into the queue, into the account, and out of the queue: as local delivery does.
  io::Task<Status> Deliver(ShardStore& store, AccountId id, std::string text) {
    AccountBook& book = books[id.value];
    book.maybe.insert(text);
    const QueueId queued = store.queue().NewId();
    auto writer = co_await StoreWorld::Write(store.queue(), text);
    CO_RETURN_IF_ERROR(writer.status());
    auto message = co_await store.queue().Enqueue(queued, MakeEnvelope(1), *std::move(writer), {});
    CO_RETURN_IF_ERROR(message.status());
    const ContentId content = Id((*message)->content());
    auto uid = co_await Append(store, id, content, text.size());
    CO_RETURN_IF_ERROR(uid.status());
    MessageUpdate update{.id = queued, .holds = {id}};
    update.outcomes.push_back({.recipient = 0, .state = RecipientState::kDelivered});
    std::vector<MessageUpdate> updates;
    updates.push_back(std::move(update));
    CO_RETURN_IF_ERROR(co_await store.queue().Record(std::move(updates)));
    book.maybe.erase(text);
    book.kept[text] = *uid;
    co_return absl::OkStatus();
  }

  // By a client: the content comes with the change.
  io::Task<Status> Upload(ShardStore& store, AccountId id, std::string text,
                          uint32_t quota_messages = 0) {
    AccountBook& book = books[id.value];
    book.maybe.insert(text);
    auto writer = co_await StoreWorld::Write(store.queue(), text);
    CO_RETURN_IF_ERROR(writer.status());
    auto account = co_await store.accounts().Open(id);
    CO_RETURN_IF_ERROR(account.status());
    AccountTransaction transaction{.time_seconds = 1000};
    transaction.changes.push_back(
        storage::Append{.mailbox = MailboxId(1), .quota_messages = quota_messages});
    std::vector<Account::NewContent> contents;
    contents.push_back({.change = 0, .content = *std::move(writer)});
    auto results =
        co_await (*account)->ApplyWithContent(std::move(transaction), std::move(contents));
    CO_RETURN_IF_ERROR(results.status());
    book.maybe.erase(text);
    if (results->at(0).status != ChangeStatus::kOk) {
      book.gone.insert(text);
      co_return absl::ResourceExhaustedError("over quota");
    }
    book.kept[text] = results->at(0).uids.at(0).first;
    co_return absl::OkStatus();
  }

  io::Task<Status> Expunge(ShardStore& store, AccountId id, std::string text) {
    AccountBook& book = books[id.value];
    const Uid uid = book.kept.at(text);
    book.kept.erase(text);
    book.going.insert(text);
    auto account = co_await store.accounts().Open(id);
    CO_RETURN_IF_ERROR(account.status());
    CO_RETURN_IF_ERROR(
        co_await Do(**account, storage::Expunge{.mailbox = MailboxId(1), .uids = {{uid, uid}}}));
    book.going.erase(text);
    book.gone.insert(text);
    co_return absl::OkStatus();
  }

  static io::Task<Status> Do(Account& account, AccountChange change) {
    AccountTransaction transaction{.time_seconds = 1000};
    transaction.changes.push_back(std::move(change));
    co_return (co_await account.Apply(std::move(transaction))).status();
  }

  static io::Task<StatusOr<std::string>> Read(ShardStore& store, const MessageEntry& entry) {
    auto borrowed = co_await store.accounts().Borrow(entry.content);
    CO_RETURN_IF_ERROR(borrowed.status());
    ContentReader reader(store, **borrowed, ContentPart::kMessage);
    std::string text;
    for (;;) {
      auto piece = co_await reader.Next();
      CO_RETURN_IF_ERROR(piece.status());
      if (piece->bytes.empty()) break;
      text += piece->bytes;
    }
    co_return text;
  }

  // Everything that was promised is there, once, and nothing else.
  io::Task<void> VerifyHere(ShardStore& store) {
    for (const auto& [number, book] : books) {
      const AccountId id(number);
      if (store.accounts().ShardOf(id) != io::ThisShard()) continue;
      auto account = co_await store.accounts().Open(id);
      EXPECT_TRUE(account.ok()) << account.status();
      if (!account.ok()) continue;
      std::map<std::string, Uid> found;
      const MailboxView view = (*account)->View(MailboxId(1));
      for (uint32_t i = 0; i < view.count(); ++i) {
        auto text = co_await Read(store, view.at(i));
        EXPECT_TRUE(text.ok()) << text.status();
        if (!text.ok()) continue;
        EXPECT_EQ(text->size(), view.at(i).bytes);
        EXPECT_TRUE(found.emplace(*text, view.at(i).uid).second)
            << "twice: " << text->substr(0, 40);
      }
      for (const auto& [text, uid] : book.kept) {
        EXPECT_TRUE(found.contains(text)) << "account " << number << " lost " << text.substr(0, 40);
        if (found.contains(text)) EXPECT_EQ(found[text], uid);
      }
      for (const auto& [text, uid] : found) {
        EXPECT_FALSE(book.gone.contains(text)) << "is back: " << text.substr(0, 40);
        EXPECT_TRUE(book.kept.contains(text) || book.maybe.contains(text) ||
                    book.going.contains(text))
            << "was never asked for: " << text.substr(0, 40);
      }
      ++verified;
      seen += found.size();
    }
  }

  // --- the world ---

  using Work = io::Task<void> (*)(AccountWorld& world, ShardStore& store);

  // Opens on `shards`, publishes, works, and stops and closes in order.
  [[nodiscard]] bool Run(uint16_t shards, Work work) {
    Begin(shards, work);
    return w.Finish();
  }
  void Begin(uint16_t shards, Work work) {
    Reset(shards, work);
    w.Start(shards, [this](StoreWorld&, ShardStore& store) { return OneShard(this, store); });
  }
  [[nodiscard]] bool CrashAfter(uint64_t requests, sim::DiskLoss loss, Work work) {
    Reset(1, work);
    return w.CrashAfter(requests, loss,
                        [this](StoreWorld&, ShardStore& store) { return OneShard(this, store); });
  }
  void Verify(uint16_t shards) {
    verified = seen = 0;
    ASSERT_TRUE(Run(shards, [](AccountWorld& self, ShardStore& store) -> io::Task<void> {
      co_await self.VerifyHere(store);
    }));
    for (const Status& status : w.open_status) ASSERT_TRUE(status.ok()) << status;
    for (const RecoveryReport& report : w.reports) {
      for (const Damage& damage : report.damages)
        ADD_FAILURE() << damage.file << " at " << damage.offset << ": " << damage.what;
    }
    EXPECT_EQ(verified, books.size());
  }
  static bool Mine(ShardStore& store, AccountId id) {
    return store.accounts().ShardOf(id) == io::ThisShard();
  }

  StoreWorld w;
  std::map<uint64_t, AccountBook> books;
  uint64_t verified = 0, seen = 0;

 private:
  void Reset(uint16_t shards, Work work) {
    work_ = work;
    peers_.assign(shards, nullptr);
    opened_ = done_ = stopped_ = 0;
    published_ = false;
  }
  static io::Task<void> OneShard(AccountWorld* self, ShardStore& store) {
    const size_t count = self->peers_.size();
    self->peers_[io::ThisShard().value] = &store.accounts();
    ++self->opened_;
    while (self->opened_ < count) co_await Pause();
    if (io::ThisShard() == ShardIndex(0)) {
      co_await store.accounts().Publish(self->peers_);
      self->published_ = true;
    }
    while (!self->published_) co_await Pause();
    co_await self->work_(*self, store);
    ++self->done_;
    while (self->done_ < count) co_await Pause();
    co_await store.accounts().Stop();
    ++self->stopped_;
    while (self->stopped_ < count) co_await Pause();
  }
  io::Task<StatusOr<Uid>> Append(ShardStore& store, AccountId id, ContentId content, size_t bytes) {
    auto account = co_await store.accounts().Open(id);
    CO_RETURN_IF_ERROR(account.status());
    AccountTransaction transaction{.time_seconds = 1000};
    transaction.changes.push_back(storage::Append{
        .mailbox = MailboxId(1), .content = content, .bytes = static_cast<uint32_t>(bytes)});
    auto results = co_await (*account)->Apply(std::move(transaction));
    CO_RETURN_IF_ERROR(results.status());
    EXPECT_EQ(results->at(0).status, ChangeStatus::kOk);
    co_return results->at(0).uids.at(0).first;
  }

  Work work_ = nullptr;
  std::vector<Accounts*> peers_;
  size_t opened_ = 0, done_ = 0, stopped_ = 0;
  bool published_ = false;
};

}  // namespace ringmail::storage
