#include "server/config/nearest.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace ringmail::server {
namespace {

constexpr size_t kNameBytesMax = 64;  // beyond, nobody mistyped one of our names

// '-' and '_' and the case of letters are what people mistake most: they count as equal.
char Folded(char c) {
  if (c == '-') return '_';
  return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = Folded(a[i - 1]) == Folded(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && Folded(a[i - 1]) == Folded(b[j - 2]) &&
                           Folded(a[i - 2]) == Folded(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string_view Nearest(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > kNameBytesMax) return {};
  std::string_view best;
  size_t best_distance =
      name.size() / 3 + 2;  // a third may be wrong, and one letter of a short name
  for (std::string_view candidate : known) {
    // "timeout" for "command_timeout" shares no more than a part, and is what was meant all the
    // same.
    const bool part = name.size() >= 4 && candidate.find(name) != std::string_view::npos;
    const size_t distance = part ? 1 : EditDistance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace ringmail::server
