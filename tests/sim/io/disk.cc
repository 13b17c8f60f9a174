#include "tests/sim/io/disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ringmail/base/check.h"

namespace ringmail::sim {
namespace {

constexpr uint64_t kBlock = io::kBlockBytes;
constexpr uint64_t kSectorBytes = 512;

bool AllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at <= path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    at = slash + 1;
  }
  return parts;
}

}  // namespace

// --- SparseBytes

void SparseBytes::Write(uint64_t offset, std::string_view bytes) {
  size_ = std::max(size_, offset + bytes.size());
  while (!bytes.empty()) {
    const uint64_t within = offset % kBlock;
    const size_t count = std::min<size_t>(bytes.size(), kBlock - within);
    const std::string_view piece = bytes.substr(0, count);
    auto& block = blocks_[offset / kBlock];
    if (block == nullptr && !AllZero(piece)) block = std::make_unique<Block>(Block{});
    if (block != nullptr) std::memcpy(block->data() + within, piece.data(), count);
    offset += count;
    bytes.remove_prefix(count);
  }
}

size_t SparseBytes::Read(uint64_t offset, std::span<char> out) const {
  if (offset >= size_) return 0;
  const size_t total = static_cast<size_t>(std::min<uint64_t>(out.size(), size_ - offset));
  size_t done = 0;
  while (done < total) {
    const uint64_t within = (offset + done) % kBlock;
    const size_t count = std::min<size_t>(total - done, kBlock - within);
    const auto found = blocks_.find((offset + done) / kBlock);
    if (found == blocks_.end() || found->second == nullptr) {
      std::memset(out.data() + done, 0, count);
    } else {
      std::memcpy(out.data() + done, found->second->data() + within, count);
    }
    done += count;
  }
  return total;
}

void SparseBytes::Truncate(uint64_t bytes) {
  if (bytes < size_) {
    blocks_.erase(blocks_.lower_bound((bytes + kBlock - 1) / kBlock), blocks_.end());
    const auto last = blocks_.find(bytes / kBlock);
    if (last != blocks_.end() && last->second != nullptr) {
      std::memset(last->second->data() + bytes % kBlock, 0, kBlock - bytes % kBlock);
    }
  }
  size_ = bytes;
}

void SparseBytes::CopyFrom(const SparseBytes& other) {
  blocks_.clear();
  for (const auto& [index, block] : other.blocks_) {
    blocks_[index] = block == nullptr ? nullptr : std::make_unique<Block>(*block);
  }
  size_ = other.size_;
}

uint64_t SparseBytes::NewBlocks(uint64_t offset, size_t bytes) const {
  if (bytes == 0) return 0;
  const uint64_t first = offset / kBlock;
  const uint64_t last = (offset + bytes - 1) / kBlock;
  const auto present = std::distance(blocks_.lower_bound(first), blocks_.upper_bound(last));
  return last - first + 1 - static_cast<uint64_t>(present);
}

// --- Inode

void Inode::Fold() {
  while (!changes.empty() && changes.front().durable) {
    const Change& change = changes.front();
    if (change.truncate) {
      durable_content.Truncate(change.offset);
    } else {
      durable_content.Write(change.offset, change.bytes);
    }
    changes.pop_front();
  }
}

void Inode::MakeDurable(uint64_t sequence) {
  for (Change& change : changes) {
    if (change.sequence == sequence) change.durable = true;
  }
  Fold();
}

void Inode::MakeDurableUpTo(uint64_t sequence) {
  for (Change& change : changes) {
    if (change.sequence <= sequence) change.durable = true;
  }
  Fold();
}

void Inode::MakeNamesDurable() {
  name_changes.clear();
  durable_names = names;
}

// --- Disk

Disk::Disk(DiskOptions options) : options_(options) { root_->directory = true; }

std::shared_ptr<Inode> Disk::Find(const std::string& path) {
  std::shared_ptr<Inode> inode = root_;
  for (const std::string& part : Split(path)) {
    const auto found = inode->names.find(part);
    if (found == inode->names.end()) return nullptr;
    inode = found->second;
  }
  return inode;
}

std::shared_ptr<Inode> Disk::FindDirectory(const std::string& path) {
  std::shared_ptr<Inode> inode = Find(path);
  return inode != nullptr && inode->directory ? inode : nullptr;
}

int Disk::FindPlace(const std::string& path, Place& place) {
  std::vector<std::string> parts = Split(path);
  if (parts.empty()) return EINVAL;
  place.name = std::move(parts.back());
  parts.pop_back();
  place.directory = root_;
  for (const std::string& part : parts) {
    const auto found = place.directory->names.find(part);
    if (found == place.directory->names.end()) return ENOENT;
    place.directory = found->second;
    if (!place.directory->directory) return ENOTDIR;
  }
  return 0;
}

