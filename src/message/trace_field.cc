#include "ringmail/message/trace_field.h"

#include <algorithm>

#include "message/lexer.h"
#include "ringmail/message/header_text.h"

namespace ringmail::message {
namespace {

constexpr std::string_view kClauses[] = {"from", "by", "via", "with", "id", "for"};

std::string* ClauseOf(std::string_view word, ParsedReceived& received) {
  std::string* const fields[] = {&received.from, &received.by, &received.via,
                                 &received.with, &received.id, &received.for_path};
  for (size_t i = 0; i < std::size(kClauses); ++i) {
    if (SameAscii(word, kClauses[i])) return fields[i];
  }
  return nullptr;
}

// Reads the tokens of RFC 8601 §2.2: MIME tokens, quoted strings and marks, comments between.
class ResultReader {
 public:
  explicit ResultReader(std::string_view text) : text_(text) {}
  std::optional<AuthenticationResults> Read();

 private:
  bool AtEnd() {
    Skip();
    return at_ >= text_.size();
  }
  void Skip();
  bool Take(char mark) {
    Skip();
    if (at_ >= text_.size() || text_[at_] != mark) return false;
    ++at_;
    return true;
  }
  std::string Word(std::string_view ends);
  bool ReadVersion(uint32_t& version);
  bool ReadResult(AuthenticationResult& result);
  bool ReadProperty(AuthenticationResult& result);

