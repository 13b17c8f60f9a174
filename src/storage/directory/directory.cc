#include "storage/directory/directory.h"

#include <algorithm>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// Entries judged, or taken in, between yields.
constexpr size_t kEntriesPerTurn = 512;
// Staged records go in batches of this size: mail's commits go between them.
constexpr size_t kStagedBytes = 256u << 10;

Status AboutName(absl::StatusCode code, std::string_view name, std::string_view what) {
  return Status(code, Absl(fmt::format("{} {}", name, what)));
}

}  // namespace

// A transaction, judged and on its way.
struct DirectoryCore::Plan {
  std::vector<Planned> planned;
  uint64_t version = 0;
  DirectoryState state;
  uint64_t bytes = 0;
  Segment* state_segment = nullptr;
  absl::flat_hash_set<std::string_view> names;
  absl::flat_hash_set<std::string_view> domains_made, domains_gone;
  absl::flat_hash_map<std::string_view, int64_t> address_deltas;  // by domain
};

struct DirectoryCore::RemoteApply {
  DirectoryCore* writer;
  const DirectoryTransaction* transaction;
  ShardIndex from;
  StatusOr<DirectoryApplied> result;
  io::Event done;
};

struct DirectoryCore::PublishCall {
  DirectoryCore* peer;
  DirectoryCore* writer;
  DirectoryView view;
  ShardIndex from;
  uint32_t* waiting;
  io::Event* done;
};

DirectoryChange DirectoryChange::Put(const DirectoryEntry& entry, Expect expect) {
  return {.name = NameOf(entry), .value = EncodeEntry(entry), .expect = expect};
}

DirectoryChange DirectoryChange::Erase(std::string name, Expect expect) {
  return {.name = std::move(name), .value = {}, .expect = expect};
}

DirectoryCore::DirectoryCore(StoreCore& store, DirectoryOptions options) : store_(store) {
  Reconfigure(std::move(options));
}

void DirectoryCore::Reconfigure(DirectoryOptions options) {
  options_ = std::move(options);
  configured_.clear();
  for (const std::string& domain : options_.configured_domains) configured_.insert(domain);
}

void DirectoryCore::Opened() {
  const DirectoryTable& table = ledger_.table();
  view_ = {.root = table.root(),
           .edit = table.edit(),
           .version = ledger_.version(),
           .entries = table.size(),
           .complete = ledger_.complete()};
  seen_edit_ = view_.edit;
  if (io::ThisShard() == ShardIndex(0)) writer_ = this;
}

io::Task<void> DirectoryCore::Close() {
  closing_ = true;
  co_await gate_.Close();
}

// --- one at a time ---

io::Task<void> DirectoryCore::Lock() {
  if (busy_) {
    io::Event turn;
    waiting_.push_back(&turn);
    (void)co_await turn.Wait(kNever);  // busy_ stays: it was handed over
  }
  busy_ = true;
}

void DirectoryCore::Unlock() {
  if (waiting_.empty()) {
    busy_ = false;
    return;
  }
  io::Event* next = waiting_.front();
  waiting_.pop_front();
  next->Notify();
}

// --- changes ---

io::Task<StatusOr<DirectoryApplied>> DirectoryCore::Apply(DirectoryTransaction transaction) {
  if (writer_ == nullptr) co_return absl::UnavailableError("the directory is not there yet");
  if (writer_ == this) co_return co_await ApplyHere(transaction);
  RemoteApply call{.writer = writer_,
                   .transaction = &transaction,
                   .from = io::ThisShard(),
                   .result = absl::UnknownError("")};
  io::ShardMessage message{.run = BeginRemote};
  message.SetPointer(0, &call);
  co_await io::Post(ShardIndex(0), message);
  (void)co_await call.done.Wait(kNever);
  co_return std::move(call.result);
}

void DirectoryCore::BeginRemote(io::ShardMessage& message) {
  auto* call = message.Pointer<RemoteApply>(0);
  call->writer->gate_.Spawn(ServeRemote(call));
}

