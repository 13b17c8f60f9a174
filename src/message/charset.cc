#include "ringmail/message/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>

#include <algorithm>
#include <array>
#include <utility>

#include "message/lexer.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::message {
namespace {

struct Charset {
  std::string_view name;
  const char* icu;  // its converter there; "" for those that are read here
  std::string_view labels;
};

// WHATWG Encoding Standard §4.2, with labels of mail that it lacks. Deviates: it maps ISO-2022-KR,
// ISO-2022-CN and HZ-GB-2312 to "replacement", for pages' sake; there is mail in them. The decoder
// of GBK is that of gb18030 (§10.1.1).
constexpr Charset kCharsets[] = {
    {"UTF-8", "UTF-8", "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8"},
    {"windows-1252", "ibm-5348_P100-1997",
     "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 "
     "iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 "
     "x-cp1252"},
    {"IBM866", "ibm-866_P100-1995", "866 cp866 csibm866 ibm866"},
    {"ISO-8859-2", "ISO-8859-2",
     "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 "
     "l2 latin2"},
    {"ISO-8859-3", "ISO-8859-3",
     "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 "
     "l3 latin3"},
    {"ISO-8859-4", "ISO-8859-4",
     "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 "
     "l4 latin4"},
    {"ISO-8859-5", "ISO-8859-5",
     "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
     "iso_8859-5:1988"},
    {"ISO-8859-6", "ISO-8859-6",
     "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 "
     "iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 "
     "iso_8859-6:1987"},
    {"ISO-8859-7", "ISO-8859-7",
     "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 "
     "iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek"},
    {"ISO-8859-8", "ISO-8859-8",
     "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 "
     "iso88598 iso_8859-8 iso_8859-8:1988 visual"},
    {"ISO-8859-8-I", "ISO-8859-8", "csiso88598i iso-8859-8-i logical"},
    {"ISO-8859-10", "iso-8859_10-1998",
     "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6"},
    {"ISO-8859-13", "ISO-8859-13", "iso-8859-13 iso8859-13 iso885913"},
    {"ISO-8859-14", "iso-8859_14-1998", "iso-8859-14 iso8859-14 iso885914"},
    {"ISO-8859-15", "ISO-8859-15", "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9"},
    {"ISO-8859-16", "", "iso-8859-16"},
    {"KOI8-R", "KOI8-R", "cskoi8r koi koi8 koi8-r koi8_r"},
    {"KOI8-U", "KOI8-U", "koi8-ru koi8-u"},
    {"macintosh", "macos-0_2-10.2", "csmacintosh mac macintosh x-mac-roman"},
    {"windows-874", "windows-874-2000",
     "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874"},
    {"windows-1250", "ibm-5346_P100-1998", "cp1250 windows-1250 x-cp1250"},
    {"windows-1251", "ibm-5347_P100-1998", "cp1251 windows-1251 x-cp1251"},
    {"windows-1253", "ibm-5349_P100-1998", "cp1253 windows-1253 x-cp1253"},
    {"windows-1254", "ibm-5350_P100-1998",
     "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 "
     "iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254"},
    {"windows-1255", "ibm-9447_P100-2002", "cp1255 windows-1255 x-cp1255"},
    {"windows-1256", "ibm-9448_X100-2005", "cp1256 windows-1256 x-cp1256"},
    {"windows-1257", "ibm-9449_P100-2002", "cp1257 windows-1257 x-cp1257"},
    {"windows-1258", "ibm-5354_P100-1998", "cp1258 windows-1258 x-cp1258"},
    {"x-mac-cyrillic", "macos-7_3-10.2", "x-mac-cyrillic x-mac-ukrainian"},
    {"GBK", "gb18030",
     "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk "
     "cp936 windows-936"},
    {"gb18030", "gb18030", "gb18030"},
    {"Big5", "ibm-1375_P100-2008", "big5 big5-hkscs cn-big5 csbig5 x-x-big5 cp950"},
    {"EUC-JP", "euc-jp-2007", "cseucpkdfmtjapanese euc-jp x-euc-jp"},
    {"ISO-2022-JP", "ISO-2022-JP",
     "csiso2022jp iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 cp50220 "
     "cp50221 cp50222"},
    {"Shift_JIS", "ibm-943_P15A-2003",
     "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932"},
    {"EUC-KR", "windows-949-2000",
     "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 "
     "ksc5601 ksc_5601 windows-949 cp949"},
    {"UTF-16BE", "UTF-16BE", "unicodefffe utf-16be"},
    {"UTF-16LE", "UTF-16LE", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"},
    {"x-user-defined", "", "x-user-defined"},
    {"UTF-7", "UTF-7", "utf-7 unicode-1-1-utf-7 csunicode11utf7 x-unicode-2-0-utf-7"},
    {"UTF-32", "UTF-32", "utf-32 iso-10646-ucs-4 ucs-4"},
    {"UTF-32BE", "UTF-32BE", "utf-32be"},
    {"UTF-32LE", "UTF-32LE", "utf-32le"},
    {"ISO-2022-KR", "ISO-2022-KR", "csiso2022kr iso-2022-kr"},
    {"ISO-2022-CN", "ISO-2022-CN", "iso-2022-cn iso-2022-cn-ext"},
    {"HZ-GB-2312", "HZ-GB-2312", "hz-gb-2312 hz"},
};

// ISO-8859-16 from 0xA0 on; ICU has no converter for it.
constexpr std::array<char16_t, 96> kLatin10 = {
    0x00A0, 0x0104, 0x0105, 0x0141, 0x20AC, 0x201E, 0x0160, 0x00A7, 0x0161, 0x00A9, 0x0218, 0x00AB,
    0x0179, 0x00AD, 0x017A, 0x017B, 0x00B0, 0x00B1, 0x010C, 0x0142, 0x017D, 0x201D, 0x00B6, 0x00B7,
    0x017E, 0x010D, 0x0219, 0x00BB, 0x0152, 0x0153, 0x0178, 0x017C, 0x00C0, 0x00C1, 0x00C2, 0x0102,
    0x00C4, 0x0106, 0x00C6, 0x00C7, 0x00C8, 0x00C9, 0x00CA, 0x00CB, 0x00CC, 0x00CD, 0x00CE, 0x00CF,
    0x0110, 0x0143, 0x00D2, 0x00D3, 0x00D4, 0x0150, 0x00D6, 0x015A, 0x0170, 0x00D9, 0x00DA, 0x00DB,
    0x00DC, 0x0118, 0x021A, 0x00DF, 0x00E0, 0x00E1, 0x00E2, 0x0103, 0x00E4, 0x0107, 0x00E6, 0x00E7,
    0x00E8, 0x00E9, 0x00EA, 0x00EB, 0x00EC, 0x00ED, 0x00EE, 0x00EF, 0x0111, 0x0144, 0x00F2, 0x00F3,
    0x00F4, 0x0151, 0x00F6, 0x015B, 0x0171, 0x00F9, 0x00FA, 0x00FB, 0x00FC, 0x0119, 0x021B, 0x00FF};

enum class Way : uint8_t {
  kUtf8,
  kGuess,  // UTF-8 where it is, windows-1252 where not
  kLatin10,
  kUserDefined,
  kIcu,  // ASCII is itself
  kIcuOther,
};

const Charset* FindCharset(std::string_view label) {
  label = TrimBlank(label);
  if (label.empty()) return nullptr;
  for (const Charset& charset : kCharsets) {
    std::string_view rest = charset.labels;
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      if (SameAscii(word, label)) return &charset;
      rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    }
  }
  return nullptr;
}

bool AsciiIsItself(std::string_view name) {
  for (const std::string_view other :
       {"UTF-16BE", "UTF-16LE", "UTF-7", "UTF-32", "UTF-32BE", "UTF-32LE", "ISO-2022-JP",
        "ISO-2022-KR", "ISO-2022-CN", "HZ-GB-2312"}) {
    if (name == other) return false;
  }
  return true;
}

void AppendUtf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

constexpr char16_t kReplacement = 0xFFFD;

// Every converter replaces by U+FFFD; some of ICU's have other habits (U+001A).
void Replace(const void* context, UConverterToUnicodeArgs* arguments, const char* units,
             int32_t length, UConverterCallbackReason reason, UErrorCode* error) {
  if (reason > UCNV_IRREGULAR) return;
  *error = U_ZERO_ERROR;
  *static_cast<bool*>(const_cast<void*>(context)) = true;
  ucnv_cbToUWriteUChars(arguments, &kReplacement, 1, 0, error);
}

// A converter for a label that is in no table, if ASCII is a part of its charset: a text that reads
// as something else than what its octets show would hide from every filter.
UConverter* OpenOther(std::string_view label) {
  const std::string name(TrimBlank(label));
  if (name.empty() || name.size() >= UCNV_MAX_CONVERTER_NAME_LENGTH) return nullptr;
  for (const char c : name) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '-' && c != '_' && c != '.' && c != ':') return nullptr;
  }
  UErrorCode error = U_ZERO_ERROR;
  UConverter* converter = ucnv_open(name.c_str(), &error);
  if (converter == nullptr) return nullptr;
  std::string ascii;
  for (char c = ' '; c < '\x7F'; ++c) ascii += c;
  std::array<UChar, 128> wide{};
  error = U_ZERO_ERROR;
  const int32_t length = ucnv_toUChars(converter, wide.data(), static_cast<int32_t>(wide.size()),
                                       ascii.data(), static_cast<int32_t>(ascii.size()), &error);
  bool same = U_SUCCESS(error) != 0 && static_cast<size_t>(length) == ascii.size();
  for (size_t i = 0; same && i < ascii.size(); ++i) {
    same = wide[i] == static_cast<UChar>(ascii[i]);
  }
  if (!same) {
    ucnv_close(converter);
    return nullptr;
  }
  ucnv_reset(converter);
  return converter;
}

