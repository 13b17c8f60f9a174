#include "ringmail/message/content_view.h"

#include <algorithm>

#include "ringmail/base/check.h"

namespace ringmail::message {

void ContentView::Add(uint32_t offset, std::string_view piece) {
  if (piece.empty()) return;
  if (!pieces_.empty()) {
    const Piece& last = pieces_.back();
    CHECK(last.offset + last.bytes.size() <= offset);
  }
  pieces_.push_back({offset, piece});
}

size_t ContentView::Find(uint32_t offset) const {
  const auto after =
      std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                       [](uint32_t at, const Piece& piece) { return at < piece.offset; });
  if (after == pieces_.begin()) return 0;
  return static_cast<size_t>(after - pieces_.begin()) - 1;
}

std::string_view ContentView::Read(Extent extent, std::string& scratch) const {
  scratch.clear();
  std::string_view first;
  size_t pieces = 0;
  Each(extent, [&](std::string_view piece) {
    if (pieces == 0) {
      first = piece;
    } else {
      if (pieces == 1) scratch.assign(first);
      scratch.append(piece);
    }
    ++pieces;
  });
  return pieces > 1 ? std::string_view(scratch) : first;
}

}  // namespace ringmail::message
