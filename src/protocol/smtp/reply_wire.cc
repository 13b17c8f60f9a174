#include "protocol/smtp/reply_wire.h"

#include <charconv>

#include "ringmail/message/path.h"

namespace ringmail::smtp {
namespace {

bool Digit(char c) { return '0' <= c && c <= '9'; }

// RFC 5321 §4.2: %x32-35 %x30-35 %x30-39. The middle digit is read leniently: later documents and
// peers use 6 to 9.
bool ReadCode(std::string_view line, uint16_t& code) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !Digit(line[1]) || !Digit(line[2]))
    return false;
  code = static_cast<uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
  return true;
}

void AppendClean(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (out.size() >= message::kReplyTextBytesMax) return;
    const auto octet = static_cast<unsigned char>(c);
    out.push_back(octet < 0x20 || octet == 0x7f ? '?' : c);
  }
}

// One number of 1 to 3 digits followed by `end` (or, for '\0', by a space or the end of the text).
bool TakeNumber(std::string_view& text, char end, uint16_t& value) {
  size_t digits = 0;
  value = 0;
  while (digits < text.size() && digits < 4 && Digit(text[digits])) {
    value = static_cast<uint16_t>(value * 10 + (text[digits] - '0'));
    ++digits;
  }
  if (digits == 0 || digits > 3) return false;
  text.remove_prefix(digits);
  if (end == '\0') return text.empty() || text.front() == ' ';
  if (text.empty() || text.front() != end) return false;
  text.remove_prefix(1);
  return true;
}

template <typename T>
bool ReadUnsigned(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view TakeWord(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// RFC 9422 §4: "RCPTMAX=100 MAILMAX=50"; zero and nonsense are ignored.
void ReadLimits(std::string_view text, PeerExtensions& out) {
  for (std::string_view word = TakeWord(text); !word.empty(); word = TakeWord(text)) {
    const size_t equals = word.find('=');
    uint32_t value = 0;
    if (equals == std::string_view::npos || !ReadUnsigned(word.substr(equals + 1), value)) continue;
    const std::string_view name = word.substr(0, equals);
    if (message::SameDomain(name, "RCPTMAX")) out.recipients_max = value;
    if (message::SameDomain(name, "MAILMAX")) out.transactions_max = value;
  }
}

}  // namespace

message::EnhancedStatus TakeEnhancedStatus(uint16_t code, std::string_view& text) {
  std::string_view rest = text;
  uint16_t klass = 0;
  message::EnhancedStatus status;
  if (!TakeNumber(rest, '.', klass) || !TakeNumber(rest, '.', status.subject) ||
      !TakeNumber(rest, '\0', status.detail)) {
    return {};
  }
  // RFC 2034 §3: the class and the first digit of the code agree.
  if (klass != code / 100) return {};
  status.klass = static_cast<uint8_t>(klass);
  if (!rest.empty()) rest.remove_prefix(1);
  text = rest;
  return status;
}

ReplyReader::Verdict ReplyReader::Line(std::string_view line) {
  uint16_t code = 0;
  if (!ReadCode(line, code) || (lines_ > 0 && code != reply_.code) || lines_ >= kReplyLinesMax)
    return Verdict::kBad;
  // RFC 5321 §4.2: a client accepts a code alone, with no text and no space.
  const char separator = line.size() > 3 ? line[3] : ' ';
  if (separator != ' ' && separator != '-') return Verdict::kBad;
  std::string_view text = line.size() > 4 ? line.substr(4) : std::string_view();
  line_text_ = text;
  if (lines_ == 0) {
    reply_ = message::Reply{};
    reply_.code = code;
    reply_.status = TakeEnhancedStatus(code, text);
  } else {
    // RFC 2034 §4: each line repeats the status code; once is enough to remember.
    if (reply_.status.present()) static_cast<void>(TakeEnhancedStatus(code, text));
    if (reply_.text.size() < message::kReplyTextBytesMax) reply_.text.push_back('\n');
  }
  ++lines_;
  AppendClean(text, reply_.text);
  return separator == '-' ? Verdict::kMore : Verdict::kDone;
}

message::Reply ReplyReader::Take() {
  lines_ = 0;
  return std::move(reply_);
}

void ReadExtension(std::string_view text, PeerExtensions& out) {
  const std::string_view keyword = TakeWord(text);
  const auto is = [keyword](std::string_view name) { return message::SameDomain(keyword, name); };
  if (is("PIPELINING")) out.pipelining = true;
  if (is("8BITMIME")) out.eight_bit_mime = true;
  if (is("SMTPUTF8")) out.smtp_utf8 = true;
  if (is("CHUNKING")) out.chunking = true;
  if (is("BINARYMIME")) out.binary_mime = true;
  if (is("DSN")) out.dsn = true;
  if (is("LIMITS")) ReadLimits(text, out);
  if (is("SIZE")) {
    out.size = true;
    uint64_t bytes = 0;
    if (ReadUnsigned(TakeWord(text), bytes)) out.size_bytes_max = bytes;
  }
}

}  // namespace ringmail::smtp