void Disk::SetNames(Inode& directory,
                    std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names) {
  for (const auto& [name, inode] : names) {
    if (inode == nullptr) {
      directory.names.erase(name);
    } else {
      directory.names[name] = inode;
    }
  }
  directory.name_changes.push_back({std::move(names)});
}

void Disk::Unlink(Inode& inode) {
  inode.linked = false;
  if (inode.open_handles == 0) used_blocks_ -= inode.content.blocks();
}

int Disk::Open(const std::string& path, io::OpenMode mode, std::shared_ptr<Inode>& inode) {
  Place place;
  if (const int error = FindPlace(path, place); error != 0) return error;
  const auto found = place.directory->names.find(place.name);
  const bool exists = found != place.directory->names.end();
  if (exists && found->second->directory) return EISDIR;
  switch (mode) {
    case io::OpenMode::kRead:
    case io::OpenMode::kReadWrite:
      if (!exists) return ENOENT;
      inode = found->second;
      break;
    case io::OpenMode::kCreate:
      if (exists) return EEXIST;
      [[fallthrough]];
    case io::OpenMode::kCreateOrReplace:
      if (exists) {
        inode = found->second;
        if (const int error = Truncate(*inode, 0); error != 0) return error;
      } else {
        inode = std::make_shared<Inode>();
        SetNames(*place.directory, {{place.name, inode}});
      }
      break;
  }
  ++inode->open_handles;
  return 0;
}

void Disk::Release(Inode& inode) {
  CHECK_GT(inode.open_handles, 0u);
  if (--inode.open_handles == 0 && !inode.linked) used_blocks_ -= inode.content.blocks();
}

int Disk::Write(Inode& inode, uint64_t offset, std::string_view bytes, uint64_t& sequence) {
  const uint64_t added = inode.content.NewBlocks(offset, bytes.size());
  if ((used_blocks_ + added) * kBlock > options_.capacity_bytes) return ENOSPC;
  used_blocks_ += added;
  inode.content.Write(offset, bytes);
  sequence = inode.next_sequence++;
  inode.changes.push_back({.sequence = sequence, .offset = offset, .bytes = std::string(bytes)});
  return 0;
}

int Disk::Truncate(Inode& inode, uint64_t bytes) {
  const uint64_t before = inode.content.blocks();
  inode.content.Truncate(bytes);
  used_blocks_ -= before - inode.content.blocks();
  inode.changes.push_back({.sequence = inode.next_sequence++, .truncate = true, .offset = bytes});
  return 0;
}

int Disk::CreateDirectory(const std::string& path) {
  Place place;
  if (const int error = FindPlace(path, place); error != 0) return error;
  const auto found = place.directory->names.find(place.name);
  if (found != place.directory->names.end()) return found->second->directory ? 0 : ENOTDIR;
  auto inode = std::make_shared<Inode>();
  inode->directory = true;
  SetNames(*place.directory, {{place.name, inode}});
  return 0;
}

int Disk::List(const std::string& path, std::vector<std::string>& names) {
  const auto inode = Find(path);
  if (inode == nullptr) return ENOENT;
  if (!inode->directory) return ENOTDIR;
  for (const auto& [name, unused] : inode->names) names.push_back(name);
  return 0;
}

int Disk::Rename(const std::string& from, const std::string& to) {
  Place source, target;
  if (const int error = FindPlace(from, source); error != 0) return error;
  if (const int error = FindPlace(to, target); error != 0) return error;
  const auto moved = source.directory->names.find(source.name);
  if (moved == source.directory->names.end()) return ENOENT;
  const std::shared_ptr<Inode> inode = moved->second;
  const auto replaced = target.directory->names.find(target.name);
  if (replaced != target.directory->names.end()) {
    if (replaced->second == inode) return 0;
    if (replaced->second->directory != inode->directory) return inode->directory ? ENOTDIR : EISDIR;
    if (inode->directory && !replaced->second->names.empty()) return ENOTEMPTY;
    Unlink(*replaced->second);
  }
  if (source.directory == target.directory) {
    SetNames(*source.directory, {{source.name, nullptr}, {target.name, inode}});
  } else {
    SetNames(*target.directory, {{target.name, inode}});
    SetNames(*source.directory, {{source.name, nullptr}});
  }
  return 0;
}

int Disk::Remove(const std::string& path) {
  Place place;
  if (const int error = FindPlace(path, place); error != 0) return error;
  const auto found = place.directory->names.find(place.name);
  if (found == place.directory->names.end()) return ENOENT;
  if (found->second->directory && !found->second->names.empty()) return ENOTEMPTY;
  Unlink(*found->second);
  SetNames(*place.directory, {{place.name, nullptr}});
  return 0;
}

