#include "ringmail/message/part_view.h"

#include <algorithm>

#include "message/lexer.h"
#include "ringmail/codec/base64.h"
#include "ringmail/codec/quoted_printable.h"
#include "ringmail/codec/uuencode.h"
#include "ringmail/message/charset.h"

namespace ringmail::message {
namespace {

// Decodes `extent` piece by piece, and gives what comes out to `take(std::string_view)`.
template <typename Take>
void DecodeBase64(const MessageView& message, Extent extent, Take&& take) {
  codec::Base64Decoder decoder(codec::Base64Form::kMime);
  std::string buffer;
  message.content.Each(extent, [&](std::string_view piece) {
    constexpr size_t kStep = 64u << 10;
    for (size_t at = 0; at < piece.size(); at += kStep) {
      const std::string_view some = piece.substr(at, kStep);
      buffer.resize(codec::Base64DecodedBytesMax(some.size()));
      take(std::string_view(buffer.data(), decoder.Feed(some, buffer.data())));
    }
  });
  decoder.Finish();
}

template <typename Take>
void DecodeQuotedPrintable(const MessageView& message, Extent extent, Take&& take) {
  codec::QuotedPrintableDecoder decoder;
  std::string buffer;
  message.content.Each(extent, [&](std::string_view piece) {
    constexpr size_t kStep = 64u << 10;
    for (size_t at = 0; at < piece.size(); at += kStep) {
      const std::string_view some = piece.substr(at, kStep);
      buffer.resize(codec::QuotedPrintableDecodedBytesMax(some.size()));
      take(std::string_view(buffer.data(), decoder.Feed(some, buffer.data())));
    }
  });
  buffer.resize(codec::QuotedPrintableDecodedBytesMax(0));
  take(std::string_view(buffer.data(), decoder.Finish(buffer.data())));
}

template <typename Take>
void DecodeUuencode(const MessageView& message, Extent extent, Take&& take) {
  codec::UuDecoder decoder;
  std::string buffer(size_t{64} << 10, '\0');
  message.content.Each(extent, [&](std::string_view piece) {
    while (!piece.empty()) {
      const codec::UuDecoder::Step step = decoder.Feed(piece, buffer);
      take(std::string_view(buffer.data(), step.written));
      piece.remove_prefix(step.consumed);
    }
  });
  take(std::string_view(buffer.data(), decoder.Finish(buffer)));
}

template <typename Take>
bool Decode(const MessageView& message, PartIndex index, uint32_t bytes_max, Take&& take) {
  const Part& part = message.part(index);
  const Extent extent = {part.body.offset, std::min(part.body.bytes, bytes_max)};
  // RFC 2045 §6.4: what is divided has no encoding of its own, whatever it claims.
  const TransferEncoding encoding = part.leaf() ? part.encoding : TransferEncoding::kBinary;
  switch (encoding) {
    case TransferEncoding::kBase64:
      DecodeBase64(message, extent, take);
      return true;
    case TransferEncoding::kQuotedPrintable:
      DecodeQuotedPrintable(message, extent, take);
      return true;
    case TransferEncoding::kUuencode:
      DecodeUuencode(message, extent, take);
      return true;
    case TransferEncoding::k7Bit:
    case TransferEncoding::k8Bit:
    case TransferEncoding::kBinary:
    case TransferEncoding::kUnknown:
      message.content.Each(extent, take);
      return encoding != TransferEncoding::kUnknown;
  }
  return false;
}

}  // namespace

std::optional<std::string> RawValue(const MessageView& message, uint32_t index) {
  if (index == kNoField) return std::nullopt;
  const Field& field = message.tree.fields[index];
  std::string scratch;
  const std::string_view text = message.content.Read({field.offset, field.bytes}, scratch);
  if (text.size() != field.bytes) return std::nullopt;  // a gap in the view
  return std::string(ViewField(field, text, field.offset).value);
}

std::optional<std::string> RawValue(const MessageView& message, PartIndex part, FieldName name) {
  return RawValue(message, message.tree.FindField(message.part(part), name));
}

ContentType PartContentType(const MessageView& message, PartIndex index) {
  const Part& part = message.part(index);
  const std::optional<std::string> value = RawValue(message, part.content_type);
  if (value) return ParseContentType(*value);
  ContentType type;
  type.type = part.media == MediaType::kMessage ? "message" : "text";
  type.subtype = part.media == MediaType::kMessage ? "rfc822" : "plain";
  type.valid = true;
  return type;
}

ContentDisposition PartDisposition(const MessageView& message, PartIndex index) {
  const std::optional<std::string> value = RawValue(message, message.part(index).disposition);
  return value ? ParseContentDisposition(*value) : ContentDisposition{};
}

std::string PartFileName(const MessageView& message, PartIndex index) {
  std::string name = PartDisposition(message, index).file_name();
  if (!name.empty()) return name;
  const ContentType type = PartContentType(message, index);
  const Parameter* parameter = FindParameter(type.parameters, "name");
  return parameter == nullptr ? std::string() : SafeFileName(parameter->value);
}

bool AppendDecodedBody(const MessageView& message, PartIndex part, std::string& out) {
  return AppendDecodedBody(message, part, UINT32_MAX, out);
}

bool AppendDecodedBody(const MessageView& message, PartIndex part, uint32_t bytes_max,
                       std::string& out) {
  return Decode(message, part, bytes_max, [&out](std::string_view piece) { out.append(piece); });
}

uint64_t DecodedBodyBytes(const MessageView& message, PartIndex part) {
  uint64_t bytes = 0;
  Decode(message, part, UINT32_MAX, [&bytes](std::string_view piece) { bytes += piece.size(); });
  return bytes;
}

std::string PartText(const MessageView& message, PartIndex part, uint32_t encoded_bytes_max) {
  const ContentType type = PartContentType(message, part);
  std::string octets;
  AppendDecodedBody(message, part, encoded_bytes_max, octets);
  return DecodeCharset(type.charset(), octets);
}

}  // namespace ringmail::message
