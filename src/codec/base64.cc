#include "ringmail/codec/base64.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "codec/kernels.h"
#include "ringmail/base/check.h"

namespace ringmail::codec {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kLineIn = 57, kLineText = 76, kLineOut = 78;  // RFC 2045 §6.8
constexpr uint32_t kBad = 0x80000000;

// The text of each 12 bits, so that three octets take two look-ups.
struct Pairs {
  std::array<std::array<char, 2>, 4096> text;
};
constexpr Pairs PairsOf(std::string_view alphabet) {
  Pairs pairs{};
  for (size_t i = 0; i < 4096; ++i) pairs.text[i] = {alphabet[i >> 6], alphabet[i & 63]};
  return pairs;
}
constexpr Pairs kStandardPairs = PairsOf(kStandard);
constexpr Pairs kUrlPairs = PairsOf(kUrl);

// What each octet stands for, at each of the four places of a quantum, ready to be joined.
struct Places {
  std::array<std::array<uint32_t, 256>, 4> bits;
};
constexpr Places PlacesOf(std::string_view alphabet) {
  Places places{};
  for (unsigned place = 0; place < 4; ++place) {
    for (uint32_t& bits : places.bits[place]) bits = kBad;
    for (uint32_t i = 0; i < 64; ++i) {
      places.bits[place][static_cast<uint8_t>(alphabet[i])] = i << (18 - 6 * place);
    }
  }
  return places;
}
constexpr Places kStandardPlaces = PlacesOf(kStandard);
constexpr Places kUrlPlaces = PlacesOf(kUrl);

uint8_t At(std::string_view in, size_t at) { return static_cast<uint8_t>(in[at]); }

KernelSpan Encode(std::string_view in, const Pairs& pairs, char* out) {
  KernelSpan span;
  for (; in.size() - span.read >= 3; span.read += 3, span.written += 4) {
    const uint32_t bits = uint32_t{At(in, span.read)} << 16 | uint32_t{At(in, span.read + 1)} << 8 |
                          At(in, span.read + 2);
    std::memcpy(out + span.written, pairs.text[bits >> 12].data(), 2);
    std::memcpy(out + span.written + 2, pairs.text[bits & 4095].data(), 2);
  }
  return span;
}

KernelSpan Decode(std::string_view in, const Places& places, char* out) {
  KernelSpan span;
  for (; in.size() - span.read >= 4; span.read += 4, span.written += 3) {
    const uint32_t bits =
        places.bits[0][At(in, span.read)] | places.bits[1][At(in, span.read + 1)] |
        places.bits[2][At(in, span.read + 2)] | places.bits[3][At(in, span.read + 3)];
    if ((bits & kBad) != 0) break;
    out[span.written] = static_cast<char>(bits >> 16);
    out[span.written + 1] = static_cast<char>(bits >> 8 & 0xFF);
    out[span.written + 2] = static_cast<char>(bits & 0xFF);
  }
  return span;
}

void Advance(KernelSpan step, KernelSpan& span) {
  span.read += step.read;
  span.written += step.written;
}

// Whole quanta by the form's alphabet.
KernelSpan EncodeQuanta(std::string_view in, Base64Form form, char* out) {
  const bool url = form == Base64Form::kUrl;
  const Kernels& kernels = ActiveKernels();
  KernelSpan span = (url ? kernels.base64_url_encode : kernels.base64_encode)(in, out);
  Advance(Encode(in.substr(span.read), url ? kUrlPairs : kStandardPairs, out + span.written), span);
  return span;
}

KernelSpan DecodeQuanta(std::string_view in, Base64Form form, char* out) {
  const bool url = form == Base64Form::kUrl;
  const Kernels& kernels = ActiveKernels();
  KernelSpan span = (url ? kernels.base64_url_decode : kernels.base64_decode)(in, out);
  const Places& places = url ? kUrlPlaces : kStandardPlaces;
  Advance(Decode(in.substr(span.read), places, out + span.written), span);
  return span;
}

}  // namespace

KernelSpan Base64EncodePortable(std::string_view in, char* out) {
  return Encode(in, kStandardPairs, out);
}

