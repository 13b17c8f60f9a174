#include "storage/directory/table.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "ringmail/base/check.h"

namespace ringmail::storage {
namespace {

constexpr uint32_t kLevelsPerHash = 10;
constexpr uint32_t kHashBits = kLevelsPerHash * TrieNode::kBits;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// The bits of a name, six at a time from the top; where ten levels are not enough, of another hash.
class Path {
 public:
  explicit Path(std::string_view name) : name_(name), hash_(StableHash(name, 0)) {}
  uint32_t Index(uint32_t level) {
    const uint32_t block = level / kLevelsPerHash;
    if (block != block_) {
      block_ = block;
      hash_ = StableHash(name_, block);
    }
    return static_cast<uint32_t>(hash_ >> (64 - TrieNode::kBits * (level % kLevelsPerHash + 1)) &
                                 63);
  }

 private:
  std::string_view name_;
  uint32_t block_ = 0;
  uint64_t hash_;
};

TrieNode* Allocate(uint64_t edit, uint32_t slots) {
  void* memory = std::malloc(sizeof(TrieNode) + slots * sizeof(void*));
  CHECK(memory != nullptr);
  auto* node = new (memory) TrieNode;
  node->edit = edit;
  return node;
}

// What a cursor counts: the first ten levels.
uint64_t Position(std::string_view name) { return StableHash(name, 0) >> (64 - kHashBits); }

}  // namespace

uint64_t StableHash(std::string_view name, uint64_t seed) {
  uint64_t hash = Mix(seed + 0x9E3779B97F4A7C15) ^ name.size();
  while (!name.empty()) {
    uint64_t word = 0;
    const size_t bytes = std::min<size_t>(name.size(), sizeof(word));
    std::memcpy(&word, name.data(), bytes);
    hash = Mix(hash ^ word) + 0x9E3779B97F4A7C15;
    name.remove_prefix(bytes);
  }
  return Mix(hash);
}

EntryNode* EntryNode::Make(std::string_view name, std::string_view value, uint64_t version) {
  CHECK(name.size() <= UINT16_MAX && value.size() <= UINT32_MAX);
  void* memory = std::malloc(sizeof(EntryNode) + name.size() + value.size());
  CHECK(memory != nullptr);
  auto* node = new (memory) EntryNode;
  node->version = version;
  node->name_bytes = static_cast<uint16_t>(name.size());
  node->value_bytes = static_cast<uint32_t>(value.size());
  char* data = reinterpret_cast<char*>(node + 1);
  if (!name.empty()) std::memcpy(data, name.data(), name.size());
  if (!value.empty()) std::memcpy(data + name.size(), value.data(), value.size());
  return node;
}

void EntryNode::Destroy(EntryNode* node) { std::free(node); }

const EntryNode* FindEntry(const TrieNode* root, std::string_view name) {
  Path path(name);
  const TrieNode* node = root;
  for (uint32_t level = 0; node != nullptr; ++level) {
    const uint64_t bit = uint64_t{1} << path.Index(level);
    if ((node->taken() & bit) == 0) return nullptr;
    const void* slot = node->slots()[node->Rank(bit)];
    if ((node->leaves & bit) != 0) {
      const auto* entry = static_cast<const EntryNode*>(slot);
      return entry->name() == name ? entry : nullptr;
    }
    node = static_cast<const TrieNode*>(slot);
  }
  return nullptr;
}

uint64_t VisitEntries(const TrieNode* root, uint64_t cursor, size_t count_max,
                      void (*visit)(void* context, const EntryNode& entry), void* context) {
  if (root == nullptr || cursor >> kHashBits != 0) return 0;
  const auto index_of_cursor = [cursor](uint32_t level) {
    return level >= kLevelsPerHash
               ? 0u
               : static_cast<uint32_t>(cursor >> (kHashBits - TrieNode::kBits * (level + 1)) & 63);
  };
  struct Frame {
    const TrieNode* node;
    uint32_t next;  // index to look at
    bool on_path;   // everything above is the cursor's
  };
  std::vector<Frame> frames = {{root, index_of_cursor(0), true}};
  size_t count = 0;
  uint64_t last = 0;
  while (!frames.empty()) {
    Frame& frame = frames.back();
    const uint64_t rest = frame.next > 63 ? 0 : frame.node->taken() & (~uint64_t{0} << frame.next);
    if (rest == 0) {
      frames.pop_back();
      continue;
    }
    const auto index = static_cast<uint32_t>(std::countr_zero(rest));
    const auto level = static_cast<uint32_t>(frames.size() - 1);
    const bool on_path = frame.on_path && index == index_of_cursor(level);
    frame.next = index + 1;
    const uint64_t bit = uint64_t{1} << index;
    const void* slot = frame.node->slots()[frame.node->Rank(bit)];
    if ((frame.node->nodes & bit) != 0) {
      frames.push_back(
          {static_cast<const TrieNode*>(slot), on_path ? index_of_cursor(level + 1) : 0, on_path});
      continue;
    }
    const auto& entry = *static_cast<const EntryNode*>(slot);
    const uint64_t position = Position(entry.name());
    if (position < cursor) continue;
    // Names of one position go together: a cursor cannot stand between them.
    if (count >= count_max && position != last) return last + 1;
    visit(context, entry);
    last = position;
    ++count;
  }
  return 0;
}

DirectoryTable::~DirectoryTable() {
  Free(UINT64_MAX);
  std::vector<TrieNode*> nodes;
  if (root_ != nullptr) nodes.push_back(root_);
  while (!nodes.empty()) {
    TrieNode* node = nodes.back();
    nodes.pop_back();
    uint32_t slot = 0;
    for (uint64_t rest = node->taken(); rest != 0; rest &= rest - 1, ++slot) {
      if ((node->leaves & rest & (~rest + 1)) != 0) {
        EntryNode::Destroy(static_cast<EntryNode*>(node->slots()[slot]));
      } else {
        nodes.push_back(static_cast<TrieNode*>(node->slots()[slot]));
      }
    }
    std::free(node);
  }
}

void DirectoryTable::Drop(TrieNode* node) {
  // Made in this edit: nobody has ever seen it.
  if (!shared_ || node->edit == edit_) {
    std::free(node);
  } else {
    retired_.push_back({edit_, node, nullptr});
  }
}

void DirectoryTable::Drop(EntryNode* entry) {
  if (shared_) {
    retired_.push_back({edit_, nullptr, entry});
  } else {
    EntryNode::Destroy(entry);
  }
}

void DirectoryTable::Free(uint64_t through_edit) {
  while (!retired_.empty() && retired_.front().edit <= through_edit) {
    if (retired_.front().node != nullptr) std::free(retired_.front().node);
    if (retired_.front().entry != nullptr) EntryNode::Destroy(retired_.front().entry);
    retired_.pop_front();
  }
}

// The node itself where this edit made it, else a copy.
TrieNode* DirectoryTable::Own(TrieNode* node) {
  if (node->edit == edit_) return node;
  TrieNode* copy = Allocate(edit_, node->count());
  copy->nodes = node->nodes;
  copy->leaves = node->leaves;
  std::memcpy(copy->slots(), node->slots(), node->count() * sizeof(void*));
  Drop(node);
  return copy;
}

// The node with a slot more; the old one is dropped.
TrieNode* DirectoryTable::WithSlot(TrieNode* node, uint64_t bit, void* value, bool leaf) {
  const uint32_t rank = node->Rank(bit), count = node->count();
  TrieNode* out = Allocate(edit_, count + 1);
  out->nodes = node->nodes | (leaf ? 0 : bit);
  out->leaves = node->leaves | (leaf ? bit : 0);
  std::memcpy(out->slots(), node->slots(), rank * sizeof(void*));
  out->slots()[rank] = value;
  std::memcpy(out->slots() + rank + 1, node->slots() + rank, (count - rank) * sizeof(void*));
  Drop(node);
  return out;
}

TrieNode* DirectoryTable::WithoutSlot(TrieNode* node, uint64_t bit) {
  const uint32_t rank = node->Rank(bit), count = node->count();
  TrieNode* out = Allocate(edit_, count - 1);
  out->nodes = node->nodes & ~bit;
  out->leaves = node->leaves & ~bit;
  std::memcpy(out->slots(), node->slots(), rank * sizeof(void*));
  std::memcpy(out->slots() + rank, node->slots() + rank + 1, (count - rank - 1) * sizeof(void*));
  Drop(node);
  return out;
}

EntryNode* DirectoryTable::Set(EntryNode* entry) {
  Path path(entry->name());
  if (root_ == nullptr) root_ = Allocate(edit_, 0);
  void** slot_of_node = nullptr;  // null: root_
  TrieNode* node = root_;
  for (uint32_t level = 0;; ++level) {
    const uint64_t bit = uint64_t{1} << path.Index(level);
    const bool taken = (node->taken() & bit) != 0;
    TrieNode* owned = taken ? Own(node) : WithSlot(node, bit, entry, /*leaf=*/true);
    if (slot_of_node == nullptr) {
      root_ = owned;
    } else {
      *slot_of_node = owned;
    }
    if (!taken) {
      ++size_;
      return nullptr;
    }
    node = owned;
    void*& slot = node->slots()[node->Rank(bit)];
    if ((node->nodes & bit) != 0) {
      slot_of_node = &slot;
      node = static_cast<TrieNode*>(slot);
      continue;
    }
    auto* old = static_cast<EntryNode*>(slot);
    if (old->name() == entry->name()) {
      slot = entry;
      Drop(old);
      return old;
    }
    // Two names with the same bits so far: the other one moves a level down, and the loop goes on.
    TrieNode* below = Allocate(edit_, 1);
    below->leaves = uint64_t{1} << Path(old->name()).Index(level + 1);
    below->slots()[0] = old;
    node->leaves &= ~bit;
    node->nodes |= bit;
    slot = below;
    slot_of_node = &slot;
    node = below;
  }
}

EntryNode* DirectoryTable::Erase(std::string_view name) {
  EntryNode* entry = Find(name);
  if (entry == nullptr) return nullptr;
  Path path(name);
  void** slot_of_node = nullptr;
  TrieNode* node = root_;
  for (uint32_t level = 0;; ++level) {
    const uint64_t bit = uint64_t{1} << path.Index(level);
    const bool here = (node->leaves & bit) != 0;
    TrieNode* owned = here ? WithoutSlot(node, bit) : Own(node);
    if (slot_of_node == nullptr) {
      root_ = owned;
    } else {
      *slot_of_node = owned;
    }
    if (here) break;
    node = owned;
    slot_of_node = &node->slots()[node->Rank(bit)];
    node = static_cast<TrieNode*>(*slot_of_node);
  }
  // An empty node stays: the next name with its bits takes it.
  --size_;
  Drop(entry);
  return entry;
}

}  // namespace ringmail::storage
