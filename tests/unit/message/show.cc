#include "show.h"

#include <cstdio>

#include "ringmail/codec/crc32c.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/header_text.h"
#include "ringmail/message/imap_body.h"
#include "ringmail/message/jmap_body.h"
#include "ringmail/message/mime_tree.h"
#include "ringmail/message/part_view.h"
#include "ringmail/message/preview.h"
#include "ringmail/message/section.h"

namespace ringmail::message {
namespace {

std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : RepairUtf8(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < ' ') {
      char hex[8];
      std::snprintf(hex, sizeof(hex), "\\u%04x", static_cast<unsigned>(c));
      out += hex;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Addresses(const MessageView& message, FieldName name) {
  const std::optional<std::string> value = RawValue(message, 0, name);
  if (!value) return "null";
  std::string out = "[";
  for (const JmapAddress& address : JmapAddresses(*value)) {
    if (out.size() > 1) out += ", ";
    out += "[" + (address.name ? Quote(*address.name) : "null") + ", " + Quote(address.email) + "]";
  }
  return out + "]";
}

std::string List(const std::vector<PartIndex>& parts, const Tree& tree) {
  std::string out = "[";
  for (const PartIndex part : parts) {
    if (out.size() > 1) out += ", ";
    out += Quote(SectionNumber(tree, part));
  }
  return out + "]";
}

std::string ShowPart(const MessageView& message, PartIndex index) {
  const Part& part = message.part(index);
  const ContentType type = PartContentType(message, index);
  const ContentDisposition disposition = PartDisposition(message, index);
  std::string body;
  if (part.leaf()) AppendDecodedBody(message, index, body);
  char crc[16];
  std::snprintf(crc, sizeof(crc), "%08x", codec::Crc32c(0, body));
  std::string out = "    {\"section\": " + Quote(SectionNumber(message.tree, index)) +
                    ", \"message\": " + (part.message ? "true" : "false") +
                    ", \"depth\": " + std::to_string(part.depth) +
                    ", \"type\": " + Quote(type.type + "/" + type.subtype) + ", \"parameters\": {";
  for (size_t i = 0; i < type.parameters.size(); ++i) {
    if (i > 0) out += ", ";
    out += Quote(type.parameters[i].name) + ": " + Quote(type.parameters[i].value);
  }
  out += "}, \"disposition\": " + Quote(disposition.type) +
         ", \"file\": " + Quote(PartFileName(message, index)) +
         ", \"encoding\": " + Quote(codec::TransferEncodingName(part.encoding)) +
         ", \"header\": [" + std::to_string(part.header.offset) + ", " +
         std::to_string(part.header.bytes) + "], \"body\": [" + std::to_string(part.body.offset) +
         ", " + std::to_string(part.body.bytes) + "], \"lines\": " + std::to_string(part.lines) +
         ", \"fields\": " + std::to_string(part.field_count);
  if (part.leaf()) {
    out += ", \"decoded\": " + std::to_string(body.size()) + ", \"crc\": \"" + crc + "\"";
  }
  out += ", \"departures\": [";
  bool any = false;
  for (size_t bit = 0; bit < kDepartureCount; ++bit) {
    if ((part.departures >> bit & 1) == 0) continue;
    if (any) out += ", ";
    any = true;
    out += Quote(DepartureName(1u << bit));
  }
  return out + "]}";
}

}  // namespace

std::string ShowMessage(std::string_view text) {
  Tree tree;
  TreeBuilder builder({});
  builder.Start(tree);
  builder.Feed(text);
  builder.Finish();
  const ContentView content(text);
  const MessageView message = {tree, content};
  const auto text_of = [&](FieldName name) {
    const std::optional<std::string> value = RawValue(message, 0, name);
    return value ? Quote(JmapText(*value)) : std::string("null");
  };
  const auto date = RawValue(message, 0, FieldName::kDate);
  const auto id = RawValue(message, 0, FieldName::kMessageId);
  std::string envelope, structure;
  AppendEnvelope(message, 0, ImapText::kAscii, envelope);
  AppendBody(message, 0, ImapBody::kBodyStructure, ImapText::kAscii, structure);
  const JmapBodyLists lists = FindBodyLists(message);
  const std::string when = date ? JmapDate(*date).value_or("") : "";
  const auto ids = id ? JmapMessageIds(*id) : std::nullopt;
  std::string out = "{\n  \"subject\": " + text_of(FieldName::kSubject) +
                    ",\n  \"date\": " + Quote(when) +
                    ",\n  \"message-id\": " + Quote(ids ? ids->front() : "");
  for (const FieldName name : {FieldName::kFrom, FieldName::kTo, FieldName::kCc}) {
    out += ",\n  " + Quote(FieldNameText(name)) + ": " + Addresses(message, name);
  }
  out += ",\n  \"envelope\": " + Quote(envelope) + ",\n  \"structure\": " + Quote(structure) +
         ",\n  \"preview\": " + Quote(PreviewText(message, kPreviewCharactersMax)) +
         ",\n  \"text\": " + List(lists.text_body, tree) +
         ",\n  \"html\": " + List(lists.html_body, tree) +
         ",\n  \"attachments\": " + List(lists.attachments, tree) + ",\n  \"parts\": [\n";
  for (PartIndex index = 0; index < tree.parts.size(); ++index) {
    out += ShowPart(message, index) + (index + 1 < tree.parts.size() ? ",\n" : "\n");
  }
  return out + "  ]\n}\n";
}

}  // namespace ringmail::message
