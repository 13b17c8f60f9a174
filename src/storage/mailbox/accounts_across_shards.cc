// What accounts need of other shards: README, "Contents" and "Where an account lives".
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "storage/mailbox/accounts.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// Accounts that are known to be full; more are found out by delivery.
constexpr size_t kFullMax = 100'000;
// Contents released in one go.
constexpr size_t kReleaseMax = 1000;
// Accounts whose contents are released at once.
constexpr size_t kReleasesAtOnce = 16;
// A release that failed is tried again after so long.
constexpr Nanoseconds kReleaseRetry = std::chrono::seconds(5);

}  // namespace

// What one shard has, for the placement.
struct AccountsCore::Holdings {
  std::vector<std::pair<AccountId, uint64_t>> accounts;  // and their last changes
  std::vector<LogId> logs;
};

struct AccountsCore::PlaceCall {
  AccountsCore* peer;
  ShardIndex from;
  Holdings holdings;
  std::shared_ptr<const Placement> placement;
  const std::vector<AccountsCore*>* peers = nullptr;
  io::Event done;
};

struct AccountsCore::LendCall {
  AccountsCore* owner;
  ContentId id;
  ShardIndex from;
  const Content* content = nullptr;
  io::Event done;
};

struct AccountsCore::ReleaseCall {
  AccountsCore* owner;
  AccountId account;
  std::vector<ContentId> contents;
  ShardIndex from;
  std::set<ContentId> undecided;
  Status status;
  io::Event done;
};

// --- placement ---

ShardIndex AccountsCore::ShardOf(AccountId id) const {
  if (placement_ != nullptr) {
    const auto found = placement_->elsewhere.find(id);
    if (found != placement_->elsewhere.end()) return found->second;
  } else if (ledger_.Find(id) != nullptr) {
    return io::ThisShard();
  }
  return ShardIndex(static_cast<uint16_t>(id.value % io::ShardCount()));
}

std::vector<ShardIndex> AccountsCore::ShardsWith(LogId log) const {
  if (placement_ == nullptr) return {io::ThisShard()};
  const auto found = placement_->content_shards.find(log);
  return found == placement_->content_shards.end() ? std::vector<ShardIndex>() : found->second;
}

void AccountsCore::Hold(Holdings& holdings) const {
  for (const auto& [id, records] : ledger_.accounts())
    holdings.accounts.emplace_back(id, records->last());
  // The ids of a log lie together.
  auto next = store_.index().FirstContentFrom(ContentId(0));
  while (next) {
    const LogId log = next->log();
    holdings.logs.push_back(log);
    next = store_.index().FirstContentFrom(
        ContentId(uint64_t{log.value + 1u} << QueueId::kSequenceBits));
  }
}

void AccountsCore::TellHoldings(io::ShardMessage& message) {
  auto* const call = message.Pointer<PlaceCall>(0);
  call->peer->Hold(call->holdings);
  io::ShardMessage answer{.run = PlaceAnswered};
  answer.SetPointer(0, call);
  call->peer->serving_.Spawn(Answer(call->from, answer));
}

void AccountsCore::TakePlacement(io::ShardMessage& message) {
  auto* const call = message.Pointer<PlaceCall>(0);
  call->peer->Published(call->placement, *call->peers);
  io::ShardMessage answer{.run = PlaceAnswered};
  answer.SetPointer(0, call);
  call->peer->serving_.Spawn(Answer(call->from, answer));
}

void AccountsCore::PlaceAnswered(io::ShardMessage& message) {
  message.Pointer<PlaceCall>(0)->done.Notify();
}

io::Task<void> AccountsCore::Answer(ShardIndex to, io::ShardMessage message) {
  co_await io::Post(to, message);
}

io::Task<void> AccountsCore::Ask(void (*run)(io::ShardMessage&), PlaceCall* call,
                                 ShardIndex shard) {
  io::ShardMessage message{.run = run};
  message.SetPointer(0, call);
  co_await io::Post(shard, message);
  (void)co_await call->done.Wait(kNever);
}

