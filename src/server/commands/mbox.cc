#include "server/commands/mbox.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "ringmail/base/status.h"
#include "ringmail/codec/ascii.h"

namespace ringmail::server {
namespace {

constexpr std::string_view kFrom = "From ";

size_t LineEnd(std::string_view text, size_t at) {
  const size_t feed = text.find('\n', at);
  return feed == text.npos ? text.size() : feed + 1;
}

bool Empty(std::string_view line) { return line == "\n" || line == "\r\n"; }

std::string_view LineAt(std::string_view text, size_t at) {
  return text.substr(at, LineEnd(text, at) - at);
}

// "From - ", "From a@b Thu Nov 21 13:20:54 1996": a sender, and nothing more or a day of the week.
bool LooksLikeFrom(std::string_view line) {
  if (!line.starts_with(kFrom)) return false;
  const std::string_view rest = Std(absl::StripAsciiWhitespace(Absl(line.substr(kFrom.size()))));
  const size_t sender = rest.find(' ');
  if (sender == rest.npos) return !rest.empty();
  const std::string_view after = Std(absl::StripLeadingAsciiWhitespace(Absl(rest.substr(sender))));
  static constexpr std::string_view kDays = "Mon Tue Wed Thu Fri Sat Sun ";
  return after.size() > 4 && after[3] == ' ' && kDays.find(after.substr(0, 4)) % 4 == 0;
}

bool LooksLikeField(std::string_view line) {
  const size_t colon = line.find(':');
  return colon != 0 && colon != line.npos &&
         std::all_of(line.begin(), line.begin() + static_cast<ptrdiff_t>(colon),
                     [](char c) { return c > ' ' && c < 0x7F; });
}

// Where the message that begins at `begin` ends by its Content-Length, if what stands there bears
// it out. Otherwise npos: the number is often wrong, since whoever edits a mailbox forgets it.
size_t EndByLength(std::string_view text, size_t begin) {
  uint64_t length = 0;
  bool named = false;
  size_t at = begin;
  for (; at < text.size(); at = LineEnd(text, at)) {
    const std::string_view line = LineAt(text, at);
    if (Empty(line)) break;
    static constexpr std::string_view kName = "content-length:";
    if (!codec::AsciiStartsWithNoCase(line, kName)) continue;
    named = absl::SimpleAtoi(Absl(line.substr(kName.size())), &length);
  }
  const size_t body = LineEnd(text, at);
  if (!named || at >= text.size() || length > text.size() - body) return text.npos;
  const size_t end = body + length;
  if (text[end - 1] != '\n') return text.npos;
  const size_t next = end < text.size() && Empty(LineAt(text, end)) ? LineEnd(text, end) : end;
  return next == text.size() || text.substr(next).starts_with(kFrom) ? end : text.npos;
}

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
  for (size_t begin = LineEnd(text, 0);;) {
    size_t end = EndByLength(text, begin);
    // Where the empty line before `at` begins, if there is one.
    size_t at = end == text.npos ? begin : end, empty = text.npos;
    for (; at < text.size(); at = LineEnd(text, at)) {
      const std::string_view line = LineAt(text, at);
      if (line.starts_with(kFrom)) {
        const size_t next = LineEnd(text, at);
        if (at == end || empty != text.npos ||
            (LooksLikeFrom(line) && LooksLikeField(LineAt(text, next))))
          break;
      }
      empty = Empty(line) ? at : text.npos;
    }
    if (end == text.npos) end = empty == text.npos ? at : empty;
    messages.push_back(text.substr(begin, end - begin));
    if (at >= text.size()) break;
    begin = LineEnd(text, at);
  }
  for (std::string_view& message : messages) {
    if (!HasQuoted(message)) continue;
    unquoted.push_back(Unquote(message));
    message = unquoted.back();
  }
  return messages;
}

}  // namespace ringmail::server
