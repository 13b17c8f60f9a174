#include "ringmail/codec/ascii.h"

#include <algorithm>

namespace ringmail::codec {

bool AsciiEqualNoCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](char x, char y) { return AsciiLower(x) == AsciiLower(y); });
}

bool AsciiStartsWithNoCase(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && AsciiEqualNoCase(text.substr(0, start.size()), start);
}

size_t AsciiFindNoCase(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size() || text.size() - from < needle.size()) return std::string_view::npos;
  for (size_t at = from; at + needle.size() <= text.size(); ++at) {
    if (AsciiEqualNoCase(text.substr(at, needle.size()), needle)) return at;
  }
  return std::string_view::npos;
}

void AsciiLowerCopy(std::string_view in, char* out) {
  std::transform(in.begin(), in.end(), out, AsciiLower);
}

}  // namespace ringmail::codec
