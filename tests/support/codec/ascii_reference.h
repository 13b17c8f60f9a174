// Letters by name, then an ordinary search.
#pragma once

#include <string>
#include <string_view>

namespace ringmail::codec {

inline std::string ReferenceLower(std::string_view text) {
  constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string lower(text);
  for (char& octet : lower) {
    const size_t at = kUpper.find(octet);
    if (at != std::string_view::npos) octet = "abcdefghijklmnopqrstuvwxyz"[at];
  }
  return lower;
}

inline size_t ReferenceFindNoCase(std::string_view text, std::string_view needle, size_t from) {
  return ReferenceLower(text).find(ReferenceLower(needle), from);
}

}  // namespace ringmail::codec