UConverter* OpenConverter(const char* name) {
  UErrorCode error = U_ZERO_ERROR;
  UConverter* converter = ucnv_open(name, &error);
  CHECK(converter != nullptr);  // one of our table; the tests open each
  return converter;
}

}  // namespace

struct CharsetDecoder::State {
  Way way = Way::kGuess;
  UConverter* converter = nullptr;
  bool replaced = false;
  bool first = true;     // no character came out yet
  bool started = false;  // the converter has octets
  char16_t high = 0;     // half of a pair, whose other half is to come
  std::string held;      // kGuess: from the first octet over 127 on

  ~State() {
    if (converter != nullptr) ucnv_close(converter);
  }
  void Use(UConverter* opened) {
    converter = opened;
    UErrorCode error = U_ZERO_ERROR;
    ucnv_setToUCallBack(converter, Replace, &replaced, nullptr, nullptr, &error);
    CHECK(U_SUCCESS(error));
  }
  void Convert(std::string_view octets, bool last, std::string& utf8);
  // Takes what is undecided; true where nothing is held back any more.
  bool Hold(std::string_view octets, std::string& utf8);
  void Decide(bool last);
  void Take(char16_t unit, std::string& utf8);
};

bool CharsetDecoder::State::Hold(std::string_view octets, std::string& utf8) {
  if (held.empty()) {
    const auto high_octet = std::find_if(octets.begin(), octets.end(),
                                         [](char c) { return static_cast<uint8_t>(c) >= 0x80; });
    const auto ascii = static_cast<size_t>(high_octet - octets.begin());
    utf8 += octets.substr(0, ascii);
    first = first && ascii == 0;
    octets.remove_prefix(ascii);
  }
  held += octets;
  if (held.size() < kCharsetGuessBytes) return false;
  Decide(false);
  return true;
}

