#include "storage/mailbox/open_account.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/crc32c.h"
#include "ringmail/io/shard.h"
#include "storage/mailbox/account_loader.h"
#include "storage/mailbox/accounts.h"
#include "storage/mailbox/transaction_codec.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// Of an account in memory, beside its messages: the object, an INBOX, and what finds them.
constexpr uint64_t kAccountBytes = 2'000;
constexpr uint64_t kMailboxBytes = 500;
constexpr uint64_t kMessageBytes = 42;

// Whether the change takes space, and so is refused when there is none for new mail.
bool Grows(const AccountChange& change) {
  return std::holds_alternative<Append>(change) || std::holds_alternative<CopyMessages>(change) ||
         std::holds_alternative<CreateMailbox>(change) || std::holds_alternative<SetValue>(change);
}

bool MayRelease(const AccountChange& change) {
  if (const auto* const append = std::get_if<Append>(&change))
    return append->origin == Append::Origin::kDeposited;
  return std::holds_alternative<Expunge>(change) || std::holds_alternative<DeleteMailbox>(change);
}

}  // namespace

OpenAccount::OpenAccount(StoreCore& store, AccountsCore& accounts, AccountId id)
    : store_(store), accounts_(accounts), id_(id), state_(1) {}

void OpenAccount::Ref() {
  ++refs_;
  ListHook<class IdleTag>::Unlink();
}

void OpenAccount::Unref() {
  CHECK_GT(refs_, 0u);
  if (--refs_ > 0) return;
  idle_since_ = io::Now();
  accounts_.Idle(*this);  // may end it
}

io::Task<Status> OpenAccount::Load() {
  loading_ = true;
  AccountRecords* const records = accounts_.ledger().Find(id_);
  if (records != nullptr && !records->empty()) {
    ++records->pins;
    auto loaded = co_await AccountLoader::Load(store_, *records);
    --records->pins;
    if (loaded.ok()) {
      state_ = *std::move(loaded);
      last_number_ = state_.applied().value;
    } else {
      loaded_ = loaded.status();
    }
  }
  Measure();
  loading_ = false;
  for (io::Event* const waiter : std::exchange(waiting_, {})) waiter->Notify();
  co_return loaded_;
}

void OpenAccount::Measure() {
  const uint64_t bytes =
      kAccountBytes + kMailboxBytes * state_.mailboxes().size() + kMessageBytes * state_.messages();
  accounts_.Measured(memory_bytes_, bytes);
  memory_bytes_ = bytes;
}

// --- reading ---

MailboxSummary OpenAccount::Summary(const MailboxState& mailbox) const {
  return {.id = mailbox.id,
          .name = mailbox.name,
          .role = mailbox.role,
          .uid_validity = mailbox.uid_validity,
          .uid_next = mailbox.uid_next,
          .highest_mod_seq = mailbox.highest_mod_seq,
          .count = mailbox.count,
          .unseen = mailbox.unseen,
          .bytes = mailbox.bytes};
}

std::vector<MailboxSummary> OpenAccount::Mailboxes() const {
  std::vector<MailboxSummary> all;
  all.reserve(state_.mailboxes().size());
  for (const auto& [id, mailbox] : state_.mailboxes()) all.push_back(Summary(mailbox));
  return all;
}

std::optional<MailboxSummary> OpenAccount::Find(MailboxId id) const {
  const MailboxState* const mailbox = state_.Find(id);
  if (mailbox == nullptr) return std::nullopt;
  return Summary(*mailbox);
}

std::optional<MailboxSummary> OpenAccount::FindName(std::string_view name) const {
  const MailboxState* const mailbox = state_.FindName(name);
  if (mailbox == nullptr) return std::nullopt;
  return Summary(*mailbox);
}

std::optional<std::vector<UidRange>> OpenAccount::VanishedSince(MailboxId id, ModSeq since) const {
  const MailboxState* const mailbox = state_.Find(id);
  if (mailbox == nullptr) return std::nullopt;
  return AccountState::VanishedSince(*mailbox, since);
}

std::vector<std::string> OpenAccount::Subscriptions() const {
  return {state_.subscriptions().begin(), state_.subscriptions().end()};
}

std::optional<std::string_view> OpenAccount::Value(MailboxId id, std::string_view name) const {
  const std::string* const value = state_.FindValue(id, name);
  if (value == nullptr) return std::nullopt;
  return std::string_view(*value);
}

