#include "tests/unit/agent/office.h"

#include <algorithm>

#include "ringmail/codec/data_scan.h"
#include "ringmail/message/path.h"

namespace ringmail::agent {
namespace {

using message::Reply;

class ScriptedSession final : public TransportSession {
 public:
  ScriptedSession(Peer& peer, std::string host) : peer_(peer), host_(std::move(host)) {
    number_ = peer_.opens;
    peer_.sessions_peak = std::max(peer_.sessions_peak, ++peer_.sessions);
  }
  ~ScriptedSession() override { --peer_.sessions; }

  io::Task<void> Deliver(DeliveryAttempt& attempt) override {
    EXPECT_TRUE(usable());
    EXPECT_FALSE(attempt.recipients.empty());
    EXPECT_LE(attempt.recipients.size(), recipients_max());
    EXPECT_TRUE(std::is_sorted(attempt.recipients.begin(), attempt.recipients.end()));
    ++peer_.transactions;
    if (peer_.closes_unanswered || (peer_.closes_idle && transactions_ > 0)) {
      usable_ = false;
      co_return;
    }
    ++transactions_;
    const MonotonicTime end = peer_.hangs ? kNever : io::Now() + peer_.transaction_time;
    (void)co_await wake_.Wait(end);
    if (cancelled_) {
      for (RecipientResult& r : attempt.results)
        r = {Outcome::kDeferred, {451, {4, 3, 2}, "cancelled"}};
      co_return;
    }
    std::string text;
    for (;;) {
      StatusOr<storage::ContentPiece> piece = co_await attempt.content->Next();
      EXPECT_TRUE(piece.ok()) << piece.status();
      if (!piece.ok() || piece->bytes.empty()) break;
      text += piece->bytes;
    }
    EXPECT_EQ(text.size(), attempt.content_bytes);
    attempt.ambiguous = peer_.ambiguous;
    for (size_t i = 0; i < attempt.recipients.size(); ++i) {
      const std::string path(attempt.envelope.recipient(attempt.recipients[i]).path);
      ++peer_.tried_recipients;
      RecipientResult& result = attempt.results[i];
      EXPECT_EQ(result.outcome, Outcome::kUntried);
      result = peer_.answer ? peer_.answer(path)
                            : RecipientResult{Outcome::kDelivered, {250, {2, 0, 0}, "ok"}};
      if (result.outcome != Outcome::kDelivered) continue;
      peer_.taken.push_back({.path = path,
                             .id = attempt.id,
                             .reverse_path = std::string(attempt.envelope.reverse_path()),
                             .text = text,
                             .when = io::WallNow(),
                             .shard = io::ThisShard().value,
                             .recipients = attempt.recipients.size(),
                             .session = number_});
    }
  }
  bool usable() const override {
    return usable_ && !cancelled_ && transactions_ < peer_.transactions_max;
  }
  uint32_t recipients_max() const override { return peer_.recipients_max; }
  io::Task<void> Quit() override {
    ++peer_.quits;
    usable_ = false;
    co_return;
  }
  void Cancel() override {
    cancelled_ = true;
    wake_.Notify();
  }
  const std::string& remote_host() const override { return host_; }

 private:
  Peer& peer_;
  const std::string host_;
  io::Event wake_;
  uint32_t number_ = 0, transactions_ = 0;
  bool usable_ = true, cancelled_ = false;
};

class ScriptedTransport final : public Transport {
 public:
  explicit ScriptedTransport(std::map<std::string, Peer>& peers) : peers_(peers) {}
  io::Task<SessionResult> Open(const NextHop& hop, MonotonicTime) override {
    SessionResult result;
    result.remote_host = hop.host;
    const auto found = peers_.find(hop.host);
    if (found == peers_.end() || cancelled_) {
      result.reply = {451, {4, 4, 4}, "unknown host"};
      co_return result;
    }
    Peer& peer = found->second;
    ++peer.opens;
    peer.open_times.push_back(io::Now());
    peer.opening_peak = std::max(peer.opening_peak, ++peer.opening);
    co_await io::SleepUntil(io::Now() + peer.open_time);
    --peer.opening;
    if (peer.refuse) result.reply = peer.refuse();
    if (result.reply.code != 0) co_return result;
    if (peer.sessions >= peer.sessions_max) {
      result.reply = {421, {4, 7, 0}, "too many sessions"};
      co_return result;
    }
    result.reply = {250, {}, "hello"};
    result.session = std::make_unique<ScriptedSession>(peer, hop.host);
    co_return result;
  }
  void Cancel() override { cancelled_ = true; }

