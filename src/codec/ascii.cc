#include "ringmail/codec/ascii.h"

#include <algorithm>

#include "codec/kernels.h"

namespace ringmail::codec {

FindStep FindNoCaseNone(std::string_view, std::string_view) { return {}; }

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
  if (needle.empty()) return from;
  const FindStep step = ActiveKernels().find_no_case(text.substr(from), needle);
  if (step.found) return from + step.at;
  for (size_t at = from + step.at; at + needle.size() <= text.size(); ++at) {
    if (AsciiEqualNoCase(text.substr(at, needle.size()), needle)) return at;
  }
  return std::string_view::npos;
}

void AsciiLowerCopy(std::string_view in, char* out) {
  std::transform(in.begin(), in.end(), out, AsciiLower);
}

}  // namespace ringmail::codec
