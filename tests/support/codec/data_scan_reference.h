// The DATA scanner by definition, not by state: slow, whole-message, and short enough to be read
// beside RFC 5321 §4.1.1.4 and §4.5.2. The kernels and every way of cutting the input are held to
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/codec/data_scan.h"

namespace ringmail::codec {

struct ReferenceScan {
  bool end = false;
  size_t consumed = 0;
  std::string content;
  std::vector<size_t> dot_lines;  // offsets in content
  uint8_t flags = 0;
};

inline bool ReferenceLineStart(std::string_view text, size_t at) {
  return at == 0 || (at >= 2 && text.substr(at - 2, 2) == "\r\n");
}

// The flags of content of which more may follow: a CR at its end is not judged yet.
inline uint8_t ReferenceFlags(std::string_view content) {
  unsigned flags = 0;
  size_t line_begin = 0;
  for (size_t i = 0; i < content.size(); ++i) {
    const char c = content[i];
    if (c == '\r' && i + 1 < content.size() && content[i + 1] != '\n') flags |= kDataBareCr;
    if (c == '\n' && (i == 0 || content[i - 1] != '\r')) flags |= kDataBareLf;
    if (c == '\0') flags |= kDataNul;
    if (static_cast<uint8_t>(c) >= 0x80) flags |= kData8Bit;
    if (c == '\n' && i > 0 && content[i - 1] == '\r') {
      if (i - 1 - line_begin > 998) flags |= kDataLineTooLong;
      line_begin = i + 1;
    }
  }
  size_t rest = content.size() - line_begin;
  if (rest > 0 && content.back() == '\r') --rest;
  if (rest > 998) flags |= kDataLineTooLong;
  return static_cast<uint8_t>(flags);
}

inline ReferenceScan ReferenceDataScan(std::string_view input) {
  ReferenceScan scan;
  size_t end = input.size();
  for (size_t i = 0; i < input.size() && !scan.end; ++i) {
    if (ReferenceLineStart(input, i) && input.substr(i, 3) == ".\r\n") {
      scan.end = true;
      end = i;
    }
  }
  for (size_t i = 0; i < end; ++i) {
    if (!ReferenceLineStart(input, i) || input[i] != '.') {
      scan.content += input[i];
      continue;
    }
    // The dot is removed, or undecided if the input stops after it or after its CR.
    if (i + 2 == end && input[i + 1] == '\r') break;
    if (i + 1 < end && input[i + 1] == '.') scan.dot_lines.push_back(scan.content.size());
  }
  scan.consumed = scan.end ? end + 3 : input.size();
  scan.flags = ReferenceFlags(scan.content);
  return scan;
}

inline ReferenceScan ReferenceContentScan(std::string_view input) {
  ReferenceScan scan;
  scan.content = input;
  scan.consumed = input.size();
  for (size_t i = 0; i < input.size(); ++i) {
    if (ReferenceLineStart(input, i) && input[i] == '.') scan.dot_lines.push_back(i);
  }
  scan.flags = ReferenceFlags(input);
  return scan;
}

// What a scanner says about `input` cut at `cuts` (ascending offsets), put together as the
// reference does.
template <typename Scanner>
ReferenceScan ScanInPieces(std::string_view input, const std::vector<size_t>& cuts) {
  ReferenceScan scan;
  Scanner scanner;
  DataScanner::Step step;
  size_t at = 0;
  for (size_t piece = 0; piece <= cuts.size() && !scan.end; ++piece) {
    const size_t stop = piece < cuts.size() ? cuts[piece] : input.size();
    do {
      scanner.Feed(input.substr(at, stop - at), step);
      for (size_t i = 0; i < step.run_count; ++i) {
        if (step.runs[i].starts_with_dot_line) scan.dot_lines.push_back(scan.content.size());
        scan.content += step.runs[i].bytes;
      }
      at += step.consumed;
      scan.end = step.verdict == DataVerdict::kEnd;
      // A scanner that stands still would stand still for ever.
      if (step.consumed == 0 && step.run_count == 0) break;
    } while (at < stop && !scan.end);
  }
  scan.consumed = at;
  scan.flags = scanner.flags();
  return scan;
}

}  // namespace ringmail::codec
