// quoted-printable by definition, line by line, to be read beside RFC 2045 §6.7.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringmail/codec/quoted_printable.h"

namespace ringmail::codec {

inline std::string ReferenceQuotedPrintableEncode(std::string_view in, QuotedPrintableInput input) {
  const bool text = input == QuotedPrintableInput::kText;
  std::string all;
  while (true) {
    const size_t end = text ? in.find("\r\n") : std::string_view::npos;
    const std::string_view line = in.substr(0, end);
    std::vector<std::string> tokens;
    for (size_t at = 0; at < line.size(); ++at) {
      const auto octet = static_cast<uint8_t>(line[at]);
      const bool blank = octet == ' ' || octet == '\t';
      // (1), (2), (3)
      if ((octet >= 33 && octet <= 126 && octet != '=') || (blank && at + 1 < line.size())) {
        tokens.emplace_back(1, line[at]);
      } else {
        char escape[4];
        snprintf(escape, sizeof(escape), "=%02X", octet);
        tokens.emplace_back(escape);
      }
    }
    // (5): 76 octets, or 75 and '='.
    size_t column = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (column + tokens[i].size() > (i + 1 == tokens.size() ? 76 : 75)) {
        all += "=\r\n";
        column = 0;
      }
      all += tokens[i];
      column += tokens[i].size();
    }
    if (end == std::string_view::npos) return all;
    all += "\r\n";  // (4)
    in.remove_prefix(end + 2);
  }
}

struct ReferenceQuotedPrintable {
  std::string octets;
  unsigned departures = 0;
};

inline ReferenceQuotedPrintable ReferenceQuotedPrintableDecode(std::string_view in) {
  ReferenceQuotedPrintable result;
  const auto digit = [](char c) { return std::string_view("0123456789ABCDEFabcdef").find(c); };
  const auto value = [&](char c) {
    const size_t at = digit(c);
    return at < 16 ? at : at - 6;
  };
  while (!in.empty()) {
    const size_t end = std::min(in.find_first_of("\r\n"), in.size());
    std::string_view line = in.substr(0, end);
    in.remove_prefix(end);
    std::string_view line_end = in.substr(0, in.starts_with("\r\n") ? 2 : in.empty() ? 0 : 1);
    in.remove_prefix(line_end.size());
    if (line_end.size() == 1) result.departures |= kQuotedPrintableBareLineEnd;
    const size_t text = line.find_last_not_of(" \t");
    const size_t kept = text == std::string_view::npos ? 0 : text + 1;
    if (kept < line.size() && line.size() - kept <= kQuotedPrintableBlanksMax) {
      result.departures |= kQuotedPrintableTrailingBlanks;
      line = line.substr(0, kept);
    }
    for (size_t at = 0; at < line.size(); ++at) {
      const auto octet = static_cast<uint8_t>(line[at]);
      if (octet != '=') {
        if ((octet < 32 && octet != '\t') || octet > 126) {
          result.departures |= kQuotedPrintableRawOctet;
        }
        result.octets += line[at];
      } else if (at + 1 == line.size()) {
        if (line_end.empty()) result.departures |= kQuotedPrintableTruncated;
        line_end = {};
      } else if (at + 2 < line.size() && digit(line[at + 1]) != std::string_view::npos &&
                 digit(line[at + 2]) != std::string_view::npos) {
        if (digit(line[at + 1]) > 15 || digit(line[at + 2]) > 15) {
          result.departures |= kQuotedPrintableLowerHex;
        }
        result.octets += static_cast<char>(value(line[at + 1]) * 16 + value(line[at + 2]));
        at += 2;
      } else {
        result.departures |= kQuotedPrintableInvalidEscape;
        result.octets += '=';
      }
    }
    result.octets += line_end;
  }
  return result;
}

}  // namespace ringmail::codec