io::Task<void> DirectoryCore::ServeRemote(RemoteApply* call) {
  call->result = co_await call->writer->ApplyHere(*call->transaction);
  io::ShardMessage answer{.run = EndRemote};
  answer.SetPointer(0, call);
  co_await io::Post(call->from, answer);
}

void DirectoryCore::EndRemote(io::ShardMessage& message) {
  message.Pointer<RemoteApply>(0)->done.Notify();
}

io::Task<StatusOr<DirectoryApplied>> DirectoryCore::ApplyHere(
    const DirectoryTransaction& transaction) {
  co_await Lock();
  StatusOr<DirectoryApplied> applied = co_await ApplyLocked(transaction);
  Unlock();
  co_return applied;
}

io::Task<StatusOr<DirectoryApplied>> DirectoryCore::ApplyLocked(
    const DirectoryTransaction& transaction) {
  if (closing_) co_return absl::UnavailableError("the store closes");
  Plan plan;
  Status status = co_await MakePlan(transaction, plan);
  if (status.ok()) status = JudgeDomains(plan);
  const bool accept = transaction.accept_damage && !ledger_.complete();
  if (status.ok() && plan.planned.empty() && !accept)
    co_return DirectoryApplied{.version = ledger_.version()};
  if (status.ok()) {
    if (accept) plan.state.complete = true;
    status = co_await Write(plan);
  }
  if (!status.ok()) {
    GiveUp(plan);
    co_return status;
  }
  co_await TakeIn(plan);
  store_.metrics().directory_changes.Add(plan.planned.size());
  store_.metrics().directory_entries.Set(static_cast<int64_t>(view_.entries));
  store_.metrics().directory_damaged.Set(view_.complete ? 0 : 1);
  co_return DirectoryApplied{.version = plan.version, .changed = plan.planned.size()};
}

io::Task<Status> DirectoryCore::MakePlan(const DirectoryTransaction& transaction, Plan& plan) {
  plan.version = ledger_.NextVersion();
  plan.state = ledger_.state();
  size_t count = 0;
  for (const DirectoryChange& change : transaction.changes) {
    CO_RETURN_IF_ERROR(PlanChange(change, plan));
    if (++count % kEntriesPerTurn == 0) co_await io::Yield();
  }
  if (plan.state.entries > kDirectoryEntriesMax) {
    co_return absl::ResourceExhaustedError(
        Absl(fmt::format("the directory would have more than {} entries", kDirectoryEntriesMax)));
  }
  co_return absl::OkStatus();
}

Status DirectoryCore::PlanChange(const DirectoryChange& change, Plan& plan) {
  using Expect = DirectoryChange::Expect;
  if (!plan.names.insert(change.name).second)
    return AboutName(absl::StatusCode::kInvalidArgument, change.name, "is there twice");
  EntryNode* old = ledger_.table().Find(change.name);
  if (change.expect == Expect::kAbsent && old != nullptr)
    return AboutName(absl::StatusCode::kAlreadyExists, change.name, "is there already");
  if (change.expect == Expect::kPresent && old == nullptr)
    return AboutName(absl::StatusCode::kNotFound, change.name, "is not there");
  if (change.expect == Expect::kVersion && (old == nullptr || old->version != change.version)) {
    return AboutName(absl::StatusCode::kAborted, change.name, "was changed meanwhile: look again");
  }
  const std::string_view domain = DomainOfName(change.name);
  const bool address = domain.size() != change.name.size();
  if (change.value.empty()) {
    if (old == nullptr) return absl::OkStatus();
    plan.planned.push_back({.change = &change, .old = old});
    plan.bytes += DirectoryRecordBytes(change.name.size(), 0);
    plan.state.digest = DirectoryLedger::Digest(plan.state.digest, old, nullptr);
    --plan.state.entries;
    if (address) --plan.address_deltas[domain];
    if (!address) plan.domains_gone.insert(change.name);
    return absl::OkStatus();
  }
  std::optional<DirectoryEntry> entry = DecodeEntry(change.name, change.value);
  if (!entry) return AboutName(absl::StatusCode::kInvalidArgument, change.name, "is malformed");
  RETURN_IF_ERROR(CheckEntry(*entry));
  std::string with_id;
  if (auto* account = std::get_if<AccountEntry>(&*entry)) {
    // The number stays with the name, whatever else is said of it.
    std::optional<AccountView> before;
    if (old != nullptr) before = AccountView::Parse(old->name(), old->value());
    account->id = before ? before->id() : plan.state.next_account_id++;
    with_id = EncodeEntry(*entry);
  }
  const std::string_view value = with_id.empty() ? std::string_view(change.value) : with_id;
  if (old != nullptr && old->value() == value) return absl::OkStatus();
  EntryNode* made = EntryNode::Make(change.name, value, plan.version);
  plan.planned.push_back({.change = &change, .made = made, .old = old});
  plan.bytes += DirectoryRecordBytes(change.name.size(), value.size());
  plan.state.digest = DirectoryLedger::Digest(plan.state.digest, old, made);
  if (old == nullptr) {
    ++plan.state.entries;
    if (address) ++plan.address_deltas[domain];
  }
  if (!address) plan.domains_made.insert(change.name);
  return absl::OkStatus();
}

