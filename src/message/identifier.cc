#include "ringmail/message/identifier.h"

#include "message/lexer.h"

namespace ringmail::message {
namespace {

// From "<" at `at` to its ">": quoted strings and domain literals may hold one.
size_t ReadId(std::string_view value, size_t at, std::string& id) {
  for (++at; at < value.size() && value[at] != '>';) {
    const char c = value[at];
    if (IsBlank(c)) {
      ++at;
    } else if (c == '(') {
      at = SkipComment(value, at);
    } else if (c == '"') {
      const size_t end = SkipQuoted(value, at);
      for (; at < end; ++at) {
        if (value[at] != '\r' && value[at] != '\n') id += value[at];
      }
    } else if (c == '<') {
      id.clear();
      ++at;
    } else {
      id += value[at++];
    }
  }
  return at < value.size() ? at + 1 : at;
}

}  // namespace

std::vector<std::string> ParseMessageIds(std::string_view value) {
  std::vector<std::string> ids;
  for (size_t at = SkipCfws(value, 0); at < value.size(); at = SkipCfws(value, at)) {
    if (value[at] == '<') {
      std::string id;
      at = ReadId(value, at, id);
      if (!id.empty()) ids.push_back(std::move(id));
    } else if (value[at] == '"') {
      at = SkipQuoted(value, at);
    } else {
      ++at;
    }
  }
  if (!ids.empty()) return ids;
  for (size_t at = SkipCfws(value, 0); at < value.size(); at = SkipCfws(value, at)) {
    const size_t begin = at;
    while (at < value.size() && !IsBlank(value[at]) && value[at] != ',' && value[at] != '(') ++at;
    const std::string_view word = value.substr(begin, at - begin);
    if (word.find('@') != std::string_view::npos) ids.emplace_back(word);
    if (at < value.size() && value[at] == ',') ++at;
  }
  return ids;
}

}  // namespace ringmail::message
