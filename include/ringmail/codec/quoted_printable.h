// quoted-printable: RFC 2045 §6.7.
//
// Order: Feed any number of times, however the input is cut, then Finish once. What comes out does
//   not depend on the cuts.
// Promise: every kernel and every cut gives the same octets and the same departures. Nothing is
//   allocated. `out` and the input do not overlap.
// Shard: pure; one object per body.
//
// A decoder always decodes all that it can and says in departures() how the text differs from what
// rule 1 to 5 allow. Strict is the caller that allows none: a text is refused where
// (departures() & ~allowed) != 0.
//
// Limits: the width of lines that are decoded is not judged here; line scanning does that. A run of
// more than kQuotedPrintableBlanksMax blanks is text, also at the end of a line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

// What CRLF in the input means.
enum class QuotedPrintableInput : uint8_t {
  kText,    // a line break, written as it is (rule 4); CR or LF alone is an octet like any other
  kBinary,  // two octets, written as =0D=0A
};

// How a text differed; sticky bits.
// "=3d": decoded (rule 1: lower case is not legal; "robust implementations" take it, note there).
inline constexpr uint8_t kQuotedPrintableLowerHex = 1;
// CR or LF without the other: kept, and "=" before it is a soft break (text that went through a
// Unix file).
inline constexpr uint8_t kQuotedPrintableBareLineEnd = 2;
// '=' without two hexadecimal digits or a line end behind it: kept as it is ("a reasonable
// approach", §6.7 (1) of the notes on robustness).
inline constexpr uint8_t kQuotedPrintableInvalidEscape = 4;
// Blanks at the end of a line or of the body, or after the '=' of a soft break: dropped (rule 3).
inline constexpr uint8_t kQuotedPrintableTrailingBlanks = 8;
// A control or an octet over 126, kept.
inline constexpr uint8_t kQuotedPrintableRawOctet = 16;
// The body ends with '=' (dropped: the soft break's CRLF went to the delimiter of a part).
inline constexpr uint8_t kQuotedPrintableTruncated = 32;

inline constexpr size_t kQuotedPrintableBlanksMax = 1000;

// Room for what n octets of input become, in one Feed with its Finish, whatever came before. Every
// 72 octets of text, or more, come with a soft break of three octets.
constexpr size_t QuotedPrintableEncodedBytesMax(size_t n) {
  const size_t text = (n + 2) * 3;
  return text + (text / 72 + 2) * 3 + 64;
}
constexpr size_t QuotedPrintableDecodedBytesMax(size_t n) {
  return n + kQuotedPrintableBlanksMax + 4;
}

// Lines of no more than 76 octets without their CRLF, the soft break's '=' among them. A line of
// the input that needs neither escape nor break is written as it is.
class QuotedPrintableEncoder {
 public:
  explicit QuotedPrintableEncoder(QuotedPrintableInput input) : input_(input) {}
  // Both return how many octets they wrote. REQUIRES: room for QuotedPrintableEncodedBytesMax.
  size_t Feed(std::string_view in, char* out);
  // The last octets, whose escape depends on nothing following. No line break is added: decoded,
  // the text is the input.
  size_t Finish(char* out);

 private:
  QuotedPrintableInput input_;
  uint8_t column_ = 0;      // octets of the current line, 0 to 76
  uint8_t held_count_ = 0;  // octets whose writing depends on the next one
  std::array<char, 2> held_{};
};

class QuotedPrintableDecoder {
 public:
  // Returns how many octets it wrote. REQUIRES: room for QuotedPrintableDecodedBytesMax.
  size_t Feed(std::string_view in, char* out);
  // The end: what waited for more is written or dropped. REQUIRES: the same room.
  size_t Finish(char* out);
  uint8_t departures() const { return departures_; }

 private:
  enum class State : uint8_t { kText, kEscape, kDigit, kEscapeBlanks, kEscapeCr };
  char* Some(std::string_view in, char* out);
  char* Octet(uint8_t octet, char* out);
  char* Text(uint8_t octet, char* out);
  char* Blanks(char* out);
  char* EndOfBreak(uint8_t octet, char* out);
  void Blank(uint8_t octet);

  State state_ = State::kText;
  bool after_cr_ = false;  // of text
  char digit_ = 0;         // the first one of an escape
  uint8_t departures_ = 0;
  uint16_t blanks_ = 0;              // that wait for what follows
  bool blanks_kept_ = false;         // more of them than may wait
  std::array<uint64_t, 16> tabs_{};  // which of them are HT
};

}  // namespace ringmail::codec
