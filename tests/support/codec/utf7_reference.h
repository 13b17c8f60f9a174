// Modified UTF-7 by definition: strings of bits and UTF-16, to be read beside RFC 3501 §5.1.3. A
// name is right where it is what the points that it stands for are written as.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/codec/utf8_reference.h"

namespace ringmail::codec {

inline constexpr std::string_view kReferenceUtf7Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

inline std::string ReferenceUtf7Encode(const std::vector<uint32_t>& points) {
  std::string name, bits;
  const auto end = [&] {
    if (bits.empty()) return;
    while (bits.size() % 6 != 0) bits += '0';
    name += '&';
    for (size_t at = 0; at < bits.size(); at += 6) {
      name += kReferenceUtf7Alphabet[std::stoul(bits.substr(at, 6), nullptr, 2)];
    }
    name += '-';
    bits.clear();
  };
  const auto unit = [&](uint32_t value) {
    for (int bit = 15; bit >= 0; --bit) bits += (value >> bit & 1) != 0 ? '1' : '0';
  };
  for (const uint32_t point : points) {
    if (point >= 0x20 && point <= 0x7E) {
      end();
      name += point == '&' ? std::string("&-") : std::string(1, static_cast<char>(point));
    } else if (point < 0x10000) {
      unit(point);
    } else {
      unit(0xD800 + ((point - 0x10000) >> 10));
      unit(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  end();
  return name;
}

inline std::optional<std::string> ReferenceUtf7Decode(std::string_view name) {
  std::vector<uint32_t> points;
  for (size_t at = 0; at < name.size(); ++at) {
    if (name[at] != '&') {
      points.push_back(static_cast<uint8_t>(name[at]));
      continue;
    }
    const size_t end = name.find('-', at);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view run = name.substr(at + 1, end - at - 1);
    at = end;
    if (run.empty()) points.push_back('&');
    std::string bits;
    for (const char octet : run) {
      const size_t sextet = kReferenceUtf7Alphabet.find(octet);
      if (sextet == std::string_view::npos) return std::nullopt;
      for (int bit = 5; bit >= 0; --bit) bits += (sextet >> bit & 1) != 0 ? '1' : '0';
    }
    for (size_t unit = 0; unit + 16 <= bits.size(); unit += 16) {
      const auto value = static_cast<uint32_t>(std::stoul(bits.substr(unit, 16), nullptr, 2));
      const bool low = value >= 0xDC00 && value <= 0xDFFF;
      if (low && unit != 0 && points.back() >= 0xD800 && points.back() <= 0xDBFF) {
        points.back() = 0x10000 + ((points.back() - 0xD800) << 10) + (value - 0xDC00);
      } else {
        points.push_back(value);
      }
    }
  }
  std::string utf8;
  for (const uint32_t point : points) {
    if (point >= 0xD800 && point <= 0xDFFF) return std::nullopt;
    utf8 += ReferenceUtf8(point);
  }
  if (ReferenceUtf7Encode(points) != name) return std::nullopt;
  return utf8;
}

}  // namespace ringmail::codec
