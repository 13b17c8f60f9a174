#include "ringmail/codec/quoted_printable.h"

#include <algorithm>
#include <cstring>

#include "codec/kernels.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/hex.h"

namespace ringmail::codec {
namespace {

constexpr size_t kLineMax = 76;  // RFC 2045 §6.7 (5), '=' of the soft break among them
constexpr std::string_view kDigits = "0123456789ABCDEF";

constexpr bool IsBlank(uint8_t octet) { return octet == ' ' || octet == '\t'; }

// Those that stand for themselves wherever they are (§6.7 (2)).
struct Literals {
  std::array<bool, 256> is{};
};
consteval Literals MakeLiterals() {
  Literals literals;
  for (size_t octet = 33; octet <= 126; ++octet) literals.is[octet] = octet != '=';
  return literals;
}
constexpr Literals kLiterals = MakeLiterals();

enum class End : uint8_t { kMore, kFinal };

// Whether the eight octets are between SP and '~', and none is '='.
bool IsPlain(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = kOnes * 0x80;
  const auto zero = [](uint64_t x) { return (x - kOnes) & ~x; };
  const uint64_t low = (word - kOnes * ' ') & ~word;
  return ((word | low | zero(word ^ kOnes * '=') | zero(word ^ kOnes * 0x7F)) & kHigh) == 0;
}

// How many octets of the eight at `from` stand for themselves whatever follows: blanks at the end
// wait for it.
size_t PlainOctets(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof(word));
  if (!IsPlain(word)) return 0;
  size_t octets = sizeof(word);
  while (octets != 0 && from[octets - 1] == ' ') --octets;
  return octets;
}

// Writes what is decided: with kMore, an octet or two at the end wait for what follows them.
KernelSpan Encode(std::string_view in, QuotedPrintableInput input, End end, uint8_t& column,
                  char* out) {
  const bool text = input == QuotedPrintableInput::kText, final = end == End::kFinal;
  KernelSpan span;
  size_t next_try = 0;  // where eight octets at once are tried again
  while (span.read < in.size()) {
    const std::string_view rest = in.substr(span.read);
    if (rest.size() >= 9 && column + 8 < kLineMax && span.read >= next_try) {
      next_try = span.read + 8;
      if (const size_t plain = PlainOctets(rest.data()); plain != 0) {
        std::memcpy(out + span.written, rest.data(), 8);
        next_try = 0;
        span.read += plain;
        span.written += plain;
        column = static_cast<uint8_t>(column + plain);
        continue;
      }
    }
    const auto octet = static_cast<uint8_t>(rest[0]);
    if (rest.size() == 1 && !final) break;
    if (text && octet == '\r' && rest.starts_with("\r\n")) {
      std::memcpy(out + span.written, "\r\n", 2);
      span.read += 2;
      span.written += 2;
      column = 0;
      continue;
    }
    if (text && rest.size() == 2 && rest[1] == '\r' && !final) break;
    // (3): a blank at the end of a line, or of all, is escaped.
    const bool last = rest.size() == 1 || (text && rest.substr(1).starts_with("\r\n"));
    const bool literal = kLiterals.is[octet] || (IsBlank(octet) && !last);
    const size_t bytes = literal ? 1 : 3;
    if (column + bytes > (last ? kLineMax : kLineMax - 1)) {
      std::memcpy(out + span.written, "=\r\n", 3);
      span.written += 3;
      column = 0;
    }
    if (literal) {
      out[span.written] = rest[0];
    } else {
      out[span.written] = '=';
      out[span.written + 1] = kDigits[octet >> 4];
      out[span.written + 2] = kDigits[octet & 15];
    }
    column = static_cast<uint8_t>(column + bytes);
    span.written += bytes;
    ++span.read;
  }
  return span;
}

}  // namespace

KernelSpan QuotedPrintableEncodeNone(std::string_view, bool, uint8_t&, char*) { return {}; }

