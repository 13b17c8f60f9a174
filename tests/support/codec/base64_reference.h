// base64 by definition: a number of bits at a time, octet by octet, to be read beside RFC 4648 §4
// and RFC 2045 §6.8.
#pragma once

#include <string>
#include <string_view>

#include "ringmail/codec/base64.h"

namespace ringmail::codec {

inline std::string ReferenceBase64Alphabet(Base64Form form) {
  return std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") +
         (form == Base64Form::kUrl ? "-_" : "+/");
}

inline std::string ReferenceBase64Encode(std::string_view in, Base64Form form) {
  const std::string alphabet = ReferenceBase64Alphabet(form);
  std::string bits;
  for (const char octet : in) {
    for (int bit = 7; bit >= 0; --bit) bits += (static_cast<uint8_t>(octet) >> bit & 1) ? '1' : '0';
  }
  while (bits.size() % 6 != 0) bits += '0';
  std::string text;
  for (size_t at = 0; at < bits.size(); at += 6) {
    text += alphabet[std::stoul(bits.substr(at, 6), nullptr, 2)];
  }
  while (form != Base64Form::kUrl && text.size() % 4 != 0) text += '=';
  if (form != Base64Form::kMime) return text;
  std::string lines;
  for (size_t at = 0; at < text.size(); at += 76) lines += text.substr(at, 76) + "\r\n";
  return lines;
}

struct ReferenceBase64 {
  std::string octets;
  unsigned departures = 0;
};

inline ReferenceBase64 ReferenceBase64Decode(std::string_view in, Base64Form form) {
  const std::string alphabet = ReferenceBase64Alphabet(form);
  ReferenceBase64 result;
  // First the line ends and what is foreign go, then quanta are read.
  std::string text;
  for (size_t at = 0; at < in.size(); ++at) {
    const char octet = in[at];
    if (form == Base64Form::kMime && octet == '\r') {
      if (at + 1 == in.size() || in[at + 1] != '\n') result.departures |= kBase64BareLineEnd;
    } else if (form == Base64Form::kMime && octet == '\n') {
      if (at == 0 || in[at - 1] != '\r') result.departures |= kBase64BareLineEnd;
    } else if (octet == '=' || alphabet.find(octet) != std::string::npos) {
      text += octet;
    } else {
      result.departures |= kBase64Foreign;
    }
  }
  size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '=') {
      result.departures |= kBase64StrayPadding;
      ++at;
      continue;
    }
    size_t count = 0;
    uint32_t bits = 0;
    while (count < 4 && at < text.size() && text[at] != '=') {
      bits = bits << 6 | static_cast<uint32_t>(alphabet.find(text[at]));
      ++count;
      ++at;
    }
    if (count == 1) {
      result.departures |= kBase64Truncated;
      if (at < text.size()) {
        result.departures |= kBase64StrayPadding;
        ++at;
      }
      continue;
    }
    bits <<= 6 * (4 - count);
    for (size_t octet = 0; octet + 1 < count; ++octet) {
      result.octets += static_cast<char>(bits >> (16 - 8 * octet) & 0xFF);
    }
    if (count == 4) continue;
    if ((bits & (count == 2 ? 0xFFFFu : 0xFFu)) != 0) result.departures |= kBase64PaddingBits;
    size_t padding = 0;
    while (padding < 4 - count && at < text.size() && text[at] == '=') {
      ++padding;
      ++at;
    }
    const bool missing = padding < 4 - count;
    const size_t more = text.find_first_not_of('=', at);
    if (missing && (form != Base64Form::kUrl || more != std::string::npos)) {
      result.departures |= kBase64Unpadded;
    }
    // '=' beyond the due ones is stray before it is asked what follows.
    if (more != std::string::npos) result.departures |= kBase64AfterPadding;
  }
  return result;
}

}  // namespace ringmail::codec
