#include "storage/directory/ledger.h"

#include <algorithm>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/storage/directory.h"

namespace ringmail::storage {
namespace {

constexpr uint64_t kDigestSeed = 0x747365676964;  // "digest"

uint64_t DigestOf(const EntryNode& entry) {
  return StableHash(entry.name(), kDigestSeed ^ (entry.version << 16));
}

}  // namespace

DirectoryLedger::~DirectoryLedger() {
  for (auto& [version, staged] : staged_) {
    for (const Staged& one : staged) {
      if (one.entry != nullptr) EntryNode::Destroy(one.entry);
    }
  }
}

uint64_t DirectoryLedger::Digest(uint64_t digest, const EntryNode* old, const EntryNode* made) {
  if (old != nullptr) digest -= DigestOf(*old);
  if (made != nullptr) digest += DigestOf(*made);
  return digest;
}

uint64_t DirectoryLedger::AddressCount(std::string_view domain) const {
  const auto found = address_counts_.find(Absl(domain));
  return found == address_counts_.end() ? 0 : found->second;
}

void DirectoryLedger::Count(const EntryNode& entry) {
  if (entry.name().find('@') == std::string_view::npos) return;
  ++address_counts_[Absl(DomainOfName(entry.name()))];
}

void DirectoryLedger::Uncount(const EntryNode& entry) {
  if (entry.segment != nullptr) entry.segment->SubLive(RecordBytesOf(entry));
  if (entry.name().find('@') == std::string_view::npos) return;
  const auto found = address_counts_.find(Absl(DomainOfName(entry.name())));
  CHECK(found != address_counts_.end());
  if (--found->second == 0) address_counts_.erase(found);
}

void DirectoryLedger::Put(EntryNode* made) {
  if (const EntryNode* old = table_.Find(made->name())) Uncount(*old);
  Count(*made);
  (void)table_.Set(made);
}

void DirectoryLedger::Erase(std::string_view name) {
  const EntryNode* old = table_.Find(name);
  if (old == nullptr) return;
  Uncount(*old);
  (void)table_.Erase(name);
}

void DirectoryLedger::Finished(uint64_t version, const DirectoryState& state, Segment* segment) {
  if (state_segment_ != nullptr) state_segment_->SubLive(kStateRecordBytes);
  segment->AddLive(kStateRecordBytes);
  state_segment_ = segment;
  state_ = state;
  version_ = version;
  SkipVersion(version);
}

bool DirectoryLedger::Replay(const RecordView& record, Segment& segment) {
  const auto meta = DecodeDirectoryMeta(record.meta);
  if (!meta) return false;
  SkipVersion(meta->version);
  if (meta->state) {
    const auto state = DecodeDirectoryState(meta->value);
    if (!state) return false;
    ReplayState(meta->version, *state, segment);
    return true;
  }
  EntryNode* made = nullptr;
  if (!meta->tombstone) {
    made = EntryNode::Make(meta->name, meta->value, meta->version);
    made->segment = &segment;
    segment.AddLive(RecordBytesOf(*made));
  }
  if (meta->staged) {
    staged_[meta->version].push_back({std::string(made == nullptr ? meta->name : ""), made});
  } else {
    ReplayEntry(meta->name, made, meta->version);
  }
  return true;
}

// What is older than what is known was copied by compaction before it was replaced, or says the
// same at another place.
void DirectoryLedger::ReplayEntry(std::string_view name, EntryNode* made, uint64_t version) {
  const EntryNode* old = table_.Find(name);
  if (old != nullptr && old->version > version) {
    if (made == nullptr) return;
    made->segment->SubLive(RecordBytesOf(*made));
    EntryNode::Destroy(made);
    return;
  }
  if (made == nullptr) {
    Erase(name);
  } else {
    Put(made);
  }
}

void DirectoryLedger::ReplayState(uint64_t version, const DirectoryState& state, Segment& segment) {
  if (version < version_) return;
  // One transaction is written at a time: what was staged before and never finished is given up.
  while (!staged_.empty() && staged_.begin()->first <= version) {
    for (Staged& one : staged_.begin()->second) {
      if (staged_.begin()->first == version) {
        ReplayEntry(one.entry == nullptr ? std::string_view(one.name) : one.entry->name(),
                    one.entry, version);
      } else if (one.entry != nullptr) {
        one.entry->segment->SubLive(RecordBytesOf(*one.entry));
        EntryNode::Destroy(one.entry);
      }
    }
    staged_.erase(staged_.begin());
  }
  Finished(version, state, &segment);
  loss_after_state_ = false;
}

std::vector<std::string> DirectoryLedger::EndReplay() {
  std::vector<std::string> wrong;
  for (auto& [version, staged] : staged_) {
    if (any_loss_) {
      wrong.push_back(fmt::format(
          "directory: transaction {} of {} entries or more is not finished in what can be read, "
          "and is not applied",
          version, staged.size()));
    }
    for (const Staged& one : staged) {
      if (one.entry == nullptr) continue;
      one.entry->segment->SubLive(RecordBytesOf(*one.entry));
      EntryNode::Destroy(one.entry);
    }
  }
  staged_.clear();
  uint64_t digest = 0, unreadable = 0;
  uint64_t next_account_id = state_.next_account_id;
  struct Walk {
    uint64_t *digest, *unreadable, *next_account_id;
    static void Visit(void* context, const EntryNode& entry) {
      const Walk& self = *static_cast<Walk*>(context);
      *self.digest += DigestOf(entry);
      const auto kind = EncodedKind(entry.value());
      if (!kind) ++*self.unreadable;
      if (kind != DirectoryKind::kAccount) return;
      const auto account = AccountView::Parse(entry.name(), entry.value());
      if (!account) ++*self.unreadable;
      if (account) *self.next_account_id = std::max(*self.next_account_id, account->id() + 1);
    }
  } walk{&digest, &unreadable, &next_account_id};
  (void)VisitEntries(table_.root(), 0, SIZE_MAX, Walk::Visit, &walk);
  if (unreadable != 0) {
    wrong.push_back(fmt::format(
        "directory: {} entries say nothing that this version understands; mail for them waits",
        unreadable));
  }
  const bool known = state_segment_ != nullptr;
  if (!known && table_.size() == 0) return wrong;
  const bool agrees =
      known && state_.entries == table_.size() && state_.digest == digest && !loss_after_state_;
  if (!agrees) {
    wrong.push_back(fmt::format(
        "directory: {} entries can be read, {} were there; what was lost, or is older than it was, "
        "is not known: unknown addresses get 4yz until `ringmail directory accept`",
        table_.size(), known ? std::to_string(state_.entries) : "an unknown number of"));
    state_.complete = false;
    newly_incomplete_ = true;
    // Accounts that were lost had numbers too.
    next_account_id += uint64_t{1} << 20;
  } else if (!state_.complete) {
    wrong.push_back(
        "directory: entries were lost before; unknown addresses get 4yz until `ringmail directory "
        "accept`");
  }
  state_.next_account_id = next_account_id;
  state_.entries = table_.size();
  state_.digest = digest;
  return wrong;
}

bool DirectoryLedger::Needs(const DirectoryMeta& meta, const Segment* segment) const {
  if (meta.state) return segment == state_segment_ && meta.version == version_;
  const EntryNode* entry = table_.Find(meta.name);
  return entry != nullptr && entry->segment == segment && entry->version == meta.version &&
         !entry->changing;
}

void DirectoryLedger::Moved(std::string_view name, uint64_t version, Segment* from, Segment* to) {
  if (name.empty()) {
    if (state_segment_ != from || version_ != version) return;
    from->SubLive(kStateRecordBytes);
    to->AddLive(kStateRecordBytes);
    state_segment_ = to;
    return;
  }
  EntryNode* entry = table_.Find(name);
  if (entry == nullptr || entry->segment != from || entry->version != version) return;
  from->SubLive(RecordBytesOf(*entry));
  to->AddLive(RecordBytesOf(*entry));
  entry->segment = to;
}

}  // namespace ringmail::storage
