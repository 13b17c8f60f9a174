// base64: RFC 4648 §4 and §5 (one run of text), and RFC 2045 §6.8 (lines of 76 octets and CRLF).
//
// Order: Feed any number of times, however the input is cut, then Finish once. What comes out does
//   not depend on the cuts.
// Promise: every kernel and every cut gives the same octets and the same departures. Nothing is
//   allocated. In place: `out` of a decoder may be the input's own start; in every other case the
//   two do not overlap.
// Shard: pure; one object per body.
//
// A decoder always decodes all that it can, as RFC 2045 §6.8 asks, and says in departures() how the
// text differs from what an encoder writes. Strict is the caller that allows none: a text is
// refused where (departures() & ~allowed) != 0.
//
// Limits: the width of lines is not judged here; line scanning does that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmail::codec {

enum class Base64Form : uint8_t {
  kFlat,  // RFC 4648 §4: no line ends
  kMime,  // RFC 2045 §6.8: lines of no more than 76 octets, each with CRLF
  kUrl,   // RFC 4648 §5: '-' and '_', no line ends; written without padding (RFC 7515 §2)
};

// How a text differed; sticky bits.
// An octet outside of the alphabet, skipped (mailing lists append a plain footer, old gateways
// leave blanks at line ends; RFC 2045 §6.8: "must be ignored").
inline constexpr uint8_t kBase64Foreign = 1;
// CR or LF without the other, skipped (kMime; text that went through a Unix file).
inline constexpr uint8_t kBase64BareLineEnd = 2;
// The end without all its '=' (senders of base64url; kUrl does not count it).
inline constexpr uint8_t kBase64Unpadded = 4;
// More follows the padding, decoded (bodies glued together from separately encoded pieces).
inline constexpr uint8_t kBase64AfterPadding = 8;
// Bits that padding discards are not zero (RFC 4648 §3.5).
inline constexpr uint8_t kBase64PaddingBits = 16;
// '=' where no quantum waits for it, skipped.
inline constexpr uint8_t kBase64StrayPadding = 32;
// A quantum of one sextet, which makes no octet, dropped.
inline constexpr uint8_t kBase64Truncated = 64;

// Room for what n octets of input become, in one Feed with its Finish, whatever came before.
constexpr size_t Base64EncodedBytesMax(size_t n, Base64Form form) {
  const size_t text = (n + 4) / 3 * 4;
  return form == Base64Form::kMime ? text + (text / 76 + 2) * 2 : text;
}
constexpr size_t Base64DecodedBytesMax(size_t n) { return n / 4 * 3 + 3; }

class Base64Encoder {
 public:
  explicit Base64Encoder(Base64Form form) : form_(form) {}
  // Both return how many octets they wrote. REQUIRES: room for Base64EncodedBytesMax.
  size_t Feed(std::string_view in, char* out);
  // The last quantum with its padding, and the last line's CRLF. An empty body stays empty.
  size_t Finish(char* out);

 private:
  Base64Form form_;
  uint8_t held_count_ = 0;
  uint8_t column_ = 0;  // kMime: 0 to 72
  char held_[3] = {};
};

class Base64Decoder {
 public:
  explicit Base64Decoder(Base64Form form) : form_(form) {}
  // Returns how many octets it wrote. REQUIRES: room for Base64DecodedBytesMax, or out ==
  // in.data().
  size_t Feed(std::string_view in, char* out);
  // Judges the end; nothing is left to write.
  void Finish();
  uint8_t departures() const { return departures_; }

 private:
  char* Octet(uint8_t octet, char* out);
  char* Sextet(uint8_t sextet, char* out);
  void Padding();

  Base64Form form_;
  uint8_t count_ = 0;        // sextets of the current quantum
  uint8_t left_bits_ = 0;    // those of its last sextet that are not written
  uint8_t padding_due_ = 0;  // '=' still to come
  bool padded_ = false;      // the last quantum was padded
  bool after_cr_ = false;
  bool line_start_ = true;
  uint8_t departures_ = 0;
};

}  // namespace ringmail::codec
