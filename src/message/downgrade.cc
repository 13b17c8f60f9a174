// 8-bit content for a peer without 8BITMIME (RFC 6152 §3).
#include <algorithm>

#include "message/encode_body.h"
#include "ringmail/codec/dots.h"
#include "ringmail/message/compose.h"

namespace ringmail::message {
namespace {

// What takes the place of a range of the content.
struct Edit {
  Extent extent;
  std::string text;
};

bool Is7Bit(const MessageView& message, Extent extent) {
  codec::LineScanner scanner;
  message.content.Each(extent, [&scanner](std::string_view piece) { scanner.Feed(piece); });
  return scanner.kind() == codec::ContentKind::k7Bit;
}

bool UnderSignature(const Tree& tree, PartIndex index) {
  for (; index != kNoPart; index = tree.parts[index].parent) {
    if (tree.parts[index].media_subtype == MediaSubtype::kSigned) return true;
  }
  return false;
}

void SetEncoding(const MessageView& message, const Part& part, TransferEncoding encoding,
                 std::vector<Edit>& edits) {
  // Behind a "From " line, which is none where a field is before it, and behind a continuation of
  // nothing, which is none either.
  const uint32_t begin =
      part.field_count == 0 ? part.header.offset : message.tree.fields[part.first_field].offset;
  Edit edit{.extent = {begin, 0}};
  edit.text = "Content-Transfer-Encoding: ";
  edit.text += codec::TransferEncodingName(encoding);
  edit.text += "\r\n";
  if (part.transfer_encoding != kNoField) {
    const Field& field = message.tree.fields[part.transfer_encoding];
    edit.extent = {field.offset, field.bytes};
  }
  edits.push_back(std::move(edit));
}

// False: the part cannot be encoded.
bool DowngradeLeaf(const MessageView& message, PartIndex index, std::vector<Edit>& edits) {
  const Part& part = message.part(index);
  const bool identity = codec::IsIdentityEncoding(part.encoding);
  if (Is7Bit(message, part.body)) {
    if (identity && part.encoding != TransferEncoding::k7Bit) {
      SetEncoding(message, part, TransferEncoding::k7Bit, edits);
    }
    return true;
  }
  // Composite types have no other encoding, and what has an unknown one cannot be given a second.
  if (part.media == MediaType::kMessage || part.multipart() ||
      UnderSignature(message.tree, index) || part.encoding == TransferEncoding::kUnknown ||
      part.encoding == TransferEncoding::kUuencode) {
    return false;
  }
  // Without the empty line, lines of the encoded body would be read as fields.
  if ((part.departures & (kHeaderNotEnded | kHeaderCut)) != 0) return false;
  // Nor is there a place for the field where there is nothing but junk.
  if ((part.departures & kJunkBeforeHeader) != 0 && part.field_count == 0) return false;
  std::string body;
  AppendDecodedBody(message, index, body);
  TransferEncoding encoding = BestTransferEncoding(body, part.media, ComposePeer::k7Bit);
  if (encoding == TransferEncoding::k7Bit) encoding = TransferEncoding::kQuotedPrintable;
  std::string encoded;
  AppendEncodedBody(body, encoding, part.media, encoded);
  // The last line's end is the delimiter's in a multipart; elsewhere it is the part's.
  const bool last = part.body.end() == message.tree.bytes;
  if (last && !encoded.ends_with("\r\n")) {
    if (encoding == TransferEncoding::kQuotedPrintable) encoded += "=";
    encoded += "\r\n";
  }
  SetEncoding(message, part, encoding, edits);
  edits.push_back({.extent = part.body, .text = std::move(encoded)});
  return true;
}

}  // namespace

std::optional<std::string> DowngradeTo7Bit(const MessageView& message) {
  const Tree& tree = message.tree;
  if (tree.verdict != TreeVerdict::kWhole) return std::nullopt;
  std::vector<Edit> edits;
  for (PartIndex index = 0; index < tree.parts.size(); ++index) {
    const Part& part = tree.parts[index];
    if (!Is7Bit(message, part.header)) return std::nullopt;
    if (part.leaf()) {
      if (!DowngradeLeaf(message, index, edits)) return std::nullopt;
    } else if (part.encoding == TransferEncoding::k8Bit ||
               part.encoding == TransferEncoding::kBinary) {
      if (UnderSignature(tree, index)) return std::nullopt;
      SetEncoding(message, part, TransferEncoding::k7Bit, edits);
    }
  }
  std::stable_sort(edits.begin(), edits.end(),
                   [](const Edit& a, const Edit& b) { return a.extent.offset < b.extent.offset; });
  std::string out;
  const auto copy = [&](Extent extent) {
    message.content.Each(extent, [&out](std::string_view piece) { out += piece; });
  };
  uint32_t at = 0;
  for (const Edit& edit : edits) {
    copy({at, edit.extent.offset - at});
    out += edit.text;
    at = edit.extent.end();
  }
  copy({at, tree.bytes - at});
  // What lies between parts, a preamble or an epilogue, has no encoding to be given.
  codec::LineScanner scanner;
  scanner.Feed(out);
  if (scanner.kind() != codec::ContentKind::k7Bit) return std::nullopt;
  return out;
}

}  // namespace ringmail::message
