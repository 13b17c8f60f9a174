// The MIME structure of a message (RFC 2045, 2046) as offsets into its content, built in one pass
// while the content arrives.
//
// Made by: TreeBuilder. Order: Start, Feed any number of times however the content is cut, Finish
// once. Promise: the tree does not depend on the cuts; every octet range lies within its parent's;
// nothing is copied out of the content, and nothing is allocated but the tree's own two arrays and
// the builder's scratch, all of which the next message uses again. Shard: pure; one builder for one
// message at a time.
//
// Content that breaks the rules is read as mail clients read it, and each way in which it departs
// is a bit in Part::departures:
// - lines end at LF, whether CR comes before or not;
// - a line of a header section that is no field begins the body; "From " before the first field is
//   passed over, and so are continuation lines there;
// - a delimiter is the longest boundary of all open multiparts that the line begins with (RFC 2046
//   §5.1.1: the boundary at the beginning of the line is sufficient), the innermost among equals;
//   it ends every part within, and what the line has after it is ignored;
// - a multipart without a usable boundary has no children; neither has message/rfc822 that is
//   encoded (RFC 2046 §5.2.1 allows only 7bit, 8bit and binary).
//
// Limits: TreeLimits; what is over them stays undivided, and the verdict says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/codec/body_scan.h"
#include "ringmail/codec/transfer_encoding.h"
#include "ringmail/message/content_view.h"
#include "ringmail/message/field.h"

namespace ringmail::message {

enum class MediaType : uint8_t {
  kText,
  kImage,
  kAudio,
  kVideo,
  kApplication,
  kMultipart,
  kMessage,
  kOther,  // font, model, x-…
};

// Subtypes whose structure or meaning matters here.
enum class MediaSubtype : uint8_t {
  kOther,
  kPlain,          // text
  kHtml,           // text
  kEnriched,       // text
  kRfc822Headers,  // text
  kMixed,          // multipart, and those below
  kAlternative,
  kDigest,
  kParallel,
  kRelated,
  kReport,
  kSigned,
  kEncrypted,
  kFormData,
  kRfc822,  // message, and those below
  kPartial,
  kExternalBody,
  kDeliveryStatus,
  kDispositionNotification,
  kGlobal,
  kGlobalHeaders,
  kGlobalDeliveryStatus,
  kGlobalDispositionNotification,
  kFeedbackReport,
};

using codec::TransferEncoding;

// How a part differs from what the standards allow; bits of Part::departures.
enum Departure : uint32_t {
  kMissingFinalBoundary = 1u << 0,  // the close delimiter of RFC 2046 §5.1.1
  kMissingBoundaryParameter = 1u << 1,
  kBoundaryNeverSeen = 1u << 2,    // a multipart without a single delimiter
  kBoundaryTooLong = 1u << 3,      // over 70 octets (RFC 2046 §5.1.1)
  kTextAfterBoundary = 1u << 4,    // a delimiter line with more than white space after it
  kDuplicateField = 1u << 5,       // RFC 5322 §3.6; the first one counts
  kHeaderNotEnded = 1u << 6,       // a line that is no field took the place of the empty line
  kHeaderCut = 1u << 7,            // a delimiter, or the content's end, within the header section
  kJunkBeforeHeader = 1u << 8,     // a "From " line, or a continuation of nothing
  kSpaceBeforeColon = 1u << 9,     // RFC 5322 §4.5
  kInvalidContentType = 1u << 10,  // no type/subtype: text/plain is meant (RFC 2045 §5.2)
  kUnknownEncoding = 1u << 11,
  kEncodedComposite = 1u << 12,    // RFC 2045 §6.4
  kMissingMimeVersion = 1u << 13,  // MIME fields in a message without it (RFC 2045 §4)
  k8BitIn7Bit = 1u << 14,          // octets over 127 where the encoding promises none
  kBareLf = 1u << 15,
  kBareCr = 1u << 16,
  kNul = 1u << 17,
  kLineTooLong = 1u << 18,     // over 998 octets
  kHeader8Bit = 1u << 19,      // RFC 6532, or no standard at all
  kEmptyMultipart = 1u << 20,  // a close delimiter, but not one part
  kNotDivided = 1u << 21,      // a limit kept this composite part from being read
};
inline constexpr size_t kDepartureCount = 22;
// "missing final boundary", for lists that people read. REQUIRES: one bit.
std::string_view DepartureName(uint32_t bit);

using PartIndex = uint32_t;
inline constexpr PartIndex kNoPart = UINT32_MAX;

struct Part {
  Extent header;  // with the empty line that ends it
  Extent body;  // from there to the line end that belongs to the next delimiter (RFC 2046 §5.1.1)
  // LF in the body: the "size in text lines" of RFC 9051 §7.5.2.
  uint32_t lines = 0;
  PartIndex parent = kNoPart, first_child = kNoPart, next_sibling = kNoPart;
  uint32_t child_count = 0;
  uint32_t first_field = 0, field_count = 0;
  // As written in Content-Type; both empty where the default of RFC 2045 §5.2 or of RFC 2046 §5.1.5
  // applies.
  Extent type, subtype;
  // Indices into Tree::fields, of the first such field.
  uint32_t content_type = kNoField, transfer_encoding = kNoField, disposition = kNoField;
  uint32_t departures = 0;
  MediaType media = MediaType::kText;
  MediaSubtype media_subtype = MediaSubtype::kPlain;
  TransferEncoding encoding = TransferEncoding::k7Bit;
  uint8_t depth = 0;
  bool body_8bit = false;  // octets over 127 in the body of a leaf
  bool message = false;    // the root, or the message within message/rfc822

