// The octets of a message as a logical sequence, wherever its pieces lie in memory.
//
// Borrows the pieces. Order: pieces are added in the order of their offsets, and may leave gaps: a
// reader of header sections needs only those. Shard: as its pieces. Limits: 4 GiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail::message {

// Octets from `offset` on.
struct Extent {
  uint32_t offset = 0, bytes = 0;
  uint32_t end() const { return offset + bytes; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

class ContentView {
 public:
  ContentView() = default;
  // All of the content, in one piece.
  explicit ContentView(std::string_view whole) { Add(0, whole); }

  // REQUIRES: `offset` is not before the end of the piece before.
  void Add(uint32_t offset, std::string_view piece);

  // The octets of `extent`: a view of the piece where one holds them all, otherwise of `scratch`,
  // into which they are copied. Shorter where a gap or the end cuts it.
  std::string_view Read(Extent extent, std::string& scratch) const;

  // Calls `take(std::string_view)` with the octets of `extent` piece by piece, copying nothing.
  template <typename Take>
  void Each(Extent extent, Take&& take) const {
    uint32_t at = extent.offset;
    for (size_t i = Find(at); i < pieces_.size() && at < extent.end(); ++i) {
      const Piece& piece = pieces_[i];
      if (piece.offset > at) break;
      const size_t skip = at - piece.offset;
      if (skip >= piece.bytes.size()) break;
      const std::string_view part = piece.bytes.substr(skip, extent.end() - at);
      take(part);
      at += static_cast<uint32_t>(part.size());
    }
  }

 private:
  struct Piece {
    uint32_t offset;
    std::string_view bytes;
  };
  // The piece that holds `offset`, or the next one.
  size_t Find(uint32_t offset) const;

  std::vector<Piece> pieces_;
};

}  // namespace ringmail::message
