#include "server/control/http_message.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace ringmail::server {
namespace {

bool SameName(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 2);
  return line;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `field(name, value)` for each; false where a line is none (RFC 9112 §5.1: no space before
// the colon).
template <typename Field>
bool EachField(std::string_view rest, Field field) {
  while (!rest.empty()) {
    const std::string_view line = TakeLine(rest);
    if (line.empty()) return rest.empty();
    const size_t colon = line.find(':');
    if (colon == line.npos || colon == 0 || line.substr(0, colon).find_first_of(" \t") != line.npos)
      return false;
    field(line.substr(0, colon), Trimmed(line.substr(colon + 1)));
  }
  return false;
}

template <typename Number>
bool ParseNumber(std::string_view text, int base, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

size_t HeadEnd(std::string_view input) {
  const size_t end = input.find("\r\n\r\n");
  return end == input.npos ? end : end + 4;
}

uint16_t ParseRequestHead(std::string_view head, RequestHead& out) {
  const std::string_view line = TakeLine(head);
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == 0 || last <= first + 1) return 400;
  const std::string_view version = line.substr(last + 1);
  if (!version.starts_with("HTTP/1.")) return version.starts_with("HTTP/") ? 505 : 400;
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  out.http10 = version == "HTTP/1.0";
  bool length_good = true, coded = false;
  const bool fields_good = EachField(head, [&](std::string_view name, std::string_view value) {
    if (SameName(name, "content-length"))
      length_good = length_good && ParseNumber(value, 10, out.content_bytes);
    coded = coded || SameName(name, "transfer-encoding");
  });
  if (!fields_good || !length_good) return 400;
  if (coded) return 501;
  return out.content_bytes > kRequestBodyBytesMax ? 413 : 200;
}

std::optional<ResponseHead> ParseResponseHead(std::string_view head) {
  const std::string_view line = TakeLine(head);
  ResponseHead out;
  if (!line.starts_with("HTTP/1.") || line.size() < 12 ||
      !ParseNumber(line.substr(9, 3), 10, out.status)) {
    return std::nullopt;
  }
  const bool good = EachField(head, [&](std::string_view name, std::string_view value) {
    out.chunked =
        out.chunked || (SameName(name, "transfer-encoding") && SameName(value, "chunked"));
  });
  if (!good) return std::nullopt;
  return out;
}

std::string_view ReasonPhrase(uint16_t status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::string FormatResponseHead(uint16_t status, std::string_view content_type, bool chunked) {
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nConnection: close\r\n{}\r\n", status,
                     ReasonPhrase(status), content_type,
                     chunked ? "Transfer-Encoding: chunked\r\n" : "");
}

size_t ChunkReader::Feed(std::string_view input, std::string_view& data) {
  data = {};
  if (state_ == State::kData) {
    data = input.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, input.size())));
    left_ -= data.size();
    if (left_ == 0) state_ = State::kDataEnd;
    return data.size();
  }
  if (state_ == State::kEnd || state_ == State::kWrong) return 0;
  const size_t end = input.find("\r\n");
  if (end == input.npos) {
    // No line here is long: sizes have at most 16 digits, and we send no extensions or trailers.
    if (input.size() > kHeadBytesMax) state_ = State::kWrong;
    return 0;
  }
  const std::string_view line = input.substr(0, end);
  if (state_ == State::kSize) {
    const bool good = ParseNumber(line.substr(0, line.find(';')), 16, left_);
    state_ = !good ? State::kWrong : left_ == 0 ? State::kTrailer : State::kData;
  } else if (state_ == State::kDataEnd) {
    state_ = line.empty() ? State::kSize : State::kWrong;
  } else if (line.empty()) {
    state_ = State::kEnd;
  }
  return end + 2;
}

}  // namespace ringmail::server