std::vector<ContentId> OpenAccount::Released(ContentId from, size_t count_max) const {
  std::vector<ContentId> some;
  const absl::btree_set<ContentId>& all = state_.released();
  for (auto one = all.lower_bound(from); one != all.end() && some.size() < count_max; ++one)
    some.push_back(*one);
  return some;
}

// --- changing ---

io::Task<StatusOr<std::vector<ChangeResult>>> OpenAccount::Apply(AccountTransaction transaction) {
  return Write(std::move(transaction), {}, Caller::kUser);
}

io::Task<StatusOr<std::vector<ChangeResult>>> OpenAccount::ApplyWithContent(
    AccountTransaction transaction, std::vector<NewContent> contents) {
  return Write(std::move(transaction), std::move(contents), Caller::kUser);
}

io::Task<Status> OpenAccount::Forget(std::vector<ContentId> released) {
  // Two may have released the same.
  std::erase_if(released, [this](ContentId one) { return !state_.released().contains(one); });
  if (released.empty()) co_return absl::OkStatus();
  AccountTransaction transaction;
  transaction.changes.push_back(ForgetReleased{std::move(released)});
  co_return (co_await Write(std::move(transaction), {}, Caller::kStore)).status();
}

Status OpenAccount::Admit(const AccountTransaction& transaction) const {
  CHECK(!loading_ && loaded_.ok());
  if (accounts_.stopping()) return absl::UnavailableError("the store closes");
  RETURN_IF_ERROR(store_.log().failed());
  for (const AccountChange& change : transaction.changes) {
    const auto* const append = std::get_if<Append>(&change);
    if (append != nullptr && append->delivered_to.size() > AccountLimits::kDeliveredToBytesMax)
      return absl::InvalidArgumentError("the address of the delivery is too long");
  }
  if (std::any_of(transaction.changes.begin(), transaction.changes.end(), Grows))
    return store_.Acceptance();
  return absl::OkStatus();
}

// The contents' ids and sizes into their Appends; what is more than one piece goes to the log
// first.
io::Task<Status> OpenAccount::Prepare(AccountTransaction& transaction,
                                      std::vector<NewContent>& contents,
                                      std::vector<Deposit>& deposits) {
  for (NewContent& one : contents) {
    CHECK(one.change < transaction.changes.size() && one.content.open());
    auto* const append = std::get_if<Append>(&transaction.changes[one.change]);
    CHECK(append != nullptr);
    Deposit deposit{.state = one.content.TakeState()};
    if (deposit.state->total_bytes > UINT32_MAX)
      co_return absl::InvalidArgumentError("a message of more than 4 GiB");
    if (!deposit.state->FitsOnePiece()) CO_RETURN_IF_ERROR(co_await deposit.state->DrainAll());
    deposit.state->BeginContent();
    append->content = deposit.state->content->id;
    append->bytes = static_cast<uint32_t>(deposit.state->total_bytes);
    append->origin = Append::Origin::kDeposited;
    deposits.push_back(std::move(deposit));
  }
  co_return absl::OkStatus();
}

size_t OpenAccount::GroupBytes(const std::vector<Deposit>& deposits, size_t body_bytes) const {
  size_t bytes = RecordBytes(kAccountMetaBytes, body_bytes);
  for (const Deposit& deposit : deposits)
    bytes += deposit.state->PieceRecordBytes() + RecordBytes(kHoldMetaBytes + sizeof(uint64_t), 0);
  return bytes;
}

