#include "ringmail/message/compose.h"

#include <algorithm>

#include "message/encode_body.h"
#include "message/media_type.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/base64.h"
#include "ringmail/codec/dots.h"
#include "ringmail/codec/quoted_printable.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/header_text.h"

namespace ringmail::message {
namespace {

constexpr size_t kSeedBytesMax = 40;

bool IsComposite(MediaType media) {
  return media == MediaType::kMultipart || media == MediaType::kMessage;
}

class Composer {
 public:
  Composer(const ComposeRequest& request, std::string& out) : request_(request), out_(out) {}
  bool Write();

 private:
  struct Frame {
    const ComposePart* part;
    size_t next;  // of its parts
    std::string boundary;
  };
  std::string Boundary();
  bool Collides(std::string_view seed) const;
  bool Begin(const ComposePart& part);
  void Fields(const ComposePart& part, TransferEncoding encoding, std::string_view boundary);

  const ComposeRequest& request_;
  std::string& out_;
  std::vector<Frame> frames_;
  std::string seed_;
  size_t boundaries_ = 0;
};

// "=_" stands in no line of quoted-printable or base64 (RFC 2045 §6.7, §6.8). Numbers have one
// width, so that no boundary begins another.
std::string Composer::Boundary() {
  std::string number = std::to_string(boundaries_++);
  number.insert(0, 6 - std::min<size_t>(number.size(), 6), '0');
  return "=_" + seed_ + "_" + number;
}

bool Composer::Collides(std::string_view seed) const {
  const std::string start = "--=_" + std::string(seed);
  std::vector<const ComposePart*> left = {request_.root};
  while (!left.empty()) {
    const ComposePart* part = left.back();
    left.pop_back();
    if (part->body.find(start) != std::string_view::npos) return true;
    for (const ComposePart& child : part->parts) left.push_back(&child);
  }
  return false;
}

void Composer::Fields(const ComposePart& part, TransferEncoding encoding,
                      std::string_view boundary) {
  HeaderBuilder builder(request_.charset, out_);
  std::vector<Parameter> parameters = part.parameters;
  std::erase_if(parameters, [](const Parameter& p) { return p.name == "boundary"; });
  if (!boundary.empty()) {
    parameters.push_back({.name = "boundary", .value = std::string(boundary)});
  }
  builder.Parameters("Content-Type", part.type + "/" + part.subtype, parameters);
  if (encoding != TransferEncoding::k7Bit) {
    builder.Text("Content-Transfer-Encoding", codec::TransferEncodingName(encoding));
  }
  if (!part.disposition.empty()) {
    builder.Parameters("Content-Disposition", part.disposition, part.disposition_parameters);
  }
  if (!part.content_id.empty()) {
    builder.MessageIds("Content-ID", std::vector<std::string>{part.content_id});
  }
  if (!part.description.empty()) builder.Text("Content-Description", part.description);
  builder.Empty();
}

// A part up to its own parts, or all of a leaf. False: message/… that the peer does not take.
bool Composer::Begin(const ComposePart& part) {
  const MediaType media = FindMediaType(part.type);
  if (media != MediaType::kMultipart) {
    const TransferEncoding encoding = BestTransferEncoding(part.body, media, request_.peer);
    if (IsComposite(media) && encoding == TransferEncoding::kUnknown) return false;
    Fields(part, encoding, {});
    AppendEncodedBody(part.body, encoding, media, out_);
    return true;
  }
  CHECK(!part.parts.empty());
  CHECK_LT(frames_.size(), TreeLimits().depth_max);
  // RFC 2045 §6.4: a multipart is what the widest of its parts is.
  TransferEncoding widest = TransferEncoding::k7Bit;
  std::vector<const ComposePart*> left = {&part};
  while (!left.empty()) {
    const ComposePart* child = left.back();
    left.pop_back();
    for (const ComposePart& more : child->parts) left.push_back(&more);
    if (!child->parts.empty()) continue;
    const TransferEncoding encoding =
        BestTransferEncoding(child->body, FindMediaType(child->type), request_.peer);
    if (encoding == TransferEncoding::kBinary) widest = encoding;
    if (encoding == TransferEncoding::k8Bit && widest == TransferEncoding::k7Bit) widest = encoding;
  }
  frames_.push_back({.part = &part, .next = 0, .boundary = Boundary()});
  Fields(part, widest, frames_.back().boundary);
  return true;
}

bool Composer::Write() {
  for (const char c : request_.boundary_seed.substr(0, kSeedBytesMax)) {
    const bool safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (safe) seed_ += c;
  }
  const std::string given = seed_;
  for (size_t attempt = 0; Collides(seed_); ++attempt)
    seed_ = given + "." + std::to_string(attempt);
  out_ += request_.header;
  out_ += "MIME-Version: 1.0\r\n";
  if (!Begin(*request_.root)) return false;
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (frame.next > 0) out_ += "\r\n";
    out_ += "--" + frame.boundary;
    if (frame.next == frame.part->parts.size()) {
      out_ += "--";
      frames_.pop_back();
      continue;
    }
    out_ += "\r\n";
    if (!Begin(frame.part->parts[frame.next++])) return false;
  }
  if (!out_.ends_with("\r\n")) out_ += "\r\n";
  return true;
}

std::string_view DispositionName(MdnDisposition disposition) {
  switch (disposition) {
    case MdnDisposition::kDisplayed:
      return "displayed";
    case MdnDisposition::kDeleted:
      return "deleted";
    case MdnDisposition::kDispatched:
      return "dispatched";
    case MdnDisposition::kProcessed:
      return "processed";
  }
  return "displayed";
}

// RFC 6533 §4: an address beyond ASCII has a type of its own.
std::string TypedAddress(std::string_view address) {
  return (codec::IsAscii(address) ? "rfc822; " : "utf-8; ") + Unfold(address);
}

}  // namespace

