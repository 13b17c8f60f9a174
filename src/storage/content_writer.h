// What a ContentWriter holds: octets staged in memory, and the content in the log once some have
// gone there.
#pragma once

#include <cstdint>
#include <memory>

#include "ringmail/io/task.h"
#include "ringmail/storage/content.h"
#include "storage/content_entry.h"

namespace ringmail::storage {

struct ContentWriter::State {
  explicit State(StoreCore* s) : store(s), staged(std::make_unique<StagedBytes>()) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  // Octets from `from` that one piece takes, and how many dot-lines from `first_dot` lie in them.
  size_t NextPiece(size_t from, size_t first_dot, size_t& dots) const;
  bool FitsOnePiece() const;
  size_t PieceRecordBytes() const;  // of all that is staged. REQUIRES: FitsOnePiece()
  void BeginContent();
  // Appends a piece to the open batch. REQUIRES: room. Returns its place there and its length.
  uint32_t AppendPiece(size_t from, size_t bytes, size_t first_dot, size_t dots, bool last,
                       size_t& record_bytes);
  // Writes all that is staged, and waits for it.
  io::Task<Status> DrainAll();

  StoreCore* store;
  std::unique_ptr<StagedBytes> staged;
  Content* content = nullptr;  // with a reference, from BeginContent on
  uint64_t total_bytes = 0;
  uint32_t next_piece = 0;
  uint8_t flags = 0;
  uint16_t prefix_bytes = 0;
};

}  // namespace ringmail::storage
