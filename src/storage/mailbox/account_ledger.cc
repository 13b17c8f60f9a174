#include "storage/mailbox/account_ledger.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "ringmail/base/check.h"

namespace ringmail::storage {
namespace {

void Count(const RecordPlace& place) {
  if (place.segment != nullptr) place.segment->AddLive(place.bytes);
}
void Uncount(const RecordPlace& place) {
  if (place.segment != nullptr) place.segment->SubLive(place.bytes);
}

bool ByNumber(const AccountRecords::Transaction& a, uint64_t number) { return a.number < number; }
bool ByKey(const AccountRecords::Page& a, PageKey key) { return a.key < key; }

// Of several with one key the last is meant.
void DropOlder(std::vector<AccountRecords::Page>& pages) {
  size_t kept = 0;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (i + 1 < pages.size() && pages[i].key == pages[i + 1].key) {
      Uncount(pages[i].place);
    } else {
      pages[kept++] = pages[i];
    }
  }
  pages.resize(kept);
}

bool WholeRoot(const std::vector<RecordPlace>& parts) {
  return std::all_of(parts.begin(), parts.end(),
                     [](const RecordPlace& part) { return part.segment != nullptr; });
}

}  // namespace

// --- the state ---

AccountRecords* AccountLedger::Find(AccountId id) const {
  const auto found = accounts_.find(id);
  return found == accounts_.end() ? nullptr : found->second.get();
}

AccountRecords& AccountLedger::FindOrAdd(AccountId id) {
  auto& slot = accounts_[id];
  if (slot == nullptr) slot = std::make_unique<AccountRecords>(id);
  return *slot;
}

void AccountLedger::AddTransaction(AccountRecords& records, uint64_t number,
                                   const RecordPlace& place, AccountMeta::Releases releases) {
  CHECK_EQ(number, records.last() + 1);
  Count(place);
  records.transactions.push_back({number, place});
  records.transaction_bytes += place.bytes;
  records.Note(number, releases);
}

