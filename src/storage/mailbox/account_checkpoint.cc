// Writing an account's checkpoint while it goes on changing: README, "Checkpoints".
#include <algorithm>
#include <utility>

#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/crc32c.h"
#include "ringmail/io/shard.h"
#include "storage/mailbox/accounts.h"
#include "storage/mailbox/checkpoint.h"
#include "storage/mailbox/open_account.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// Changes since the last checkpoint before one is worth its writing; more where it would write many
// pages; and never more than the last.
constexpr size_t kChangesMin = 64;
constexpr size_t kChangesPerPage = 4;
constexpr size_t kChangesMax = 4096;
constexpr uint64_t kChangeBytesMax = 1u << 20;
// Octets of one group of pages: mail's commits go between them.
constexpr size_t kGroupBytes = 256u << 10;
// Octets of one part of a root.
constexpr size_t kRootPartBytes = 224u << 10;

// A mailbox that is gone is named once, not page by page.
std::vector<PageKey> Collapse(std::vector<PageKey> gone, const AccountState& state) {
  for (PageKey& key : gone) {
    if (state.Find(key.mailbox) == nullptr) key.number = kAllPages;
  }
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  return gone;
}

}  // namespace

bool OpenAccount::CheckpointDue() const {
  const AccountRecords* const records = accounts_.ledger().Find(id_);
  if (checkpointing_ || erasing_ || accounts_.stopping() || records == nullptr) return false;
  const size_t changes = records->transactions.size();
  if (records->transaction_bytes >= kChangeBytesMax || changes >= kChangesMax)
    return changes >= checkpoint_failed_at_ + kChangesMin || checkpoint_failed_at_ == 0;
  if (changes < kChangesMin || changes % kChangesMin != 0) return false;
  const auto pages = AccountCheckpoint::Changed(state_, ModSeq(records->root_number));
  return changes >= kChangesPerPage * pages.size();
}

void OpenAccount::BeginCheckpoint() {
  checkpointing_ = true;
  accounts_.Spawn(RunCheckpoint(this, AccountRef(this)));
}

io::Task<void> OpenAccount::RunCheckpoint(OpenAccount* self, AccountRef keep) {
  AccountLedger& ledger = self->accounts_.ledger();
  AccountRecords& records = ledger.FindOrAdd(self->id_);
  ++records.pins;
  const Status written = co_await self->WriteCheckpoint();
  --records.pins;
  self->checkpoint_failed_at_ = written.ok() ? 0 : records.transactions.size();
  self->checkpointing_ = false;
  for (io::Event* const waiter : std::exchange(self->waiting_, {})) waiter->Notify();
}

OpenAccount::Snapshot OpenAccount::Take() {
  state_.JoinPages();
  const std::vector<PageKey> gone = AccountCheckpoint::TakeGone(state_);
  gone_.insert(gone_.end(), gone.begin(), gone.end());
  gone_ = Collapse(std::move(gone_), state_);
  Snapshot snapshot{.number = state_.applied().value,
                    .gone = gone_,
                    .releases = state_.released().empty() ? AccountMeta::Releases::kNoneWaits
                                                          : AccountMeta::Releases::kMayWait};
  AccountCheckpoint::EncodeRoot(state_, snapshot.root);
  const ModSeq since(accounts_.ledger().FindOrAdd(id_).root_number);
  if (Planted(Canary::kCheckpointForgetsPage) && since.value > 0) return snapshot;
  for (const auto& [key, page] : AccountCheckpoint::Changed(state_, since))
    snapshot.pages.emplace_back(key, MailboxPageRef(const_cast<MailboxPage*>(page)));
  return snapshot;
}

