// The directory of one shard: look-ups in what shard 0 published; on shard 0, changes to it.
//
// On shard 0: one transaction at a time, in turn. It is judged against the table, written (in one
// batch where it fits, else in staged pieces that a last record makes count), taken into a new
// root, and the root is given to every shard; when all have it, what it replaced is freed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/directory.h"
#include "storage/directory/ledger.h"
#include "storage/log.h"

namespace ringmail::storage {

class StoreCore;

// What a shard looks at.
struct DirectoryView {
  const TrieNode* root = nullptr;
  uint64_t edit = 0;
  uint64_t version = 0;
  uint64_t entries = 0;
  bool complete = true;
};

class DirectoryCore final : public Directory {
 public:
  DirectoryCore(StoreCore& store, DirectoryOptions options);

  DirectoryLedger& ledger() { return ledger_; }
  // After recovery: what was replayed is what is looked at.
  void Opened();
  // Shard 0: the log says that entries were lost, so that the next start knows, whatever is left
  // of the damage then.
  io::Task<Status> WriteLoss();
  io::Task<void> Close();

  bool IsLocalDomain(std::string_view domain) const override;
  Resolution Resolve(std::string_view local_part, std::string_view domain) const override;
  Expansion Expand(std::string_view local_part, std::string_view domain) const override;
  std::optional<DirectoryRow> Find(std::string_view name) const override;
  uint64_t size() const override { return view_.entries; }
  uint64_t version() const override { return view_.version; }
  bool complete() const override { return view_.complete; }
  io::Task<StatusOr<DirectoryApplied>> Apply(DirectoryTransaction transaction) override;
  std::unique_ptr<Pin> MakePin() override;
  io::Task<void> Publish(std::vector<Directory*> peers) override;
  void Reconfigure(DirectoryOptions options) override;

 private:
  friend class DirectoryPin;
  struct Planned {
    const DirectoryChange* change = nullptr;
    EntryNode* made = nullptr;  // null: the entry goes
    EntryNode* old = nullptr;   // null: there was none
    Segment* tombstone = nullptr;
  };
  struct Plan;
  struct RemoteApply;
  struct PublishCall;

  // lookup.cc
  bool LocalDomain(std::string_view normalized) const;
  Resolution ResolveEntry(const EntryNode& entry) const;
  Resolution NotFound() const;

  // directory.cc
  io::Task<StatusOr<DirectoryApplied>> ApplyHere(const DirectoryTransaction& transaction);
  io::Task<StatusOr<DirectoryApplied>> ApplyLocked(const DirectoryTransaction& transaction);
  io::Task<Status> MakePlan(const DirectoryTransaction& transaction, Plan& plan);
  Status PlanChange(const DirectoryChange& change, Plan& plan);
  Status JudgeDomains(const Plan& plan) const;
  io::Task<Status> Write(Plan& plan);
  io::Task<Status> WriteStaged(Plan& plan);
  io::Task<Status> WriteGroup(Plan& plan, size_t begin, size_t end, const DirectoryState* state,
                              bool staged);
  void GiveUp(Plan& plan);
  io::Task<void> TakeIn(Plan& plan);
  io::Task<void> Hand(DirectoryView view);
  void FreeUnseen();
  io::Task<void> Lock();
  void Unlock();
  static io::Task<void> ServeRemote(RemoteApply* call);
  static void BeginRemote(io::ShardMessage& message);
  static void EndRemote(io::ShardMessage& message);
  static void TakeView(io::ShardMessage& message);
  static io::Task<void> AnswerView(PublishCall* call);
  static void ViewTaken(io::ShardMessage& message);

  StoreCore& store_;
  DirectoryOptions options_;
  absl::flat_hash_set<std::string> configured_;
  DirectoryView view_;
  DirectoryCore* writer_ = nullptr;  // null: not published yet
  std::vector<DirectoryCore*> peers_;
  DirectoryLedger ledger_;
  std::multiset<uint64_t> pins_;  // edits that somebody looks at
  uint64_t seen_edit_ = 0;        // all shards have it
  bool busy_ = false, closing_ = false;
  std::deque<io::Event*> waiting_;
  io::Gate gate_;
  std::string scratch_;
};

}  // namespace ringmail::storage