// Every address has a domain, and no domain goes while an address is left in it.
Status DirectoryCore::JudgeDomains(const Plan& plan) const {
  if (plan.bytes > kDirectoryTransactionBytesMax)
    return absl::ResourceExhaustedError("the transaction is too large");
  for (const Planned& one : plan.planned) {
    const std::string_view name = one.change->name, domain = DomainOfName(name);
    if (one.made == nullptr || domain.size() == name.size()) continue;
    const bool there = ledger_.table().Find(domain) != nullptr;
    if (configured_.contains(Absl(domain)) || plan.domains_made.contains(domain) ||
        (there && !plan.domains_gone.contains(domain)))
      continue;
    return AboutName(absl::StatusCode::kFailedPrecondition, name,
                     fmt::format("is in no domain of ours: {} is not there", domain));
  }
  for (const std::string_view domain : plan.domains_gone) {
    if (configured_.contains(Absl(domain))) continue;
    const auto delta = plan.address_deltas.find(domain);
    const int64_t left = static_cast<int64_t>(ledger_.AddressCount(domain)) +
                         (delta == plan.address_deltas.end() ? 0 : delta->second);
    if (left <= 0) continue;
    return AboutName(absl::StatusCode::kFailedPrecondition, domain,
                     fmt::format("still has {} addresses", left));
  }
  return absl::OkStatus();
}

// --- into the log ---

io::Task<Status> DirectoryCore::Write(Plan& plan) {
  // Space for what is new; what goes may use what is kept for outcomes.
  const bool grows = std::any_of(plan.planned.begin(), plan.planned.end(),
                                 [](const Planned& one) { return one.made != nullptr; });
  if (grows) CO_RETURN_IF_ERROR(store_.Acceptance());
  for (Planned& one : plan.planned) {
    if (one.old != nullptr) one.old->changing = true;
  }
  const size_t state_bytes = DirectoryRecordBytes(0, kDirectoryStateBytes);
  if (plan.bytes + state_bytes > store_.log().group_bytes_max())
    co_return co_await WriteStaged(plan);
  co_return co_await WriteGroup(plan, 0, plan.planned.size(), &plan.state, /*staged=*/false);
}

io::Task<Status> DirectoryCore::WriteStaged(Plan& plan) {
  for (size_t begin = 0; begin < plan.planned.size();) {
    size_t end = begin, bytes = 0;
    while (end < plan.planned.size()) {
      const Planned& one = plan.planned[end];
      bytes += DirectoryRecordBytes(one.change->name.size(),
                                    one.made == nullptr ? 0 : one.made->value_bytes);
      if (end > begin && bytes > kStagedBytes) break;
      ++end;
    }
    CO_RETURN_IF_ERROR(store_.Acceptance());
    CO_RETURN_IF_ERROR(co_await WriteGroup(plan, begin, end, nullptr, /*staged=*/true));
    begin = end;
  }
  co_return co_await WriteGroup(plan, 0, 0, &plan.state, /*staged=*/false);
}