 private:
  std::map<std::string, Peer>& peers_;
  bool cancelled_ = false;
};

}  // namespace

uint32_t Peer::Count(std::string_view path) const {
  return static_cast<uint32_t>(
      std::count_if(taken.begin(), taken.end(), [path](const Taken& t) { return t.path == path; }));
}

Route RouteTo(std::string_view domain, std::string_view host) {
  return {std::string(domain), *NextHop::Parse(host)};
}

Office::Office(OfficeOptions options)
    : world({.seed = options.seed}),
      node(world.AddNode({.name = "mx", .shards = options.shards, .disk = options.disk})),
      shards(options.shards) {
  store.data_dir = "/data";
  node.disk().Put("/data/lock", "");
  store.segment_bytes = 1u << 20;
  store.reserve_bytes = 2u << 20;
  store.content_cache_bytes = 1u << 20;
  door.hostname = "mx.example.org";
  door.relay.networks.push_back(*IpNetwork::Parse("127.0.0.0/8"));
  // Mail to the sender finds its way, like all that has no route of its own.
  transfer.relay_next_hop = NextHop::Parse("home.example");
  peers["home.example"];
}

Office::~Office() { node.Kill(); }

io::Task<void> Office::Main(void* context) {
  auto& self = *static_cast<Office*>(context);
  co_await self.Serve(*self.desks[io::ThisShard().value]);
}

// Each shard waits here for all.
io::Task<void> Office::Together(uint32_t& count) {
  ++count;
  while (count < shards) co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(50));
}

io::Task<Status> Office::Change(Desk& desk, storage::DirectoryChange change) {
  storage::DirectoryTransaction transaction;
  transaction.changes.push_back(std::move(change));
  const auto applied = co_await desk.store->directory().Apply(std::move(transaction));
  co_return applied.status();
}

io::Task<void> Office::MoveIn(Desk& desk) {
  if (desk.index.value != 0 || people.empty()) co_return;
  std::vector<storage::Directory*> all;
  for (const auto& other : desks) all.push_back(&other->store->directory());
  co_await all[0]->Publish(all);
  if (all[0]->size() > 0) co_return;
  for (const storage::DirectoryEntry& entry : people) {
    const Status put = co_await Change(
        desk, storage::DirectoryChange::Put(entry, storage::DirectoryChange::Expect::kAbsent));
    EXPECT_TRUE(put.ok()) << put;
  }
}

io::Task<void> Office::Serve(Desk& desk) {
  desk.index = io::ThisShard();
  auto opened = co_await storage::ShardStore::Open(store);
  EXPECT_TRUE(opened.ok()) << opened.status();
  if (!opened.ok()) co_return;
  desk.store = *std::move(opened);
  MailDoor::Options door_options = door;
  LocalDelivery local;
  if (!people.empty()) {
    desk.accounts = std::make_unique<RememberedAccounts>(accounts, shards);
    desk.local = MakeLocalTransport(*desk.accounts, desk.store->directory(), delivery);
    desk.local->RegisterMetrics(desk.metrics);
    door_options.directory = &desk.store->directory();
    door_options.accounts = desk.accounts.get();
    local = {desk.local.get(), &desk.store->directory(), desk.accounts.get()};
  }
  desk.door = std::make_unique<MailDoor>(desk.queue(), std::move(door_options));
  desk.transport = std::make_unique<ScriptedTransport>(peers);
  desk.transfer = Transfer::Make(*desk.store, *desk.door, *desk.transport, transfer, local);
  desk.door->RegisterMetrics(desk.metrics);
  desk.transfer->RegisterMetrics(desk.metrics);
  co_await Together(opened_);
  co_await MoveIn(desk);
  co_await Together(moved_in_);
  std::vector<Transfer*> all;
  for (const auto& other : desks) all.push_back(other->transfer.get());
  desk.transfer->Start(std::move(all));
  co_await body_(*this, desk);
  co_await Together(done_);
  co_await desk.transfer->Stop(io::Now() + stop_after);
  co_await Together(stopped_);
  if (desk.index.value == 0) {
    std::vector<const MetricRegistry*> registries;
    for (const auto& other : desks) registries.push_back(&other->metrics);
    rendered_metrics = MetricRegistry::Render(registries);
  }
  co_await Together(closed_);
  desk.transfer.reset();
  desk.transport.reset();
  desk.local.reset();
  desk.accounts.reset();
  desk.door.reset();
  EXPECT_TRUE((co_await desk.store->Close()).ok());
  desk.store.reset();
}