void CharsetDecoder::State::Decide(bool last) {
  const std::string_view seen = std::string_view(held).substr(0, kCharsetGuessBytes);
  bool valid = codec::Utf8Valid(seen);
  // The last character may go on beyond what is looked at.
  for (size_t cut = 1; !valid && !last && cut <= 3 && cut < seen.size(); ++cut) {
    const auto lead = static_cast<uint8_t>(seen[seen.size() - cut]);
    valid = lead >= 0xC0 && codec::Utf8Valid(seen.substr(0, seen.size() - cut));
  }
  if (valid) {
    way = Way::kUtf8;
  } else {
    way = Way::kIcu;
    Use(OpenConverter("ibm-5348_P100-1997"));
  }
}

void CharsetDecoder::State::Take(char16_t unit, std::string& utf8) {
  if (high != 0) {
    const char16_t before = high;
    high = 0;
    if (unit >= 0xDC00 && unit < 0xE000) {
      AppendUtf8(0x10000 + ((before - 0xD800u) << 10) + (unit - 0xDC00u), utf8);
      return;
    }
    replaced = true;
    AppendUtf8(kReplacement, utf8);
  }
  if (unit >= 0xD800 && unit < 0xDC00) {
    high = unit;
  } else if (unit >= 0xDC00 && unit < 0xE000) {
    replaced = true;
    AppendUtf8(kReplacement, utf8);
  } else if (!(first && unit == 0xFEFF)) {
    AppendUtf8(unit, utf8);
  }
  // RFC 2781 §3.2, and "BOM sniffing" of WHATWG: a mark at the start is no character.
  first = false;
}