io::Task<StatusOr<std::vector<ChangeResult>>> OpenAccount::Write(AccountTransaction transaction,
                                                                 std::vector<NewContent> contents,
                                                                 Caller caller) {
  const AccountRef self(this);
  CO_RETURN_IF_ERROR(Admit(transaction));
  std::vector<Deposit> deposits;
  CO_RETURN_IF_ERROR(co_await Prepare(transaction, contents, deposits));
  // RFC 9051 §2.3.1.1: a mailbox that is made again has a greater UIDVALIDITY, also within the same
  // second, and when the clock was put back. The first change names it.
  const uint32_t erased = accounts_.ledger().ErasedUidValidity(id_);
  transaction.time_seconds =
      std::max(transaction.time_seconds, erased < UINT32_MAX ? erased + 1 : erased);
  std::string body;
  EncodeTransaction(transaction, body);
  Log& log = store_.log();
  if (GroupBytes(deposits, body.size()) > log.group_bytes_max()) {
    for (Deposit& deposit : deposits) CO_RETURN_IF_ERROR(co_await deposit.state->DrainAll());
  }
  const size_t bytes = GroupBytes(deposits, body.size());
  if (bytes > log.group_bytes_max())
    co_return absl::InvalidArgumentError("the changes are too many for one record");
  if (!log.HasRoom(bytes)) CO_RETURN_IF_ERROR(co_await log.Room(bytes));
  if ((erasing_ && caller == Caller::kUser) || erased != accounts_.ledger().ErasedUidValidity(id_))
    co_return absl::UnavailableError("the account is being erased");
  for (Deposit& deposit : deposits) AppendDeposit(deposit);
  Change change{.transaction = std::move(transaction)};
  AppendChange(change, body);
  under_way_.push_back(&change);
  const Log::Committed committed = co_await log.Commit();
  CHECK(under_way_.front() == &change);  // commits return in the order of the log
  under_way_.erase(under_way_.begin());
  CO_RETURN_IF_ERROR(committed.status);
  for (Deposit& deposit : deposits) KeepDeposit(deposit, committed);
  Applied(change, committed);
  co_return std::move(change.results);
}

void OpenAccount::AppendDeposit(Deposit& deposit) {
  ContentWriter::State& state = *deposit.state;
  deposit.piece = state.next_piece;
  deposit.at = state.AppendPiece(0, state.staged->used, 0, state.staged->dot_lines.size(),
                                 /*last=*/true, deposit.record_bytes);
  const AccountId holder = id_;
  store_.AppendHold(*state.content, HoldMeta::Op::kAdd, {&holder, 1});
}

AccountMeta::Releases OpenAccount::ReleasesOf(const AccountTransaction& transaction) const {
  using Releases = AccountMeta::Releases;
  const auto& changes = transaction.changes;
  if (std::any_of(changes.begin(), changes.end(), MayRelease)) return Releases::kMayWait;
  const auto* const forget =
      changes.size() == 1 ? std::get_if<ForgetReleased>(&changes.front()) : nullptr;
  if (forget == nullptr || forget->contents.size() < state_.released().size())
    return Releases::kUnchanged;
  const bool more = std::any_of(under_way_.begin(), under_way_.end(), [](const Change* other) {
    return other->releases == Releases::kMayWait;
  });
  return more ? Releases::kUnchanged : Releases::kNoneWaits;
}

void OpenAccount::AppendChange(Change& change, std::string_view body) {
  change.number = ++last_number_;
  change.releases = ReleasesOf(change.transaction);
  std::string& meta = store_.meta_scratch();
  meta.clear();
  EncodeAccountMeta({.account = id_,
                     .number = change.number,
                     .body_crc = codec::Crc32c(0, body),
                     .kind = AccountRecordKind::kTransaction,
                     .releases = change.releases},
                    meta);
  change.record_bytes = sizeof(RecordHeader) + meta.size() + body.size();
  change.at = store_.log().Append(RecordType::kAccount, meta, body);
}

// As a content that comes into the queue, but for who refers to it.
void OpenAccount::KeepDeposit(Deposit& deposit, const Log::Committed& committed) {
  ContentWriter::State& state = *deposit.state;
  Content& content = *state.content;
  store_.index().SetPiece(content, deposit.piece,
                          committed.Place(deposit.at, deposit.record_bytes));
  content.complete = true;
  content.bytes = state.total_bytes;
  content.prefix_bytes = state.prefix_bytes;
  content.flags = state.flags;
  if (deposit.piece == 0) store_.index().Cache(content, std::move(state.staged));
  deposit.state.reset();  // its own reference: the account holds the content
}

void OpenAccount::Applied(Change& change, const Log::Committed& committed) {
  // As a loader would begin: README, "The log keeps changes".
  if (change.number == 1) state_ = AccountLoader::Beginning(change.transaction);
  change.results = state_.Apply(ModSeq(change.number), change.transaction);
  accounts_.ledger().AddTransaction(accounts_.ledger().FindOrAdd(id_), change.number,
                                    committed.Place(change.at, change.record_bytes),
                                    change.releases);
  store_.metrics().account_changes.Add();
  Measure();
  JudgeQuota(change);
  if (!state_.released().empty()) accounts_.Releasable(id_);
  if (CheckpointDue()) BeginCheckpoint();
  TellWatchers();
}

