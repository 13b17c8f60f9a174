#include "tests/unit/storage/store_fixture.h"

#include <algorithm>

namespace ringmail::storage {

message::Envelope MakeEnvelope(size_t recipients, std::string_view tag) {
  message::Envelope envelope;
  envelope.reverse_path = "sender@example.org";
  envelope.arrival = FromUnixSeconds(1'767'225'600);
  for (size_t i = 0; i < recipients; ++i) {
    envelope.recipients.push_back({.path = std::string(tag) + std::to_string(i) + "@example.net"});
  }
  return envelope;
}

std::string MakeText(size_t bytes, uint64_t seed) {
  std::string text;
  text.reserve(bytes + 80);
  uint64_t x = seed * 0x9E3779B97F4A7C15 + 1;
  while (text.size() < bytes) {
    x = x * 6364136223846793005 + 1442695040888963407;
    if (x >> 61 == 0) text += '.';
    for (uint64_t i = 0; i < 1 + (x >> 33) % 70; ++i)
      text += static_cast<char>('a' + (x >> (i % 32)) % 26);
    text += "\r\n";
  }
  text.resize(bytes);
  return text;
}

StoreWorld::StoreWorld(uint64_t seed, sim::DiskOptions disk)
    : world({.seed = seed}), node(world.AddNode({.disk = disk})) {
  options.data_dir = "/data";
  node.disk().Put("/data/lock", "");
  options.segment_bytes = 1u << 20;
  options.reserve_bytes = 2u << 20;
  options.content_cache_bytes = 1u << 20;
}

io::Task<void> StoreWorld::Main(void* context) {
  auto& self = *static_cast<StoreWorld*>(context);
  const size_t shard = io::ThisShard().value;
  auto opened = co_await ShardStore::Open(self.options);
  self.open_status[shard] = opened.status();
  if (!opened.ok()) co_return;
  self.stores_[shard] = *std::move(opened);
  self.reports[shard] = self.stores_[shard]->recovery();
  co_await self.body_(self, *self.stores_[shard]);
  const Status closed = co_await self.stores_[shard]->Close();
  (void)closed;
  self.stores_[shard].reset();
}

void StoreWorld::Start(uint16_t shards, Body body) {
  body_ = std::move(body);
  stores_.clear();
  stores_.resize(shards);
  open_status.assign(shards, absl::UnknownError("not opened"));
  reports.assign(shards, {});
  node.Start(shards, &StoreWorld::Main, this);
}

bool StoreWorld::Finish() {
  return world.RunUntil([this] { return !node.running(); });
}

void StoreWorld::Crash(sim::DiskLoss loss) {
  node.Crash(loss);
  stores_.clear();
}

bool StoreWorld::CrashAfter(uint64_t requests, sim::DiskLoss loss, Body body) {
  uint64_t count = 0;
  node.disk().fault = [&count](const sim::DiskRequest& request) {
    switch (request.operation) {
      case sim::DiskOperation::kRead:
      case sim::DiskOperation::kSize:
      case sim::DiskOperation::kList:
        break;
      case sim::DiskOperation::kWrite:
        // Of the zeros of a segment in the making, one is as good as the other.
        if (request.durability == io::Durability::kDurable || request.offset == 0) ++count;
        break;
      default:
        ++count;
    }
    return 0;
  };
  Start(1, std::move(body));
  (void)world.RunUntil([&] { return count >= requests || !node.running(); });
  const bool crashed = node.running();
  node.disk().fault = nullptr;
  if (crashed) Crash(loss);
  return crashed;
}

void StoreWorld::Kill() {
  node.Kill();
  stores_.clear();
}

io::Task<StatusOr<ContentWriter>> StoreWorld::Write(Queue& queue, std::string text,
                                                    std::string_view prefix) {
  ContentWriter writer = queue.NewContent();
  if (!prefix.empty()) writer.AppendPrefix(prefix);
  size_t at = 0;
  bool dot = !text.empty() && text[0] == '.';
  while (at < text.size()) {
    // Runs end where a dot-line begins, or after 8 KiB, as they come from the scanner.
    size_t end = text.find("\r\n.", at);
    end = end == std::string::npos ? text.size() : end + 2;
    const bool whole = end - at <= 8192;
    if (!whole) end = at + 8192;
    if (writer.needs_drain()) CO_RETURN_IF_ERROR(co_await writer.Drain());
    writer.Append(std::string_view(text).substr(at, end - at), dot);
    at = end;
    dot = whole && at < text.size();
  }
  co_return writer;
}

io::Task<StatusOr<QueueId>> StoreWorld::Put(ShardStore& store, std::string text,
                                            size_t recipients) {
  Queue& queue = store.queue();
  const QueueId id = queue.NewId();
  ledger.maybe.insert(id.value);
  auto writer = co_await Write(queue, text);
  CO_RETURN_IF_ERROR(writer.status());
  auto message = co_await queue.Enqueue(id, MakeEnvelope(recipients), *std::move(writer), {});
  CO_RETURN_IF_ERROR(message.status());
  EXPECT_EQ((*message)->id(), id);
  ledger.maybe.erase(id.value);
  ledger.accepted[id.value] = {std::move(text),
                               std::vector<RecipientState>(recipients, RecipientState::kPending)};
  co_return id;
}

io::Task<Status> StoreWorld::Settle(ShardStore& store, QueueId id, uint32_t recipient,
                                    RecipientState state) {
  MessageUpdate update{.id = id, .attempt_counted = true};
  update.outcomes.push_back(
      {.recipient = recipient,
       .state = state,
       .reply = {.code = state == RecipientState::kPending ? uint16_t{451} : uint16_t{250},
                 .text = "said"},
       .remote_host = "mx.example.net"});
  auto& entry = ledger.accepted[id.value];
  auto after = entry.states;
  after[recipient] = state;
  const bool finishes = std::count(after.begin(), after.end(), RecipientState::kPending) == 0;
  if (finishes) ledger.finishing.insert(id.value);
  ledger.settling[id.value].insert(recipient);
  std::vector<MessageUpdate> updates;
  updates.push_back(std::move(update));
  CO_RETURN_IF_ERROR(co_await store.queue().Record(std::move(updates)));
  ledger.settling.erase(id.value);
  ledger.accepted[id.value].states = after;
  ++ledger.accepted[id.value].attempts;
  if (finishes) {
    ledger.finishing.erase(id.value);
    ledger.finished.insert(id.value);
    ledger.accepted.erase(id.value);
  }
  co_return absl::OkStatus();
}

io::Task<Status> StoreWorld::SettleAll(ShardStore& store, QueueId id) {
  const size_t count = ledger.accepted[id.value].states.size();
  for (uint32_t i = 0; i < count; ++i) {
    if (ledger.accepted[id.value].states[i] != RecipientState::kPending) continue;
    CO_RETURN_IF_ERROR(co_await Settle(store, id, i, RecipientState::kDelivered));
    if (ledger.finished.contains(id.value)) break;
  }
  co_return absl::OkStatus();
}

io::Task<StatusOr<std::string>> StoreWorld::Read(ShardStore& store, QueuedMessage& message) {
  Content& content = message.content();
  Lend(content);
  StatusOr<std::string> text = std::string();
  {
    ContentReader reader(store, content, ContentPart::kMessage);
    for (;;) {
      auto piece = co_await reader.Next();
      if (!piece.ok()) {
        text = piece.status();
        break;
      }
      if (piece->bytes.empty()) break;
      for (const uint32_t dot : piece->dot_lines) EXPECT_EQ(piece->bytes[dot], '.');
      // Every dot-line within the piece is noted.
      size_t expected = 0;
      for (size_t at = 0; (at = piece->bytes.find("\r\n.", at)) != std::string_view::npos; ++at)
        ++expected;
      const bool starts = !piece->dot_lines.empty() && piece->dot_lines[0] == 0;
      EXPECT_EQ(piece->dot_lines.size(), expected + (starts ? 1 : 0));
      *text += piece->bytes;
    }
  }
  if (text.ok()) EXPECT_EQ(text->size(), Bytes(content));
  Return(content);
  co_return text;
}

io::Task<void> StoreWorld::VerifyShard(ShardStore& store) {
  std::vector<QueueId> ids;
  struct Collect {
    static void Visit(void* context, QueuedMessage& message) {
      static_cast<std::vector<QueueId>*>(context)->push_back(message.id());
    }
  };
  QueueId after;
  do {
    after = store.queue().Visit(after, 7, &Collect::Visit, &ids);
  } while (after.valid());
  EXPECT_EQ(ids.size(), store.queue().size());
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  for (const QueueId id : ids) {
    ++seen;
    QueuedMessage* message = store.queue().Find(id);
    EXPECT_NE(message, nullptr);
    EXPECT_FALSE(ledger.finished.contains(id.value))
        << id.ToString() << " was finished and is back";
    const auto entry = ledger.accepted.find(id.value);
    if (entry == ledger.accepted.end()) {
      EXPECT_TRUE(ledger.maybe.contains(id.value)) << id.ToString() << " was never asked for";
      auto text = co_await Read(store, *message);
      EXPECT_TRUE(text.ok()) << text.status();
      continue;
    }
    EXPECT_EQ(message->recipient_count(), entry->second.states.size());
    for (uint32_t i = 0; i < message->recipient_count(); ++i) {
      const bool open = ledger.settling.contains(id.value) && ledger.settling[id.value].contains(i);
      if (!open)
        EXPECT_EQ(message->state(i), entry->second.states[i])
            << id.ToString() << " recipient " << i;
    }
    if (message->held()) {
      EXPECT_TRUE(verifying_damage) << id.ToString() << " is held";
      continue;
    }
    auto text = co_await Read(store, *message);
    EXPECT_TRUE(text.ok()) << text.status();
    if (text.ok()) EXPECT_TRUE(*text == entry->second.text) << id.ToString() << " content differs";
  }
}

void StoreWorld::Verify(uint16_t shards) {
  seen = 0;
  std::set<uint64_t> found;
  ASSERT_TRUE(Run(shards, [&found](StoreWorld& self, ShardStore& store) -> io::Task<void> {
    return [](StoreWorld& w, ShardStore& s, std::set<uint64_t>* out) -> io::Task<void> {
      co_await w.VerifyShard(s);
      s.queue().Visit(
          QueueId(), SIZE_MAX,
          [](void* context, QueuedMessage& message) {
            EXPECT_TRUE(
                static_cast<std::set<uint64_t>*>(context)->insert(message.id().value).second)
                << message.id().ToString() << " is in two shards";
          },
          out);
    }(self, store, &found);
  }));
  for (const Status& status : open_status) ASSERT_TRUE(status.ok()) << status;
  for (const RecoveryReport& report : reports) {
    if (verifying_damage) continue;
    for (const Damage& damage : report.damages) {
      ADD_FAILURE() << damage.file << " at " << damage.offset << ", " << damage.bytes
                    << " bytes: " << damage.what;
    }
  }
  for (const auto& [id, entry] : ledger.accepted) {
    if (verifying_damage) break;
    EXPECT_TRUE(found.contains(id) || ledger.finishing.contains(id))
        << QueueId(id).ToString() << " was accepted and is lost";
  }
}

FsckReport StoreWorld::Check() {
  struct Result {
    FsckReport report;
    std::string dir;
    bool ok = false;
  } result{.dir = options.data_dir};
  node.Start(
      1,
      [](void* context) -> io::Task<void> {
        auto& out = *static_cast<Result*>(context);
        auto report = co_await Fsck(out.dir);
        EXPECT_TRUE(report.ok()) << report.status();
        if (report.ok()) out.report = *std::move(report);
        out.ok = report.ok();
      },
      &result);
  EXPECT_TRUE(Finish());
  EXPECT_TRUE(result.ok);
  return result.report;
}

}  // namespace ringmail::storage
