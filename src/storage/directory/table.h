// Every entry of the directory in memory: a trie over the hash of the name, of which a new version
// shares all with the one before but the paths to what changed.
//
// Made by: shard 0, which alone changes it. Other shards look at a root that they were given, and
// only ever read, so no lock is needed: what a root leads to is not changed while anybody has it.
// Order: BeginEdit; Set and Erase; the new root() is handed out; once nobody looks at an older one,
//   Free(through that edit). While nothing was handed out yet (a start), nothing is kept for
//   others.
// Limits: 8 bytes a slot and 24 a node: some 12 bytes an entry, beside the entry itself.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>

#include "storage/segment.h"

namespace ringmail::storage {

// Bits of a name, for the trie and for the digest, which is kept on disk: never changes.
uint64_t StableHash(std::string_view name, uint64_t seed);

// An entry: this, name, value, in one allocation.
struct EntryNode {
  uint64_t version = 0;
  Segment* segment = nullptr;  // where its record lies; shard 0 alone looks at it
  uint32_t value_bytes = 0;    // 0: a tombstone, never in the table
  uint16_t name_bytes = 0;
  bool changing = false;  // shard 0 alone: a change of it is on its way into the log

  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  std::string_view name() const { return {data(), name_bytes}; }
  std::string_view value() const { return {data() + name_bytes, value_bytes}; }

  static EntryNode* Make(std::string_view name, std::string_view value, uint64_t version);
  static void Destroy(EntryNode* node);
};
static_assert(sizeof(EntryNode) == 24);

struct TrieNode {
  static constexpr uint32_t kBits = 6;
  uint64_t edit = 0;  // which made it, and may still change it
  uint64_t nodes = 0, leaves = 0;

  uint64_t taken() const { return nodes | leaves; }
  uint32_t count() const { return static_cast<uint32_t>(std::popcount(taken())); }
  uint32_t Rank(uint64_t bit) const {
    return static_cast<uint32_t>(std::popcount(taken() & (bit - 1)));
  }
  void** slots() { return reinterpret_cast<void**>(this + 1); }
  void* const* slots() const { return reinterpret_cast<void* const*>(this + 1); }
};

// Finds in what a root leads to; any shard.
const EntryNode* FindEntry(const TrieNode* root, std::string_view name);
// Directory::Pin::Visit.
uint64_t VisitEntries(const TrieNode* root, uint64_t cursor, size_t count_max,
                      void (*visit)(void* context, const EntryNode& entry), void* context);

class DirectoryTable {
 public:
  DirectoryTable() = default;
  DirectoryTable(const DirectoryTable&) = delete;
  DirectoryTable& operator=(const DirectoryTable&) = delete;
  ~DirectoryTable();

  const TrieNode* root() const { return root_; }
  uint64_t edit() const { return edit_; }
  uint64_t size() const { return size_; }
  EntryNode* Find(std::string_view name) const {
    return const_cast<EntryNode*>(FindEntry(root_, name));
  }

  // What is changed from here on leaves everything that root() leads to as it is.
  void BeginEdit() {
    ++edit_;
    shared_ = true;
  }
  // Takes `entry` in. Returns the entry that it replaced, which is freed by Free (or is already,
  // where nothing was handed out: then it must not be looked at).
  EntryNode* Set(EntryNode* entry);
  EntryNode* Erase(std::string_view name);
  // Nobody looks any more at what was replaced in edits up to this.
  void Free(uint64_t through_edit);
  size_t retired_count() const { return retired_.size(); }

 private:
  struct Retired {
    uint64_t edit;
    TrieNode* node;  // or
    EntryNode* entry;
  };
  TrieNode* Own(TrieNode* node);
  TrieNode* WithSlot(TrieNode* node, uint64_t bit, void* value, bool leaf);
  TrieNode* WithoutSlot(TrieNode* node, uint64_t bit);
  void Drop(TrieNode* node);
  void Drop(EntryNode* entry);

  TrieNode* root_ = nullptr;
  uint64_t edit_ = 1;
  uint64_t size_ = 0;
  bool shared_ = false;
  std::deque<Retired> retired_;
};

}  // namespace ringmail::storage
