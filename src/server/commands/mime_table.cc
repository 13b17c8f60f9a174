#include "server/commands/mime_table.h"

#include <fmt/format.h>

#include "ringmail/codec/transfer_encoding.h"
#include "ringmail/message/section.h"
#include "server/commands/shown.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

using message::ContentDisposition;
using message::ContentType;
using message::MessageView;
using message::Parameter;
using message::Part;
using message::PartIndex;
using message::TreeVerdict;

std::string_view VerdictName(TreeVerdict verdict) {
  switch (verdict) {
    case TreeVerdict::kWhole:
      return "whole";
    case TreeVerdict::kTooDeep:
      return "too deep";
    case TreeVerdict::kTooManyParts:
      return "too many parts";
    case TreeVerdict::kTooManyFields:
      return "too many fields";
    case TreeVerdict::kTooLarge:
      return "too large";
  }
  return "";
}

std::string SectionOf(const MessageView& message, PartIndex index) {
  std::string section = message::SectionNumber(message.tree, index);
  return section.empty() ? "-" : section;
}

template <typename Take>
void EachDeparture(const Part& part, Take take) {
  for (size_t i = 0; i < message::kDepartureCount; ++i) {
    const uint32_t bit = 1u << i;
    if ((part.departures & bit) != 0) take(message::DepartureName(bit));
  }
}

void WriteExtent(JsonWriter& json, std::string_view name, message::Extent extent) {
  json.Key(name).BeginObject().Key("offset").Number(extent.offset);
  json.Key("bytes").Number(extent.bytes).EndObject();
}

void WriteParameters(JsonWriter& json, const std::vector<Parameter>& parameters) {
  json.BeginObject();
  for (const Parameter& one : parameters) {
    // Of two with one name the first counts, here as for FindParameter.
    if (message::FindParameter(parameters, one.name) == &one) json.Key(one.name).String(one.value);
  }
  json.EndObject();
}

void WritePart(const MessageView& message, PartIndex index, JsonWriter& json) {
  const Part& part = message.part(index);
  const ContentType type = message::PartContentType(message, index);
  const ContentDisposition disposition = message::PartDisposition(message, index);
  json.BeginObject().Key("section").String(SectionOf(message, index));
  json.Key("type").String(type.type + "/" + type.subtype).Key("parameters");
  WriteParameters(json, type.parameters);
  json.Key("disposition").String(disposition.type).Key("disposition_parameters");
  WriteParameters(json, disposition.parameters);
  json.Key("file_name").String(message::PartFileName(message, index));
  json.Key("encoding").String(codec::TransferEncodingName(part.encoding));
  json.Key("charset").String(type.charset());
  WriteExtent(json, "header", part.header);
  WriteExtent(json, "body", part.body);
  json.Key("lines").Number(part.lines);
  if (part.leaf()) json.Key("decoded_bytes").Number(message::DecodedBodyBytes(message, index));
  json.Key("departures").BeginArray();
  EachDeparture(part, [&json](std::string_view name) { json.String(name); });
  json.EndArray().EndObject();
}

}  // namespace

void WriteMimeTable(const MessageView& message, std::string& out) {
  for (PartIndex index = 0; index < message.tree.parts.size(); ++index) {
    const Part& part = message.part(index);
    const ContentType type = message::PartContentType(message, index);
    out += fmt::format("{:{}}{:<8} {}/{}", "", 2 * part.depth, SectionOf(message, index),
                       Shown(type.type), Shown(type.subtype));
    if (!type.charset().empty()) out += fmt::format(" {}", Shown(type.charset()));
    if (part.leaf()) {
      out += fmt::format(" {}, {} bytes", codec::TransferEncodingName(part.encoding),
                         message::DecodedBodyBytes(message, index));
    }
    const ContentDisposition disposition = message::PartDisposition(message, index);
    if (!disposition.type.empty()) out += fmt::format(", {}", Shown(disposition.type));
    if (const std::string name = message::PartFileName(message, index); !name.empty())
      out += fmt::format(" \"{}\"", Shown(name));
    out += '\n';
    EachDeparture(part, [&](std::string_view name) {
      out += fmt::format("{:{}}{:<8} ! {}\n", "", 2 * part.depth, "", name);
    });
  }
  if (message.tree.verdict != TreeVerdict::kWhole)
    out += fmt::format("not read to its end: {}\n", VerdictName(message.tree.verdict));
}

void WriteMimeJson(const MessageView& message, uint64_t number, std::string& out) {
  JsonWriter json(out);
  json.BeginObject().Key("message").Number(number).Key("bytes").Number(message.tree.bytes);
  json.Key("verdict").String(VerdictName(message.tree.verdict)).Key("parts").BeginArray();
  for (PartIndex index = 0; index < message.tree.parts.size(); ++index)
    WritePart(message, index, json);
  json.EndArray().EndObject();
  out += '\n';
}

uint64_t WriteMimeDepartures(const MessageView& message, std::string_view where, std::string& out) {
  uint64_t count = 0;
  for (PartIndex index = 0; index < message.tree.parts.size(); ++index) {
    const Part& part = message.part(index);
    EachDeparture(part, [&](std::string_view name) {
      out += fmt::format("{}, part {} at {}: {}\n", where, SectionOf(message, index),
                         part.header.offset, name);
      ++count;
    });
  }
  if (message.tree.verdict != TreeVerdict::kWhole) {
    out += fmt::format("{}: {}\n", where, VerdictName(message.tree.verdict));
    ++count;
  }
  return count;
}

}  // namespace ringmail::server