// Stops where a run of blanks, an escape or a line end is not whole, or is not what it should be.
KernelSpan QuotedPrintableDecodePortable(std::string_view in, char* out,
                                         QuotedPrintableScan& scan) {
  KernelSpan span;
  if (scan.after_cr) return span;
  size_t at = 0, next_try = 0;  // where eight octets at once are tried again
  char* to = out;
  while (in.size() - at >= 3) {
    if (in.size() - at >= 8 && at >= next_try) {
      next_try = at + 8;
      if (const size_t plain = PlainOctets(in.data() + at); plain != 0) {
        std::memcpy(to, in.data() + at, 8);
        next_try = 0;
        to += plain;
        at += plain;
        continue;
      }
    }
    const auto octet = static_cast<uint8_t>(in[at]);
    if (kLiterals.is[octet]) {
      *to++ = in[at++];
    } else if (IsBlank(octet) && kLiterals.is[static_cast<uint8_t>(in[at + 1])]) {
      std::memcpy(to, in.data() + at, 2);
      to += 2;
      at += 2;
    } else if (octet == '\r' && in[at + 1] == '\n') {
      std::memcpy(to, "\r\n", 2);
      to += 2;
      at += 2;
    } else if (octet == '=') {
      const unsigned high = HexDigitValue(in[at + 1]), low = HexDigitValue(in[at + 2]);
      if (((high | low) & 16) == 0) {
        if (in[at + 1] >= 'a' || in[at + 2] >= 'a') scan.departures |= kQuotedPrintableLowerHex;
        *to++ = static_cast<char>(high << 4 | low);
      } else if (in[at + 1] != '\r' || in[at + 2] != '\n') {
        break;
      }
      at += 3;
    } else {
      break;
    }
  }
  return {at, static_cast<size_t>(to - out)};
}

size_t QuotedPrintableEncoder::Feed(std::string_view in, char* out) {
  char* const begin = out;
  if (held_count_ != 0) {
    // Three octets more decide all that is held.
    std::array<char, 5> joined = {held_[0], held_[1]};
    const size_t more = std::min<size_t>(in.size(), 3);
    std::copy_n(in.data(), more, joined.data() + held_count_);
    const std::string_view head(joined.data(), held_count_ + more);
    const KernelSpan span = Encode(head, input_, End::kMore, column_, out);
    out += span.written;
    if (span.read < held_count_) {
      CHECK_EQ(more, in.size());
      const std::string_view left = head.substr(span.read);
      CHECK_LE(left.size(), held_.size());
      left.copy(held_.data(), left.size());
      held_count_ = static_cast<uint8_t>(left.size());
      return static_cast<size_t>(out - begin);
    }
    in.remove_prefix(span.read - held_count_);
    held_count_ = 0;
  }
  const bool text = input_ == QuotedPrintableInput::kText;
  KernelSpan span = ActiveKernels().quoted_printable_encode(in, text, column_, out);
  out += span.written;
  in.remove_prefix(span.read);
  span = Encode(in, input_, End::kMore, column_, out);
  out += span.written;
  const std::string_view left = in.substr(span.read);
  CHECK_LE(left.size(), held_.size());
  left.copy(held_.data(), left.size());
  held_count_ = static_cast<uint8_t>(left.size());
  return static_cast<size_t>(out - begin);
}

size_t QuotedPrintableEncoder::Finish(char* out) {
  const KernelSpan span = Encode({held_.data(), held_count_}, input_, End::kFinal, column_, out);
  CHECK_EQ(span.read, size_t{held_count_});
  held_count_ = 0;
  column_ = 0;
  return span.written;
}

void QuotedPrintableDecoder::Blank(uint8_t octet) {
  CHECK_LT(blanks_, kQuotedPrintableBlanksMax);
  const uint64_t bit = uint64_t{1} << (blanks_ % 64);
  uint64_t& word = tabs_[blanks_ / 64];
  word = octet == '\t' ? word | bit : word & ~bit;
  ++blanks_;
}

// Those that wait turn out to be text.
char* QuotedPrintableDecoder::Blanks(char* out) {
  for (size_t i = 0; i < blanks_; ++i) {
    *out++ = (tabs_[i / 64] >> (i % 64) & 1) != 0 ? '\t' : ' ';
  }
  blanks_ = 0;
  return out;
}

char* QuotedPrintableDecoder::Text(uint8_t octet, char* out) {
  if (after_cr_) {
    after_cr_ = false;
    if (octet == '\n') {
      *out++ = '\n';
      return out;
    }
    departures_ |= kQuotedPrintableBareLineEnd;
  }
  if (octet == '\r' || octet == '\n') {
    if (blanks_ != 0) departures_ |= kQuotedPrintableTrailingBlanks;
    blanks_ = 0;
    blanks_kept_ = false;
    after_cr_ = octet == '\r';
    if (octet == '\n') departures_ |= kQuotedPrintableBareLineEnd;
    *out++ = static_cast<char>(octet);
    return out;
  }
  if (IsBlank(octet)) {
    if (blanks_ < kQuotedPrintableBlanksMax && !blanks_kept_) {
      Blank(octet);
      return out;
    }
    blanks_kept_ = true;
    out = Blanks(out);
    *out++ = static_cast<char>(octet);
    return out;
  }
  blanks_kept_ = false;
  out = Blanks(out);
  if (octet == '=') {
    state_ = State::kEscape;
    return out;
  }
  if (!kLiterals.is[octet]) departures_ |= kQuotedPrintableRawOctet;
  *out++ = static_cast<char>(octet);
  return out;
}

