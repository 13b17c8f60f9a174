// The body scanner by definition: the whole body, octet by octet. The kernels and every way of
// cutting the body are held to it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringmail/codec/data_scan.h"

namespace ringmail::codec {

struct ReferenceBody {
  uint64_t lines = 0;
  uint8_t flags = 0;
};

inline ReferenceBody ReferenceBodyScan(std::string_view body) {
  ReferenceBody result;
  unsigned flags = 0;
  size_t line_begin = 0;
  for (size_t i = 0; i <= body.size(); ++i) {
    const bool end = i == body.size();
    if (end || body[i] == '\n') {
      size_t line = i - line_begin;
      // RFC 5322 §2.1.1: 998 octets without CRLF.
      if (!end && line > 0 && body[i - 1] == '\r') --line;
      if (line > 998) flags |= kDataLineTooLong;
      line_begin = i + 1;
    }
    if (end) break;
    if (body[i] == '\n') ++result.lines;
    if (body[i] == '\n' && (i == 0 || body[i - 1] != '\r')) flags |= kDataBareLf;
    if (body[i] == '\r' && (i + 1 == body.size() || body[i + 1] != '\n')) flags |= kDataBareCr;
    if (body[i] == '\0') flags |= kDataNul;
    if (static_cast<uint8_t>(body[i]) >= 0x80) flags |= kData8Bit;
  }
  result.flags = static_cast<uint8_t>(flags);
  return result;
}

}  // namespace ringmail::codec
