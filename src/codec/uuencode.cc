#include "ringmail/codec/uuencode.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ringmail/base/check.h"

namespace ringmail::codec {
namespace {

constexpr size_t kLineOctets = 45;

constexpr bool IsUu(char octet) { return octet >= ' ' && octet <= '`'; }
// Both ' ' and '`' are zero.
uint32_t SextetOf(char octet) { return static_cast<uint32_t>(octet - ' ') & 63; }
constexpr char TextOf(uint32_t sextet) {
  return sextet == 0 ? '`' : static_cast<char>(sextet + static_cast<uint32_t>(' '));
}

// The text of each 12 bits, so that three octets take two look-ups.
struct Pairs {
  std::array<std::array<char, 2>, 4096> text;
};
constexpr Pairs MakePairs() {
  Pairs pairs{};
  for (uint32_t i = 0; i < 4096; ++i) pairs.text[i] = {TextOf(i >> 6), TextOf(i & 63)};
  return pairs;
}
constexpr Pairs kPairs = MakePairs();

// REQUIRES: in.size() is a multiple of three.
char* Encode(std::string_view in, char* out) {
  for (size_t at = 0; at < in.size(); at += 3, out += 4) {
    const auto octet = [&](size_t i) { return uint32_t{static_cast<uint8_t>(in[at + i])}; };
    const uint32_t bits = octet(0) << 16 | octet(1) << 8 | octet(2);
    std::memcpy(out, kPairs.text[bits >> 12].data(), 2);
    std::memcpy(out + 2, kPairs.text[bits & 4095].data(), 2);
  }
  return out;
}

// Whole quanta, each of which has all its four characters.
void Decode(std::string_view text, char* out) {
  for (size_t at = 0; at < text.size(); at += 4, out += 3) {
    const uint32_t bits = SextetOf(text[at]) << 18 | SextetOf(text[at + 1]) << 12 |
                          SextetOf(text[at + 2]) << 6 | SextetOf(text[at + 3]);
    out[0] = static_cast<char>(bits >> 16);
    out[1] = static_cast<char>(bits >> 8 & 0xFF);
    out[2] = static_cast<char>(bits & 0xFF);
  }
}

// Without a branch on each, which a compiler makes vectors of.
bool AllUu(std::string_view text) {
  unsigned foreign = 0;
  for (const char octet : text) foreign |= IsUu(octet) ? 0u : 1u;
  return foreign == 0;
}

char* Copy(std::string_view text, char* out) { return std::copy(text.begin(), text.end(), out); }

}  // namespace

// "begin" or "begin-base64", three or four octal digits, the file name.
void UuDecoder::Begin(std::string_view line) {
  const bool base64 = line.starts_with("begin-base64 ");
  if (!base64 && !line.starts_with("begin ")) return;
  line.remove_prefix(base64 ? 13 : 6);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const size_t digits = std::min(line.find_first_not_of("01234567"), line.size());
  if (digits < 3 || digits > 4 || digits == line.size() || line[digits] != ' ') return;
  uint16_t mode = 0;
  for (const char digit : line.substr(0, digits)) {
    mode = static_cast<uint16_t>(mode * 8 + (digit - '0'));
  }
  line.remove_prefix(digits);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.empty()) return;
  if (line.size() > name_.size()) departures_ |= kUuNameCut;
  name_bytes_ = static_cast<uint8_t>(line.copy(name_.data(), name_.size()));
  mode_ = mode;
  state_ = base64 ? State::kBase64 : State::kData;
}

size_t UuDecoder::Data(std::string_view line, char* out) {
  if (line == "end") {
    state_ = State::kAfter;
    return 0;
  }
  if (line.empty()) return 0;
  if (!IsUu(line[0])) {
    departures_ |= kUuForeign;
    return 0;
  }
  const size_t octets = SextetOf(line[0]);
  line.remove_prefix(1);
  const size_t needed = (octets * 4 + 2) / 3, whole = (octets + 2) / 3 * 4;
  if (octets == 0) return 0;
  if (!AllUu(line.substr(0, whole))) {
    departures_ |= kUuForeign;
    return 0;
  }
  if (line.size() < needed) departures_ |= kUuShortLine;
  if (line.size() > whole) departures_ |= kUuLongLine;
  const auto sextet = [&](size_t i) { return i < line.size() ? SextetOf(line[i]) : 0; };
  const size_t quanta = std::min(octets / 3, line.size() / 4);
  Decode(line.substr(0, quanta * 4), out);
  size_t written = quanta * 3;
  for (size_t at = quanta * 4; written < octets; at += 4) {
    const uint32_t bits =
        sextet(at) << 18 | sextet(at + 1) << 12 | sextet(at + 2) << 6 | sextet(at + 3);
    for (unsigned shift = 24; shift != 0 && written < octets; ++written) {
      shift -= 8;
      out[written] = static_cast<char>(bits >> shift & 0xFF);
    }
  }
  return written;
}

size_t UuDecoder::Base64Line(std::string_view line, char* out) {
  if (line != "====") return base64_.Feed(line, out);
  state_ = State::kAfter;
  base64_.Finish();
  if (base64_.departures() != 0) departures_ |= kUuBase64;
  return 0;
}