// After '=' and blanks, or CR.
char* QuotedPrintableDecoder::EndOfBreak(uint8_t octet, char* out) {
  if (state_ == State::kEscapeCr) {
    state_ = State::kText;
    if (octet == '\n') return out;
    departures_ |= kQuotedPrintableBareLineEnd;
    return Text(octet, out);
  }
  if (octet == '\r' || octet == '\n') {
    if (blanks_ != 0) departures_ |= kQuotedPrintableTrailingBlanks;
    blanks_ = 0;
    if (octet == '\n') departures_ |= kQuotedPrintableBareLineEnd;
    state_ = octet == '\r' ? State::kEscapeCr : State::kText;
    return out;
  }
  if (IsBlank(octet) && blanks_ < kQuotedPrintableBlanksMax) {
    Blank(octet);
    state_ = State::kEscapeBlanks;
    return out;
  }
  departures_ |= kQuotedPrintableInvalidEscape;
  *out++ = '=';
  state_ = State::kText;
  return Text(octet, out);
}

char* QuotedPrintableDecoder::Octet(uint8_t octet, char* out) {
  switch (state_) {
    case State::kText:
      return Text(octet, out);
    case State::kEscape:
      if (HexDigitValue(static_cast<char>(octet)) == 16) return EndOfBreak(octet, out);
      digit_ = static_cast<char>(octet);
      state_ = State::kDigit;
      return out;
    case State::kDigit: {
      state_ = State::kText;
      const uint8_t low = HexDigitValue(static_cast<char>(octet));
      if (low == 16) {
        departures_ |= kQuotedPrintableInvalidEscape;
        *out++ = '=';
        *out++ = digit_;
        return Text(octet, out);
      }
      if (digit_ >= 'a' || octet >= 'a') departures_ |= kQuotedPrintableLowerHex;
      *out++ = static_cast<char>(HexDigitValue(digit_) << 4 | low);
      return out;
    }
    case State::kEscapeBlanks:
    case State::kEscapeCr:
      return EndOfBreak(octet, out);
  }
  return out;
}

size_t QuotedPrintableDecoder::Feed(std::string_view in, char* out) {
  char* const begin = out;
  constexpr size_t kBlock = 64;
  while (!in.empty()) {
    const bool plain = state_ == State::kText && blanks_ == 0 && !blanks_kept_;
    if (plain) {
      QuotedPrintableScan scan{.after_cr = after_cr_, .departures = departures_};
      const KernelSpan span = ActiveKernels().quoted_printable_decode(in, out, scan);
      in.remove_prefix(span.read);
      out += span.written;
      after_cr_ = scan.after_cr;
      departures_ = scan.departures;
    }
    // What made the kernel stop, and its block's rest: not each octet of a hostile text costs a
    // block.
    out = Some(in.substr(0, kBlock), out);
    in.remove_prefix(std::min(in.size(), kBlock));
  }
  return static_cast<size_t>(out - begin);
}

char* QuotedPrintableDecoder::Some(std::string_view in, char* out) {
  while (!in.empty()) {
    if (state_ == State::kText && blanks_ == 0 && !blanks_kept_ && !after_cr_) {
      QuotedPrintableScan scan{.after_cr = false, .departures = departures_};
      const KernelSpan span = QuotedPrintableDecodePortable(in, out, scan);
      in.remove_prefix(span.read);
      out += span.written;
      departures_ = scan.departures;
      if (in.empty()) break;
    }
    out = Octet(static_cast<uint8_t>(in.front()), out);
    in.remove_prefix(1);
  }
  return out;
}

size_t QuotedPrintableDecoder::Finish(char* out) {
  char* const begin = out;
  switch (state_) {
    case State::kText:
      if (after_cr_) departures_ |= kQuotedPrintableBareLineEnd;
      break;
    case State::kEscape:
    case State::kEscapeBlanks:
      departures_ |= kQuotedPrintableTruncated;
      break;
    case State::kDigit:
      departures_ |= kQuotedPrintableInvalidEscape;
      *out++ = '=';
      *out++ = digit_;
      break;
    case State::kEscapeCr:
      departures_ |= kQuotedPrintableBareLineEnd;
      break;
  }
  if (blanks_ != 0) departures_ |= kQuotedPrintableTrailingBlanks;
  state_ = State::kText;
  blanks_ = 0;
  after_cr_ = blanks_kept_ = false;
  return static_cast<size_t>(out - begin);
}

}  // namespace ringmail::codec
