// The builder's way through the text: lines of header sections, and bodies up to the next
// delimiter. What a header section means is in tree_header.cc.
#include <algorithm>
#include <cstring>

#include "message/lexer.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/message/mime_tree.h"

namespace ringmail::message {
namespace {

// Enough of a header line to know what it is: whatever the cuts, no more of it is looked at.
constexpr size_t kHeaderLineStart = kFieldNameBytesMax + 3;
// "--", boundary, "--", and what tells whether more than white space follows.
constexpr size_t kDelimiterStart = 2 + kBoundaryBytesMax + 48;
static_assert(kDelimiterStart < kHeaderLineStart);

constexpr uint32_t kDepartureOfFlag[][2] = {{codec::kDataBareCr, kBareCr},
                                            {codec::kDataBareLf, kBareLf},
                                            {codec::kDataNul, kNul},
                                            {codec::kDataLineTooLong, kLineTooLong}};

uint32_t DeparturesOf(uint8_t flags) {
  uint32_t departures = 0;
  for (const auto& row : kDepartureOfFlag) {
    if ((flags & row[0]) != 0) departures |= row[1];
  }
  return departures;
}

size_t FindLf(std::string_view text, size_t at) {
  const void* lf = std::memchr(text.data() + at, '\n', text.size() - at);
  if (lf == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(lf) - text.data());
}

uint32_t Size32(std::string_view text) { return static_cast<uint32_t>(text.size()); }

}  // namespace

void TreeBuilder::Start(Tree& tree) {
  tree.parts.clear();
  tree.fields.clear();
  tree.verdict = TreeVerdict::kWhole;
  tree.bytes = 0;
  tree_ = &tree;
  offset_ = unread_lines_ = lines_before_ = multiparts_ = 0;
  scanner_ = {};
  open_.clear();
  boundaries_.clear();
  carry_.clear();
  line_start_ = limited_ = false;
  pending_bytes_ = 0;
  CHECK(BeginPart(kNoPart, 0));
}

void TreeBuilder::Note(TreeVerdict verdict) {
  if (tree_->verdict == TreeVerdict::kWhole) tree_->verdict = verdict;
}

void TreeBuilder::Feed(std::string_view piece) {
  CHECK(tree_ != nullptr);
  const size_t room = UINT32_MAX - size_t{offset_};
  if (piece.size() > room) {
    Note(TreeVerdict::kTooLarge);
    piece = piece.substr(0, room);
  }
  FeedText(piece, offset_);
  offset_ += Size32(piece);
}

void TreeBuilder::FeedText(std::string_view text, uint32_t base) {
  for (size_t at = 0; at < text.size();) {
    switch (state_) {
      case State::kHeaderLine:
        at = FeedHeaderLine(text, base, at);
        break;
      case State::kHeaderRest:
        at = FeedHeaderRest(text, at);
        break;
      case State::kBody:
        at = FeedBody(text, base, at);
        break;
      case State::kDelimiterRest:
        at = FeedDelimiterRest(text, at);
        break;
    }
  }
}

// Lines are taken in place; one that a cut divides is first put together in carry_.
size_t TreeBuilder::FeedHeaderLine(std::string_view text, uint32_t base, size_t at) {
  size_t scanned = at;
  while (at < text.size()) {
    const size_t lf = FindLf(text, at);
    size_t end = lf == std::string_view::npos ? text.size() : lf + 1;
    std::string_view line = text.substr(at, end - at);
    uint32_t offset = base + static_cast<uint32_t>(at);
    if (!carry_.empty()) {
      line = line.substr(0, kHeaderLineStart - std::min(carry_.size(), kHeaderLineStart));
      offset -= Size32(carry_);
      carry_.append(line);
      end = at + line.size();
      line = carry_;
    }
    if (line.back() != '\n' && line.size() < kHeaderLineStart) {
      if (carry_.empty()) {
        scanner_.Feed(text.substr(scanned, at - scanned));
        carry_.assign(line);
      }
      return end;
    }
    const Taken taken = TakeHeaderLine(line, offset);
    const bool belongs = taken == Taken::kYes || taken == Taken::kEnd;
    if (!carry_.empty()) {
      if (belongs) scanner_.Feed(carry_);
      scanned = end;
    }
    if (taken == Taken::kYes && line.back() == '\n') {
      at = end;
      carry_.clear();
      continue;
    }
    scanner_.Feed(text.substr(scanned, std::max(belongs ? end : at, scanned) - scanned));
    if (taken == Taken::kYes) {
      carry_.clear();
      state_ = State::kHeaderRest;
      return end;
    }
    const bool carried = !carry_.empty();
    if (carried) again_.swap(carry_);
    carry_.clear();
    EndHeaderLine(taken, carried ? std::string_view(again_) : line, offset);
    if (taken != Taken::kNotHeader) return end;
    if (!carried) return at;
    FeedText(again_, offset);
    return end;
  }
  scanner_.Feed(text.substr(scanned, at - scanned));
  return at;
}

// What ends a header section: its empty line, or a line that is none of its own.
void TreeBuilder::EndHeaderLine(Taken taken, std::string_view line, uint32_t offset) {
  switch (taken) {
    case Taken::kEnd:
      EndHeader(offset + Size32(line), false);
      break;
    case Taken::kNotHeader:
      part().departures |= kHeaderNotEnded;
      EndHeader(offset, false);
      break;
    case Taken::kDelimiter: {
      const Match match = MatchDelimiter(line);
      EndHeader(offset, true);
      TakeDelimiter(match, line, offset, offset);
      break;
    }
    case Taken::kYes:
      break;
  }
}

TreeBuilder::Taken TreeBuilder::TakeHeaderLine(std::string_view line, uint32_t offset) {
  if (multiparts_ > 0 && line.starts_with("--") && MatchDelimiter(line).level != SIZE_MAX) {
    return Taken::kDelimiter;
  }
  Field field;
  switch (ClassifyHeaderLine(line, field)) {
    case HeaderLine::kField:
      EndField();
      BeginField(field, line, offset);
      return Taken::kYes;
    case HeaderLine::kContinuation:
      if (!field_open_) {
        part().departures |= kJunkBeforeHeader;
        return Taken::kYes;
      }
      field_.bytes += Size32(line);
      if (mime_field_) KeepMimeText(line);
      return Taken::kYes;
    case HeaderLine::kEmpty:
      return Taken::kEnd;
    case HeaderLine::kNotHeader:
      break;
  }
  // The separator of mailboxes in a file, quoted or not, which some agents pass on (RFC 4155
  // appendix A).
  if (part().message && offset == part().header.offset &&
      (line.starts_with("From ") || line.starts_with(">From "))) {
    part().departures |= kJunkBeforeHeader;
    return Taken::kYes;
  }
  return Taken::kNotHeader;
}

size_t TreeBuilder::FeedHeaderRest(std::string_view text, size_t at) {
  const size_t lf = FindLf(text, at);
  const size_t end = lf == std::string_view::npos ? text.size() : lf + 1;
  const std::string_view rest = text.substr(at, end - at);
  scanner_.Feed(rest);
  if (field_open_) {
    field_.bytes += Size32(rest);
    if (mime_field_) KeepMimeText(rest);
  }
  if (lf != std::string_view::npos) state_ = State::kHeaderLine;
  return end;
}

void TreeBuilder::ConsumePending() {
  if (pending_bytes_ != 0) scanner_.Feed(std::string_view(pending_, pending_bytes_));
  pending_bytes_ = 0;
}

void TreeBuilder::HoldLineEnd(std::string_view line_end) {
  CHECK_LE(line_end.size(), sizeof(pending_));
  std::copy(line_end.begin(), line_end.end(), pending_);
  pending_bytes_ = static_cast<uint8_t>(line_end.size());
}

// A body goes to the scanner as it comes; held back is only a line end, which belongs to the
// delimiter if one follows, and a line that may become one.
size_t TreeBuilder::FeedBody(std::string_view text, uint32_t base, size_t at) {
  if (multiparts_ == 0) {
    scanner_.Feed(text.substr(at));
    return text.size();
  }
  if (line_start_) return FeedCandidate(text, base, at);
  if (pending_bytes_ != 0) {  // a lone CR
    if (text[at] == '\n') {
      HoldLineEnd("\r\n");
      line_start_ = true;
      return at + 1;
    }
    ConsumePending();
  }
  const std::string_view rest = text.substr(at);
  // The cut may stand within "\r\n--".
  size_t end = rest.size() - (rest.ends_with("\n-") ? 2 : rest.ends_with('\n') ? 1 : 0);
  const bool cut_at_line_end = end != rest.size();
  if (end > 0 && rest[end - 1] == '\r') --end;
  size_t lf = scanner_.FeedUntilDashes(rest.substr(0, end));
  if (lf == std::string_view::npos) {
    if (!cut_at_line_end) {
      if (end != rest.size()) HoldLineEnd("\r");
      return text.size();
    }
    lf = rest[end] == '\r' ? end + 1 : end;
  }
  const size_t line_end = lf > 0 && rest[lf - 1] == '\r' ? lf - 1 : lf;
  HoldLineEnd(rest.substr(line_end, lf + 1 - line_end));
  line_start_ = true;
  return at + lf + 1;
}

size_t TreeBuilder::FeedCandidate(std::string_view text, uint32_t base, size_t at) {
  const uint32_t line_offset = base + static_cast<uint32_t>(at) - Size32(carry_);
  const size_t dashes = std::min<size_t>(carry_.size(), 2);
  if (text[at] != '-' && dashes < 2) {
    // No delimiter begins so.
    ConsumePending();
    line_start_ = false;
    scanner_.Feed(carry_);
    carry_.clear();
    return at;
  }
  const std::string_view more = text.substr(at, kDelimiterStart - carry_.size());
  const size_t lf = more.find('\n');
  const size_t bytes = lf == std::string_view::npos ? more.size() : lf + 1;
  carry_.append(more.substr(0, bytes));
  const bool decided = carry_.back() == '\n' || carry_.size() == kDelimiterStart ||
                       (carry_.size() >= 2 && carry_[1] != '-');
  if (decided) DecideCandidate(line_offset);
  return at + bytes;
}

// carry_ is a line, or enough of one.
void TreeBuilder::DecideCandidate(uint32_t line_offset) {
  const Match match = carry_.starts_with("--") ? MatchDelimiter(carry_) : Match{};
  line_start_ = false;
  candidate_.swap(carry_);
  carry_.clear();
  if (match.level != SIZE_MAX) {
    TakeDelimiter(match, candidate_, line_offset, line_offset - pending_bytes_);
    return;
  }
  ConsumePending();
  std::string_view line = candidate_;
  if (line.back() != '\n') {
    // Where it is cut here, its last octet may be the CR of its end.
    const bool cr = line.back() == '\r';
    scanner_.Feed(line.substr(0, line.size() - (cr ? 1 : 0)));
    if (cr) HoldLineEnd("\r");
    return;
  }
  const size_t line_end = line.size() - (line.ends_with("\r\n") ? 2 : 1);
  scanner_.Feed(line.substr(0, line_end));
  HoldLineEnd(line.substr(line_end));
  line_start_ = true;
}

TreeBuilder::Match TreeBuilder::MatchDelimiter(std::string_view line) {
  line = line.substr(2, kDelimiterStart - 2);
  Match match;
  size_t longest = 0;
  bool closed = true;
  for (size_t level = open_.size(); level-- > 0;) {
    const Open& open = open_[level];
    if (!open.multipart || open.boundary_bytes < longest) continue;
    if (open.boundary_bytes == longest && !closed) continue;
    const std::string_view boundary =
        std::string_view(boundaries_).substr(open.boundary_at, open.boundary_bytes);
    if (!line.starts_with(boundary)) continue;
    // Of equal boundaries the innermost that is not closed; a longer one is another's.
    if (open.boundary_bytes > longest || closed) {
      longest = boundary.size();
      closed = open.closed;
      match.level = level;
    }
  }
  // What follows a close delimiter is an epilogue, "to be ignored" (RFC 2046 §5.1.1).
  if (match.level == SIZE_MAX || closed) return {};
  line.remove_prefix(longest);
  match.close = line.starts_with("--");
  if (match.close) line.remove_prefix(2);
  match.clean = TrimBlank(line).empty();
  if (!match.close && tree_->parts.size() >= limits_.parts_max) {
    limited_ = true;
    return {};
  }
  return match;
}

// The line at `offset` is, or begins with, the delimiter of open_[match.level].
void TreeBuilder::TakeDelimiter(const Match& match, std::string_view line, uint32_t offset,
                                uint32_t body_end) {
  CloseDownTo(match.level + 1, body_end);
  if (pending_bytes_ != 0) ++unread_lines_;
  pending_bytes_ = 0;
  const bool whole = line.back() == '\n';
  if (whole) ++unread_lines_;
  Open& open = open_[match.level];
  if (!match.clean) tree_->parts[open.part].departures |= kTextAfterBoundary;
  const uint32_t next = offset + Size32(line);
  if (match.close) {
    open.closed = true;
    state_ = State::kBody;
    line_start_ = true;
  } else {
    CHECK(BeginPart(open.part, next));
  }
  if (!whole) {
    line_start_ = false;
    after_delimiter_ = state_;
    state_ = State::kDelimiterRest;
  }
}

size_t TreeBuilder::FeedDelimiterRest(std::string_view text, size_t at) {
  const size_t lf = FindLf(text, at);
  const size_t end = lf == std::string_view::npos ? text.size() : lf + 1;
  if (part_ != kNoPart) part().header.offset += static_cast<uint32_t>(end - at);
  if (lf == std::string_view::npos) return end;
  ++unread_lines_;
  state_ = after_delimiter_;
  line_start_ = state_ == State::kBody;
  return end;
}

void TreeBuilder::EndLeaf(uint32_t end) {
  Part& leaf = part();
  CHECK_GE(end, leaf.body.offset);
  leaf.body.bytes = end - leaf.body.offset;
  leaf.lines = lines() - lines_before_;
  const uint8_t flags = scanner_.flags();
  leaf.body_8bit = (flags & codec::kData8Bit) != 0;
  // RFC 2045 §2.9: "binary" promises nothing.
  if (leaf.encoding != TransferEncoding::kBinary) leaf.departures |= DeparturesOf(flags);
  const bool promises_7bit = leaf.encoding != TransferEncoding::k8Bit &&
                             leaf.encoding != TransferEncoding::kBinary &&
                             leaf.encoding != TransferEncoding::kUnknown;
  if (leaf.body_8bit && promises_7bit) leaf.departures |= k8BitIn7Bit;
  part_ = kNoPart;
}

// Ends the leaf that is read, if any, and all composite parts but the outermost `level`.
void TreeBuilder::CloseDownTo(size_t level, uint32_t end) {
  if (part_ != kNoPart) EndLeaf(end);
  while (open_.size() > level) {
    const Open& open = open_.back();
    Part& composite = tree_->parts[open.part];
    CHECK_GE(end, composite.body.offset);
    composite.body.bytes = end - composite.body.offset;
    composite.lines = lines() - open.lines_before;
    if (open.multipart) {
      if (!open.closed) composite.departures |= kMissingFinalBoundary;
      if (composite.leaf()) {
        composite.departures |= open.closed ? kEmptyMultipart : kBoundaryNeverSeen;
      }
      --multiparts_;
    }
    boundaries_.resize(open.boundary_at);
    open_.pop_back();
  }
}

bool TreeBuilder::BeginPart(PartIndex parent, uint32_t offset) {
  const auto index = static_cast<PartIndex>(tree_->parts.size());
  if (index >= std::max<uint32_t>(limits_.parts_max, 1)) return false;
  Part& part = tree_->parts.emplace_back();
  part.header.offset = offset;
  part.parent = parent;
  part.message = true;
  if (parent != kNoPart) {
    Open& open = open_.back();
    CHECK_EQ(open.part, parent);
    Part& above = tree_->parts[parent];
    if (open.last_child == kNoPart) {
      above.first_child = index;
    } else {
      tree_->parts[open.last_child].next_sibling = index;
    }
    open.last_child = index;
    ++above.child_count;
    part.depth = static_cast<uint8_t>(above.depth + 1);
    part.message = !open.multipart;
  }
  part.first_field = static_cast<uint32_t>(tree_->fields.size());
  part_ = index;
  seen_ = 0;
  boundary_.clear();
  field_open_ = false;
  scanner_.Begin();
  state_ = State::kHeaderLine;
  return true;
}

// The content ends within a header section, perhaps within a line of it.
void TreeBuilder::FinishHeader() {
  while (state_ == State::kHeaderLine && !carry_.empty()) {
    const uint32_t offset = offset_ - Size32(carry_);
    const Taken taken = TakeHeaderLine(carry_, offset);
    if (taken == Taken::kYes) {
      scanner_.Feed(carry_);
      carry_.clear();
      break;
    }
    CHECK(taken != Taken::kEnd);
    again_.swap(carry_);
    carry_.clear();
    EndHeaderLine(taken, again_, offset);
    if (taken == Taken::kDelimiter) break;
    if (state_ == State::kHeaderLine) {
      carry_.swap(again_);
    } else {
      FeedText(again_, offset);
    }
  }
  if (state_ == State::kHeaderLine || state_ == State::kHeaderRest) EndHeader(offset_, true);
}

void TreeBuilder::Finish() {
  CHECK(tree_ != nullptr);
  if (state_ == State::kDelimiterRest) state_ = after_delimiter_;
  if (state_ == State::kHeaderLine || state_ == State::kHeaderRest) FinishHeader();
  if (!carry_.empty()) DecideCandidate(offset_ - Size32(carry_));
  if (state_ == State::kDelimiterRest) state_ = after_delimiter_;
  if (state_ == State::kHeaderLine) EndHeader(offset_, true);
  ConsumePending();
  CloseDownTo(0, offset_);
  if (limited_) Note(TreeVerdict::kTooManyParts);
  tree_->bytes = offset_;
  tree_ = nullptr;
}

}  // namespace ringmail::message
