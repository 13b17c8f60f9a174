#include "server/commands/mbox.h"

namespace ringmail::server {
namespace {

constexpr std::string_view kFrom = "From ";

size_t LineEnd(std::string_view text, size_t at) {
  const size_t feed = text.find('\n', at);
  return feed == text.npos ? text.size() : feed + 1;
}

bool Empty(std::string_view line) { return line == "\n" || line == "\r\n"; }

// ">From ", ">>From " and so on.
bool Quoted(std::string_view line) {
  const size_t text = line.find_first_not_of('>');
  return text != 0 && text != line.npos && line.substr(text).starts_with(kFrom);
}

bool HasQuoted(std::string_view message) {
  for (size_t at = 0; at < message.size(); at = LineEnd(message, at)) {
    if (message[at] == '>' && Quoted(message.substr(at, LineEnd(message, at) - at))) return true;
  }
  return false;
}

std::string Unquote(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (size_t at = 0; at < message.size();) {
    const size_t end = LineEnd(message, at);
    const std::string_view line = message.substr(at, end - at);
    out += Quoted(line) ? line.substr(1) : line;
    at = end;
  }
  return out;
}

}  // namespace

std::vector<std::string_view> SplitMbox(std::string_view text, std::deque<std::string>& unquoted) {
  if (!text.starts_with(kFrom)) return {text};
  std::vector<std::string_view> messages;
  size_t begin = LineEnd(text, 0);
  size_t empty = text.npos;  // where the empty line before `at` begins
  for (size_t at = begin; at <= text.size();) {
    const size_t end = LineEnd(text, at);
    const bool over = at == text.size();
    if (over || (empty != text.npos && text.substr(at).starts_with(kFrom))) {
      const size_t message_end = empty == text.npos ? at : empty;
      messages.push_back(text.substr(begin, message_end - begin));
      if (over) break;
      begin = end;
    }
    empty = Empty(text.substr(at, end - at)) ? at : text.npos;
    at = end;
  }
  for (std::string_view& message : messages) {
    if (!HasQuoted(message)) continue;
    unquoted.push_back(Unquote(message));
    message = unquoted.back();
  }
  return messages;
}

}  // namespace ringmail::server
