// A part of a tree together with its octets: header fields, decoded body, file name.
//
// Borrows tree and content. Promise: pure; all text results are valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/content_view.h"
#include "ringmail/message/mime_tree.h"
#include "ringmail/message/parameter.h"

namespace ringmail::message {

// A message that was read: what the functions below need.
struct MessageView {
  const Tree& tree;
  const ContentView& content;

  const Part& part(PartIndex index) const { return tree.parts[index]; }
};

// The raw value of the field at `index` of Tree::fields, its folding included. nullopt for
// kNoField.
std::optional<std::string> RawValue(const MessageView& message, uint32_t index);
// Of the part's first field of that name.
std::optional<std::string> RawValue(const MessageView& message, PartIndex part, FieldName name);

// Unfolded "Content-Type" and so on, read; the defaults of RFC 2045 §5.2 and RFC 2046 §5.1.5 where
// the part has none.
ContentType PartContentType(const MessageView& message, PartIndex part);
ContentDisposition PartDisposition(const MessageView& message, PartIndex part);
// filename of Content-Disposition, name of Content-Type, or "".
std::string PartFileName(const MessageView& message, PartIndex part);

// Appends the body without its transfer encoding (RFC 2045 §6; IMAP's BINARY). False where the
// encoding is unknown: then the octets are as they are (RFC 2045 §6.4).
bool AppendDecodedBody(const MessageView& message, PartIndex part, std::string& out);
// The same up to about `bytes_max` octets of the encoded body.
bool AppendDecodedBody(const MessageView& message, PartIndex part, uint32_t bytes_max,
                       std::string& out);
// The size of what AppendDecodedBody gives, held in memory piece by piece only.
uint64_t DecodedBodyBytes(const MessageView& message, PartIndex part);
// The decoded body in its charset, as UTF-8; for a text part.
std::string PartText(const MessageView& message, PartIndex part, uint32_t encoded_bytes_max);

}  // namespace ringmail::message
