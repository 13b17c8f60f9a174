// What a crash takes of a disk, and a disk as it was at one moment.
#include <algorithm>
#include <unordered_map>

#include "ringmail/base/check.h"
#include "tests/sim/io/disk.h"

namespace ringmail::sim {
namespace {

constexpr uint64_t kSectorBytes = 512;

using Random = std::function<uint64_t(uint64_t bound)>;

// Calls `piece(from, to)` for the sectors of a change, as octets from its beginning.
template <typename F>
void ForEachSector(const Inode::Change& change, F piece) {
  for (uint64_t from = 0; from < change.bytes;) {
    const uint64_t sector = (change.offset + from) / kSectorBytes;
    const uint64_t to = std::min(change.bytes, (sector + 1) * kSectorBytes - change.offset);
    piece(from, to);
    from = to;
  }
}

// A write that was not durable, in any of the ways that a disk without power leaves it: lost, kept,
// cut off at a sector, or with any of its sectors lost, for a drive writes those in its own order.
void ApplyAtRandom(SparseBytes& content, const Inode::Change& change, const Random& random) {
  const uint64_t fate = random(4);
  if (fate == 0) return;
  if (fate == 1 || change.truncate) {
    Inode::Apply(content, change);
  } else if (fate == 2) {
    const uint64_t sectors = (change.bytes + kSectorBytes - 1) / kSectorBytes;
    uint64_t left = random(sectors + 1);
    ForEachSector(change, [&](uint64_t from, uint64_t to) {
      if (left == 0) return;
      --left;
      Inode::Apply(content, change, from, to);
    });
  } else {
    uint64_t coins = 0;
    int left = 0;
    ForEachSector(change, [&](uint64_t from, uint64_t to) {
      if (left-- == 0) {
        coins = random(uint64_t{1} << 32);
        left = 31;
      }
      if ((coins >> left & 1) != 0) Inode::Apply(content, change, from, to);
    });
  }
}

class Copier {
 public:
  std::shared_ptr<Inode> Copy(const std::shared_ptr<Inode>& from) {
    if (from == nullptr) return nullptr;
    auto [found, fresh] = copies_.try_emplace(from.get());
    if (!fresh) return found->second;
    auto to = std::make_shared<Inode>();
    found->second = to;
    to->directory = from->directory;
    to->linked = from->linked;
    to->content = from->content;
    to->durable_content = from->durable_content;
    to->changes = from->changes;
    to->next_sequence = from->next_sequence;
    to->names = Copy(from->names);
    to->durable_names = Copy(from->durable_names);
    for (const Inode::NameChange& change : from->name_changes) {
      auto& copy = to->name_changes.emplace_back();
      copy.sequence = change.sequence;
      for (const auto& [name, inode] : change.names) copy.names.emplace_back(name, Copy(inode));
    }
    return to;
  }

 private:
  Inode::Names Copy(const Inode::Names& from) {
    Inode::Names to;
    for (const auto& [name, inode] : from) to.emplace_hint(to.end(), name, Copy(inode));
    return to;
  }
  std::unordered_map<const Inode*, std::shared_ptr<Inode>> copies_;
};

}  // namespace

void Disk::CrashInode(Inode& inode, DiskLoss loss, const Random& random) {
  inode.linked = true;
  if (inode.directory) {
    size_t kept = inode.name_changes.size();
    if (loss == DiskLoss::kEverything) kept = 0;
    if (loss == DiskLoss::kRandom) kept = static_cast<size_t>(random(kept + 1));
    if (kept > 0) inode.MakeNamesDurableUpTo(inode.name_changes[kept - 1].sequence);
    inode.name_changes.clear();
    inode.names = inode.durable_names;
    for (const auto& [name, child] : inode.names) CrashInode(*child, loss, random);
    return;
  }
  if (inode.changes.empty()) return;
  for (const Inode::Change& change : inode.changes) {
    if (change.durable || loss == DiskLoss::kNothing) {
      Inode::Apply(inode.durable_content, change);
    } else if (loss == DiskLoss::kRandom) {
      ApplyAtRandom(inode.durable_content, change, random);
    }
  }
  inode.changes.clear();
  inode.content = inode.durable_content;
}

void Disk::Crash(DiskLoss loss, const Random& random) {
  CrashInode(*root_, loss, random);
  CloseAll();
}

std::unique_ptr<DiskImage> Disk::Snapshot() const {
  return std::make_unique<DiskImage>(Copier().Copy(root_));
}

void Disk::Restore(const DiskImage& image) {
  CHECK_EQ(open_files_, 0u);
  root_ = Copier().Copy(image.root());
  CloseAll();
}

}  // namespace ringmail::sim
