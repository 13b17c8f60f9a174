// Writes messages: multiparts and attachments, each part in the transfer encoding that suits it and
// the peer (RFC 2045 §6, RFC 6152, RFC 3030), reports of dispositions (RFC 8098), message/partial
// (RFC 2046 §5.2.2), and 8-bit content for 7-bit peers.
//
// Promise: pure; lines end in CRLF; a boundary never begins a line of what it delimits; the tree
// that TreeBuilder reads of the result is the one that was given, without departures. Limits: the
// depth of TreeLimits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/header_builder.h"
#include "ringmail/message/mime_tree.h"
#include "ringmail/message/parameter.h"
#include "ringmail/message/part_view.h"

namespace ringmail::message {

enum class ComposePeer : uint8_t { k7Bit, k8BitMime, kBinaryMime };

// The identity where the peer takes it; otherwise quoted-printable for text and base64 for the
// rest, or the shorter of both. `composite`: multipart or message, which RFC 2045 §6.4 gives no
// other choice than an identity.
TransferEncoding BestTransferEncoding(std::string_view body, MediaType media, ComposePeer peer);

struct ComposePart {
  std::string type = "text", subtype = "plain";
  std::vector<Parameter> parameters;
  std::string disposition;                        // "" for none
  std::vector<Parameter> disposition_parameters;  // filename and so on
  std::string content_id, description;            // "" for none
  std::string_view body;                          // decoded octets; of a leaf
  std::vector<ComposePart> parts;                 // of a multipart
};

struct ComposeRequest {
  // The fields before those of MIME, whole lines, as HeaderBuilder writes them.
  std::string_view header;
  const ComposePart* root = nullptr;
  ComposePeer peer = ComposePeer::k7Bit;
  HeaderCharset charset = HeaderCharset::kAscii;
  // Makes boundaries unlike those of other messages: random letters and digits, up to 40. Whatever
  // it is, no boundary stands in a body.
  std::string_view boundary_seed;
};
// nullopt where a part of type message has octets that the peer does not take: Downgrade it first.
std::optional<std::string> WriteMessage(const ComposeRequest& request);

// RFC 8098 §3.2.6.
enum class MdnDisposition : uint8_t { kDisplayed, kDeleted, kDispatched, kProcessed };
struct MdnRequest {
  std::string_view header;               // From, To, Subject, Date, Message-ID: whole lines
  std::string_view text;                 // for people, UTF-8
  std::string_view reporting_agent;      // "host; product"
  std::string_view original_recipient;   // an address, or ""
  std::string_view final_recipient;      // an address
  std::string_view original_message_id;  // without brackets, or ""
  MdnDisposition disposition = MdnDisposition::kDisplayed;
  bool manual = true;                // the user asked for it, and agreed to send it
  std::string_view error;            // text of the Error field, or ""
  std::string_view original_header;  // the header section that is returned, or ""
  std::string_view boundary_seed;
};
std::string WriteMdn(const MdnRequest& request);

// The message in pieces of about `piece_bytes`, each a message of its own (RFC 2046 §5.2.2.1). `id`
// is without brackets and unlike any other; each piece's Message-ID is made of it. nullopt where
// the message is not 7-bit, which message/partial must be, or has no line end to be cut at.
std::optional<std::vector<std::string>> SplitMessage(const MessageView& message, size_t piece_bytes,
                                                     std::string_view id);
// The message that the pieces, in any order, are of. nullopt where one is missing, or is of
// another.
std::optional<std::string> JoinPartial(std::span<const std::string_view> pieces);

// The message with every 8-bit or binary part encoded anew (RFC 6152 §3, RFC 2045 §6). nullopt
// where that cannot be: octets over 127 in a header section, a part under a signature (RFC 1847
// §2.1), or message/partial and its like.
std::optional<std::string> DowngradeTo7Bit(const MessageView& message);

}  // namespace ringmail::message