// Entries `begin` to `end`, and the state where it is given, in one batch; durable when it is OK.
io::Task<Status> DirectoryCore::WriteGroup(Plan& plan, size_t begin, size_t end,
                                           const DirectoryState* state, bool staged) {
  size_t bytes = state == nullptr ? 0 : DirectoryRecordBytes(0, kDirectoryStateBytes);
  for (size_t i = begin; i < end; ++i) {
    const Planned& one = plan.planned[i];
    bytes += DirectoryRecordBytes(one.change->name.size(),
                                  one.made == nullptr ? 0 : one.made->value_bytes);
  }
  Log& log = store_.log();
  CO_RETURN_IF_ERROR(log.failed());
  if (!log.HasRoom(bytes)) CO_RETURN_IF_ERROR(co_await log.Room(bytes));
  ledger_.SkipVersion(plan.version);
  for (size_t i = begin; i < end; ++i) {
    const Planned& one = plan.planned[i];
    scratch_.clear();
    EncodeDirectoryMeta({.version = plan.version,
                         .staged = staged,
                         .tombstone = one.made == nullptr,
                         .name = one.change->name,
                         .value = one.made == nullptr ? std::string_view() : one.made->value()},
                        scratch_);
    log.Append(RecordType::kDirectory, scratch_, {});
  }
  if (state != nullptr) {
    std::string value;
    EncodeDirectoryState(*state, value);
    scratch_.clear();
    EncodeDirectoryMeta({.version = plan.version, .state = true, .value = value}, scratch_);
    log.Append(RecordType::kDirectory, scratch_, {});
  }
  const Log::Committed committed = co_await log.Commit();
  CO_RETURN_IF_ERROR(committed.status);
  // Needed from now on, so that no segment goes with what the last record will make count.
  for (size_t i = begin; i < end; ++i) {
    Planned& one = plan.planned[i];
    if (one.made != nullptr) {
      one.made->segment = committed.segment;
      committed.segment->AddLive(DirectoryLedger::RecordBytesOf(*one.made));
    } else if (staged) {
      one.tombstone = committed.segment;
      committed.segment->AddLive(DirectoryRecordBytes(one.change->name.size(), 0));
    }
  }
  if (state != nullptr) plan.state_segment = committed.segment;
  co_return absl::OkStatus();
}

// Nothing of it counts: what was staged is never finished.
void DirectoryCore::GiveUp(Plan& plan) {
  for (Planned& one : plan.planned) {
    if (one.old != nullptr) one.old->changing = false;
    if (one.tombstone != nullptr)
      one.tombstone->SubLive(DirectoryRecordBytes(one.change->name.size(), 0));
    if (one.made == nullptr) continue;
    if (one.made->segment != nullptr)
      one.made->segment->SubLive(DirectoryLedger::RecordBytesOf(*one.made));
    EntryNode::Destroy(one.made);
  }
  plan.planned.clear();
  store_.RecordsFreed();
}

// --- into memory ---

// What is durable becomes what everybody looks at. Until then all look at the root of before, which
// stays as it is.
io::Task<void> DirectoryCore::TakeIn(Plan& plan) {
  DirectoryTable& table = ledger_.table();
  table.BeginEdit();
  size_t count = 0;
  for (Planned& one : plan.planned) {
    if (one.made != nullptr) {
      ledger_.Put(one.made);
    } else {
      ledger_.Erase(one.change->name);
    }
    if (one.tombstone != nullptr)
      one.tombstone->SubLive(DirectoryRecordBytes(one.change->name.size(), 0));
    if (++count % kEntriesPerTurn == 0) co_await io::Yield();
  }
  ledger_.Finished(plan.version, plan.state, plan.state_segment);
  CHECK_EQ(table.size(), plan.state.entries);
  co_await Hand({.root = table.root(),
                 .edit = table.edit(),
                 .version = plan.version,
                 .entries = table.size(),
                 .complete = plan.state.complete});
  store_.RecordsFreed();
}

