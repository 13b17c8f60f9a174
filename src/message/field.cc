#include "ringmail/message/field.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "message/lexer.h"

namespace ringmail::message {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(FieldName::kCount)> kNames = {
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "Content-Disposition",
    "Content-MD5",
    "Content-Language",
    "Content-Location",
    "Return-Path",
    "Comments",
    "Keywords",
    "Received",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Resent-Message-ID",
    "Authentication-Results",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "DKIM-Signature",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "Received-SPF",
    "Delivered-To",
    "Auto-Submitted",
    "Precedence",
    "Disposition-Notification-To",
    "Disposition-Notification-Options",
    "Original-Recipient",
    "Original-Message-ID",
    "Importance",
    "Priority",
    "X-Priority",
    "Sensitivity",
    "User-Agent",
    "X-Mailer",
    "Content-Duration",
    "Content-Features",
    "Errors-To",
    "Return-Receipt-To",
};
static_assert(!kNames.back().empty());

constexpr size_t kSlots = 256;
constexpr size_t Slot(std::string_view name) {
  const auto first = static_cast<uint8_t>(AsciiLower(name.front()));
  const auto last = static_cast<uint8_t>(AsciiLower(name.back()));
  const auto middle = static_cast<uint8_t>(AsciiLower(name[name.size() / 2]));
  return (name.size() * 37 + first * 11u + middle * 5u + last * 3u) % kSlots;
}

// Open addressing: a name is at its slot or in those that follow without a gap.
constexpr std::array<uint8_t, kSlots> MakeTable() {
  std::array<uint8_t, kSlots> table{};
  for (uint8_t& entry : table) entry = static_cast<uint8_t>(FieldName::kOther);
  for (size_t i = 0; i < kNames.size(); ++i) {
    size_t slot = Slot(kNames[i]);
    while (table[slot] != static_cast<uint8_t>(FieldName::kOther)) slot = (slot + 1) % kSlots;
    table[slot] = static_cast<uint8_t>(i);
  }
  return table;
}
constexpr std::array<uint8_t, kSlots> kTable = MakeTable();

// RFC 5322 §3.6.8: ftext is printable US-ASCII but the colon.
constexpr std::array<bool, 256> NameTable() {
  std::array<bool, 256> table{};
  for (size_t c = 33; c < 127; ++c) table[c] = c != ':';
  return table;
}
constexpr std::array<bool, 256> kNameChar = NameTable();

}  // namespace

std::string_view FieldNameText(FieldName name) {
  return name < FieldName::kCount ? kNames[static_cast<size_t>(name)] : std::string_view();
}

bool SameFieldName(std::string_view a, std::string_view b) { return SameAscii(a, b); }

FieldName FindFieldName(std::string_view text) {
  if (text.empty()) return FieldName::kOther;
  size_t slot = Slot(text);
  while (kTable[slot] != static_cast<uint8_t>(FieldName::kOther)) {
    if (SameAscii(kNames[kTable[slot]], text)) return static_cast<FieldName>(kTable[slot]);
    slot = (slot + 1) % kSlots;
  }
  return FieldName::kOther;
}

HeaderLine ClassifyHeaderLine(std::string_view line, Field& field) {
  const char first = line.front();
  if (first == '\n' || (first == '\r' && line.size() > 1 && line[1] == '\n')) {
    return HeaderLine::kEmpty;
  }
  if (first == ' ' || first == '\t') return HeaderLine::kContinuation;
  const size_t most = std::min(line.size(), kFieldNameBytesMax + 3);
  size_t name = 0;
  while (name < most && kNameChar[static_cast<uint8_t>(line[name])]) ++name;
  size_t colon = name;
  // RFC 5322 §4.5: white space before the colon.
  while (colon < most && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  if (name == 0 || name > kFieldNameBytesMax || colon >= most || line[colon] != ':') {
    return HeaderLine::kNotHeader;
  }
  field.name_bytes = static_cast<uint16_t>(name);
  field.value = static_cast<uint16_t>(colon + 1);
  field.name = FindFieldName(line.substr(0, name));
  return HeaderLine::kField;
}

size_t IndexFields(std::string_view text, uint32_t base, std::vector<Field>& fields) {
  size_t at = 0;
  bool open = false;
  while (at < text.size()) {
    const void* lf = std::memchr(text.data() + at, '\n', text.size() - at);
    const size_t end = lf == nullptr
                           ? text.size()
                           : static_cast<size_t>(static_cast<const char*>(lf) - text.data()) + 1;
    Field field;
    switch (ClassifyHeaderLine(text.substr(at, end - at), field)) {
      case HeaderLine::kField:
        field.offset = base + static_cast<uint32_t>(at);
        field.bytes = static_cast<uint32_t>(end - at);
        fields.push_back(field);
        open = true;
        break;
      case HeaderLine::kContinuation:
        if (open) fields.back().bytes += static_cast<uint32_t>(end - at);
        break;
      case HeaderLine::kEmpty:
        return end;
      case HeaderLine::kNotHeader:
        return at;
    }
    at = end;
  }
  return at;
}

FieldView ViewField(const Field& field, std::string_view section, uint32_t base) {
  const std::string_view text = section.substr(field.offset - base, field.bytes);
  std::string_view value = text.substr(field.value);
  if (!value.empty() && value.back() == '\n') value.remove_suffix(1);
  if (!value.empty() && value.back() == '\r') value.remove_suffix(1);
  return {.id = field.name, .name = text.substr(0, field.name_bytes), .value = value};
}

}  // namespace ringmail::message
