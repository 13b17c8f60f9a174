#include "ringmail/message/external_body.h"

#include <algorithm>

#include "message/lexer.h"
#include "message/parameter_reader.h"
#include "ringmail/message/identifier.h"

namespace ringmail::message {
namespace {

std::string Value(const ContentType& type, std::string_view name) {
  const Parameter* parameter = FindParameter(type.parameters, name);
  return parameter == nullptr ? std::string() : parameter->value;
}

std::optional<uint64_t> Number(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  uint64_t number = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

// Indexes the phantom header section in `text`, which begins at `offset`.
void ReadPhantom(std::string_view text, uint32_t offset, ExternalBody& external) {
  const size_t bytes = IndexFields(text, offset, external.fields);
  external.body.offset = offset + static_cast<uint32_t>(bytes);
  // RFC 2045 §5.2: the default.
  external.type = ParseContentType({});
  for (auto field = external.fields.rbegin(); field != external.fields.rend(); ++field) {
    const FieldView view = ViewField(*field, text, offset);
    std::string_view rest;
    // From the last to the first, so that the first one counts.
    if (view.id == FieldName::kContentType) {
      external.type = ParseContentType(view.value);
    } else if (view.id == FieldName::kContentTransferEncoding) {
      external.encoding = codec::ParseTransferEncoding(ReadMimeToken(view.value, rest));
    } else if (view.id == FieldName::kContentId) {
      const std::vector<std::string> ids = ParseMessageIds(view.value);
      external.content_id = ids.empty() ? std::string() : ids.front();
    }
  }
}

}  // namespace

std::optional<ExternalBody> ReadExternalBody(const MessageView& message, PartIndex index) {
  const Part& part = message.part(index);
  if (part.media_subtype != MediaSubtype::kExternalBody) return std::nullopt;
  const ContentType type = PartContentType(message, index);
  ExternalBody external;
  external.access_type = LowerAscii(Value(type, "access-type"));
  if (external.access_type.empty()) return std::nullopt;
  external.name = Value(type, "name");
  external.site = Value(type, "site");
  external.directory = Value(type, "directory");
  external.mode = LowerAscii(Value(type, "mode"));
  external.server = Value(type, "server");
  external.subject = Value(type, "subject");
  external.url = Value(type, "url");
  // RFC 2017 §3.1: white space in it is of the folding.
  std::erase_if(external.url, IsBlank);
  external.expiration = ParseDate(Value(type, "expiration"));
  external.size = Number(Value(type, "size"));
  external.writable = SameAscii(Value(type, "permission"), "read-write");

  std::string scratch;
  const Extent header = {part.body.offset, std::min(part.body.bytes, kPhantomBytesMax)};
  ReadPhantom(message.content.Read(header, scratch), part.body.offset, external);
  external.body.bytes = part.body.end() - external.body.offset;
  return external;
}

}  // namespace ringmail::message
