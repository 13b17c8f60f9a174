#include "tests/sim/io/disk.h"

#include <algorithm>
#include <cerrno>

#include "ringmail/base/check.h"

namespace ringmail::sim {
namespace {

constexpr uint64_t kBlock = io::kBlockBytes;

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

// --- Inode

uint64_t Inode::Write(uint64_t offset, std::string_view bytes, bool zeros) {
  if (zeros) {
    content.WriteZeros(offset, bytes.size());
  } else {
    content.Write(offset, bytes);
  }
  Change& change = changes.emplace_back();
  change.sequence = next_sequence++;
  change.offset = offset;
  change.bytes = bytes.size();
  if (bytes.empty()) return change.sequence;
  const uint64_t first = offset / kBlock, last = (offset + bytes.size() - 1) / kBlock;
  change.blocks.reserve(last - first + 1);
  for (uint64_t i = first; i <= last; ++i) change.blocks.push_back(content.Get(i));
  return change.sequence;
}

void Inode::Apply(SparseBytes& content, const Change& change, uint64_t from, uint64_t to) {
  const uint64_t first = change.offset / kBlock;
  const uint64_t end = change.offset + to;
  for (uint64_t at = change.offset + from; at < end;) {
    const uint64_t within = at % kBlock;
    const uint64_t count = std::min(end - at, kBlock - within);
    const BlockRef& block = change.blocks[static_cast<size_t>(at / kBlock - first)];
    if (count == kBlock) {
      content.Set(at / kBlock, block);
    } else {
      content.Write(at, {block.bytes() + within, static_cast<size_t>(count)});
    }
    at += count;
  }
  if (to > from) content.Grow(end);
}

void Inode::Apply(SparseBytes& content, const Change& change) {
  if (change.truncate) {
    content.Truncate(change.offset);
  } else {
    Apply(content, change, 0, change.bytes);
  }
}

void Inode::Fold() {
  while (!changes.empty() && changes.front().durable) {
    Apply(durable_content, changes.front());
    changes.pop_front();
  }
}

void Inode::MakeDurable(uint64_t sequence) {
  // They lie in the order of their sequences.
  const auto found = std::lower_bound(
      changes.begin(), changes.end(), sequence,
      [](const Change& change, uint64_t wanted) { return change.sequence < wanted; });
  if (found != changes.end() && found->sequence == sequence && !found->abandoned) {
    found->durable = true;
  }
  Fold();
}

void Inode::MakeDurableUpTo(uint64_t sequence) {
  for (Change& change : changes) {
    if (change.sequence <= sequence && !change.abandoned) change.durable = true;
  }
  Fold();
}

void Inode::Abandon(uint64_t sequence) {
  for (Change& change : changes) {
    if (change.sequence == sequence) change.abandoned = true;
  }
}

void Inode::AbandonUpTo(uint64_t sequence) {
  for (Change& change : changes) {
    if (change.sequence <= sequence && !change.durable) change.abandoned = true;
  }
}

void Inode::MakeNamesDurableUpTo(uint64_t sequence) {
  while (!name_changes.empty() && name_changes.front().sequence <= sequence) {
    for (auto& [name, inode] : name_changes.front().names) {
      if (inode == nullptr) {
        durable_names.erase(name);
      } else {
        durable_names[name] = std::move(inode);
      }
    }
    name_changes.pop_front();
  }
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
  directory.name_changes.push_back({next_name_sequence_++, std::move(names)});
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
  ++open_files_;
  return 0;
}

void Disk::Release(Inode& inode) {
  CHECK_GT(inode.open_handles, 0u);
  --open_files_;
  if (--inode.open_handles == 0 && !inode.linked) used_blocks_ -= inode.content.blocks();
}

int Disk::Write(Inode& inode, uint64_t offset, std::string_view bytes, bool zeros,
                uint64_t& sequence) {
  const uint64_t added = inode.content.NewBlocks(offset, bytes.size());
  if ((used_blocks_ + added) * kBlock > options_.capacity_bytes) return ENOSPC;
  used_blocks_ += added;
  sequence = inode.Write(offset, bytes, zeros);
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
  SparseBytes image = inode->durable_content;
  for (const Inode::Change& change : inode->changes) {
    if (change.durable) Inode::Apply(image, change);
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

void Disk::FlipBit(const std::string& path, uint64_t bit) {
  const auto inode = Find(path);
  CHECK(inode != nullptr && bit / 8 < inode->content.size());
  char octet = 0;
  inode->content.Read(bit / 8, {&octet, 1});
  octet = static_cast<char>(octet ^ (1 << bit % 8));
  Damage(path, bit / 8, {&octet, 1});
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

void Disk::CloseAll() {
  used_blocks_ = CloseBelow(*root_);
  open_files_ = 0;
}

uint64_t Disk::CloseBelow(Inode& inode) {
  inode.open_handles = 0;
  uint64_t blocks = inode.content.blocks();
  for (const auto& [name, child] : inode.names) blocks += CloseBelow(*child);
  return blocks;
}

}  // namespace ringmail::sim
