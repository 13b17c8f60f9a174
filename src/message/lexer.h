// Tokens of structured header fields (RFC 5322 §3.2, obsolete forms of §4.1, RFC 2045 §5.1). Works
// on raw values: folding is white space. Private to message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::message {

constexpr char AsciiLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsAlpha(char c) { return AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z'; }
// RFC 5234 WSP, and the line ends of folding.
constexpr bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool SameAscii(std::string_view a, std::string_view b);
std::string LowerAscii(std::string_view text);
std::string_view TrimBlank(std::string_view text);

enum class TokenKind : uint8_t {
  kEnd,
  kAtom,     // atext and '.', octets over 127, and whatever else is no special
  kQuoted,   // text is what stands between the quotes, escapes and all
  kLiteral,  // "[…]", with its brackets
  kComment,  // what stands between the outer parentheses
  kSpecial,  // one octet of ()<>[]:;@\,"
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  bool space_before = false;  // white space or a comment
  std::string_view text;
  bool Is(char special) const { return kind == TokenKind::kSpecial && text.front() == special; }
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  // Comments come out as tokens.
  Token Next();
  // The next one that is no comment. The last comment passed over, if any, is comment().
  Token NextWord();
  std::string_view comment() const { return comment_; }
  void ClearComment() { comment_ = {}; }
  size_t at() const { return at_; }
  void MoveTo(size_t at) { at_ = at; }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  Token Enclosed(TokenKind kind, char end);
  Token Comment();

  std::string_view text_;
  size_t at_ = 0;
  std::string_view comment_;
};

// What stands in quotes or a comment, as meant: without the backslashes of quoted-pairs and without
// line ends (RFC 5322 §3.2.4: invisible).
void AppendUnescaped(std::string_view text, std::string& out);
// Where the quoted-string or comment that begins at `at` ends: past its closing octet, or the end.
size_t SkipQuoted(std::string_view text, size_t at);
size_t SkipComment(std::string_view text, size_t at);
// Past white space and comments.
size_t SkipCfws(std::string_view text, size_t at);

}  // namespace ringmail::message