KernelSpan Base64UrlEncodePortable(std::string_view in, char* out) {
  return Encode(in, kUrlPairs, out);
}

KernelSpan Base64EncodeLinesPortable(std::string_view in, char* out) {
  KernelSpan span;
  for (; in.size() - span.read >= kLineIn; span.read += kLineIn, span.written += kLineOut) {
    Encode(in.substr(span.read, kLineIn), kStandardPairs, out + span.written);
    std::memcpy(out + span.written + kLineText, "\r\n", 2);
  }
  return span;
}

KernelSpan Base64DecodePortable(std::string_view in, char* out) {
  return Decode(in, kStandardPlaces, out);
}

KernelSpan Base64UrlDecodePortable(std::string_view in, char* out) {
  return Decode(in, kUrlPlaces, out);
}

KernelSpan Base64DecodeLinesPortable(std::string_view in, char* out) {
  KernelSpan span;
  while (in.size() - span.read >= kLineOut && in.substr(span.read + kLineText, 2) == "\r\n") {
    const KernelSpan line =
        Decode(in.substr(span.read, kLineText), kStandardPlaces, out + span.written);
    // What was written is written again by whoever reads the line octet by octet; in place, the
    // text may be gone by then.
    if (line.read < kLineText) {
      span.read += line.read;
      span.written += line.written;
      break;
    }
    span.read += kLineOut;
    span.written += kLineIn;
  }
  return span;
}

size_t Base64Encoder::Feed(std::string_view in, char* out) {
  const bool lines = form_ == Base64Form::kMime;
  char* const begin = out;
  while (held_count_ != 0 && !in.empty()) {
    held_[held_count_++] = in.front();
    in.remove_prefix(1);
    if (held_count_ < 3) continue;
    held_count_ = 0;
    out += EncodeQuanta({held_, 3}, form_, out).written;
    column_ = static_cast<uint8_t>(column_ + 4);
  }
  size_t whole = in.size() - in.size() % 3;
  while (lines && whole != 0) {
    if (column_ == 0) {
      KernelSpan span = ActiveKernels().base64_encode_lines(in, out);
      Advance(Base64EncodeLinesPortable(in.substr(span.read), out + span.written), span);
      in.remove_prefix(span.read);
      out += span.written;
    } else if (column_ == kLineText) {
      out = static_cast<char*>(std::memcpy(out, "\r\n", 2)) + 2;
      column_ = 0;
      continue;
    }
    whole = in.size() - in.size() % 3;
    const size_t take = std::min<size_t>(whole, (kLineText - column_) / 4 * 3);
    out += EncodeQuanta(in.substr(0, take), form_, out).written;
    in.remove_prefix(take);
    column_ = static_cast<uint8_t>(column_ + take / 3 * 4);
    whole -= take;
  }
  if (!lines) {
    const KernelSpan span = EncodeQuanta(in, form_, out);
    in.remove_prefix(span.read);
    out += span.written;
    column_ = 0;
  } else if (column_ == kLineText) {
    out = static_cast<char*>(std::memcpy(out, "\r\n", 2)) + 2;
    column_ = 0;
  }
  for (const char octet : in) {
    CHECK_LT(held_count_, 2);
    held_[held_count_++] = octet;
  }
  return static_cast<size_t>(out - begin);
}

size_t Base64Encoder::Finish(char* out) {
  char* const begin = out;
  if (held_count_ != 0) {
    std::fill(held_ + held_count_, held_ + 3, '\0');
    EncodeQuanta({held_, 3}, form_, out);
    if (form_ == Base64Form::kUrl) {
      out += held_count_ + 1;
    } else {
      // RFC 4648 §4: '=' for each octet that is missing.
      std::fill(out + held_count_ + 1, out + 4, '=');
      out += 4;
    }
    column_ = 4;
    held_count_ = 0;
  }
  if (form_ == Base64Form::kMime && column_ != 0) {
    out = static_cast<char*>(std::memcpy(out, "\r\n", 2)) + 2;
  }
  column_ = 0;
  return static_cast<size_t>(out - begin);
}

