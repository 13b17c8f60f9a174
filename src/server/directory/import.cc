#include "server/directory/import.h"

#include <algorithm>

#include <fmt/format.h>

#include "absl/container/flat_hash_set.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"

namespace ringmail::server {
namespace {

using storage::AccountEntry;
using storage::DirectoryChange;
using storage::DirectoryEntry;

constexpr size_t kEntriesPerTurn = 256;

// On the blocking pool: a large file takes seconds.
struct ParseWork {
  std::string_view text;
  DirectoryText parsed;
  static void Call(void* context) {
    auto& self = *static_cast<ParseWork*>(context);
    self.parsed = ParseDirectoryText(self.text);
  }
};

// What the file leaves to the directory: times, and credentials where it names none.
void FillIn(TextEntry& wanted, const DirectoryEntry* before) {
  if (UnixSeconds(storage::CreatedOf(wanted.entry)) == 0)
    storage::SetCreated(wanted.entry,
                        before == nullptr ? io::WallNow() : storage::CreatedOf(*before));
  auto* account = std::get_if<AccountEntry>(&wanted.entry);
  if (account == nullptr) return;
  const auto* old = before == nullptr ? nullptr : std::get_if<AccountEntry>(before);
  if (wanted.keeps_credentials && old != nullptr) account->credentials = old->credentials;
  if (old != nullptr) account->id = old->id;
  for (storage::Credential& one : account->credentials) {
    if (UnixSeconds(one.created) != 0) continue;
    one.created = io::WallNow();
    if (old == nullptr) continue;
    for (const storage::Credential& known : old->credentials) {
      if (known.kind == one.kind && known.name == one.name && known.secret == one.secret)
        one.created = known.created;
    }
  }
}

void Note(ImportResult& result, std::string text) {
  if (result.differences.size() < kImportDifferencesMax) result.differences.insert(std::move(text));
}

void NoteRemoved(const DirectoryEntry& entry, ImportResult& result) {
  const auto* const account = std::get_if<AccountEntry>(&entry);
  if (account != nullptr && account->id != 0)
    result.accounts_removed.push_back(AccountId(account->id));
}

void Judge(TextEntry& wanted, const storage::Directory::Pin& pin, ImportResult& result,
           storage::DirectoryTransaction& transaction) {
  const std::string& name = storage::NameOf(wanted.entry);
  const auto kind = storage::KindName(storage::KindOf(wanted.entry));
  const auto row = pin.Find(name);
  if (!row) {
    FillIn(wanted, nullptr);
    ++result.added;
    Note(result, fmt::format("+ {} {}", kind, name));
    transaction.changes.push_back(
        DirectoryChange::Put(wanted.entry, DirectoryChange::Expect::kAbsent));
    return;
  }
  const auto before = storage::DecodeEntry(row->name, row->value);
  FillIn(wanted, before ? &*before : nullptr);
  const bool times = before && storage::CreatedOf(*before) != storage::CreatedOf(wanted.entry);
  std::string differences = before ? Differences(*before, wanted.entry) : "was unreadable";
  if (differences.empty() && times) differences = "created";
  if (differences.empty()) {
    ++result.unchanged;
    return;
  }
  ++result.changed;
  if (before && !std::holds_alternative<AccountEntry>(wanted.entry)) NoteRemoved(*before, result);
  Note(result, fmt::format("~ {} {}: {}", kind, name, differences));
  DirectoryChange change = DirectoryChange::Put(wanted.entry, DirectoryChange::Expect::kVersion);
  change.version = row->version;
  transaction.changes.push_back(std::move(change));
}

struct Pruning {
  const absl::flat_hash_set<std::string>* wanted;
  ImportResult* result;
  storage::DirectoryTransaction* transaction;
  static void Visit(void* context, const storage::DirectoryRow& row) {
    auto& self = *static_cast<Pruning*>(context);
    if (self.wanted->contains(Absl(row.name))) return;
    const auto kind = storage::EncodedKind(row.value);
    // The server's own: no file says anything of it.
    if (kind == storage::DirectoryKind::kKept) return;
    ++self.result->removed;
    if (const auto entry = storage::DecodeEntry(row.name, row.value))
      NoteRemoved(*entry, *self.result);
    Note(*self.result, fmt::format("- {} {}", kind ? storage::KindName(*kind) : "entry", row.name));
    DirectoryChange change =
        DirectoryChange::Erase(std::string(row.name), DirectoryChange::Expect::kVersion);
    change.version = row.version;
    self.transaction->changes.push_back(std::move(change));
  }
};

}  // namespace

io::Task<ImportResult> ImportDirectory(storage::Directory& directory, std::string_view text,
                                       ImportOptions options) {
  ImportResult result;
  ParseWork parse{.text = text};
  co_await io::RunBlocking(&ParseWork::Call, &parse);
  result.faults = std::move(parse.parsed.faults);
  if (!result.faults.empty()) co_return result;
  storage::DirectoryTransaction transaction;
  auto pin = directory.MakePin();
  absl::flat_hash_set<std::string> wanted;
  size_t count = 0;
  for (TextEntry& one : parse.parsed.entries) {
    Judge(one, *pin, result, transaction);
    if (options.prune) wanted.insert(storage::NameOf(one.entry));
    one.entry = storage::DomainEntry{};  // its memory is needed no more
    if (++count % kEntriesPerTurn == 0) co_await io::Yield();
  }
  if (options.prune) {
    Pruning pruning{&wanted, &result, &transaction};
    uint64_t cursor = 0;
    do {
      cursor = pin->Visit(cursor, kEntriesPerTurn, &Pruning::Visit, &pruning);
      co_await io::Yield();
    } while (cursor != 0);
    // The file is all there is to be: nothing is missing any more.
    transaction.accept_damage = true;
  }
  pin.reset();
  if (options.dry_run) co_return result;
  result.status = (co_await directory.Apply(std::move(transaction))).status();
  co_return result;
}

}  // namespace ringmail::server