  bool leaf() const { return first_child == kNoPart; }
  bool multipart() const { return media == MediaType::kMultipart; }
  // A message/rfc822 or message/global whose message was read.
  bool encapsulates() const { return media == MediaType::kMessage && !leaf(); }
};

struct TreeLimits {
  uint32_t depth_max = 32;
  uint32_t parts_max = 1000;
  uint32_t fields_max = 10000;
};
// Of a MIME field, and of a boundary: what is over the first is not read, over the second makes the
// boundary unusable.
inline constexpr size_t kMimeFieldBytesMax = 16u << 10;
inline constexpr size_t kBoundaryBytesMax = 250;
// How often a new builder's scratch is allocated, whatever the message: it grows by doubling up to
// those limits, and is kept. The tree's two arrays are beside it.
inline constexpr size_t kBuilderAllocationsMax = 40;

// The first limit that was met.
enum class TreeVerdict : uint8_t {
  kWhole,
  kTooDeep,        // a composite part at depth_max was left undivided
  kTooManyParts,   // delimiters after the last part allowed are its text
  kTooManyFields,  // fields beyond are not in the index
  kTooLarge,       // over 4 GiB; what comes after was not read
};

struct Tree {
  std::vector<Part> parts;  // in the order of the text, parents first; [0] is the message
  std::vector<Field> fields;
  TreeVerdict verdict = TreeVerdict::kWhole;
  uint32_t bytes = 0;  // of the content

  std::span<const Field> FieldsOf(const Part& part) const {
    return std::span(fields).subspan(part.first_field, part.field_count);
  }
  // kNoField where the part has none.
  uint32_t FindField(const Part& part, FieldName name) const;
  // The next part in the order of the text that is not within `part`.
  PartIndex After(PartIndex part) const;
};

class TreeBuilder {
 public:
  explicit TreeBuilder(const TreeLimits& limits) : limits_(limits) {}

  // Empties `tree`, which is borrowed until Finish, and keeps its memory.
  void Start(Tree& tree);
  void Feed(std::string_view piece);
  void Finish();

 private:
  enum class State : uint8_t { kHeaderLine, kHeaderRest, kBody, kDelimiterRest };
  // A composite part whose end was not seen.
  struct Open {
    PartIndex part;
    PartIndex last_child;
    uint32_t boundary_at;  // in boundaries_
    uint32_t boundary_bytes;
    uint32_t lines_before;
    bool multipart, closed;
  };
  // How a line of a header section was taken.
  enum class Taken : uint8_t { kYes, kEnd, kNotHeader, kDelimiter };
  struct Match {
    size_t level = SIZE_MAX;
    bool close = false, clean = true;
  };

  Part& part() { return tree_->parts[part_]; }
  uint32_t lines() const { return unread_lines_ + static_cast<uint32_t>(scanner_.lines()); }
  void FeedText(std::string_view text, uint32_t base);
  size_t FeedHeaderLine(std::string_view text, uint32_t base, size_t at);
  size_t FeedHeaderRest(std::string_view text, size_t at);
  size_t FeedBody(std::string_view text, uint32_t base, size_t at);
  size_t FeedCandidate(std::string_view text, uint32_t base, size_t at);
  size_t FeedDelimiterRest(std::string_view text, size_t at);
  void EndHeaderLine(Taken taken, std::string_view line, uint32_t offset);
  void FinishHeader();
  Taken TakeHeaderLine(std::string_view line, uint32_t offset);
  void DecideCandidate(uint32_t line_offset);
  void ConsumePending();
  void HoldLineEnd(std::string_view line_end);
  Match MatchDelimiter(std::string_view line);
  void TakeDelimiter(const Match& match, std::string_view line, uint32_t offset, uint32_t body_end);
  bool BeginPart(PartIndex parent, uint32_t offset);
  void BeginField(const Field& field, std::string_view line, uint32_t offset);
  void KeepMimeText(std::string_view text);
  void EndField();
  void ReadContentType();
  void ReadBoundary(std::string_view parameters);
  void ReadTransferEncoding();
  void EndHeader(uint32_t body_offset, bool cut);
  void JudgeHeader();
  bool Divide(bool cut);
  void EndLeaf(uint32_t end);
  void CloseDownTo(size_t level, uint32_t end);
  void Note(TreeVerdict verdict);

  TreeLimits limits_;
  Tree* tree_ = nullptr;
  State state_ = State::kHeaderLine, after_delimiter_ = State::kHeaderLine;
  PartIndex part_ = kNoPart;   // whose header or body is read; none in a preamble or epilogue
  uint32_t offset_ = 0;        // of the next piece
  uint32_t unread_lines_ = 0;  // LF that scanner_ was not given: those of delimiters
  uint32_t lines_before_ = 0;  // those before the body of part_
  uint32_t multiparts_ = 0;    // of open_
  uint64_t seen_ = 0;          // fields of the current section, by name
  bool line_start_ = false;    // in a body: carry_ is what the line has so far
  uint8_t pending_bytes_ = 0;  // the line end before it, which may belong to a delimiter
  char pending_[2] = {};
  bool field_open_ = false, mime_field_ = false;
  bool limited_ = false;  // a delimiter came after the last part allowed
  Field field_;           // the one that is being read
  codec::BodyScanner scanner_;
  std::vector<Open> open_;
  std::string boundaries_, boundary_;  // of open_; of the current section
  std::string carry_, again_, candidate_, field_text_;
};

}  // namespace ringmail::message
