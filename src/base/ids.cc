#include "ringmail/base/ids.h"

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuv";
static_assert(sizeof(kDigits) == 33);
// 12 digits of 5 bits are exactly the 10 bits of LogId and the 50 bits of sequence: every text of
// 12 digits is an id.
static_assert(QueueId::kTextBytes * 5 == 10 + QueueId::kSequenceBits);

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'v') return c - 'a' + 10;
  return -1;
}

}  // namespace

void QueueId::Format(char* out) const {
  uint64_t rest = value;
  for (size_t i = kTextBytes; i > 0; --i) {
    out[i - 1] = kDigits[rest & 31];
    rest >>= 5;
  }
  CHECK_EQ(rest, 0u);
}

std::string QueueId::ToString() const {
  std::string text(kTextBytes, '0');
  Format(text.data());
  return text;
}

std::optional<QueueId> QueueId::Parse(std::string_view text) {
  if (text.size() != kTextBytes) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const int digit = DigitValue(c);
    if (digit < 0) return std::nullopt;
    value = value << 5 | static_cast<uint64_t>(digit);
  }
  // Zero is "no id": nobody is ever given it.
  if (value == 0) return std::nullopt;
  return QueueId(value);
}

}  // namespace ringmail
