#include "ringmail/message/flowed.h"

#include <algorithm>

#include "message/lexer.h"
#include "ringmail/base/check.h"

namespace ringmail::message {
namespace {

// §4.2: "no more than 78 octets", the space of a soft break among them.
constexpr size_t kFlowedLineMax = 78;

struct Line {
  uint32_t depth = 0;
  bool flowed = false;
  std::string_view text;  // without quote marks, stuffing, and with its last space
};

Line ReadLine(std::string_view text) {
  Line line;
  while (text.starts_with('>')) {
    ++line.depth;
    text.remove_prefix(1);
  }
  // §4.4: a space that was put before the text.
  if (text.starts_with(' ')) text.remove_prefix(1);
  line.text = text;
  line.flowed = text.ends_with(' ') && text != kSignatureSeparator;
  return line;
}

// §4.4: what would be read as quotation or stuffing, and what mailboxes in files would change.
bool NeedsStuffing(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('>') || line.starts_with("From ");
}

// How much of `text` comes onto a line that has room for `room` octets: up to and with a space
// after a word. All of it where it fits, or has no such place.
size_t LineBytes(std::string_view text, size_t room) {
  if (text.size() <= room) return text.size();
  size_t space = text.rfind(' ', std::max<size_t>(room, 1) - 1);
  const size_t word = text.find_first_not_of(' ');
  if (space == std::string_view::npos || space < word)
    space = text.find(' ', std::min(word, text.size()));
  return space == std::string_view::npos ? text.size() : space + 1;
}

}  // namespace

std::optional<FlowedForm> FlowedFormOf(const ContentType& type) {
  if (type.type != "text" || type.subtype != "plain") return std::nullopt;
  const Parameter* format = FindParameter(type.parameters, "format");
  if (format == nullptr || !SameAscii(format->value, "flowed")) return std::nullopt;
  const Parameter* delsp = FindParameter(type.parameters, "delsp");
  return FlowedForm{.delsp = delsp != nullptr && SameAscii(delsp->value, "yes")};
}

std::vector<FlowedParagraph> Unflow(std::string_view text, FlowedForm form) {
  std::vector<FlowedParagraph> paragraphs;
  bool open = false;
  // A paragraph that ends although its last line is flowed: §4.5 takes that line as fixed.
  const auto close = [&] {
    if (open && !form.delsp) {
      std::string& last = paragraphs.back().text;
      if (last.ends_with(' ')) last.pop_back();
    }
    open = false;
  };
  while (!text.empty()) {
    const size_t lf = std::min(text.find('\n'), text.size());
    std::string_view raw = text.substr(0, lf);
    text.remove_prefix(std::min(lf + 1, text.size()));
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    Line line = ReadLine(raw);
    if (open && (line.depth != paragraphs.back().quote_depth || line.text == kSignatureSeparator)) {
      close();
    }
    if (line.flowed && form.delsp) line.text.remove_suffix(1);
    if (!open) paragraphs.push_back({.quote_depth = line.depth, .text = {}});
    paragraphs.back().text += line.text;
    open = line.flowed;
  }
  close();
  return paragraphs;
}

std::string UnflowText(std::string_view text, FlowedForm form) {
  std::string out;
  for (const FlowedParagraph& paragraph : Unflow(text, form)) {
    out.append(paragraph.quote_depth, '>');
    if (paragraph.quote_depth > 0 && !paragraph.text.empty()) out += ' ';
    out += paragraph.text;
    out += "\r\n";
  }
  return out;
}

std::string Flow(std::span<const FlowedParagraph> paragraphs) {
  std::string out;
  for (const FlowedParagraph& paragraph : paragraphs) {
    std::string_view rest = paragraph.text;
    CHECK(rest.find_first_of("\r\n") == std::string_view::npos);
    const bool separator = rest == kSignatureSeparator;
    while (!separator && rest.ends_with(' ')) rest.remove_suffix(1);
    const std::string quotes(paragraph.quote_depth, '>');
    do {
      // §4.5: quoted text is stuffed, so that its own ">" is none of ours.
      const bool stuffed = !quotes.empty() || NeedsStuffing(rest);
      const size_t taken = quotes.size() + (stuffed ? 1 : 0);
      size_t bytes = separator ? rest.size()
                               : LineBytes(rest, kFlowedLineMax - std::min(taken, kFlowedLineMax));
      // A line of the separator's own octets would be one: it takes the next word as well.
      if (!separator && rest.substr(0, bytes) == kSignatureSeparator) {
        bytes += LineBytes(rest.substr(bytes), 1);
      }
      out += quotes;
      if (stuffed) out += ' ';
      out += rest.substr(0, bytes);
      out += "\r\n";
      rest.remove_prefix(bytes);
    } while (!rest.empty());
  }
  return out;
}

}  // namespace ringmail::message
