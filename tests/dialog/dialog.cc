#include "tests/dialog/dialog.h"

#include <charconv>
#include <optional>

namespace ringmail::dialog {
namespace {

constexpr size_t kRepeatedBytesMax = 64u << 20;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

std::optional<Nanoseconds> ParseTime(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit == "ms") return std::chrono::milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes an escape off the front of `text`, which begins with a backslash. False: there is no such
// escape.
bool TakeEscape(std::string_view& text, std::string& out) {
  if (text.size() < 2) return false;
  const char c = text[1];
  const size_t at = std::string_view("rnt0\\").find(c);
  if (at != std::string_view::npos) {
    out += std::string_view("\r\n\t\0\\", 5)[at];
    text.remove_prefix(2);
    return true;
  }
  if (c != 'x' || text.size() < 4 || HexDigit(text[2]) < 0 || HexDigit(text[3]) < 0) return false;
  out += static_cast<char>(HexDigit(text[2]) * 16 + HexDigit(text[3]));
  text.remove_prefix(4);
  return true;
}

// One piece of a pattern.
struct Token {
  enum class Kind : uint8_t { kLiteral, kAny, kSome, kDigits } kind = Kind::kLiteral;
  std::string text;
};

// The meaning of what stands between braces.
StatusOr<Token> Brace(std::string_view inside, const Variables& variables) {
  if (inside == "*") return Token{.kind = Token::Kind::kAny};
  if (inside == "+") return Token{.kind = Token::Kind::kSome};
  if (inside == "d") return Token{.kind = Token::Kind::kDigits};
  const size_t star = inside.find('*');
  if (star != std::string_view::npos) {
    size_t count = 0;
    const auto [end, error] = std::from_chars(inside.data(), inside.data() + star, count);
    const std::string_view unit = inside.substr(star + 1);
    if (error != std::errc() || end != inside.data() + star || unit.empty() ||
        count > kRepeatedBytesMax / unit.size()) {
      return absl::InvalidArgumentError("cannot repeat {" + std::string(inside) + "}");
    }
    Token token;
    for (std::string_view rest = unit; !rest.empty();) {
      if (rest.front() == '\\') {
        if (!TakeEscape(rest, token.text)) return absl::InvalidArgumentError("unknown escape");
      } else {
        token.text += rest.front();
        rest.remove_prefix(1);
      }
    }
    const std::string once = token.text;
    token.text.clear();
    for (size_t i = 0; i < count; ++i) token.text += once;
    return token;
  }
  const auto found = variables.find(std::string(inside));
  if (found == variables.end()) {
    return absl::InvalidArgumentError("no variable {" + std::string(inside) + "}");
  }
  return Token{.text = found->second};
}

StatusOr<std::vector<Token>> Tokens(std::string_view text, const Variables& variables) {
  std::vector<Token> tokens;
  const auto literal = [&]() -> std::string& {
    if (tokens.empty() || tokens.back().kind != Token::Kind::kLiteral) tokens.emplace_back();
    return tokens.back().text;
  };
  while (!text.empty()) {
    if (text.starts_with("{{") || text.starts_with("}}")) {
      literal() += text.front();
      text.remove_prefix(2);
    } else if (text.front() == '{') {
      const size_t end = text.find('}');
      if (end == std::string_view::npos) return absl::InvalidArgumentError("{ without }");
      ASSIGN_OR_RETURN(Token token, Brace(text.substr(1, end - 1), variables));
      text.remove_prefix(end + 1);
      if (token.kind == Token::Kind::kLiteral) {
        literal() += token.text;
      } else {
        tokens.push_back(std::move(token));
      }
    } else if (text.front() == '\\') {
      if (!TakeEscape(text, literal())) return absl::InvalidArgumentError("unknown escape");
    } else {
      literal() += text.front();
      text.remove_prefix(1);
    }
  }
  return tokens;
}

bool Match(const std::vector<Token>& tokens, size_t at, std::string_view line) {
  if (at == tokens.size()) return line.empty();
  const Token& token = tokens[at];
  if (token.kind == Token::Kind::kLiteral) {
    return line.starts_with(token.text) && Match(tokens, at + 1, line.substr(token.text.size()));
  }
  for (size_t taken = token.kind == Token::Kind::kAny ? 0 : 1; taken <= line.size(); ++taken) {
    if (token.kind == Token::Kind::kDigits && (line[taken - 1] < '0' || line[taken - 1] > '9'))
      return false;
    if (Match(tokens, at + 1, line.substr(taken))) return true;
  }
  return false;
}

class Parser {
 public:
  Parser(std::string_view file, Dialog& dialog) : file_(file), dialog_(dialog) {}
  Status Take(std::string_view line);

