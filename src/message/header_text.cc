#include "ringmail/message/header_text.h"

#include <optional>

#include "message/lexer.h"
#include "ringmail/codec/encoded_word.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/charset.h"

namespace ringmail::message {
namespace {

// Octets of one charset that wait for more of it.
struct Run {
  std::string charset, octets;
};

// A control in decoded text would be a line end, or worse, where the text is written again.
void AppendVisible(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto octet = static_cast<uint8_t>(c);
    if (octet == '\r' || octet == '\n') {
      if (out.empty() || out.back() != ' ') out += ' ';
    } else if ((octet >= ' ' && octet != 0x7F) || octet == '\t') {
      out += c;
    }
  }
}

// A byte order mark within a value is a character of it, though a word or a run may begin there.
std::string Decode(std::string_view charset, std::string_view octets) {
  const bool utf8 = charset.empty() || SameAscii(charset, "utf-8");
  return utf8 && codec::Utf8Valid(octets) ? std::string(octets) : DecodeCharset(charset, octets);
}

void Flush(Run& run, std::string& out) {
  if (run.octets.empty()) return;
  AppendVisible(Decode(run.charset, run.octets), out);
  run = {};
}

}  // namespace

std::string Unfold(std::string_view value) {
  std::string out;
  for (const char c : TrimBlank(value)) {
    if (c != '\r' && c != '\n') out += c;
  }
  return out;
}

std::string DecodeText(std::string_view value) {
  const std::string text = Unfold(value);
  std::string out, octets;
  Run run;
  std::string plain;  // since the last encoded word
  bool after_word = false;
  for (size_t at = 0; at < text.size();) {
    std::optional<codec::EncodedWord> word;
    if (text[at] == '=' && at + 1 < text.size() && text[at + 1] == '?') {
      word = codec::ReadEncodedWord(std::string_view(text).substr(at),
                                    codec::EncodedWordRule::kAnyBlank);
    }
    // RFC 2047 §6.2: of a charset that nobody knows, the word is shown as it stands.
    if (word && !CharsetDecoder(word->charset).known()) word.reset();
    if (!word) {
      plain += text[at++];
      continue;
    }
    if (!after_word || !TrimBlank(plain).empty()) {
      Flush(run, out);
      AppendVisible(Decode("", plain), out);
    }
    plain.clear();
    if (!SameAscii(run.charset, word->charset)) {
      Flush(run, out);
      run.charset = word->charset;
    }
    octets.resize(word->text.size() + 3);
    octets.resize(codec::DecodeWord(word->encoding, word->text, octets.data()).bytes);
    run.octets += octets;
    after_word = true;
    at += word->bytes;
  }
  Flush(run, out);
  AppendVisible(Decode("", plain), out);
  // Before it, it is none (RFC 3629 §6), and neither is white space in front of that.
  static constexpr std::string_view kMark = "\uFEFF";
  for (size_t at; (at = out.find_first_not_of(" \t")) != out.npos;) {
    if (out.compare(at, kMark.size(), kMark) != 0) break;
    out.erase(0, at + kMark.size());
  }
  return out;
}

}  // namespace ringmail::message
