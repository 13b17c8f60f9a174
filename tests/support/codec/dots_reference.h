// Dot transparency and lines by definition: RFC 5321 §4.5.2 beside it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "support/codec/data_scan_reference.h"

namespace ringmail::codec {

inline std::string ReferenceStuff(std::string_view content) {
  std::string text;
  for (size_t at = 0; at < content.size(); ++at) {
    if (content[at] == '.' && ReferenceLineStart(content, at)) text += '.';
    text += content[at];
  }
  return text;
}

inline size_t ReferenceLines(std::string_view content) {
  size_t lines = 0;
  for (size_t at = 0; at + 1 < content.size(); ++at) lines += content.substr(at, 2) == "\r\n";
  return lines;
}

// The longest line without its CRLF, ended or not.
inline size_t ReferenceLongestLine(std::string_view content) {
  size_t longest = 0;
  while (true) {
    const size_t end = content.find("\r\n");
    longest = std::max(longest, std::min(end, content.size()));
    if (end == std::string_view::npos) return longest;
    content.remove_prefix(end + 2);
  }
}

}  // namespace ringmail::codec