io::Task<void> AccountsCore::Publish(std::vector<Accounts*> peers) {
  CHECK(io::ThisShard() == ShardIndex(0) && placement_ == nullptr);
  std::vector<AccountsCore*> cores;
  for (Accounts* const peer : peers) cores.push_back(static_cast<AccountsCore*>(peer));
  auto placement = std::make_shared<Placement>();
  absl::flat_hash_map<AccountId, uint64_t> newest;
  for (uint16_t i = 0; i < cores.size(); ++i) {
    PlaceCall call{.peer = cores[i], .from = io::ThisShard()};
    if (i == 0) Hold(call.holdings);
    if (i != 0) co_await Ask(TellHoldings, &call, ShardIndex(i));
    // Those that a shard takes in from now on are of its own log.
    std::vector<LogId>& logs = call.holdings.logs;
    if (std::find(logs.begin(), logs.end(), LogId(i)) == logs.end()) logs.push_back(LogId(i));
    for (const LogId log : logs) placement->content_shards[log].push_back(ShardIndex(i));
    for (const auto& [id, last] : call.holdings.accounts) {
      const auto [at, first] = newest.try_emplace(id, last);
      if (!first) {
        LogLine(io::ShardLog(), LogLevel::kError, "account-twice").Field("account", id.value);
        if (at->second >= last) continue;
        at->second = last;
      }
      const bool home = id.value % cores.size() == i;
      if (home) {
        placement->elsewhere.erase(id);
      } else {
        placement->elsewhere[id] = ShardIndex(i);
      }
    }
  }
  for (uint16_t i = 0; i < cores.size(); ++i) {
    PlaceCall call{
        .peer = cores[i], .from = io::ThisShard(), .placement = placement, .peers = &cores};
    if (i == 0) Published(placement, cores);
    if (i != 0) co_await Ask(TakePlacement, &call, ShardIndex(i));
  }
}

void AccountsCore::Published(std::shared_ptr<const Placement> placement,
                             std::vector<AccountsCore*> peers) {
  placement_ = std::move(placement);
  peers_ = std::move(peers);
  // What the last run did not come to.
  for (const auto& [id, records] : ledger_.accounts()) {
    if (records->may_release() && !records->damaged) releasable_.insert(id);
  }
  for (const auto& [id, account] : open_) {
    if (!account->Released(ContentId(0), 1).empty()) releasable_.insert(id);
  }
  gate_.Spawn(RunRelease(this));
}

// --- quotas ---

bool AccountsCore::Full(AccountId id) const {
  const auto found = full_.find(id);
  return found != full_.end() && io::Now() < found->second;
}

void AccountsCore::NoteFull(AccountId id, bool full) {
  if (!full) {
    full_.erase(id);
    return;
  }
  if (full_.size() >= kFullMax) {
    const MonotonicTime now = io::Now();
    absl::erase_if(full_, [now](const auto& one) { return one.second <= now; });
  }
  if (full_.size() < kFullMax) full_[id] = io::Now() + AccountsLimits::kFullKnown;
}

void AccountsCore::SetFull(AccountId id, bool full) {
  NoteFull(id, full);
  for (uint16_t i = 0; i < peers_.size(); ++i) {
    if (ShardIndex(i) == io::ThisShard()) continue;
    io::ShardMessage message{.run = FullHeard};
    message.SetPointer(0, peers_[i]);
    message.words[1] = id.value;
    message.words[2] = full ? 1 : 0;
    // A hint: what is not heard is found out by the delivery.
    (void)io::TryPost(ShardIndex(i), message);
  }
}

void AccountsCore::FullHeard(io::ShardMessage& message) {
  message.Pointer<AccountsCore>(0)->NoteFull(AccountId(message.words[1]), message.words[2] != 0);
}

// --- lending ---

io::Task<StatusOr<BorrowedContent>> AccountsCore::Borrow(ContentId id) {
  if (stopping_) co_return absl::UnavailableError("the store closes");
  for (const ShardIndex shard : ShardsWith(id.log())) {
    const Content* content = nullptr;
    if (shard == io::ThisShard()) {
      Content* const own = store_.index().FindContent(id);
      if (own != nullptr) Lend(*own);
      content = own;
    } else {
      content = co_await LendFrom(shard, id);
    }
    if (content != nullptr) co_return BorrowedContent(content, shard, *this);
  }
  co_return absl::NotFoundError("no log has content " + QueueId(id.value).ToString());
}

