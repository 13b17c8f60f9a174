#include "ringmail/message/preview.h"

#include <algorithm>

#include "message/lexer.h"
#include "ringmail/message/jmap_body.h"

namespace ringmail::message {
namespace {

struct Entity {
  std::string_view name, text;
};
// Those that senders write by name in running text; others stay as they are.
constexpr Entity kEntities[] = {
    {"amp", "&"},         {"lt", "<"},          {"gt", ">"},          {"quot", "\""},
    {"apos", "'"},        {"nbsp", " "},        {"shy", ""},          {"zwnj", ""},
    {"copy", "\u00A9"},   {"reg", "\u00AE"},    {"trade", "\u2122"},  {"euro", "\u20AC"},
    {"hellip", "\u2026"}, {"ndash", "\u2013"},  {"mdash", "\u2014"},  {"lsquo", "\u2018"},
    {"rsquo", "\u2019"},  {"ldquo", "\u201C"},  {"rdquo", "\u201D"},  {"bull", "\u2022"},
    {"auml", "\u00E4"},   {"ouml", "\u00F6"},   {"uuml", "\u00FC"},   {"Auml", "\u00C4"},
    {"Ouml", "\u00D6"},   {"Uuml", "\u00DC"},   {"szlig", "\u00DF"},  {"eacute", "\u00E9"},
    {"egrave", "\u00E8"}, {"agrave", "\u00E0"}, {"ccedil", "\u00E7"}, {"ntilde", "\u00F1"}};

void AppendCharacter(uint32_t c, std::string& out) {
  if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[more] | c >> (6 * more));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (c >> (6 * i) & 0x3F));
}

// The character reference at `at`; returns its end, or `at` where it is none.
size_t AppendReference(std::string_view html, size_t at, std::string& out) {
  const size_t end = html.substr(at, 12).find(';');
  if (end == std::string_view::npos) return at;
  std::string_view name = html.substr(at + 1, end - 1);
  if (name.starts_with('#')) {
    name.remove_prefix(1);
    const bool hex = !name.empty() && AsciiLower(name.front()) == 'x';
    if (hex) name.remove_prefix(1);
    uint32_t number = 0;
    for (const char c : name) {
      const char lower = AsciiLower(c);
      if (IsDigit(c)) {
        number = number * (hex ? 16 : 10) + static_cast<uint32_t>(c - '0');
      } else if (hex && lower >= 'a' && lower <= 'f') {
        number = number * 16 + static_cast<uint32_t>(lower - 'a' + 10);
      } else {
        return at;
      }
      if (number > 0x10FFFF) number = 0x110000;
    }
    if (name.empty()) return at;
    AppendCharacter(number, out);
    return at + end + 1;
  }
  for (const Entity& entity : kEntities) {
    if (entity.name == name) {
      out += entity.text;
      return at + end + 1;
    }
  }
  return at;
}

size_t FindClose(std::string_view html, size_t at, std::string_view name) {
  for (; at < html.size(); ++at) {
    if (html.substr(at, 2) == "</" && SameAscii(html.substr(at + 2, name.size()), name)) return at;
  }
  return html.size();
}

// The end of the tag, comment, script, style or title at `at`.
size_t SkipMarkup(std::string_view html, size_t at) {
  if (html.substr(at, 4) == "<!--") {
    const size_t end = html.find("-->", at + 4);
    return end == std::string_view::npos ? html.size() : end + 3;
  }
  for (const std::string_view name : {"script", "style", "title", "head"}) {
    if (!SameAscii(html.substr(at + 1, name.size()), name)) continue;
    const size_t after = at + 1 + name.size();
    if (after >= html.size() || IsAlpha(html[after])) continue;
    at = FindClose(html, after, name);
    break;
  }
  char quote = 0;
  for (; at < html.size(); ++at) {
    const char c = html[at];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      return at + 1;
    }
  }
  return html.size();
}

// Single blanks, no controls, no invisible fill, at most so many characters.
std::string Squeeze(std::string_view text, size_t characters_max) {
  std::string out;
  size_t characters = 0;
  bool blank = false;
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const std::string_view c = text.substr(at, bytes);
    at += bytes;
    if (lead <= ' ' || lead == 0x7F || c == "\u00A0") {
      blank = true;
      continue;
    }
    // What newsletters fill previews with: soft hyphen, zero-width characters, grapheme joiner.
    if (c == "\u00AD" || c == "\u200B" || c == "\u200C" || c == "\u200D" || c == "\uFEFF" ||
        c == "\u034F" || (c.size() == 2 && c[0] == '\xC2' && static_cast<uint8_t>(c[1]) < 0xA0)) {
      continue;
    }
    const size_t needed = (blank && !out.empty() ? 2u : 1u);
    if (characters + needed > characters_max) break;
    if (needed == 2) out += ' ';
    out += c;
    characters += needed;
    blank = false;
  }
  return out;
}

// Without lines that quote another message, unless nothing is left.
std::string WithoutQuotes(std::string_view text) {
  std::string own;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = text.substr(at, end - at);
    if (!line.starts_with('>')) own += line;
    at = end;
  }
  return TrimBlank(own).empty() ? std::string(text) : own;
}

}  // namespace

std::string HtmlText(std::string_view html) {
  std::string out;
  for (size_t at = 0; at < html.size();) {
    const char c = html[at];
    if (c == '<' && at + 1 < html.size() &&
        (IsAlpha(html[at + 1]) || html[at + 1] == '/' || html[at + 1] == '!' ||
         html[at + 1] == '?')) {
      at = SkipMarkup(html, at);
      out += ' ';
    } else if (c == '&') {
      const size_t end = AppendReference(html, at, out);
      if (end == at)
        out += html[at++];
      else
        at = end;
    } else {
      out += c;
      ++at;
    }
  }
  return out;
}

std::string PreviewText(const MessageView& message, size_t characters_max) {
  const JmapBodyLists lists = FindBodyLists(message);
  for (const PartIndex index : lists.text_body) {
    const Part& part = message.part(index);
    if (part.media != MediaType::kText) continue;
    std::string text = PartText(message, index, kPreviewBytesMax);
    text = part.media_subtype == MediaSubtype::kHtml ? HtmlText(text) : WithoutQuotes(text);
    std::string preview = Squeeze(text, characters_max);
    if (!preview.empty()) return preview;
  }
  return {};
}

}  // namespace ringmail::message