void CharsetDecoder::State::Convert(std::string_view octets, bool last, std::string& utf8) {
  started = true;
  std::array<UChar, 512> wide;
  const char* source = octets.data();
  const char* const end = source + octets.size();
  while (true) {
    UChar* target = wide.data();
    UErrorCode error = U_ZERO_ERROR;
    ucnv_toUnicode(converter, &target, wide.data() + wide.size(), &source, end, nullptr, last,
                   &error);
    for (const UChar* unit = wide.data(); unit != target; ++unit) Take(*unit, utf8);
    if (error != U_BUFFER_OVERFLOW_ERROR) {
      if (U_FAILURE(error)) {
        // A converter that gave up: nothing of the rest can be told.
        replaced = true;
        AppendUtf8(kReplacement, utf8);
        ucnv_resetToUnicode(converter);
      }
      break;
    }
  }
  if (last && high != 0) {
    high = 0;
    replaced = true;
    AppendUtf8(kReplacement, utf8);
  }
}

std::string_view CharsetName(std::string_view label) {
  const Charset* charset = FindCharset(label);
  return charset == nullptr ? std::string_view() : charset->name;
}

CharsetDecoder::CharsetDecoder(std::string_view label)
    : state_(std::make_unique<State>()), known_(true) {
  const Charset* charset = FindCharset(label);
  if (charset == nullptr) {
    known_ = TrimBlank(label).empty();
    if (!known_) {
      if (UConverter* other = OpenOther(label)) {
        known_ = true;
        state_->way = Way::kIcu;
        state_->Use(other);
      }
    }
    return;
  }
  if (charset->name == "UTF-8") {
    state_->way = Way::kUtf8;
  } else if (charset->name == "ISO-8859-16") {
    state_->way = Way::kLatin10;
  } else if (charset->name == "x-user-defined") {
    state_->way = Way::kUserDefined;
  } else {
    state_->way = AsciiIsItself(charset->name) ? Way::kIcu : Way::kIcuOther;
    state_->Use(OpenConverter(charset->icu));
  }
}

CharsetDecoder::CharsetDecoder(CharsetDecoder&&) noexcept = default;
CharsetDecoder& CharsetDecoder::operator=(CharsetDecoder&&) noexcept = default;
CharsetDecoder::~CharsetDecoder() = default;

bool CharsetDecoder::replaced() const { return state_->replaced; }

void CharsetDecoder::Feed(std::string_view octets, std::string& utf8) {
  if (octets.empty()) return;
  State& state = *state_;
  switch (state.way) {
    case Way::kLatin10:
      for (const char c : octets) {
        const auto octet = static_cast<uint8_t>(c);
        AppendUtf8(octet < 0xA0 ? octet : kLatin10[octet - 0xA0u], utf8);
      }
      return;
    case Way::kUserDefined:
      for (const char c : octets) {
        const auto octet = static_cast<uint8_t>(c);
        AppendUtf8(octet < 0x80 ? octet : 0xF700u + octet, utf8);
      }
      return;
    case Way::kGuess:
      if (state.Hold(octets, utf8)) Feed(std::exchange(state.held, {}), utf8);
      return;
    case Way::kUtf8:
      if (state.converter == nullptr) {
        std::string_view text = octets;
        if (state.first && text.starts_with("\xEF\xBB\xBF")) {
          text.remove_prefix(3);
        }
        if (codec::Utf8Valid(text)) {
          state.first = false;
          utf8 += text;
          return;
        }
        state.Use(OpenConverter("UTF-8"));
      }
      break;
    case Way::kIcu:
      // Only a text that begins so: later ASCII may be the second octet of a character.
      if (!state.started && codec::IsAscii(octets)) {
        utf8 += octets;
        return;
      }
      break;
    case Way::kIcuOther:
      break;
  }
  state.Convert(octets, false, utf8);
}

void CharsetDecoder::Finish(std::string& utf8) {
  if (!state_->held.empty()) {
    state_->Decide(true);
    Feed(std::exchange(state_->held, {}), utf8);
  }
  if (state_->converter != nullptr) state_->Convert({}, true, utf8);
}

std::string DecodeCharset(std::string_view label, std::string_view octets) {
  std::string utf8;
  utf8.reserve(octets.size());
  CharsetDecoder decoder(label);
  decoder.Feed(octets, utf8);
  decoder.Finish(utf8);
  return utf8;
}

std::string RepairUtf8(std::string_view text) {
  if (codec::Utf8Valid(text)) return std::string(text);
  return DecodeCharset("utf-8", text);
}

}  // namespace ringmail::message