// Gives the view to every shard. When all have it, nobody looks at what it replaced.
io::Task<void> DirectoryCore::Hand(DirectoryView view) {
  view_ = view;
  if (peers_.size() > 1) {
    uint32_t waiting = 0;
    io::Event done;
    std::vector<PublishCall> calls;
    for (DirectoryCore* peer : peers_) {
      if (peer != this) calls.push_back({peer, this, view, io::ThisShard(), &waiting, &done});
    }
    waiting = static_cast<uint32_t>(calls.size());
    for (size_t i = 0, shard = 0; i < peers_.size(); ++i) {
      if (peers_[i] == this) continue;
      io::ShardMessage message{.run = TakeView};
      message.SetPointer(0, &calls[shard++]);
      co_await io::Post(ShardIndex(static_cast<uint16_t>(i)), message);
    }
    (void)co_await done.Wait(kNever);
  }
  seen_edit_ = view.edit;
  FreeUnseen();
}

void DirectoryCore::TakeView(io::ShardMessage& message) {
  auto* call = message.Pointer<PublishCall>(0);
  call->peer->view_ = call->view;
  call->peer->writer_ = call->writer;
  call->peer->gate_.Spawn(AnswerView(call));
}

io::Task<void> DirectoryCore::AnswerView(PublishCall* call) {
  io::ShardMessage answer{.run = ViewTaken};
  answer.SetPointer(0, call);
  co_await io::Post(call->from, answer);
}

void DirectoryCore::ViewTaken(io::ShardMessage& message) {
  const auto* call = message.Pointer<PublishCall>(0);
  if (--*call->waiting == 0) call->done->Notify();
}

void DirectoryCore::FreeUnseen() {
  // A pin at an edit looks at what later ones replaced.
  const uint64_t through = pins_.empty() ? seen_edit_ : std::min(seen_edit_, *pins_.begin());
  ledger_.table().Free(through);
}

io::Task<void> DirectoryCore::Publish(std::vector<Directory*> peers) {
  CHECK(writer_ == this && peers_.empty());
  co_await Lock();
  for (Directory* peer : peers) peers_.push_back(static_cast<DirectoryCore*>(peer));
  co_await Hand(view_);
  Unlock();
}

io::Task<Status> DirectoryCore::WriteLoss() {
  co_await Lock();
  Plan plan;
  plan.version = ledger_.NextVersion();
  plan.state = ledger_.state();
  const Status written = co_await WriteGroup(plan, 0, 0, &plan.state, /*staged=*/false);
  if (written.ok()) {
    ledger_.Finished(plan.version, plan.state, plan.state_segment);
    view_.version = plan.version;
  }
  Unlock();
  co_return written;
}

// --- pins ---

class DirectoryPin final : public Directory::Pin {
 public:
  explicit DirectoryPin(DirectoryCore& core)
      : core_(core), view_(core.view_), at_(core.pins_.insert(view_.edit)) {}
  DirectoryPin(const DirectoryPin&) = delete;
  DirectoryPin& operator=(const DirectoryPin&) = delete;
  ~DirectoryPin() override {
    core_.pins_.erase(at_);
    core_.FreeUnseen();
  }

  uint64_t Visit(uint64_t cursor, size_t count_max,
                 void (*visit)(void* context, const DirectoryRow& row),
                 void* context) const override {
    struct Call {
      void (*visit)(void* context, const DirectoryRow& row);
      void* context;
      static void Entry(void* self, const EntryNode& entry) {
        const Call& call = *static_cast<Call*>(self);
        call.visit(call.context, {entry.name(), entry.value(), entry.version});
      }
    } call{visit, context};
    return VisitEntries(view_.root, cursor, count_max, Call::Entry, &call);
  }
  std::optional<DirectoryRow> Find(std::string_view name) const override {
    const EntryNode* entry = FindEntry(view_.root, name);
    if (entry == nullptr) return std::nullopt;
    return DirectoryRow{entry->name(), entry->value(), entry->version};
  }
  uint64_t size() const override { return view_.entries; }
  uint64_t version() const override { return view_.version; }

 private:
  DirectoryCore& core_;
  const DirectoryView view_;
  const std::multiset<uint64_t>::iterator at_;
};

std::unique_ptr<Directory::Pin> DirectoryCore::MakePin() {
  CHECK(writer_ == this);
  return std::make_unique<DirectoryPin>(*this);
}

}  // namespace ringmail::storage