io::Task<const Content*> AccountsCore::LendFrom(ShardIndex shard, ContentId id) {
  LendCall call{.owner = peers_[shard.value], .id = id, .from = io::ThisShard()};
  io::ShardMessage message{.run = ServeLend};
  message.SetPointer(0, &call);
  co_await io::Post(shard, message);
  (void)co_await call.done.Wait(kNever);
  co_return call.content;
}

void AccountsCore::ServeLend(io::ShardMessage& message) {
  auto* const call = message.Pointer<LendCall>(0);
  AccountsCore& self = *call->owner;
  if (Content* const content = self.store_.index().FindContent(call->id); content != nullptr) {
    Lend(*content);
    ++self.lent_;
    call->content = content;
  }
  io::ShardMessage answer{.run = LendAnswered};
  answer.SetPointer(0, call);
  // There is room but for the worst of times.
  if (!io::TryPost(call->from, answer)) self.serving_.Spawn(Answer(call->from, answer));
}

void AccountsCore::LendAnswered(io::ShardMessage& message) {
  message.Pointer<LendCall>(0)->done.Notify();
}

void AccountsCore::GiveBack(const Content& content, ShardIndex owner) {
  if (owner == io::ThisShard()) {
    Return(const_cast<Content&>(content));
    return;
  }
  io::ShardMessage message{.run = TakeBack};
  message.SetPointer(0, const_cast<Content*>(&content));
  message.SetPointer(1, peers_[owner.value]);
  if (!io::TryPost(owner, message)) serving_.Spawn(Answer(owner, message));
}

void AccountsCore::TakeBack(io::ShardMessage& message) {
  auto* const owner = message.Pointer<AccountsCore>(1);
  Return(*message.Pointer<Content>(0));
  if (--owner->lent_ == 0) owner->returned_.Notify();
}

// --- erasing ---

struct AccountsCore::EraseCall {
  AccountsCore* owner;
  AccountId account;
  ShardIndex from;
  Status status;
  io::Event done;
};

io::Task<Status> AccountsCore::Erase(AccountId id) {
  const ShardIndex shard = ShardOf(id);
  if (shard == io::ThisShard()) co_return co_await EraseHere(id);
  CHECK(placement_ != nullptr);
  EraseCall call{.owner = peers_[shard.value], .account = id, .from = io::ThisShard()};
  io::ShardMessage message{.run = BeginErase};
  message.SetPointer(0, &call);
  co_await io::Post(shard, message);
  (void)co_await call.done.Wait(kNever);
  co_return std::move(call.status);
}

void AccountsCore::BeginErase(io::ShardMessage& message) {
  auto* const call = message.Pointer<EraseCall>(0);
  call->owner->serving_.Spawn(ServeErase(call));
}

io::Task<void> AccountsCore::ServeErase(EraseCall* call) {
  call->status = co_await call->owner->EraseHere(call->account);
  io::ShardMessage answer{.run = EraseAnswered};
  answer.SetPointer(0, call);
  co_await io::Post(call->from, answer);
}

void AccountsCore::EraseAnswered(io::ShardMessage& message) {
  message.Pointer<EraseCall>(0)->done.Notify();
}

// --- releasing ---

void AccountsCore::Releasable(AccountId id) {
  releasable_.insert(id);
  release_.Notify();
}

io::Task<void> AccountsCore::RunRelease(AccountsCore* self) {
  while (!self->stopping_) {
    MonotonicTime again = kNever;
    io::Gate together;
    for (size_t i = 0; i < kReleasesAtOnce && !self->releasable_.empty(); ++i) {
      const AccountId id = *self->releasable_.begin();
      self->releasable_.erase(id);
      together.Spawn(ReleaseAll(self, id, &again));
    }
    co_await together.Close();
    const bool more = !self->releasable_.empty() && again == kNever;
    if (!more && !self->stopping_) (void)co_await self->release_.Wait(again);
  }
}

io::Task<void> AccountsCore::ReleaseAll(AccountsCore* self, AccountId id, MonotonicTime* again) {
  const Status status = co_await self->ReleaseOf(id);
  if (status.ok() || absl::IsDataLoss(status)) co_return;
  self->releasable_.insert(id);
  *again = io::Now() + kReleaseRetry;
}

