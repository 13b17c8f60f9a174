#include "ringmail/protocol/pop3_unique_id.h"

#include <algorithm>
#include <iterator>

#include "fmt/format.h"

namespace ringmail::pop3 {
namespace {

// RFC 1939 §7.
constexpr size_t kUniqueIdBytesMax = 70;

bool IsPrintable(char c) { return c > ' ' && c < 0x7F; }

}  // namespace

// What is behind a "%" in `text`, which it is taken from. nullopt: it is nothing.
std::optional<UniqueIdFormat::Field> UniqueIdFormat::TakeField(std::string_view& text) {
  Field field;
  const auto take = [&text](char c) {
    const bool there = text.starts_with(c);
    if (there) text.remove_prefix(1);
    return there;
  };
  if (take('0')) {
    if (text.empty() || text.front() < '1' || text.front() > '9') return std::nullopt;
    field.width = text.front() - '0';
    text.remove_prefix(1);
    if (field.width == 1 && take('0')) field.width = 10;
  }
  field.hexadecimal = take('X');
  if (text.empty()) return std::nullopt;
  field.letter = text.front();
  text.remove_prefix(1);
  const bool plain = field.width == 0 && !field.hexadecimal;
  if (field.letter == 'u' || field.letter == 'v' || (field.letter == '%' && plain)) return field;
  return std::nullopt;
}

std::optional<UniqueIdFormat> UniqueIdFormat::Parse(std::string_view text) {
  if (!std::all_of(text.begin(), text.end(), IsPrintable)) return std::nullopt;
  bool has_uid = false;
  for (std::string_view rest = text; !rest.empty();) {
    const bool literal = rest.front() != '%';
    rest.remove_prefix(1);
    if (literal) continue;
    const auto field = TakeField(rest);
    if (!field) return std::nullopt;
    has_uid |= field->letter == 'u';
  }
  if (!has_uid) return std::nullopt;
  UniqueIdFormat format;
  format.text_ = text;
  std::string longest;
  format.Append(UINT32_MAX, UINT32_MAX, longest);
  if (longest.size() > kUniqueIdBytesMax) return std::nullopt;
  return format;
}

void UniqueIdFormat::Append(uint32_t uid_validity, uint32_t uid, std::string& out) const {
  for (std::string_view rest = text_; !rest.empty();) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c != '%') {
      out += c;
      continue;
    }
    const Field field = TakeField(rest).value_or(Field{});
    const uint32_t value = field.letter == 'u' ? uid : uid_validity;
    if (field.letter == '%') {
      out += '%';
    } else if (field.hexadecimal) {
      fmt::format_to(std::back_inserter(out), "{:0{}x}", value, field.width);
    } else {
      fmt::format_to(std::back_inserter(out), "{:0{}}", value, field.width);
    }
  }
}

}  // namespace ringmail::pop3
