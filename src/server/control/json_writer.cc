#include "server/control/json_writer.h"

#include <cmath>

#include <fmt/format.h>

#include "ringmail/base/check.h"

namespace ringmail::server {
namespace {

// The length of the well-formed UTF-8 sequence at the start of `text` (RFC 3629 §4), 0 where there
// is none.
size_t SequenceBytes(std::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return at(1) >= low && at(1) <= high && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    return at(1) >= low && at(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

void JsonWriter::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (depth_ == 0) return;
  const uint64_t bit = uint64_t{1} << depth_;
  CHECK((objects_ & bit) == 0);  // In an object a key comes first.
  if ((filled_ & bit) != 0) out_ += ',';
  filled_ |= bit;
}

JsonWriter& JsonWriter::Key(std::string_view name) {
  const uint64_t bit = uint64_t{1} << depth_;
  CHECK(depth_ > 0 && (objects_ & bit) != 0 && !after_key_);
  if ((filled_ & bit) != 0) out_ += ',';
  filled_ |= bit;
  Quote(name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::Begin(char bracket) {
  BeforeValue();
  CHECK(depth_ < kJsonDepthMax);
  ++depth_;
  const uint64_t bit = uint64_t{1} << depth_;
  filled_ &= ~bit;
  objects_ = bracket == '{' ? objects_ | bit : objects_ & ~bit;
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::End(char bracket) {
  CHECK(depth_ > 0 && !after_key_);
  CHECK(((objects_ >> depth_ & 1) != 0) == (bracket == '}'));
  --depth_;
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view text) {
  BeforeValue();
  Quote(text);
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  // JSON has no infinity.
  if (!std::isfinite(value)) return Null();
  BeforeValue();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  BeforeValue();
  out_ += json;
  return *this;
}

void JsonWriter::Quote(std::string_view text) {
  out_ += '"';
  while (!text.empty()) {
    const size_t bytes = SequenceBytes(text);
    const char c = text.front();
    if (bytes == 0) {
      out_ += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out_ += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  out_ += '"';
}

}  // namespace ringmail::server