  std::string_view text_;
  std::string_view comment_;
  size_t at_ = 0;
};

void ResultReader::Skip() {
  while (at_ < text_.size()) {
    if (IsBlank(text_[at_])) {
      ++at_;
    } else if (text_[at_] == '(') {
      const size_t begin = at_ + 1;
      at_ = SkipComment(text_, at_);
      comment_ = text_.substr(begin, at_ - begin - (text_[at_ - 1] == ')' ? 1 : 0));
    } else {
      return;
    }
  }
}

// A quoted-string, or octets up to white space or one of `ends`.
std::string ResultReader::Word(std::string_view ends) {
  Skip();
  std::string out;
  if (at_ < text_.size() && text_[at_] == '"') {
    const size_t begin = at_ + 1;
    at_ = SkipQuoted(text_, at_);
    const bool closed = at_ > begin && text_[at_ - 1] == '"';
    AppendUnescaped(text_.substr(begin, at_ - begin - (closed ? 1 : 0)), out);
    return out;
  }
  while (at_ < text_.size() && !IsBlank(text_[at_]) && text_[at_] != '(' &&
         ends.find(text_[at_]) == std::string_view::npos) {
    out += text_[at_++];
  }
  return out;
}

bool ResultReader::ReadVersion(uint32_t& version) {
  const std::string digits = Word(";/=.");
  if (digits.empty() || digits.size() > 9) return false;
  version = 0;
  for (const char c : digits) {
    if (!IsDigit(c)) return false;
    version = version * 10 + static_cast<uint32_t>(c - '0');
  }
  return true;
}

// ptype "." property "=" pvalue; `reason` was read by the caller.
bool ResultReader::ReadProperty(AuthenticationResult& result) {
  AuthenticationProperty property;
  property.type = LowerAscii(Word(".=;"));
  if (property.type == "reason" && result.properties.empty() && Take('=')) {
    result.reason = Word(";");
    return true;
  }
  if (property.type.empty() || !Take('.')) return false;
  property.property = LowerAscii(Word("=;."));
  if (property.property.empty() || !Take('=')) return false;
  property.value = Word(";");
  // pvalue may be [[local-part] "@"] domain, whose local part may be quoted.
  if (at_ < text_.size() && text_[at_] == '@') property.value += Word(";");
  result.properties.push_back(std::move(property));
  return true;
}

bool ResultReader::ReadResult(AuthenticationResult& result) {
  comment_ = {};
  result.method = LowerAscii(Word("=/;"));
  if (result.method.empty()) return false;
  if (Take('/') && !ReadVersion(result.method_version)) return false;
  if (!Take('=')) return false;
  result.result = LowerAscii(Word(";"));
  if (result.result.empty()) return false;
  while (!AtEnd() && text_[at_] != ';') {
    if (!ReadProperty(result)) return false;
  }
  result.comment = DecodeText(comment_);
  return true;
}

std::optional<AuthenticationResults> ResultReader::Read() {
  AuthenticationResults results;
  results.server = Word(";");
  if (results.server.empty()) return std::nullopt;
  if (!AtEnd() && text_[at_] != ';' && !ReadVersion(results.version)) return std::nullopt;
  while (Take(';')) {
    if (AtEnd()) break;  // a semicolon too many at the end, which many write
    const size_t begin = at_;
    if (LowerAscii(Word(";=/")) == "none" && (AtEnd() || text_[at_] == ';')) continue;
    at_ = begin;
    AuthenticationResult result;
    if (!ReadResult(result)) return std::nullopt;
    results.results.push_back(std::move(result));
  }
  if (!AtEnd()) return std::nullopt;
  return results;
}

}  // namespace

ParsedReceived ParseReceived(std::string_view value) {
  ParsedReceived received;
  // The date follows the last semicolon outside of comments and quoted strings.
  size_t semicolon = std::string_view::npos;
  for (size_t at = 0; at < value.size();) {
    if (value[at] == '(') {
      at = SkipComment(value, at);
    } else if (value[at] == '"') {
      at = SkipQuoted(value, at);
    } else {
      if (value[at] == ';') semicolon = at;
      ++at;
    }
  }
  if (semicolon != std::string_view::npos) {
    received.when = ParseDate(value.substr(semicolon + 1));
    value = value.substr(0, semicolon);
  }
  std::string* clause = nullptr;
  for (size_t at = 0; at < value.size();) {
    if (IsBlank(value[at])) {
      ++at;
      continue;
    }
    const size_t begin = at;
    if (value[at] == '(') {
      at = SkipComment(value, at);
      if (clause == &received.from && received.from_comment.empty()) {
        const bool closed = value[at - 1] == ')';
        AppendUnescaped(value.substr(begin + 1, at - begin - 1 - (closed ? 1 : 0)),
                        received.from_comment);
      }
      continue;
    }
    while (at < value.size() && !IsBlank(value[at]) && value[at] != '(') {
      at = value[at] == '"' ? SkipQuoted(value, at) : at + 1;
    }
    const std::string_view word = value.substr(begin, at - begin);
    if (clause != nullptr && clause->empty()) {
      *clause = word;
    } else if (std::string* const next = ClauseOf(word, received)) {
      clause = next->empty() ? next : nullptr;
    }
  }
  return received;
}

std::optional<AuthenticationResults> ParseAuthenticationResults(std::string_view value) {
  return ResultReader(value).Read();
}

ListUrls ParseListUrls(std::string_view value) {
  ListUrls list;
  size_t at = SkipCfws(value, 0);
  if (SameAscii(value.substr(at, 2), "no") && SkipCfws(value, at + 2) >= value.size()) {
    list.no = true;
    return list;
  }
  // RFC 2369 §2: an item that does not begin with "<" ends the list: what follows is for a later
  // standard.
  while (at < value.size() && value[at] == '<') {
    const size_t end = std::min(value.find('>', at), value.size());
    std::string url;
    for (const char c : value.substr(at + 1, end - at - 1)) {
      if (!IsBlank(c)) url += c;  // §2: white space within a URL is folding
    }
    if (!url.empty()) list.urls.push_back(std::move(url));
    at = SkipCfws(value, std::min(end + 1, value.size()));
    if (at < value.size() && value[at] == ',') at = SkipCfws(value, at + 1);
  }
  return list;
}

std::optional<ListId> ParseListId(std::string_view value) {
  const size_t end = value.rfind('>');
  const size_t begin = value.rfind('<', end);
  if (begin == std::string_view::npos || end == std::string_view::npos) return std::nullopt;
  ListId list;
  for (const char c : value.substr(begin + 1, end - begin - 1)) {
    if (!IsBlank(c)) list.id += c;
  }
  if (list.id.empty()) return std::nullopt;
  Lexer lexer(value.substr(0, begin));
  std::string name;
  for (Token token = lexer.NextWord(); token.kind != TokenKind::kEnd; token = lexer.NextWord()) {
    if (token.space_before && !name.empty()) name += ' ';
    if (token.kind == TokenKind::kQuoted) {
      AppendUnescaped(token.text, name);
    } else {
      name += token.text;
    }
  }
  list.name = DecodeText(name);
  return list;
}

bool IsOneClick(std::string_view value) {
  return SameAscii(TrimBlank(value), "List-Unsubscribe=One-Click");
}

}  // namespace ringmail::message