size_t UuDecoder::Line(std::string_view line, char* out) {
  switch (state_) {
    case State::kBefore:
      Begin(line);
      return 0;
    case State::kData:
      return Data(line, out);
    case State::kBase64:
      return Base64Line(line, out);
    case State::kAfter:
      return 0;
  }
  return 0;
}

UuDecoder::Step UuDecoder::Feed(std::string_view in, std::span<char> out) {
  CHECK_GE(out.size(), kUuLineBytesMax);
  Step step;
  while (step.consumed < in.size() && out.size() - step.written >= kUuLineBytesMax) {
    const std::string_view rest = in.substr(step.consumed);
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    step.consumed += std::min(rest.size(), line.size() + 1);
    // Whatever may still become a line, or is the rest of one, goes through what is held.
    if (held_bytes_ != 0 || line_too_long_ || end == std::string_view::npos) {
      if (line.size() > held_.size() - held_bytes_) {
        line_too_long_ = true;
      } else {
        line.copy(held_.data() + held_bytes_, line.size());
        held_bytes_ = static_cast<uint16_t>(held_bytes_ + line.size());
      }
      if (end == std::string_view::npos) break;
      line = {held_.data(), held_bytes_};
    }
    const bool too_long = line_too_long_ || line.size() > kUuLineBytesMax;
    held_bytes_ = 0;
    line_too_long_ = false;
    if (too_long) {
      if (state_ == State::kData || state_ == State::kBase64) departures_ |= kUuForeign;
      continue;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    step.written += Line(line, out.data() + step.written);
  }
  return step;
}

size_t UuDecoder::Finish(std::span<char> out) {
  CHECK_GE(out.size(), kUuLineBytesMax);
  size_t written = 0;
  if (line_too_long_) {
    if (state_ == State::kData || state_ == State::kBase64) departures_ |= kUuForeign;
  } else if (held_bytes_ != 0) {
    std::string_view line(held_.data(), held_bytes_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    written = Line(line, out.data());
  }
  held_bytes_ = 0;
  line_too_long_ = false;
  if (state_ == State::kBase64) {
    base64_.Finish();
    if (base64_.departures() != 0) departures_ |= kUuBase64;
  }
  if (state_ == State::kBefore) departures_ |= kUuNoBegin;
  if (state_ == State::kData || state_ == State::kBase64) departures_ |= kUuNoEnd;
  return written;
}

UuEncoder::UuEncoder(UuForm form, uint16_t mode, std::string_view file_name)
    : form_(form), mode_(mode), file_name_(file_name) {
  CHECK(!file_name.empty());
  CHECK_LE(file_name.size(), kUuNameBytesMax);
  CHECK(file_name.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  CHECK_LE(mode, 07777);
}

size_t UuEncoder::Begin(char* out) {
  if (begun_) return 0;
  begun_ = true;
  char* to = Copy(form_ == UuForm::kBase64 ? "begin-base64 " : "begin ", out);
  if (mode_ > 0777) *to++ = static_cast<char>('0' + (mode_ >> 9));
  for (const int shift : {6, 3, 0}) *to++ = static_cast<char>('0' + (mode_ >> shift & 7));
  *to++ = ' ';
  to = Copy(file_name_, to);
  to = Copy("\r\n", to);
  return static_cast<size_t>(to - out);
}

size_t UuEncoder::Feed(std::string_view in, char* out) {
  char* const begin = out;
  out += Begin(out);
  if (form_ == UuForm::kBase64) {
    out += base64_.Feed(in, out);
    return static_cast<size_t>(out - begin);
  }
  while (held_bytes_ + in.size() >= kLineOctets) {
    std::string_view line = in.substr(0, kLineOctets - held_bytes_);
    in.remove_prefix(line.size());
    if (held_bytes_ != 0) {
      line.copy(held_.data() + held_bytes_, line.size());
      line = {held_.data(), held_.size()};
    }
    held_bytes_ = 0;
    *out++ = TextOf(kLineOctets);
    out = Encode(line, out);
    out = Copy("\r\n", out);
  }
  in.copy(held_.data() + held_bytes_, in.size());
  held_bytes_ = static_cast<uint8_t>(held_bytes_ + in.size());
  return static_cast<size_t>(out - begin);
}

size_t UuEncoder::Finish(char* out) {
  char* const begin = out;
  out += Begin(out);
  if (form_ == UuForm::kBase64) {
    out += base64_.Finish(out);
    out = Copy("====\r\n", out);
    return static_cast<size_t>(out - begin);
  }
  if (held_bytes_ != 0) {
    const size_t whole = (held_bytes_ + size_t{2}) / 3 * 3;
    std::fill(held_.data() + held_bytes_, held_.data() + whole, '\0');
    *out++ = TextOf(held_bytes_);
    out = Encode({held_.data(), whole}, out);
    out = Copy("\r\n", out);
    held_bytes_ = 0;
  }
  out = Copy("`\r\nend\r\n", out);
  return static_cast<size_t>(out - begin);
}

}  // namespace ringmail::codec
