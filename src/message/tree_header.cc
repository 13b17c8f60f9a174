// What a header section means for the tree: its fields, its media type, and whether its body is
// divided.
#include <algorithm>

#include "message/lexer.h"
#include "message/media_type.h"
#include "message/parameter_reader.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/codec/percent.h"
#include "ringmail/message/mime_tree.h"

namespace ringmail::message {
namespace {

// RFC 2046 §5.1.1.
constexpr size_t kBoundaryBytesAllowed = 70;
// A boundary in more sections than this (RFC 2231 §3) is read no further.
constexpr int32_t kBoundarySectionsMax = 10;

constexpr uint64_t Bit(FieldName name) { return uint64_t{1} << static_cast<unsigned>(name); }
static_assert(static_cast<unsigned>(FieldName::kLastSingle) < 64);
constexpr uint64_t kMimeFields =
    Bit(FieldName::kContentType) | Bit(FieldName::kContentTransferEncoding) |
    Bit(FieldName::kContentId) | Bit(FieldName::kContentDescription) |
    Bit(FieldName::kContentDisposition) | Bit(FieldName::kContentMd5) |
    Bit(FieldName::kContentLanguage) | Bit(FieldName::kContentLocation);

// Appends the first boundary that is `wanted`; false where there is none.
template <typename Wanted>
bool AppendBoundary(std::string_view parameters, const Wanted& wanted, std::string& boundary) {
  ParameterReader reader(parameters);
  RawParameter parameter;
  while (reader.Next(parameter)) {
    if (!wanted(parameter) || !SameAscii(parameter.name, "boundary")) continue;
    const size_t before = boundary.size();
    AppendParameterValue(parameter, boundary);
    if (!parameter.encoded) return true;
    // RFC 2231 §4.1: charset and language are given once, at the first. A delimiter is compared by
    // its octets, whatever the charset.
    if (parameter.section <= 0) {
      const std::string_view value = std::string_view(boundary).substr(before);
      const auto extended = codec::SplitExtendedValue(value);
      if (extended) boundary.erase(before, value.size() - extended->text.size());
    }
    const std::string_view text = std::string_view(boundary).substr(before);
    boundary.resize(before + codec::PercentDecode(text, boundary.data() + before).bytes);
    return true;
  }
  return false;
}

}  // namespace

void TreeBuilder::BeginField(const Field& field, std::string_view line, uint32_t offset) {
  field_ = field;
  field_.offset = offset;
  field_.bytes = static_cast<uint32_t>(line.size());
  field_open_ = true;
  Part& owner = part();
  const std::string_view name = line.substr(0, field.value);
  if (name[field.name_bytes] != ':') owner.departures |= kSpaceBeforeColon;
  bool first = true;
  if (field.name <= FieldName::kLastSingle) {
    const uint64_t bit = Bit(field.name);
    first = (seen_ & bit) == 0;
    if (!first && (owner.message || (bit & kMimeFields) != 0)) {
      owner.departures |= kDuplicateField;
    }
    seen_ |= bit;
  }
  const auto index = static_cast<uint32_t>(tree_->fields.size());
  mime_field_ = false;
  if (!first || index >= limits_.fields_max) return;
  if (field.name == FieldName::kContentDisposition) owner.disposition = index;
  if (field.name == FieldName::kContentType) owner.content_type = index;
  if (field.name == FieldName::kContentTransferEncoding) owner.transfer_encoding = index;
  mime_field_ =
      field.name == FieldName::kContentType || field.name == FieldName::kContentTransferEncoding;
  field_text_.clear();
  if (mime_field_) KeepMimeText(line);
}

void TreeBuilder::KeepMimeText(std::string_view text) {
  field_text_.append(text.substr(0, kMimeFieldBytesMax - field_text_.size()));
}

void TreeBuilder::EndField() {
  if (!field_open_) return;
  field_open_ = false;
  if (tree_->fields.size() >= limits_.fields_max) {
    Note(TreeVerdict::kTooManyFields);
    return;
  }
  tree_->fields.push_back(field_);
  ++part().field_count;
  if (!mime_field_) return;
  if (field_.name == FieldName::kContentType) {
    ReadContentType();
  } else {
    ReadTransferEncoding();
  }
}

void TreeBuilder::ReadContentType() {
  const std::string_view text = field_text_;
  const RawMediaType media = ReadMediaType(text.substr(field_.value));
  Part& owner = part();
  if (media.type.empty()) {
    owner.departures |= kInvalidContentType;
    return;
  }
  const auto extent = [&](std::string_view word) {
    return Extent{field_.offset + static_cast<uint32_t>(word.data() - text.data()),
                  static_cast<uint32_t>(word.size())};
  };
  owner.type = extent(media.type);
  owner.subtype = extent(media.subtype);
  owner.media = FindMediaType(media.type);
  owner.media_subtype = FindMediaSubtype(owner.media, media.subtype);
  if (owner.multipart()) ReadBoundary(media.rest);
}

// The extended forms of RFC 2231 are meant where both are there, as parameter.cc has it.
void TreeBuilder::ReadBoundary(std::string_view parameters) {
  for (int32_t section = 0; section < kBoundarySectionsMax; ++section) {
    const auto wanted = [section](const RawParameter& parameter) {
      return parameter.section == section ||
             (section == 0 && parameter.section == -1 && parameter.encoded);
    };
    if (!AppendBoundary(parameters, wanted, boundary_)) break;
  }
  if (boundary_.empty()) {
    const auto plain = [](const RawParameter& parameter) {
      return parameter.section == -1 && !parameter.encoded;
    };
    AppendBoundary(parameters, plain, boundary_);
  }
  // RFC 2046 §5.1.1: a boundary does not end in white space.
  while (!boundary_.empty() && IsBlank(boundary_.back())) boundary_.pop_back();
  if (boundary_.size() > kBoundaryBytesAllowed) part().departures |= kBoundaryTooLong;
  if (boundary_.size() > kBoundaryBytesMax) boundary_.clear();
}

void TreeBuilder::ReadTransferEncoding() {
  std::string_view rest;
  const std::string_view token =
      ReadMimeToken(std::string_view(field_text_).substr(field_.value), rest);
  Part& owner = part();
  owner.encoding = codec::ParseTransferEncoding(token);
  if (owner.encoding == TransferEncoding::kUnknown) owner.departures |= kUnknownEncoding;
}

void TreeBuilder::JudgeHeader() {
  Part& owner = part();
  const uint8_t flags = scanner_.flags();
  if ((flags & codec::kData8Bit) != 0) owner.departures |= kHeader8Bit;
  if ((flags & codec::kDataBareCr) != 0) owner.departures |= kBareCr;
  if ((flags & codec::kDataBareLf) != 0) owner.departures |= kBareLf;
  if ((flags & codec::kDataNul) != 0) owner.departures |= kNul;
  if ((flags & codec::kDataLineTooLong) != 0) owner.departures |= kLineTooLong;
  // RFC 2045 §4: its presence is what makes a message one of MIME.
  if (owner.message && (seen_ & kMimeFields) != 0 && (seen_ & Bit(FieldName::kMimeVersion)) == 0) {
    owner.departures |= kMissingMimeVersion;
  }
  if (owner.type.bytes == 0 && owner.parent != kNoPart && !owner.message &&
      (seen_ & Bit(FieldName::kContentType)) == 0 &&
      tree_->parts[owner.parent].media_subtype == MediaSubtype::kDigest) {
    // RFC 2046 §5.1.5.
    owner.media = MediaType::kMessage;
    owner.media_subtype = MediaSubtype::kRfc822;
  }
}

// Whether the body of part_ is divided into parts; if so, it is open now.
bool TreeBuilder::Divide(bool cut) {
  Part& owner = part();
  const bool message =
      owner.media == MediaType::kMessage && (owner.media_subtype == MediaSubtype::kRfc822 ||
                                             owner.media_subtype == MediaSubtype::kGlobal);
  if (!owner.multipart() && !message) return false;
  const bool identity = owner.encoding == TransferEncoding::k7Bit ||
                        owner.encoding == TransferEncoding::k8Bit ||
                        owner.encoding == TransferEncoding::kBinary;
  // RFC 2045 §6.4; RFC 6532 §3.5 allows it for message/global, whose octets are then opaque too.
  if (!identity && owner.media_subtype != MediaSubtype::kGlobal) {
    owner.departures |= kEncodedComposite;
  }
  if (message && !identity) return false;
  if (owner.multipart() && boundary_.empty()) {
    owner.departures |= kMissingBoundaryParameter;
    return false;
  }
  if (owner.depth >= limits_.depth_max) {
    owner.departures |= kNotDivided;
    Note(TreeVerdict::kTooDeep);
    return false;
  }
  if (message && cut) return false;
  if (message && tree_->parts.size() >= limits_.parts_max) {
    owner.departures |= kNotDivided;
    Note(TreeVerdict::kTooManyParts);
    return false;
  }
  open_.push_back({.part = part_,
                   .last_child = kNoPart,
                   .boundary_at = static_cast<uint32_t>(boundaries_.size()),
                   .boundary_bytes = static_cast<uint32_t>(message ? 0 : boundary_.size()),
                   .lines_before = lines(),
                   .multipart = !message,
                   .closed = false});
  if (!message) {
    boundaries_ += boundary_;
    ++multiparts_;
  }
  return true;
}

void TreeBuilder::EndHeader(uint32_t body_offset, bool cut) {
  EndField();
  JudgeHeader();
  Part& owner = part();
  owner.header.bytes = body_offset - owner.header.offset;
  owner.body.offset = body_offset;
  if (cut) owner.departures |= kHeaderCut;
  lines_before_ = lines();
  scanner_.Begin();
  state_ = State::kBody;
  line_start_ = true;
  pending_bytes_ = 0;
  if (!Divide(cut)) return;
  if (open_.back().multipart) {
    part_ = kNoPart;
  } else {
    CHECK(BeginPart(part_, body_offset));
  }
}

}  // namespace ringmail::message