// The pages of the newest checkpoint take the places of those before.
void AccountLedger::MergePages(AccountRecords& records, std::vector<AccountRecords::Page> pages,
                               const std::vector<PageKey>& gone) {
  std::vector<AccountRecords::Page> added;
  for (AccountRecords::Page& page : pages) {
    const auto old = std::lower_bound(records.pages.begin(), records.pages.end(), page.key, ByKey);
    Count(page.place);
    if (old != records.pages.end() && old->key == page.key) {
      if (old->number > page.number) {
        Uncount(page.place);
        continue;
      }
      Uncount(old->place);
      *old = page;
    } else {
      added.push_back(page);
    }
  }
  if (added.size() == 1) {
    records.pages.insert(
        std::lower_bound(records.pages.begin(), records.pages.end(), added.front().key, ByKey),
        added.front());
  } else if (!added.empty()) {
    records.pages.insert(records.pages.end(), added.begin(), added.end());
    std::stable_sort(records.pages.begin(), records.pages.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    DropOlder(records.pages);
  }
  if (gone.empty()) return;
  std::vector<PageKey> keys = gone;
  std::sort(keys.begin(), keys.end());
  std::erase_if(records.pages, [&keys](const AccountRecords::Page& page) {
    const bool goes =
        std::binary_search(keys.begin(), keys.end(), page.key) ||
        std::binary_search(keys.begin(), keys.end(), PageKey{page.key.mailbox, kAllPages});
    if (goes) Uncount(page.place);
    return goes;
  });
}

void AccountLedger::AddCheckpoint(AccountRecords& records, uint64_t number,
                                  std::vector<RecordPlace> root,
                                  std::vector<AccountRecords::Page> pages,
                                  const std::vector<PageKey>& gone,
                                  AccountMeta::Releases releases) {
  CHECK_GE(number, records.root_number);
  for (const RecordPlace& part : root) Count(part);
  for (const RecordPlace& part : records.root) Uncount(part);
  records.root = std::move(root);
  records.root_number = number;
  MergePages(records, std::move(pages), gone);
  size_t dead = 0;
  for (; dead < records.transactions.size() && records.transactions[dead].number <= number;
       ++dead) {
    Uncount(records.transactions[dead].place);
    records.transaction_bytes -= records.transactions[dead].place.bytes;
  }
  records.transactions.erase(records.transactions.begin(),
                             records.transactions.begin() + static_cast<ptrdiff_t>(dead));
  records.Note(number, releases);
}

void AccountLedger::Erase(AccountRecords& records) {
  for (const RecordPlace& part : records.root) Uncount(part);
  for (const AccountRecords::Page& page : records.pages) Uncount(page.place);
  for (const AccountRecords::Transaction& one : records.transactions) Uncount(one.place);
  records.root.clear();
  records.pages.clear();
  records.transactions.clear();
  records.root_number = records.transaction_bytes = 0;
  records.may_wait_at = records.none_waits_at = 0;
  records.damaged = false;
  pending_.erase(records.id);
  const AccountId id = records.id;
  if (records.pins == 0) accounts_.erase(id);
}

uint32_t AccountLedger::ErasedUidValidity(AccountId id) const {
  const auto found = erased_.find(id);
  return found == erased_.end() ? 0 : found->second;
}

void AccountLedger::NoteErased(AccountId id, uint32_t uid_validity) {
  uint32_t& known = erased_[id];
  known = std::max(known, uid_validity);
}

// --- recovery ---

void AccountLedger::Replay(const AccountMeta& meta, const RecordPlace& place) {
  if (meta.kind == AccountRecordKind::kErased) {
    pending_.erase(meta.account);
    if (AccountRecords* const records = Find(meta.account)) Erase(*records);
    NoteErased(meta.account, meta.page.number);
    return;
  }
  AccountRecords& records = FindOrAdd(meta.account);
  switch (meta.kind) {
    case AccountRecordKind::kTransaction:
      return ReplayTransaction(records, meta, place);
    case AccountRecordKind::kPage:
      return ReplayPage(records, meta, place);
    case AccountRecordKind::kRoot:
      return ReplayRoot(records, meta, place);
    case AccountRecordKind::kErased:
      break;
  }
}

// The later of two is a copy that compaction made.
void AccountLedger::Replace(RecordPlace& old, const RecordPlace& place) {
  Count(place);
  Uncount(old);
  old = place;
}

void AccountLedger::ReplayTransaction(AccountRecords& records, const AccountMeta& meta,
                                      const RecordPlace& place) {
  if (meta.number <= records.root_number) return;
  auto& all = records.transactions;
  const auto at = std::lower_bound(all.begin(), all.end(), meta.number, ByNumber);
  records.Note(meta.number, meta.releases);
  if (at != all.end() && at->number == meta.number) return Replace(at->place, place);
  Count(place);
  records.transaction_bytes += place.bytes;
  all.insert(at, {meta.number, place});
}

void AccountLedger::ReplayPage(AccountRecords& records, const AccountMeta& meta,
                               const RecordPlace& place) {
  if (meta.number > records.root_number) {
    pending_[meta.account].pages.push_back({meta.page, meta.number, place});
    return;
  }
  MergePages(records, {{meta.page, meta.number, place}}, {});
}

void AccountLedger::ReplayRoot(AccountRecords& records, const AccountMeta& meta,
                               const RecordPlace& place) {
  const size_t parts = meta.page.mailbox.value;
  if (meta.number < records.root_number) return;
  if (meta.number == records.root_number) {
    if (records.root.size() == parts) Replace(records.root[meta.page.number], place);
    return;
  }
  Pending& pending = pending_[meta.account];
  std::vector<RecordPlace>& root = pending.roots[meta.number];
  // A hostile number of parts costs nothing: they come one record each.
  if (root.size() <= meta.page.number) root.resize(meta.page.number + size_t{1});
  root[meta.page.number] = place;
  if (meta.page.number == 0) {
    pending.gone[meta.number] = UnpackPageKeys(meta.gone);
    pending.releases[meta.number] = meta.releases;
  }
  if (root.size() < parts || !WholeRoot(root)) return;
  std::vector<AccountRecords::Page> pages;
  std::erase_if(pending.pages, [&](const AccountRecords::Page& page) {
    if (page.number > meta.number) return false;
    pages.push_back(page);
    return true;
  });
  // Of one page that two checkpoints wrote, the first of which was cut short, the newer is meant;
  // of two copies of it the later.
  std::stable_sort(pages.begin(), pages.end(), [](const auto& a, const auto& b) {
    return std::pair(a.key, a.number) < std::pair(b.key, b.number);
  });
  AddCheckpoint(records, meta.number, std::move(root), std::move(pages), pending.gone[meta.number],
                pending.releases[meta.number]);
  const auto through = [&](auto& map) { map.erase(map.begin(), map.upper_bound(meta.number)); };
  through(pending.roots);
  through(pending.gone);
  through(pending.releases);
}

std::vector<std::string> AccountLedger::EndReplay() {
  pending_.clear();
  std::vector<std::string> wrong;
  std::vector<AccountId> none;
  for (const auto& [id, records] : accounts_) {
    if (records->empty()) {
      none.push_back(id);
      continue;
    }
    uint64_t next = records->root_number + 1;
    for (const AccountRecords::Transaction& one : records->transactions) {
      if (one.number != next) {
        records->damaged = true;
        wrong.push_back(fmt::format(
            "account {}: its changes {} to {} are missing; it stays shut, and what is left of it "
            "is kept",
            id.value, next, one.number - 1));
        break;
      }
      ++next;
    }
  }
  for (const AccountId id : none) accounts_.erase(id);
  return wrong;
}

// --- compaction ---

RecordPlace* AccountLedger::Locate(AccountRecords& records, const AccountMeta& meta) {
  switch (meta.kind) {
    case AccountRecordKind::kTransaction: {
      auto& all = records.transactions;
      const auto at = std::lower_bound(all.begin(), all.end(), meta.number, ByNumber);
      return at == all.end() || at->number != meta.number ? nullptr : &at->place;
    }
    case AccountRecordKind::kPage: {
      auto& all = records.pages;
      const auto at = std::lower_bound(all.begin(), all.end(), meta.page, ByKey);
      return at == all.end() || at->key != meta.page || at->number != meta.number ? nullptr
                                                                                  : &at->place;
    }
    case AccountRecordKind::kRoot:
      return meta.number == records.root_number && meta.page.number < records.root.size()
                 ? &records.root[meta.page.number]
                 : nullptr;
    case AccountRecordKind::kErased:
      break;
  }
  return nullptr;
}

AccountLedger::Need AccountLedger::Needs(const AccountMeta& meta, const RecordPlace& place) const {
  AccountRecords* const records = Find(meta.account);
  if (records == nullptr) return Need::kNo;
  const RecordPlace* const known = Locate(*records, meta);
  if (known == nullptr || !(*known == place)) return Need::kNo;
  return records->pins > 0 ? Need::kPinned : Need::kYes;
}

void AccountLedger::Moved(const AccountMeta& meta, const RecordPlace& from, const RecordPlace& to) {
  AccountRecords* const records = Find(meta.account);
  if (records == nullptr) return;
  RecordPlace* const known = Locate(*records, meta);
  if (known == nullptr || !(*known == from)) return;
  // Pinned meanwhile: it is read where it lies, and there it stays.
  if (records->pins > 0) return;
  Replace(*known, to);
}

}  // namespace ringmail::storage
