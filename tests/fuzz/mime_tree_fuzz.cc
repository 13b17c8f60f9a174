// The structure of a message: however cut, the same tree; each range within its parent's; every
// section number leads back to its part; what IMAP and JMAP render ends, and has balanced
// parentheses. The first octet chooses the cuts and the limits.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "ringmail/codec/utf8.h"
#include "ringmail/message/imap_body.h"
#include "ringmail/message/jmap_body.h"
#include "ringmail/message/mime_tree.h"
#include "ringmail/message/preview.h"
#include "ringmail/message/section.h"

namespace {

using namespace ringmail::message;  // NOLINT: the whole room is under test

void Require(bool condition) {
  if (!condition) std::abort();
}

void Build(std::string_view text, size_t piece_bytes, const TreeLimits& limits, Tree& tree) {
  TreeBuilder builder(limits);
  builder.Start(tree);
  for (size_t at = 0; at < text.size(); at += piece_bytes) {
    builder.Feed(text.substr(at, piece_bytes));
  }
  builder.Finish();
}

bool SamePart(const Part& a, const Part& b) {
  return a.header == b.header && a.body == b.body && a.lines == b.lines && a.parent == b.parent &&
         a.first_child == b.first_child && a.next_sibling == b.next_sibling &&
         a.child_count == b.child_count && a.first_field == b.first_field &&
         a.field_count == b.field_count && a.type == b.type && a.subtype == b.subtype &&
         a.content_type == b.content_type && a.transfer_encoding == b.transfer_encoding &&
         a.disposition == b.disposition && a.departures == b.departures && a.media == b.media &&
         a.media_subtype == b.media_subtype && a.encoding == b.encoding && a.depth == b.depth &&
         a.body_8bit == b.body_8bit && a.message == b.message;
}

bool SameField(const Field& a, const Field& b) {
  return a.offset == b.offset && a.bytes == b.bytes && a.name_bytes == b.name_bytes &&
         a.value == b.value && a.name == b.name;
}

void RequireNested(const Tree& tree, size_t bytes) {
  for (const Part& part : tree.parts) {
    Require(part.header.end() == part.body.offset && part.body.end() <= bytes);
    if (part.parent == kNoPart) continue;
    const Part& above = tree.parts[part.parent];
    Require(part.header.offset >= above.body.offset && part.body.end() <= above.body.end());
    if (part.next_sibling == kNoPart) continue;
    Require(tree.parts[part.next_sibling].header.offset >= part.body.end());
  }
  for (const Field& field : tree.fields) Require(field.end() <= bytes);
}

// Parentheses outside of strings.
void RequireBalanced(std::string_view text) {
  int depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        Require(text[at] != '\r' && text[at] != '\n');
        if (text[at] == '\\') ++at;
      }
      Require(at < text.size());
    } else if (text[at] == '{') {
      char* end = nullptr;
      const std::string number(text.substr(at + 1, 12));
      const size_t bytes = std::strtoul(number.c_str(), &end, 10);
      at += static_cast<size_t>(end - number.c_str()) + 3 + bytes;
      Require(at < text.size());
    } else if (text[at] == '(') {
      ++depth;
    } else if (text[at] == ')') {
      Require(--depth >= 0);
    }
  }
  Require(depth == 0);
}

void RequireRendered(const MessageView& message) {
  for (PartIndex part = 0; part < message.tree.parts.size(); ++part) {
    const std::string number = SectionNumber(message.tree, part);
    const auto section = ParseSection(number);
    if (section) {
      const PartIndex found = FindPart(message.tree, section->path);
      // The message within a multipart's message/rfc822 has no number of its own.
      if (!message.part(part).message || !message.part(part).multipart()) Require(found == part);
    }
    if (!message.part(part).message) continue;
    std::string out;
    AppendEnvelope(message, part, ImapText::kAscii, out);
    Require(ringmail::codec::IsAscii(out) || out.find('{') != std::string::npos);
    AppendBody(message, part, ImapBody::kBodyStructure, ImapText::kUtf8, out);
    RequireBalanced(out);
  }
  const JmapBodyLists lists = FindBodyLists(message);
  for (const PartIndex part : lists.text_body) Require(message.part(part).leaf());
  Require(ringmail::codec::Utf8Valid(PreviewText(message, 200)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const unsigned choice = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  TreeLimits limits;
  if ((choice & 0x80) != 0) {
    limits = {.depth_max = choice & 3, .parts_max = 1 + (choice >> 2 & 7), .fields_max = 5};
  }
  Tree whole, cut;
  Build(text, SIZE_MAX / 2, limits, whole);
  Build(text, 1 + (choice & 0x1F), limits, cut);
  Require(whole.verdict == cut.verdict && whole.bytes == text.size());
  Require(std::equal(whole.parts.begin(), whole.parts.end(), cut.parts.begin(), cut.parts.end(),
                     SamePart));
  Require(std::equal(whole.fields.begin(), whole.fields.end(), cut.fields.begin(), cut.fields.end(),
                     SameField));
  RequireNested(whole, text.size());
  if (whole.parts.size() > 50) return 0;
  // The content in pieces too.
  ContentView content;
  const size_t piece_bytes = 1 + choice * 7;
  for (size_t at = 0; at < text.size(); at += piece_bytes) {
    content.Add(static_cast<uint32_t>(at), text.substr(at, piece_bytes));
  }
  RequireRendered({whole, content});
  return 0;
}
