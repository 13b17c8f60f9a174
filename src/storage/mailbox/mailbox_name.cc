#include "storage/mailbox/mailbox_name.h"

#include "ringmail/codec/ascii.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/storage/account_change.h"

namespace ringmail::storage {

std::optional<std::string> NormalMailboxName(std::string_view name) {
  if (name.empty() || name.size() > AccountLimits::kNameBytesMax) return std::nullopt;
  if (!codec::Utf8Valid(name)) return std::nullopt;
  size_t levels = 1;
  char before = kLevelSeparator;
  for (const char c : name) {
    const auto octet = static_cast<uint8_t>(c);
    if (octet < 0x20 || octet == 0x7F || c == '%' || c == '*') return std::nullopt;
    if (c == kLevelSeparator) {
      if (before == kLevelSeparator || ++levels > AccountLimits::kNameLevelsMax)
        return std::nullopt;
    }
    before = c;
  }
  if (before == kLevelSeparator) return std::nullopt;
  // U+0080 to U+009F are controls too (RFC 5198 §2).
  for (size_t i = 0; i + 1 < name.size(); ++i) {
    if (static_cast<uint8_t>(name[i]) == 0xC2 && static_cast<uint8_t>(name[i + 1]) < 0xA0)
      return std::nullopt;
  }
  std::string normal(name);
  const std::string_view first = name.substr(0, name.find(kLevelSeparator));
  // Not by iterators: begin and end of a literal that two files see may be of two copies of it.
  if (codec::AsciiEqualNoCase(first, kInboxName)) normal.replace(0, first.size(), kInboxName);
  return normal;
}

bool LiesBelow(std::string_view name, std::string_view parent) {
  return name.size() > parent.size() && name.starts_with(parent) &&
         name[parent.size()] == kLevelSeparator;
}

}  // namespace ringmail::storage