// Writes one octet at most for each octet read: in place, the writer never passes the reader.
char* Base64Decoder::Sextet(uint8_t sextet, char* out) {
  if (count_ == 0 && padded_) {
    departures_ |= kBase64AfterPadding;
    if (padding_due_ != 0) departures_ |= kBase64Unpadded;
    padded_ = false;
    padding_due_ = 0;
  }
  const unsigned bits = unsigned{left_bits_} << 6 | sextet;
  switch (count_) {
    case 0:
      break;
    case 1:
      *out++ = static_cast<char>(bits >> 4 & 0xFF);
      break;
    case 2:
      *out++ = static_cast<char>(bits >> 2 & 0xFF);
      break;
    default:
      *out++ = static_cast<char>(bits & 0xFF);
      break;
  }
  left_bits_ = static_cast<uint8_t>(sextet & (count_ == 1 ? 15 : count_ == 2 ? 3 : 63));
  count_ = static_cast<uint8_t>((count_ + 1) & 3);
  return out;
}

void Base64Decoder::Padding() {
  if (count_ == 0) {
    if (padding_due_ == 0) departures_ |= kBase64StrayPadding;
    if (padding_due_ != 0) --padding_due_;
    return;
  }
  if (count_ == 1) {
    departures_ |= kBase64Truncated | kBase64StrayPadding;
  } else {
    if (left_bits_ != 0) departures_ |= kBase64PaddingBits;
    padding_due_ = count_ == 2 ? 1 : 0;
    padded_ = true;
  }
  count_ = 0;
}

char* Base64Decoder::Octet(uint8_t octet, char* out) {
  const bool mime = form_ == Base64Form::kMime;
  if (mime && octet == '\n') {
    if (!after_cr_) departures_ |= kBase64BareLineEnd;
    after_cr_ = false;
    line_start_ = true;
    return out;
  }
  if (after_cr_) departures_ |= kBase64BareLineEnd;
  after_cr_ = mime && octet == '\r';
  line_start_ = false;
  if (after_cr_) return out;
  const Places& places = form_ == Base64Form::kUrl ? kUrlPlaces : kStandardPlaces;
  const uint32_t bits = places.bits[3][octet];
  if ((bits & kBad) == 0) return Sextet(static_cast<uint8_t>(bits), out);
  if (octet == '=') {
    Padding();
  } else {
    departures_ |= kBase64Foreign;
  }
  return out;
}

size_t Base64Decoder::Feed(std::string_view in, char* out) {
  char* const begin = out;
  while (!in.empty()) {
    if (count_ == 0 && !padded_ && !after_cr_) {
      KernelSpan span;
      if (form_ == Base64Form::kMime && line_start_) {
        span = ActiveKernels().base64_decode_lines(in, out);
        Advance(Base64DecodeLinesPortable(in.substr(span.read), out + span.written), span);
      }
      const KernelSpan quanta = DecodeQuanta(in.substr(span.read), form_, out + span.written);
      Advance(quanta, span);
      if (quanta.read != 0) line_start_ = false;
      in.remove_prefix(span.read);
      out += span.written;
      if (in.size() >= 2 && form_ == Base64Form::kMime && in[0] == '\r' && in[1] == '\n') {
        in.remove_prefix(2);
        line_start_ = true;
        continue;
      }
      if (in.empty()) break;
    }
    out = Octet(static_cast<uint8_t>(in.front()), out);
    in.remove_prefix(1);
  }
  return static_cast<size_t>(out - begin);
}

void Base64Decoder::Finish() {
  if (after_cr_) departures_ |= kBase64BareLineEnd;
  if (count_ == 1) departures_ |= kBase64Truncated;
  if (count_ > 1 && left_bits_ != 0) departures_ |= kBase64PaddingBits;
  if ((count_ > 1 || padding_due_ != 0) && form_ != Base64Form::kUrl) {
    departures_ |= kBase64Unpadded;
  }
  count_ = 0;
  padding_due_ = 0;
  padded_ = after_cr_ = false;
}

}  // namespace ringmail::codec