// Those who let mail in hear of it, so that the sender hears it from them.
void OpenAccount::JudgeQuota(const Change& change) {
  bool refused = false;
  for (size_t i = 0; i < change.results.size(); ++i) {
    const auto* const append = std::get_if<Append>(&change.transaction.changes[i]);
    if (append == nullptr) continue;
    quota_bytes_ = append->quota_bytes;
    quota_messages_ = append->quota_messages;
    refused = refused || change.results[i].status == ChangeStatus::kOverQuota;
  }
  const bool used_up = (quota_bytes_ != 0 && state_.bytes() >= quota_bytes_) ||
                       (quota_messages_ != 0 && state_.messages() >= quota_messages_);
  const bool full = refused || used_up;
  // A refusal is said again, since it is only believed for a while.
  if (!full && !full_) return;
  full_ = full;
  accounts_.SetFull(id_, full);
}

// Any of them may end meanwhile.
void OpenAccount::TellWatchers() {
  IntrusiveList<AccountWatcher, AccountWatcherTag> now;
  now.Splice(watchers_);
  while (!now.empty()) {
    AccountWatcher& watcher = now.PopFront();
    watchers_.PushBack(watcher);
    watcher.Changed(state_.applied());
  }
}

// --- erasing ---

// Everything that can be seen of it goes, so that its contents are known to be let go.
io::Task<Status> OpenAccount::Empty() {
  AccountTransaction all{.time_seconds = static_cast<uint32_t>(UnixSeconds(io::WallNow()))};
  for (const auto& [id, mailbox] : state_.mailboxes()) {
    if (mailbox.role != MailboxRole::kInbox) {
      all.changes.push_back(DeleteMailbox{id});
    } else if (mailbox.count > 0) {
      all.changes.push_back(Expunge{.mailbox = id,
                                    .uids = {{Uid(1), Uid(mailbox.uid_next.value - 1)}},
                                    .which = Expunge::Which::kAll});
    }
  }
  if (all.changes.empty()) co_return absl::OkStatus();
  co_return (co_await Write(std::move(all), {}, Caller::kStore)).status();
}

io::Task<Status> OpenAccount::Erase() {
  if (erasing_) co_return absl::UnavailableError("the account is being erased");
  const AccountRef self(this);
  erasing_ = true;
  const Status erased = co_await EraseAlone();
  erasing_ = false;
  co_return erased;
}

// Nobody else begins a change now.
io::Task<Status> OpenAccount::EraseAlone() {
  if (!under_way_.empty()) CO_RETURN_IF_ERROR((co_await store_.log().Commit()).status);
  CO_RETURN_IF_ERROR(co_await Empty());
  // Whatever is not yet written down of deliveries: nobody looks for them here any more.
  while (!state_.released().empty()) {
    ContentId from(0);
    CO_RETURN_IF_ERROR(
        co_await accounts_.ReleaseSome(*this, AccountsCore::Undecided::kRelease, from));
  }
  while (checkpointing_) {
    io::Event checkpointed;
    waiting_.push_back(&checkpointed);
    (void)co_await checkpointed.Wait(kNever);
  }
  Log& log = store_.log();
  const size_t bytes = RecordBytes(kAccountMetaBytes, 0);
  do {
    // What the release worker has begun; it finds nothing more to do. Durable together with what
    // was ours, it is resumed behind us: in a later turn.
    while (!under_way_.empty()) {
      CO_RETURN_IF_ERROR((co_await log.Commit()).status);
      co_await io::Yield();
    }
    if (!log.HasRoom(bytes)) CO_RETURN_IF_ERROR(co_await log.Room(bytes));
  } while (!under_way_.empty());
  if (last_number_ > 0) {
    std::string& meta = store_.meta_scratch();
    meta.clear();
    EncodeAccountMeta({.account = id_,
                       .number = last_number_,
                       .body_crc = codec::Crc32c(0, {}),
                       .page = {MailboxId(0), state_.uid_validity_max()},
                       .kind = AccountRecordKind::kErased},
                      meta);
    (void)log.Append(RecordType::kAccount, meta, {});
    // No record of it is copied behind this one.
    if (AccountRecords* const records = accounts_.ledger().Find(id_))
      accounts_.ledger().Erase(*records);
    accounts_.ledger().NoteErased(id_, state_.uid_validity_max());
    last_number_ = 0;
    state_ = AccountState(1);
    gone_.clear();
    CO_RETURN_IF_ERROR((co_await log.Commit()).status);
  }
  Measure();
  TellWatchers();
  co_return absl::OkStatus();
}

}  // namespace ringmail::storage