void Office::Start(Body body) {
  body_ = body;
  opened_ = moved_in_ = done_ = stopped_ = closed_ = 0;
  desks.clear();
  for (uint16_t i = 0; i < shards; ++i) desks.push_back(std::make_unique<Desk>());
  node.Start(shards, &Office::Main, this);
}

bool Office::Finish(Nanoseconds at_most) {
  return world.RunUntil([this] { return !node.running(); }, at_most);
}

bool Office::Run(Body body, Nanoseconds at_most) {
  Start(body);
  return Finish(at_most);
}

void Office::Crash(sim::DiskLoss loss) {
  node.Crash(loss);
  desks.clear();
}

io::Task<Reply> Office::Submit(Desk& desk, Letter letter, MailSource source) {
  MailTransaction transaction(*desk.door, source);
  Reply reply = transaction.Mail(letter.from, letter.parameters);
  if (!reply.completed()) co_return reply;
  Reply refused;
  for (const std::string& to : letter.to) {
    const std::string bracketed = "<" + to + ">";
    const message::ParsedPath path =
        message::ParsePath(bracketed, message::PathKind::kForward, message::Utf8::kAllowed);
    EXPECT_EQ(path.error, message::PathError::kNone) << to;
    reply = transaction.Recipient(path, letter.original_recipient, letter.notify);
    if (!reply.completed()) refused = reply;
  }
  if (transaction.recipient_count() == 0) co_return refused;
  transaction.BeginContent();
  codec::ContentScanner scanner;
  codec::DataScanner::Step step;
  for (std::string_view rest = letter.text; !rest.empty(); rest.remove_prefix(step.consumed)) {
    scanner.Feed(rest, step);
    for (size_t i = 0; i < step.run_count; ++i) {
      transaction.Write(step.runs[i].bytes, step.runs[i].starts_with_dot_line);
      if (!transaction.needs_drain()) continue;
      const Status drained = co_await transaction.Drain();
      if (!drained.ok()) co_return Reply{452, {4, 3, 1}, std::string(drained.message())};
    }
  }
  co_return co_await transaction.Commit();
}

io::Task<QueueId> Office::Post(Desk& desk, Letter letter) {
  MailSource source{.client = *IpAddress::Parse("127.0.0.1"), .helo = "client.example"};
  const Reply reply = co_await Submit(desk, std::move(letter), source);
  if (!reply.completed()) co_return QueueId();
  co_return *QueueId::Parse(std::string_view(reply.text).substr(reply.text.rfind(' ') + 1));
}

uint64_t Office::queued() const {
  uint64_t sum = 0;
  for (const auto& desk : desks) sum += desk->store == nullptr ? 0 : desk->queue().size();
  return sum;
}

io::Task<bool> Office::Empty(Nanoseconds at_most) {
  const MonotonicTime end = io::Now() + at_most;
  const Nanoseconds step = std::clamp<Nanoseconds>(at_most / 10'000, std::chrono::milliseconds(10),
                                                   std::chrono::minutes(1));
  while (queued() > 0 && io::Now() < end) co_await io::SleepUntil(io::Now() + step);
  co_return queued() == 0;
}

uint32_t Office::CountTaken(std::string_view path) const {
  uint32_t sum = 0;
  for (const auto& [host, peer] : peers) sum += peer.Count(path);
  return sum;
}

size_t Office::LogCount(std::string_view text) const {
  size_t count = 0;
  for (size_t at = 0; (at = node.log().find(text, at)) != std::string::npos; at += text.size())
    ++count;
  return count;
}

uint64_t Office::Metric(std::string_view name) const {
  const std::string line = "\n" + std::string(name) + " ";
  const size_t at = rendered_metrics.find(line);
  EXPECT_NE(at, std::string::npos) << name;
  return at == std::string::npos ? 0 : std::stoull(rendered_metrics.substr(at + line.size()));
}

}  // namespace ringmail::agent
