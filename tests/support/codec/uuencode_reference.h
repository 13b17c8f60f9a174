// uuencode by definition, a whole text at a time, to be read beside POSIX.1-2017 uuencode.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "ringmail/codec/uuencode.h"
#include "support/codec/base64_reference.h"

namespace ringmail::codec {

struct ReferenceUu {
  std::string octets, file_name;
  unsigned mode = 0, departures = 0;
  bool begun = false, ended = false;
};

inline std::string ReferenceUuEncode(std::string_view in, UuForm form, std::string_view mode,
                                     std::string_view file_name) {
  std::string text = form == UuForm::kBase64 ? "begin-base64 " : "begin ";
  text += std::string(mode) + " " + std::string(file_name) + "\r\n";
  if (form == UuForm::kBase64) {
    return text + ReferenceBase64Encode(in, Base64Form::kMime) + "====\r\n";
  }
  for (size_t at = 0; at < in.size(); at += 45) {
    const std::string_view line = in.substr(at, 45);
    std::string bits;
    for (const char octet : line) {
      for (int bit = 7; bit >= 0; --bit) {
        bits += (static_cast<uint8_t>(octet) >> bit & 1) != 0 ? '1' : '0';
      }
    }
    while (bits.size() % 24 != 0) bits += '0';
    text += static_cast<char>(32 + line.size());
    for (size_t bit = 0; bit < bits.size(); bit += 6) {
      const unsigned long sextet = std::stoul(bits.substr(bit, 6), nullptr, 2);
      text += sextet == 0 ? '`' : static_cast<char>(32 + sextet);
    }
    text += "\r\n";
  }
  return text + "`\r\nend\r\n";
}

inline bool ReferenceUuBegin(std::string_view line, ReferenceUu& uu, bool& base64) {
  base64 = line.starts_with("begin-base64 ");
  if (!base64 && !line.starts_with("begin ")) return false;
  line.remove_prefix(line.find(' '));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view mode = line.substr(0, line.find(' '));
  if (mode.size() < 3 || mode.size() > 4 ||
      mode.find_first_not_of("01234567") != std::string_view::npos || mode.size() == line.size()) {
    return false;
  }
  line.remove_prefix(mode.size());
  const size_t name = line.find_first_not_of(' ');
  if (name == std::string_view::npos) return false;
  uu.mode = static_cast<unsigned>(std::stoul(std::string(mode), nullptr, 8));
  uu.file_name = line.substr(name, kUuNameBytesMax);
  if (line.size() - name > kUuNameBytesMax) uu.departures |= kUuNameCut;
  uu.begun = true;
  return true;
}

inline void ReferenceUuLine(std::string_view line, ReferenceUu& uu) {
  if (line.empty()) return;
  const auto outside = [](char octet) { return octet < 32 || octet > 96; };
  const size_t count = static_cast<size_t>(line[0] - 32) % 64;
  std::string text(line.substr(1));
  const size_t whole = (count + 2) / 3 * 4;
  if (outside(line[0]) ||
      std::any_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(std::min(whole, text.size())),
                  outside)) {
    uu.departures |= kUuForeign;
    return;
  }
  if (count == 0) return;
  if (text.size() * 6 < count * 8) uu.departures |= kUuShortLine;
  if (text.size() > whole) uu.departures |= kUuLongLine;
  text.resize(whole, ' ');
  std::string bits;
  for (const char octet : text) {
    for (int bit = 5; bit >= 0; --bit) bits += ((octet - 32) >> bit & 1) != 0 ? '1' : '0';
  }
  for (size_t i = 0; i < count; ++i) {
    uu.octets += static_cast<char>(std::stoul(bits.substr(8 * i, 8), nullptr, 2));
  }
}

inline ReferenceUu ReferenceUuDecode(std::string_view in) {
  ReferenceUu uu;
  bool base64 = false;
  std::string base64_text;
  while (!in.empty() && !uu.ended) {
    const size_t end = in.find('\n');
    std::string_view line = in.substr(0, end);
    in.remove_prefix(std::min(in.size(), line.size() + 1));
    if (line.size() > kUuLineBytesMax) {
      if (uu.begun) uu.departures |= kUuForeign;
      continue;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!uu.begun) {
      ReferenceUuBegin(line, uu, base64);
    } else if (line == (base64 ? "====" : "end")) {
      uu.ended = true;
    } else if (base64) {
      base64_text += std::string(line) + "\r\n";
    } else {
      ReferenceUuLine(line, uu);
    }
  }
  const ReferenceBase64 decoded = ReferenceBase64Decode(base64_text, Base64Form::kMime);
  uu.octets += decoded.octets;
  if (decoded.departures != 0) uu.departures |= kUuBase64;
  if (!uu.begun) uu.departures |= kUuNoBegin;
  if (uu.begun && !uu.ended) uu.departures |= kUuNoEnd;
  return uu;
}

}  // namespace ringmail::codec