void AppendEncodedBody(std::string_view body, TransferEncoding encoding, MediaType media,
                       std::string& out) {
  const size_t before = out.size();
  if (encoding == TransferEncoding::kBase64) {
    codec::Base64Encoder encoder(codec::Base64Form::kMime);
    out.resize(before + codec::Base64EncodedBytesMax(body.size(), codec::Base64Form::kMime));
    size_t bytes = encoder.Feed(body, out.data() + before);
    bytes += encoder.Finish(out.data() + before + bytes);
    out.resize(before + bytes);
    if (bytes >= 2) out.resize(out.size() - 2);
    return;
  }
  if (encoding == TransferEncoding::kQuotedPrintable) {
    codec::QuotedPrintableEncoder encoder(media == MediaType::kText
                                              ? codec::QuotedPrintableInput::kText
                                              : codec::QuotedPrintableInput::kBinary);
    out.resize(before + 2 * codec::QuotedPrintableEncodedBytesMax(body.size()));
    size_t bytes = encoder.Feed(body, out.data() + before);
    bytes += encoder.Finish(out.data() + before + bytes);
    out.resize(before + bytes);
    return;
  }
  out += body;
}

TransferEncoding BestTransferEncoding(std::string_view body, MediaType media, ComposePeer peer) {
  codec::LineScanner scanner;
  scanner.Feed(body);
  const codec::ContentKind kind = scanner.kind();
  if (kind == codec::ContentKind::k7Bit) return TransferEncoding::k7Bit;
  if (kind == codec::ContentKind::k8Bit && peer != ComposePeer::k7Bit) {
    return TransferEncoding::k8Bit;
  }
  if (peer == ComposePeer::kBinaryMime) return TransferEncoding::kBinary;
  if (IsComposite(media)) return TransferEncoding::kUnknown;
  const auto escapes = static_cast<size_t>(std::count_if(body.begin(), body.end(), [](char c) {
    const auto octet = static_cast<uint8_t>(c);
    return octet >= 0x7F || (octet < ' ' && octet != '\r' && octet != '\n' && octet != '\t');
  }));
  // Quoted-printable takes two octets more for each escape, base64 a third of all; text stays
  // readable where the difference is small.
  const size_t allowed = media == MediaType::kText ? body.size() / 5 : body.size() / 8;
  return escapes <= allowed ? TransferEncoding::kQuotedPrintable : TransferEncoding::kBase64;
}

std::optional<std::string> WriteMessage(const ComposeRequest& request) {
  CHECK(request.root != nullptr);
  std::string out;
  if (!Composer(request, out).Write()) return std::nullopt;
  return out;
}

std::string WriteMdn(const MdnRequest& request) {
  std::string fields;
  const auto add = [&fields](std::string_view name, std::string_view value) {
    HeaderBuilder(HeaderCharset::kUtf8, fields).Text(name, value);
  };
  // RFC 8098 §3.1, in its order.
  if (!request.reporting_agent.empty()) add("Reporting-UA", request.reporting_agent);
  if (!request.original_recipient.empty()) {
    add("Original-Recipient", TypedAddress(request.original_recipient));
  }
  add("Final-Recipient", TypedAddress(request.final_recipient));
  if (!request.original_message_id.empty()) {
    HeaderBuilder(HeaderCharset::kUtf8, fields)
        .MessageIds("Original-Message-ID",
                    std::vector<std::string>{std::string(request.original_message_id)});
  }
  std::string disposition = request.manual ? "manual-action/MDN-sent-manually; "
                                           : "automatic-action/MDN-sent-automatically; ";
  disposition += DispositionName(request.disposition);
  if (!request.error.empty()) disposition += "/error";
  add("Disposition", disposition);
  if (!request.error.empty()) add("Error", request.error);

  const bool ascii = codec::IsAscii(fields) && codec::IsAscii(request.original_header);
  ComposePart report{.type = "multipart", .subtype = "report"};
  report.parameters = {{.name = "report-type", .value = "disposition-notification"}};
  ComposePart text;
  text.parameters = {{.name = "charset", .value = "utf-8"}};
  text.body = request.text;
  report.parts.push_back(text);
  // RFC 6533 §5: the form for addresses beyond ASCII.
  ComposePart notification{.type = "message",
                           .subtype = codec::IsAscii(fields) ? "disposition-notification"
                                                             : "global-disposition-notification"};
  notification.body = fields;
  report.parts.push_back(notification);
  if (!request.original_header.empty()) {
    ComposePart original{.type = "text", .subtype = "rfc822-headers"};
    original.body = request.original_header;
    report.parts.push_back(original);
  }
  const ComposeRequest compose = {.header = request.header,
                                  .root = &report,
                                  .peer = ascii ? ComposePeer::k7Bit : ComposePeer::kBinaryMime,
                                  .charset = HeaderCharset::kAscii,
                                  .boundary_seed = request.boundary_seed};
  std::optional<std::string> message = WriteMessage(compose);
  CHECK(message.has_value());  // all parts of type message are ASCII, or the peer takes everything
  return std::move(*message);
}

}  // namespace ringmail::message
