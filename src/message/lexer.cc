#include "message/lexer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "ringmail/codec/encoded_word.h"

namespace ringmail::message {
namespace {

constexpr std::array<bool, 256> SpecialTable() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("()<>[]:;@\\,\"")) table[static_cast<uint8_t>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kSpecial = SpecialTable();

bool Special(char c) { return kSpecial[static_cast<uint8_t>(c)]; }

template <class Word>
Word Load(std::string_view text, size_t at) {
  Word word;
  std::memcpy(&word, text.data() + at, sizeof(word));
  return word;
}

// AsciiLower of all octets of a word: the sums reach the high bit from 'A' on, and after 'Z'.
uint64_t Lower(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x80 * kOnes;
  const uint64_t low = word & ~kHigh;
  const uint64_t upper = (low + (0x80 - 'A') * kOnes) & ~(low + (0x7F - 'Z') * kOnes) & ~word;
  return word | (upper & kHigh) >> 2;
}

}  // namespace

bool SameAscii(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const size_t bytes = a.size();
  if (bytes < sizeof(uint32_t)) {
    return std::equal(a.begin(), a.end(), b.begin(),
                      [](char x, char y) { return AsciiLower(x) == AsciiLower(y); });
  }
  if (bytes < sizeof(uint64_t)) {
    return Lower(Load<uint32_t>(a, 0)) == Lower(Load<uint32_t>(b, 0)) &&
           Lower(Load<uint32_t>(a, bytes - 4)) == Lower(Load<uint32_t>(b, bytes - 4));
  }
  for (size_t at = 0; at + sizeof(uint64_t) < bytes; at += sizeof(uint64_t)) {
    if (Lower(Load<uint64_t>(a, at)) != Lower(Load<uint64_t>(b, at))) return false;
  }
  return Lower(Load<uint64_t>(a, bytes - 8)) == Lower(Load<uint64_t>(b, bytes - 8));
}

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), AsciiLower);
  return out;
}

std::string_view TrimBlank(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

size_t SkipQuoted(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

size_t SkipComment(std::string_view text, size_t at) {
  size_t depth = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '(') {
      ++depth;
    } else if (text[at] == ')' && --depth == 0) {
      return at + 1;
    }
  }
  return text.size();
}

size_t SkipCfws(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (IsBlank(text[at])) {
      ++at;
    } else if (text[at] == '(') {
      at = SkipComment(text, at);
    } else {
      break;
    }
  }
  return at;
}

Token Lexer::Comment() {
  const size_t begin = at_;
  at_ = SkipComment(text_, at_);
  const bool closed = at_ > begin + 1 && text_[at_ - 1] == ')';
  return {.kind = TokenKind::kComment,
          .text = text_.substr(begin + 1, at_ - begin - 1 - (closed ? 1 : 0))};
}

Token Lexer::Enclosed(TokenKind kind, char end) {
  const size_t begin = at_;
  for (++at_; at_ < text_.size() && text_[at_] != end; ++at_) {
    if (text_[at_] == '\\') ++at_;
  }
  at_ = std::min(at_, text_.size());
  const size_t close = at_;
  if (at_ < text_.size()) ++at_;
  if (kind == TokenKind::kLiteral) {
    return {.kind = kind, .text = text_.substr(begin, at_ - begin)};
  }
  return {.kind = kind, .text = text_.substr(begin + 1, close - begin - 1)};
}

Token Lexer::Next() {
  const size_t before = at_;
  while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  const bool space = at_ != before;
  Token token;
  if (at_ >= text_.size()) {
    token.space_before = space;
    return token;
  }
  const char c = text_[at_];
  if (c == '"') {
    token = Enclosed(TokenKind::kQuoted, '"');
  } else if (c == '[') {
    token = Enclosed(TokenKind::kLiteral, ']');
  } else if (c == '(') {
    token = Comment();
  } else if (Special(c)) {
    token = {.kind = TokenKind::kSpecial, .text = text_.substr(at_++, 1)};
  } else {
    const size_t begin = at_;
    // An encoded word is one atom, also where its text has specials, which RFC 2047 §5 (3) forbids
    // and senders write.
    if (text_.substr(at_, 2) == "=?") {
      const std::optional<codec::EncodedWord> word =
          codec::ReadEncodedWord(text_.substr(at_), codec::EncodedWordRule::kStrict);
      if (word) at_ += word->bytes;
    }
    while (at_ < text_.size() && !Special(text_[at_]) && !IsBlank(text_[at_])) ++at_;
    token = {.kind = TokenKind::kAtom, .text = text_.substr(begin, at_ - begin)};
  }
  token.space_before = space;
  return token;
}

Token Lexer::NextWord() {
  bool space = false;
  while (true) {
    Token token = Next();
    space = space || token.space_before;
    if (token.kind != TokenKind::kComment) {
      token.space_before = space;
      return token;
    }
    comment_ = token.text;
    space = true;
  }
}

void AppendUnescaped(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    // Not even a backslash makes a line end visible (RFC 5322 §4.1 allows the pair).
    if (text[at] != '\r' && text[at] != '\n') out += text[at];
  }
}

}  // namespace ringmail::message