io::Task<Status> OpenAccount::WriteCheckpoint() {
  // The changes that are being applied together are in it, and none that begins now.
  Snapshot snapshot = Take();
  std::vector<AccountRecords::Page> pages;
  CO_RETURN_IF_ERROR(co_await WritePages(snapshot, pages));
  std::vector<RecordPlace> root;
  CO_RETURN_IF_ERROR(co_await WriteRoot(snapshot, root));
  AccountLedger& ledger = accounts_.ledger();
  ledger.AddCheckpoint(ledger.FindOrAdd(id_), snapshot.number, std::move(root), std::move(pages),
                       snapshot.gone, snapshot.releases);
  // What went meanwhile is for the next.
  std::erase_if(gone_, [&snapshot](PageKey key) {
    return std::binary_search(snapshot.gone.begin(), snapshot.gone.end(), key);
  });
  store_.metrics().account_checkpoints.Add();
  store_.RecordsFreed();
  co_return absl::OkStatus();
}

io::Task<Status> OpenAccount::WritePages(const Snapshot& snapshot,
                                         std::vector<AccountRecords::Page>& written) {
  struct Appended {
    PageKey key;
    uint32_t at = 0;
    size_t bytes = 0;
  };
  Log& log = store_.log();
  size_t next = 0;
  std::string body;
  while (next < snapshot.pages.size()) {
    std::vector<Appended> group;
    for (size_t bytes = 0; next < snapshot.pages.size() && bytes < kGroupBytes; ++next) {
      const auto& [key, page] = snapshot.pages[next];
      body.clear();
      AccountCheckpoint::EncodePage(*page.get(), body);
      const size_t room = RecordBytes(kAccountMetaBytes, body.size());
      if (!log.HasRoom(room)) {
        if (!group.empty()) break;
        CO_RETURN_IF_ERROR(co_await log.Room(room));
      }
      std::string& meta = store_.meta_scratch();
      meta.clear();
      EncodeAccountMeta({.account = id_,
                         .number = snapshot.number,
                         .body_crc = codec::Crc32c(0, body),
                         .page = key,
                         .kind = AccountRecordKind::kPage},
                        meta);
      group.push_back({key, log.Append(RecordType::kAccount, meta, body),
                       sizeof(RecordHeader) + meta.size() + body.size()});
      bytes += room;
    }
    const Log::Committed committed = co_await log.Commit();
    CO_RETURN_IF_ERROR(committed.status);
    for (const Appended& one : group)
      written.push_back({one.key, snapshot.number, committed.Place(one.at, one.bytes)});
    co_await io::Yield();
  }
  co_return absl::OkStatus();
}

io::Task<Status> OpenAccount::WriteRoot(const Snapshot& snapshot,
                                        std::vector<RecordPlace>& written) {
  Log& log = store_.log();
  const size_t parts = (snapshot.root.size() + kRootPartBytes - 1) / kRootPartBytes;
  if (parts > kRootPartsMax) co_return absl::ResourceExhaustedError("the account is too large");
  std::string gone;
  for (const PageKey key : snapshot.gone) PackPageKey(key, gone);
  for (size_t part = 0; part < parts; ++part) {
    const std::string_view body =
        std::string_view(snapshot.root).substr(part * kRootPartBytes, kRootPartBytes);
    std::string meta;
    EncodeAccountMeta(
        {.account = id_,
         .number = snapshot.number,
         .body_crc = codec::Crc32c(0, body),
         .page = {MailboxId(static_cast<uint32_t>(parts)), static_cast<uint32_t>(part)},
         .kind = AccountRecordKind::kRoot,
         .releases = snapshot.releases,
         .gone = part == 0 ? std::string_view(gone) : std::string_view()},
        meta);
    const size_t room = RecordBytes(meta.size(), body.size());
    if (room > log.group_bytes_max())
      co_return absl::ResourceExhaustedError("too many pages are gone at once");
    if (!log.HasRoom(room)) CO_RETURN_IF_ERROR(co_await log.Room(room));
    const uint32_t at = log.Append(RecordType::kAccount, meta, body);
    const Log::Committed committed = co_await log.Commit();
    CO_RETURN_IF_ERROR(committed.status);
    written.push_back(committed.Place(at, sizeof(RecordHeader) + meta.size() + body.size()));
  }
  co_return absl::OkStatus();
}

}  // namespace ringmail::storage