io::Task<Status> AccountsCore::ReleaseOf(AccountId id) {
  auto held = co_await Open(id);
  CO_RETURN_IF_ERROR(held.status());
  OpenAccount& account = *open_.find(id)->second;
  ContentId from(0);
  while (!stopping_ && !account.Released(from, 1).empty())
    CO_RETURN_IF_ERROR(co_await ReleaseSome(account, Undecided::kKeep, from));
  if (!account.Released(ContentId(0), 1).empty())
    co_return absl::UnavailableError("some deliveries are not written down yet");
  if (AccountRecords* const records = ledger_.Find(id))
    records->Note(records->last(), AccountMeta::Releases::kNoneWaits);
  co_return absl::OkStatus();
}

io::Task<Status> AccountsCore::ReleaseSome(OpenAccount& account, Undecided undecided,
                                           ContentId& from) {
  if (placement_ == nullptr) co_return absl::UnavailableError("not all shards are known yet");
  std::vector<ContentId> contents = account.Released(from, kReleaseMax);
  if (contents.empty()) co_return absl::OkStatus();
  from = ContentId(contents.back().value + 1);
  std::set<ContentId> kept;
  std::map<ShardIndex, std::vector<ContentId>> by_shard;
  for (const ContentId content : contents) {
    for (const ShardIndex shard : ShardsWith(content.log())) by_shard[shard].push_back(content);
  }
  for (auto& [shard, some] : by_shard)
    CO_RETURN_IF_ERROR(co_await ReleaseAt(shard, account.id(), std::move(some), kept));
  if (undecided == Undecided::kKeep)
    std::erase_if(contents, [&kept](ContentId one) { return kept.contains(one); });
  store_.metrics().contents_released.Add(contents.size());
  co_return co_await account.Forget(std::move(contents));
}

io::Task<Status> AccountsCore::ReleaseAt(ShardIndex shard, AccountId account,
                                         std::vector<ContentId> contents,
                                         std::set<ContentId>& undecided) {
  if (shard == io::ThisShard()) co_return co_await ReleaseHere(account, contents, undecided);
  ReleaseCall call{.owner = peers_[shard.value],
                   .account = account,
                   .contents = std::move(contents),
                   .from = io::ThisShard()};
  io::ShardMessage message{.run = BeginRelease};
  message.SetPointer(0, &call);
  co_await io::Post(shard, message);
  (void)co_await call.done.Wait(kNever);
  undecided.merge(call.undecided);
  co_return std::move(call.status);
}

void AccountsCore::BeginRelease(io::ShardMessage& message) {
  auto* const call = message.Pointer<ReleaseCall>(0);
  call->owner->serving_.Spawn(ServeRelease(call));
}

io::Task<void> AccountsCore::ServeRelease(ReleaseCall* call) {
  call->status = co_await call->owner->ReleaseHere(call->account, call->contents, call->undecided);
  io::ShardMessage answer{.run = ReleaseAnswered};
  answer.SetPointer(0, call);
  co_await io::Post(call->from, answer);
}

void AccountsCore::ReleaseAnswered(io::ShardMessage& message) {
  message.Pointer<ReleaseCall>(0)->done.Notify();
}

// What is not there, or not held by the account, was released before; but for what the queue still
// has, which may be held only later, and delivered again after a crash.
io::Task<Status> AccountsCore::ReleaseHere(AccountId account,
                                           const std::vector<ContentId>& contents,
                                           std::set<ContentId>& undecided) {
  Log& log = store_.log();
  const size_t bytes = RecordBytes(kHoldMetaBytes + sizeof(uint64_t), 0);
  bool appended = false;
  for (const ContentId id : contents) {
    if (!log.HasRoom(bytes)) CO_RETURN_IF_ERROR(co_await log.Room(bytes));
    Content* const content = store_.index().FindContent(id);
    if (content == nullptr) continue;
    if (!content->holders.Has(account)) {
      if (content->refs > 0) undecided.insert(id);
      store_.index().Settle(*content);
      continue;
    }
    store_.AppendHold(*content, HoldMeta::Op::kRelease, {&account, 1});
    appended = true;
  }
  if (!appended) co_return absl::OkStatus();
  const Status committed = (co_await log.Commit()).status;
  store_.RecordsFreed();
  co_return committed;
}

}  // namespace ringmail::storage
