#include "ringmail/codec/utf7.h"

#include <array>

#include "ringmail/codec/utf8.h"

namespace ringmail::codec {
namespace {

// RFC 3501 §5.1.3: base64 with "," for "/".
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
constexpr uint8_t kNone = 64;

struct Sextets {
  std::array<uint8_t, 256> of{};
};
consteval Sextets MakeSextets() {
  Sextets sextets;
  sextets.of.fill(kNone);
  for (uint8_t i = 0; i < 64; ++i) sextets.of[static_cast<uint8_t>(kAlphabet[i])] = i;
  return sextets;
}
constexpr Sextets kSextets = MakeSextets();

constexpr bool IsPrintable(uint32_t point) { return point >= 0x20 && point <= 0x7E; }

char* WriteUtf8(uint32_t point, char* out) {
  const auto put = [&out](uint32_t octet) { *out++ = static_cast<char>(octet); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0 | point >> 6);
    put(0x80 | (point & 63));
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12);
    put(0x80 | (point >> 6 & 63));
    put(0x80 | (point & 63));
  } else {
    put(0xF0 | point >> 18);
    put(0x80 | (point >> 12 & 63));
    put(0x80 | (point >> 6 & 63));
    put(0x80 | (point & 63));
  }
  return out;
}

// The code point of a character that Utf8CharacterBytes found whole.
uint32_t PointOf(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first;
  uint32_t point = first & (0x7Fu >> character.size());
  for (const char octet : character.substr(1)) {
    point = point << 6 | (static_cast<uint8_t>(octet) & 63u);
  }
  return point;
}

// The octets between '&' and '-', from `at` on.
class RunReader {
 public:
  RunReader(std::string_view name, size_t at) : name_(name), at_(at) {}

  Utf7Verdict Read(char*& out) {
    while (at_ < name_.size() && name_[at_] != '-') {
      const uint8_t sextet = kSextets.of[static_cast<uint8_t>(name_[at_])];
      if (sextet == kNone) return Utf7Verdict::kForeign;
      bits_ = bits_ << 6 | sextet;
      bit_count_ += 6;
      if (bit_count_ >= 16) {
        bit_count_ -= 16;
        const uint32_t unit = bits_ >> bit_count_ & 0xFFFF;
        bits_ &= (1u << bit_count_) - 1;
        const Utf7Verdict verdict = Unit(unit, out);
        if (verdict != Utf7Verdict::kOk) return verdict;
      }
      ++at_;
    }
    if (at_ == name_.size()) return Utf7Verdict::kUnterminated;
    if (high_ != 0) return Utf7Verdict::kSurrogate;
    if (!any_ || bit_count_ >= 6 || bits_ != 0) return Utf7Verdict::kBits;
    return Utf7Verdict::kOk;
  }
  size_t at() const { return at_; }

 private:
  Utf7Verdict Unit(uint32_t unit, char*& out) {
    any_ = true;
    if (high_ != 0) {
      if (unit < 0xDC00 || unit > 0xDFFF) return Utf7Verdict::kSurrogate;
      out = WriteUtf8(0x10000 + ((high_ - 0xD800) << 10) + (unit - 0xDC00), out);
      high_ = 0;
      return Utf7Verdict::kOk;
    }
    if (unit >= 0xDC00 && unit <= 0xDFFF) return Utf7Verdict::kSurrogate;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
      high_ = unit;
      return Utf7Verdict::kOk;
    }
    if (IsPrintable(unit)) return Utf7Verdict::kPrintable;
    out = WriteUtf8(unit, out);
    return Utf7Verdict::kOk;
  }

  std::string_view name_;
  size_t at_;
  uint32_t bits_ = 0, bit_count_ = 0, high_ = 0;
  bool any_ = false;
};

}  // namespace

Utf7Result Utf7Decode(std::string_view name, char* out) {
  char* const begin = out;
  const auto result = [&](Utf7Verdict verdict, size_t at) {
    return Utf7Result{verdict, static_cast<size_t>(out - begin), at};
  };
  size_t at = 0;
  while (at < name.size()) {
    if (!IsPrintable(static_cast<uint8_t>(name[at]))) return result(Utf7Verdict::kRawOctet, at);
    if (name[at] != '&') {
      *out++ = name[at++];
      continue;
    }
    if (name.substr(at).starts_with("&-")) {
      *out++ = '&';
      at += 2;
      continue;
    }
    RunReader run(name, at + 1);
    const Utf7Verdict verdict = run.Read(out);
    if (verdict == Utf7Verdict::kUnterminated) return result(verdict, at);
    if (verdict != Utf7Verdict::kOk) return result(verdict, run.at());
    at = run.at() + 1;
    // Two runs side by side are one ("superfluous shift"); "&-" is none.
    if (name.substr(at).starts_with('&') && !name.substr(at).starts_with("&-")) {
      return result(Utf7Verdict::kSplit, at);
    }
  }
  return result(Utf7Verdict::kOk, 0);
}

Utf7Result Utf7Encode(std::string_view utf8, char* out) {
  char* const begin = out;
  uint32_t bits = 0, bit_count = 0;
  bool run = false;
  const auto unit = [&](uint32_t value) {
    bits = bits << 16 | value;
    bit_count += 16;
    while (bit_count >= 6) {
      bit_count -= 6;
      *out++ = kAlphabet[bits >> bit_count & 63];
    }
    bits &= (1u << bit_count) - 1;
  };
  const auto end_run = [&] {
    if (!run) return;
    if (bit_count != 0) *out++ = kAlphabet[bits << (6 - bit_count) & 63];
    *out++ = '-';
    bits = bit_count = 0;
    run = false;
  };
  size_t at = 0;
  while (at < utf8.size()) {
    const size_t bytes = Utf8CharacterBytes(utf8.substr(at));
    if (bytes == 0) return {Utf7Verdict::kNotUtf8, static_cast<size_t>(out - begin), at};
    const uint32_t point = PointOf(utf8.substr(at, bytes));
    at += bytes;
    if (IsPrintable(point)) {
      end_run();
      *out++ = static_cast<char>(point);
      if (point == '&') *out++ = '-';
      continue;
    }
    if (!run) *out++ = '&';
    run = true;
    if (point < 0x10000) {
      unit(point);
    } else {
      unit(0xD800 + ((point - 0x10000) >> 10));
      unit(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  end_run();
  return {Utf7Verdict::kOk, static_cast<size_t>(out - begin), 0};
}

}  // namespace ringmail::codec
