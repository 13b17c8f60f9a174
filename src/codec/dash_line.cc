#include "ringmail/codec/dash_line.h"

#include <algorithm>
#include <cstring>

#include "codec/kernels.h"

namespace ringmail::codec {

FindStep FindDashLineNone(std::string_view) { return {}; }
size_t CountLfNone(std::string_view, size_t&) { return 0; }

size_t FindDashLine(std::string_view text, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const FindStep step = ActiveKernels().find_dash_line(text.substr(from));
  from += step.at;
  if (step.found) return from;
  while (from + 2 < text.size()) {
    const void* found = std::memchr(text.data() + from, '\n', text.size() - 2 - from);
    if (found == nullptr) break;
    const auto at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    if (text[at + 1] == '-' && text[at + 2] == '-') return at;
    from = at + 1;
  }
  return std::string_view::npos;
}

size_t CountLf(std::string_view text) {
  size_t read = 0;
  const size_t count = ActiveKernels().count_lf(text, read);
  text.remove_prefix(read);
  return count + static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace ringmail::codec
