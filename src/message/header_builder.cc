#include "ringmail/message/header_builder.h"

#include <algorithm>
#include <array>

#include "message/lexer.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/encoded_word.h"
#include "ringmail/codec/percent.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/trace.h"

namespace ringmail::message {
namespace {

constexpr size_t kColumnsMax = 76;
// A word that is longer is encoded, so that it can be divided (RFC 5322 §2.1.1: 998).
constexpr size_t kWordBytesMax = 800;

bool IsAtext(char c) {
  return IsAlpha(c) || IsDigit(c) || static_cast<uint8_t>(c) >= 0x80 ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool IsTokenChar(char c) {
  return c > ' ' && c < 0x7F &&
         std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

// Valid UTF-8 without controls: a line end in a value would begin a field.
std::string Clean(std::string_view text) {
  std::string out;
  for (const char c : RepairUtf8(text)) {
    const auto octet = static_cast<uint8_t>(c);
    out += octet < ' ' || octet == 0x7F ? ' ' : c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out.substr(std::min(out.find_first_not_of(' '), out.size()));
}

// A domain as the list's grammar can hold it: it has no quoted form.
std::string CleanDomain(std::string_view text) {
  std::string domain = Clean(text);
  const bool literal = domain.size() > 2 && domain.front() == '[' && domain.back() == ']';
  const std::string_view inner =
      literal ? std::string_view(domain).substr(1, domain.size() - 2) : std::string_view(domain);
  std::string out;
  for (const char c : inner) {
    const bool special = std::string_view(" ()<>[]@\\,;\"").find(c) != std::string_view::npos;
    if (!special && (literal || c != ':')) out += c;
  }
  return literal ? "[" + out + "]" : out;
}

}  // namespace

void HeaderBuilder::Begin(std::string_view name) {
  CHECK(!name.empty());
  out_ += name;
  out_ += ':';
  column_ = name.size() + 1;
}

void HeaderBuilder::End() {
  out_ += "\r\n";
  column_ = 0;
}

void HeaderBuilder::Break() {
  out_ += "\r\n ";
  column_ = 1;
}

// `word` has no white space but at its start, where it belongs to what is written.
void HeaderBuilder::Word(std::string_view word, bool space_before) {
  if (space_before && column_ + 1 + word.size() > kColumnsMax && column_ > 1) {
    Break();
  } else if (space_before) {
    out_ += ' ';
    ++column_;
  }
  out_ += word;
  column_ += word.size();
}

bool HeaderBuilder::NeedsEncoding(std::string_view word) const {
  return word.size() > kWordBytesMax || word.find("=?") != std::string_view::npos ||
         (charset_ == HeaderCharset::kAscii && !codec::IsAscii(word));
}

// `text` in encoded words, each after a blank; readers drop the blanks between (RFC 2047 §6.2).
void HeaderBuilder::Encoded(std::string_view text, bool phrase) {
  const codec::EncodedWordPlace place =
      phrase ? codec::EncodedWordPlace::kPhrase : codec::EncodedWordPlace::kText;
  const codec::EncodedWordOptions options = {
      .charset = "UTF-8", .encoding = codec::ShorterEncoding(text, place), .place = place};
  std::array<char, codec::kEncodedWordBytesMax> word{};
  while (!text.empty()) {
    codec::EncodeStep step;
    if (column_ + 1 < kColumnsMax) {
      step = codec::EncodeWord(text, options, kColumnsMax - column_ - 1, word.data());
    }
    if (step.consumed == 0) {
      Break();
      step = codec::EncodeWord(text, options, kColumnsMax - 1, word.data());
      CHECK_GT(step.consumed, 0u);
    } else {
      out_ += ' ';
      ++column_;
    }
    out_.append(word.data(), step.written);
    column_ += step.written;
    text.remove_prefix(step.consumed);
  }
}

void HeaderBuilder::Text(std::string_view name, std::string_view text) {
  Begin(name);
  const std::string clean = Clean(text);
  // From the first word that needs it to the last, all is encoded, with the blanks between.
  size_t first = std::string::npos, last = 0;
  for (size_t at = 0; at < clean.size();) {
    const size_t end = std::min(clean.find(' ', at), clean.size());
    if (NeedsEncoding(std::string_view(clean).substr(at, end - at))) {
      first = std::min(first, at);
      last = end;
    }
    at = end + 1;
  }
  // Blanks beside encoded words are shown, but where several stand they are best encoded too.
  std::string_view rest = clean;
  const auto plain = [this](std::string_view words) {
    for (size_t at = 0; at < words.size();) {
      // A word with the blanks before it but one, which may become the blank of a fold.
      const size_t word = std::min(words.find_first_not_of(' ', at), words.size());
      const size_t end = std::min(words.find(' ', word), words.size());
      Word(words.substr(at, end - at), true);
      at = end + 1;
    }
  };
  if (first == std::string::npos) {
    if (!rest.empty()) plain(rest);
    End();
    return;
  }
  while (first > 1 && clean[first - 2] == ' ') --first;
  while (last + 1 < clean.size() && clean[last + 1] == ' ') ++last;
  if (first > 0) plain(rest.substr(0, first - 1));
  Encoded(rest.substr(first, last - first), false);
  if (last + 1 < clean.size()) plain(rest.substr(last + 1));
  End();
}

void HeaderBuilder::Phrase(std::string_view name) {
  bool encode = name.size() > kWordBytesMax, atoms = true;
  for (size_t at = 0; at < name.size(); ++at) {
    const char c = name[at];
    if (c == ' ') {
      atoms = atoms && at + 1 < name.size() && name[at + 1] != ' ';
    } else {
      atoms = atoms && IsAtext(c);
    }
  }
  encode = encode || NeedsEncoding(name);
  if (encode) {
    Encoded(name, true);
    return;
  }
  if (atoms) {
    for (size_t at = 0; at < name.size();) {
      const size_t end = std::min(name.find(' ', at), name.size());
      Word(name.substr(at, end - at), true);
      at = end + 1;
    }
    return;
  }
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  Word(quoted + "\"", true);
}

bool HeaderBuilder::Addresses(std::string_view name, std::span<const Address> addresses) {
  Begin(name);
  bool representable = true, separate = false;
  for (const Address& address : addresses) {
    if (address.kind == AddressKind::kGroupEnd) {
      out_ += ';';
      ++column_;
      separate = true;
      continue;
    }
    if (separate) {
      out_ += ',';
      ++column_;
    }
    const std::string display = Clean(address.name);
    if (address.kind == AddressKind::kGroup) {
      Phrase(display.empty() ? std::string_view("group") : std::string_view(display));
      out_ += ':';
      ++column_;
      separate = false;
      continue;
    }
    Address plain = address;
    plain.local_part = Clean(plain.local_part);
    plain.domain = CleanDomain(plain.domain);
    const std::string spec = AddrSpec(plain);
    if (!codec::IsAscii(spec)) representable = representable && charset_ == HeaderCharset::kUtf8;
    if (display.empty()) {
      Word(plain.domain.empty() ? "<" + spec + ">" : spec, true);
    } else {
      Phrase(display);
      Word("<" + spec + ">", true);
    }
    separate = true;
  }
  End();
  return representable;
}

void HeaderBuilder::MessageIds(std::string_view name, std::span<const std::string> ids) {
  Begin(name);
  for (const std::string& id : ids) Word("<" + Clean(id) + ">", true);
  End();
}

void HeaderBuilder::Date(std::string_view name, const DateTime& date) {
  Begin(name);
  const int zone = date.zone_minutes < 0 ? -date.zone_minutes : date.zone_minutes;
  std::string text;
  AppendDate(date.when + std::chrono::minutes(date.zone_minutes), text);
  text.resize(text.size() - 5);
  text += date.zone_minutes < 0 || date.zone_unknown ? '-' : '+';
  for (const int digits : {zone / 60, zone % 60}) {
    text += static_cast<char>('0' + digits / 10);
    text += static_cast<char>('0' + digits % 10);
  }
  out_ += ' ' + text;
  End();
}

// RFC 2231 §3 and §4: as many sections as it takes, each on a line of its own.
void HeaderBuilder::Continued(const Parameter& parameter) {
  std::string_view rest = parameter.value;
  const bool one = parameter.name.size() + 12 + codec::PercentEncodedBytes(rest) < kColumnsMax;
  std::array<char, 64> text{};
  for (size_t section = 0; section == 0 || !rest.empty(); ++section) {
    std::string piece = parameter.name;
    if (!one) piece += "*" + std::to_string(section);
    piece += section == 0 ? "*=UTF-8''" : "*=";
    const codec::EncodeStep step =
        codec::PercentEncodeSome(rest, one ? text.size() : 48, text.data());
    piece.append(text.data(), step.written);
    rest.remove_prefix(step.consumed);
    if (!rest.empty() || section > 0) CHECK(step.consumed > 0);
    out_ += ';';
    Break();
    out_ += piece;
    column_ += piece.size();
  }
}

void HeaderBuilder::OneParameter(const Parameter& given) {
  const Parameter parameter = {.name = given.name, .value = Clean(given.value)};
  const std::string_view value = parameter.value;
  const bool token = !value.empty() && std::all_of(value.begin(), value.end(), IsTokenChar);
  // RFC 2047 §5 forbids encoded words here, and all read them: what looks like one is hidden.
  const bool extended = value.size() > 500 || value.find("=?") != std::string_view::npos ||
                        (charset_ == HeaderCharset::kAscii && !codec::IsAscii(value));
  if (extended) {
    Continued(parameter);
    return;
  }
  std::string text = parameter.name + "=";
  if (token) {
    text += value;
  } else {
    text += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  out_ += ';';
  ++column_;
  Word(text, true);
}

void HeaderBuilder::Parameters(std::string_view name, std::string_view value,
                               std::span<const Parameter> parameters) {
  Begin(name);
  Word(Clean(value), true);
  for (const Parameter& parameter : parameters) {
    const bool named = !parameter.name.empty() && parameter.name.size() <= 60 &&
                       std::all_of(parameter.name.begin(), parameter.name.end(), [](char c) {
                         return IsTokenChar(c) && c != '*' && c != '\'' && c != '%';
                       });
    if (named) OneParameter(parameter);
  }
  End();
}

}  // namespace ringmail::message
