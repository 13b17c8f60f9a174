// Lines that begin with "--", and LF, by what the C++ library has for them.
#pragma once

#include <algorithm>
#include <string_view>

namespace ringmail::codec {

inline size_t ReferenceDashLine(std::string_view text, size_t from) {
  return text.find("\n--", from);
}

inline size_t ReferenceCountLf(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace ringmail::codec