 private:
  Status Wrong(std::string_view what) const {
    return absl::InvalidArgumentError(std::string(file_) + ":" + std::to_string(line_) + ": " +
                                      std::string(what));
  }
  void Add(Step::Kind kind, std::string_view text = {}) {
    dialog_.steps.push_back({.kind = kind, .line = line_, .key = {}, .text = std::string(text)});
  }
  Status TakeSetting(std::string_view rest);
  Status TakeDirective(std::string_view line);

  const std::string_view file_;
  Dialog& dialog_;
  int line_ = 0;
};

// What follows "C: " or "S: ": white space at its end counts.
std::string_view After(std::string_view line, size_t prefix) {
  line.remove_prefix(std::min(prefix, line.size()));
  if (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

Status Parser::Take(std::string_view line) {
  ++line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (Trim(line).empty() || line.front() == '#') return absl::OkStatus();
  if (line.starts_with("C:")) {
    Add(Step::Kind::kSend, std::string(After(line, 2)) + "\\r\\n");
  } else if (line.starts_with("C+")) {
    Add(Step::Kind::kSend, After(line, 2));
  } else if (line.starts_with("S:")) {
    Add(Step::Kind::kLine, After(line, 2));
  } else if (line.starts_with("S*")) {
    Add(Step::Kind::kLines, After(line, 2));
  } else if (line.starts_with("title:")) {
    dialog_.title = Trim(line.substr(6));
  } else if (line.starts_with("config:")) {
    return TakeSetting(line.substr(7));
  } else {
    return TakeDirective(Trim(line));
  }
  return absl::OkStatus();
}

Status Parser::TakeSetting(std::string_view rest) {
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return Wrong("config: needs KEY = VALUE");
  if (!dialog_.steps.empty()) return Wrong("config: stands before the conversation");
  dialog_.config.push_back({.key = std::string(Trim(rest.substr(0, equals))),
                            .value = std::string(Trim(rest.substr(equals + 1))),
                            .line = line_});
  return absl::OkStatus();
}

Status Parser::TakeDirective(std::string_view line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  const std::string_view rest = Trim(line.substr(space));
  const auto timed = [&](Step::Kind kind) {
    const auto time = ParseTime(rest);
    if (!time) return Wrong("needs a time such as 100ms, 5s, 10m or 1h");
    Add(kind);
    dialog_.steps.back().time = *time;
    return absl::OkStatus();
  };
  if (word == "wait") return timed(Step::Kind::kWait);
  if (word == "quiet") return timed(Step::Kind::kQuiet);
  if (word == "patience") return timed(Step::Kind::kPatience);
  if (word.starts_with("expect-")) {
    if (!word.ends_with(':')) return Wrong("expect-SOMETHING: needs its colon");
    Add(Step::Kind::kExpect, rest);
    dialog_.steps.back().key = word.substr(7, word.size() - 8);
    return absl::OkStatus();
  }
  if (word == "connection") {
    if (rest.empty()) return Wrong("connection needs a name");
    Add(Step::Kind::kConnection, rest);
    return absl::OkStatus();
  }
  if (!rest.empty()) return Wrong("not understood: " + std::string(line));
  if (word == "pause")
    Add(Step::Kind::kPause);
  else if (word == "closed")
    Add(Step::Kind::kClosed);
  else if (word == "shutdown")
    Add(Step::Kind::kShutdown);
  else if (word == "close")
    Add(Step::Kind::kClose);
  else
    return Wrong("not understood: " + std::string(line));
  return absl::OkStatus();
}

}  // namespace

StatusOr<Dialog> Parse(std::string_view file, std::string_view text) {
  Dialog dialog;
  dialog.name = file;
  Parser parser(file, dialog);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    RETURN_IF_ERROR(parser.Take(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (dialog.title.empty()) return absl::InvalidArgumentError(dialog.name + ": has no title:");
  if (dialog.steps.empty()) return absl::InvalidArgumentError(dialog.name + ": says nothing");
  return dialog;
}

StatusOr<std::string> Expand(std::string_view text, const Variables& variables) {
  ASSIGN_OR_RETURN(const std::vector<Token> tokens, Tokens(text, variables));
  std::string out;
  for (const Token& token : tokens) {
    if (token.kind != Token::Kind::kLiteral) {
      return absl::InvalidArgumentError("a placeholder has no place in what the client says");
    }
    out += token.text;
  }
  return out;
}

StatusOr<bool> Matches(std::string_view pattern, std::string_view line,
                       const Variables& variables) {
  ASSIGN_OR_RETURN(const std::vector<Token> tokens, Tokens(pattern, variables));
  return Match(tokens, 0, line);
}

}  // namespace ringmail::dialog
