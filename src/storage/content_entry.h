// Content in memory: where its pieces lie, who refers to it, and its bytes while they are worth
// keeping.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "ringmail/base/intrusive_list.h"
#include "ringmail/storage/content.h"
#include "storage/limits.h"
#include "storage/mailbox/holder_set.h"
#include "storage/segment.h"

namespace ringmail::storage {

class Index;
class StoreCore;

// Octets gathered from a peer, one run, and its dot-lines. After Enqueue the same memory is the
// cache of the content.
struct StagedBytes : public ListHook<class CacheTag> {
  StagedBytes() = default;
  StagedBytes(const StagedBytes&) = delete;
  StagedBytes& operator=(const StagedBytes&) = delete;
  ~StagedBytes() { std::free(data); }

  std::string_view view() const { return {data, used}; }
  size_t memory_bytes() const {
    return capacity + dot_lines.capacity() * sizeof(uint32_t) + sizeof(StagedBytes);
  }

  // It grew by doubling. Not by realloc, which leaves a block where it is as long as half is used.
  void ShrinkToFit() {
    if (capacity - used <= capacity / 8) return;
    char* fitting = static_cast<char*>(std::malloc(used));
    if (fitting == nullptr) return;
    std::memcpy(fitting, data, used);
    std::free(data);
    data = fitting;
    capacity = used;
  }

  char* data = nullptr;
  size_t capacity = 0, used = 0;
  std::vector<uint32_t> dot_lines;
  Content* content = nullptr;  // while cached
};

class Content {
 public:
  explicit Content(Index* owner, ContentId content_id) : id(content_id), index(owner) {}
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  ~Content() {
    if (piece_count > 1) delete many;
  }

  const RecordPlace& piece(uint32_t i) const { return piece_count > 1 ? (*many)[i] : one; }
  RecordPlace& piece(uint32_t i) { return piece_count > 1 ? (*many)[i] : one; }
  void ResizePieces(uint32_t count) {
    if (count <= piece_count) return;
    if (piece_count <= 1 && count > 1) {
      auto* places = new std::vector<RecordPlace>(count);
      if (piece_count == 1) (*places)[0] = one;
      many = places;
    } else if (count > 1) {
      many->resize(count);
    } else {
      one = {};
    }
    piece_count = count;
  }

  ContentId id;
  uint64_t bytes = 0;  // with the prefix
  Index* index;
  std::unique_ptr<StagedBytes> cache;
  HolderSet holders;  // accounts that refer to it
  union {
    RecordPlace one{};
    std::vector<RecordPlace>* many;  // where piece_count is over 1
  };
  uint32_t piece_count = 0;
  uint32_t refs = 0;  // messages that refer to it, and the writer that still writes it
  uint32_t lent = 0;
  uint8_t flags = 0;
  bool complete : 1 = false;  // its last piece is known
  bool damaged : 1 = false;   // recovery could not find all of it
  uint16_t prefix_bytes = 0;  // what only mailboxes show, at the start
};
static_assert(sizeof(Content) <= 72);

}  // namespace ringmail::storage