uint64_t Disk::free_bytes() const {
  const uint64_t used = used_blocks_ * kBlock;
  return used >= options_.capacity_bytes ? 0 : options_.capacity_bytes - used;
}

std::optional<std::string> Disk::Contents(const std::string& path) {
  const auto inode = Find(path);
  if (inode == nullptr || inode->directory) return std::nullopt;
  std::string bytes(inode->content.size(), '\0');
  inode->content.Read(0, bytes);
  return bytes;
}

std::optional<std::string> Disk::DurableContents(const std::string& path) {
  std::shared_ptr<Inode> inode = root_;
  for (const std::string& part : Split(path)) {
    const auto found = inode->durable_names.find(part);
    if (found == inode->durable_names.end()) return std::nullopt;
    inode = found->second;
  }
  if (inode->directory) return std::nullopt;
  // Durable changes behind one that is not are on the disk too.
  SparseBytes image;
  image.CopyFrom(inode->durable_content);
  for (const Inode::Change& change : inode->changes) {
    if (!change.durable) continue;
    if (change.truncate) {
      image.Truncate(change.offset);
    } else {
      image.Write(change.offset, change.bytes);
    }
  }
  std::string bytes(image.size(), '\0');
  image.Read(0, bytes);
  return bytes;
}

void Disk::Damage(const std::string& path, uint64_t offset, std::string_view bytes) {
  const auto inode = Find(path);
  CHECK(inode != nullptr && !inode->directory);
  uint64_t sequence = 0;
  CHECK_EQ(Write(*inode, offset, bytes, sequence), 0);
  inode->MakeDurable(sequence);
}

void Disk::Put(const std::string& path, std::string_view bytes) {
  std::string directory;
  std::vector<std::string> parts = Split(path);
  CHECK(!parts.empty());
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    FindDirectory(directory)->MakeNamesDurable();
    directory += "/" + parts[i];
    CHECK_EQ(CreateDirectory(directory), 0);
  }
  std::shared_ptr<Inode> inode;
  CHECK_EQ(Open(path, io::OpenMode::kCreateOrReplace, inode), 0);
  uint64_t sequence = 0;
  CHECK_EQ(Write(*inode, 0, bytes, sequence), 0);
  inode->MakeDurableUpTo(sequence);
  Release(*inode);
  for (std::string above = directory;; above = above.substr(0, above.rfind('/'))) {
    FindDirectory(above)->MakeNamesDurable();
    if (above.empty()) break;
  }
}

// --- Crash

void Disk::CrashInode(Inode& inode, DiskLoss loss,
                      const std::function<uint64_t(uint64_t)>& random) {
  inode.linked = true;
  if (inode.directory) {
    size_t kept = inode.name_changes.size();
    if (loss == DiskLoss::kEverything) kept = 0;
    if (loss == DiskLoss::kRandom) kept = static_cast<size_t>(random(kept + 1));
    for (size_t i = 0; i < kept; ++i) {
      for (const auto& [name, target] : inode.name_changes[i].names) {
        if (target == nullptr) {
          inode.durable_names.erase(name);
        } else {
          inode.durable_names[name] = target;
        }
      }
    }
    inode.name_changes.clear();
    inode.names = inode.durable_names;
    for (const auto& [name, child] : inode.names) CrashInode(*child, loss, random);
    return;
  }
  for (const Inode::Change& change : inode.changes) {
    uint64_t fate = change.durable || loss == DiskLoss::kNothing ? 1 : 0;  // 0 lost, 1 kept, 2 torn
    if (!change.durable && loss == DiskLoss::kRandom) fate = random(3);
    if (fate == 0) continue;
    if (change.truncate) {
      inode.durable_content.Truncate(change.offset);
      continue;
    }
    std::string_view bytes = change.bytes;
    if (fate == 2) bytes = bytes.substr(0, random(bytes.size() / kSectorBytes + 1) * kSectorBytes);
    if (!bytes.empty()) inode.durable_content.Write(change.offset, bytes);
  }
  inode.changes.clear();
  inode.content.CopyFrom(inode.durable_content);
}

uint64_t Disk::CloseBelow(Inode& inode) {
  inode.open_handles = 0;
  uint64_t blocks = inode.content.blocks();
  for (const auto& [name, child] : inode.names) blocks += CloseBelow(*child);
  return blocks;
}

void Disk::CloseAll() { used_blocks_ = CloseBelow(*root_); }

void Disk::Crash(DiskLoss loss, const std::function<uint64_t(uint64_t bound)>& random) {
  CrashInode(*root_, loss, random);
  CloseAll();
}

}  // namespace ringmail::sim
