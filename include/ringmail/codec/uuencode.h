// uuencode (POSIX.1-2017 uuencode, "Historical Algorithm") and its sibling begin-base64.
//
// Order: Feed any number of times, however the input is cut, then Finish once.
// Promise: what comes out does not depend on the cuts, nor on the kernel. Nothing is allocated.
// Shard: pure; one object per body.
//
// Limits: a line of more than kUuLineBytesMax octets is no line of data; a file name of more than
//   kUuNameBytesMax is cut.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ringmail/codec/base64.h"

namespace ringmail::codec {

inline constexpr size_t kUuNameBytesMax = 255;
inline constexpr size_t kUuLineBytesMax = 512;

// How a text differed; sticky bits.
inline constexpr uint8_t kUuNoBegin = 1;    // nothing was decoded
inline constexpr uint8_t kUuNoEnd = 2;      // the "end" or "====" is missing
inline constexpr uint8_t kUuShortLine = 4;  // fewer characters than the count says: zeros for them
                                            // (blanks at line ends that were stripped)
inline constexpr uint8_t kUuLongLine = 8;   // more characters than the count says, skipped (some
                                            // encoders append a check character)
inline constexpr uint8_t kUuForeign = 16;   // not of the alphabet: the line is skipped, or with
                                            // begin-base64 the octet
inline constexpr uint8_t kUuNameCut = 32;   // the file name is longer than what is kept
inline constexpr uint8_t kUuBase64 = 64;    // within begin-base64: a departure of base64.h

// Room for what n octets of input become, in one Feed with its Finish, whatever came before.
constexpr size_t UuEncodedBytesMax(size_t n) { return (n + 45) / 45 * 63 + kUuNameBytesMax + 128; }

// Decodes the first file of a text: what precedes its "begin" line and follows its "end" is
// skipped.
class UuDecoder {
 public:
  struct Step {
    size_t consumed = 0;  // less than all where `out` is full: a line of one octet can stand for 45
    size_t written = 0;
  };
  // REQUIRES: out.size() is kUuLineBytesMax at least; it does not overlap the input.
  Step Feed(std::string_view in, std::span<char> out);
  // The end; a last line without its line end is read. Returns how many octets it wrote. REQUIRES:
  // the same room.
  size_t Finish(std::span<char> out);

  bool begun() const { return state_ != State::kBefore; }
  bool ended() const { return state_ == State::kAfter; }
  uint16_t mode() const { return mode_; }  // permission bits, 0 to 07777
  std::string_view file_name() const { return {name_.data(), name_bytes_}; }
  uint8_t departures() const { return departures_; }

 private:
  enum class State : uint8_t { kBefore, kData, kBase64, kAfter };
  size_t Line(std::string_view line, char* out);
  void Begin(std::string_view line);
  size_t Data(std::string_view line, char* out);
  size_t Base64Line(std::string_view line, char* out);

  State state_ = State::kBefore;
  bool line_too_long_ = false;
  uint8_t departures_ = 0;
  uint8_t name_bytes_ = 0;
  uint16_t mode_ = 0;
  uint16_t held_bytes_ = 0;
  Base64Decoder base64_{Base64Form::kMime};
  std::array<char, kUuNameBytesMax> name_{};
  std::array<char, kUuLineBytesMax> held_{};
};

enum class UuForm : uint8_t { kHistorical, kBase64 };

// Lines of 45 octets, '`' for zero (a blank at a line's end would not survive mail); CRLF ends
// lines.
class UuEncoder {
 public:
  // `file_name` is kept by reference until the first Feed or Finish. REQUIRES: it has no CR, LF or
  // NUL, 1 to 255 octets; mode is no more than 07777.
  UuEncoder(UuForm form, uint16_t mode, std::string_view file_name);
  size_t Feed(std::string_view in, char* out);
  size_t Finish(char* out);

 private:
  size_t Begin(char* out);

  UuForm form_;
  bool begun_ = false;
  uint16_t mode_;
  uint8_t held_bytes_ = 0;
  std::string_view file_name_;
  Base64Encoder base64_{Base64Form::kMime};
  std::array<char, 45> held_{};
};

}  // namespace ringmail::codec
