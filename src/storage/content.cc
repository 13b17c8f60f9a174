// Content in and out: what ContentWriter gathers becomes pieces in the log, what ContentReader
// hands out comes from memory or from the segment that holds the piece.
#include "ringmail/storage/content.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/crc32c.h"
#include "storage/content_writer.h"
#include "storage/store_core.h"

namespace ringmail::storage {

ContentId Id(const Content& content) { return content.id; }
uint64_t Bytes(const Content& content) { return content.bytes - content.prefix_bytes; }
uint16_t PrefixBytes(const Content& content) { return content.prefix_bytes; }
uint8_t Flags(const Content& content) { return content.flags; }
void Lend(Content& content) { ++content.lent; }
void Return(Content& content) { content.index->Returned(content); }

// --- writing ---

ContentWriter::ContentWriter() = default;
ContentWriter::ContentWriter(ContentWriter&&) noexcept = default;
ContentWriter& ContentWriter::operator=(ContentWriter&&) noexcept = default;
ContentWriter::~ContentWriter() = default;
ContentWriter::ContentWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
std::unique_ptr<ContentWriter::State> ContentWriter::TakeState() { return std::move(state_); }

ContentWriter::State::~State() {
  // Pieces of content that no message refers to are dead (README, "given up").
  if (content != nullptr) store->index().Unref(*content);
}

void ContentWriter::AppendPrefix(std::string_view bytes) {
  CHECK(open() && state_->total_bytes == 0 && bytes.size() <= kContentPrefixBytesMax);
  Append(bytes, false);
  state_->prefix_bytes = static_cast<uint16_t>(bytes.size());
}

void ContentWriter::Append(std::string_view bytes, bool starts_with_dot_line) {
  CHECK(open());
  if (bytes.empty()) return;
  StagedBytes& staged = *state_->staged;
  const size_t needed = staged.used + bytes.size();
  if (needed > staged.capacity) {
    // Grows with what was received, never ahead of it.
    size_t capacity = std::max(staged.capacity, kStagingBytesMin);
    while (capacity < needed) capacity *= 2;
    staged.data = static_cast<char*>(std::realloc(staged.data, capacity));
    CHECK(staged.data != nullptr);
    staged.capacity = capacity;
  }
  if (starts_with_dot_line) staged.dot_lines.push_back(static_cast<uint32_t>(staged.used));
  std::memcpy(staged.data + staged.used, bytes.data(), bytes.size());
  staged.used = needed;
  state_->total_bytes += bytes.size();
}

bool ContentWriter::needs_drain() const {
  const StagedBytes& staged = *state_->staged;
  return staged.used >= kPieceBytesMax || staged.dot_lines.size() >= kPieceDotLinesMax;
}

io::Task<Status> ContentWriter::Drain() {
  CHECK(open());
  return state_->DrainAll();
}

uint64_t ContentWriter::bytes() const { return state_->total_bytes - state_->prefix_bytes; }
void ContentWriter::set_flags(uint8_t flags) { state_->flags = flags; }

size_t ContentWriter::State::NextPiece(size_t from, size_t first_dot, size_t& dots) const {
  size_t bytes = std::min(staged->used - from, kPieceBytesMax);
  const auto& lines = staged->dot_lines;
  size_t end = first_dot;
  while (end < lines.size() && lines[end] < from + bytes && end - first_dot < kPieceDotLinesMax)
    ++end;
  if (end < lines.size()) bytes = std::min<size_t>(bytes, lines[end] - from);
  dots = end - first_dot;
  return bytes;
}

bool ContentWriter::State::FitsOnePiece() const {
  size_t dots;
  return NextPiece(0, 0, dots) == staged->used;
}

size_t ContentWriter::State::PieceRecordBytes() const {
  return RecordBytes(kContentMetaBytes + staged->dot_lines.size() * sizeof(uint32_t), staged->used);
}

uint32_t ContentWriter::State::AppendPiece(size_t from, size_t bytes, size_t first_dot, size_t dots,
                                           bool last, size_t& record_bytes) {
  const std::string_view body(staged->data + from, bytes);
  std::vector<uint32_t> moved;
  std::span<const uint32_t> lines(staged->dot_lines.data() + first_dot, dots);
  if (from > 0) {
    for (const uint32_t line : lines) moved.push_back(line - static_cast<uint32_t>(from));
    lines = moved;
  }
  std::string& meta = store->meta_scratch();
  meta.clear();
  EncodeContentMeta({.content = content->id,
                     .total_bytes = last ? total_bytes : 0,
                     .piece = next_piece,
                     .body_crc = codec::Crc32c(0, body),
                     .flags = flags,
                     .last = last,
                     .prefix_bytes = prefix_bytes},
                    lines, meta);
  ++next_piece;
  record_bytes = sizeof(RecordHeader) + meta.size() + body.size();
  return store->log().Append(RecordType::kContent, meta, body);
}

void ContentWriter::State::BeginContent() {
  if (content != nullptr) return;
  content = &store->index().AddContent(store->NewContentId());
  store->index().Ref(*content);
}

io::Task<Status> ContentWriter::State::DrainAll() {
  size_t from = 0, first_dot = 0;
  while (from < staged->used) {
    CO_RETURN_IF_ERROR(store->Acceptance());
    BeginContent();
    size_t dots;
    const size_t bytes = NextPiece(from, first_dot, dots);
    const size_t room = RecordBytes(kContentMetaBytes + dots * sizeof(uint32_t), bytes);
    Log& log = store->log();
    if (!log.HasRoom(room)) CO_RETURN_IF_ERROR(co_await log.Room(room));
    const uint32_t piece = next_piece;
    size_t record_bytes;
    const uint32_t at = AppendPiece(from, bytes, first_dot, dots, /*last=*/false, record_bytes);
    const Log::Committed committed = co_await log.Commit();
    CO_RETURN_IF_ERROR(committed.status);
    store->index().SetPiece(*content, piece, committed.Place(at, record_bytes));
    from += bytes;
    first_dot += dots;
  }
  staged->used = 0;
  staged->dot_lines.clear();
  co_return absl::OkStatus();
}

// --- reading ---

struct ContentReader::State {
  StoreCore* store;
  const Content* content;
  ContentPart part;
  uint32_t piece = 0;
  io::DmaBuffer buffer;
  std::vector<uint32_t> dot_lines;

  Status Damaged(const RecordPlace& place, std::string_view what) const {
    store->metrics().damaged_pieces.Add();
    const std::string name = QueueId(content->id.value).ToString();
    if (place.segment == nullptr) {
      return absl::DataLossError(Absl(fmt::format("content {} piece {}: {}", name, piece, what)));
    }
    return absl::DataLossError(Absl(
        fmt::format("{} offset {}: content {} piece {}: {}",
                    SegmentPath(store->data_dir(), place.segment->log, place.segment->sequence),
                    place.offset, name, piece, what)));
  }
  struct Found {
    std::string_view body, wrong;
  };
  Found PieceIn(std::string_view bytes, const RecordPlace& place);
  bool CopyOut(std::string_view bytes, const RecordPlace& place, ContentPiece& out);
  io::Task<StatusOr<ContentPiece>> ReadPiece(RecordPlace place);
  io::Task<StatusOr<ContentPiece>> ReadAlone(RecordPlace place);
  io::Task<StatusOr<size_t>> ReadSegment(RecordPlace place, uint64_t from, std::span<char> room);
  ContentPiece WithoutPrefix(ContentPiece first);
};

ContentReader::ContentReader(ShardStore& store, const Content& content, ContentPart part)
    : state_(new State{static_cast<StoreCore*>(&store), &content, part}) {}
ContentReader::~ContentReader() = default;
void ContentReader::Rewind() { state_->piece = 0; }

io::Task<StatusOr<ContentPiece>> ContentReader::Next() {
  State& state = *state_;
  const Content& content = *state.content;
  CHECK_GT(content.lent, 0u);
  if (content.cache != nullptr) {
    if (state.piece++ > 0) co_return ContentPiece{};
    state.store->metrics().cache_hits.Add();
    co_return state.WithoutPrefix({content.cache->view(), content.cache->dot_lines});
  }
  if (!content.complete && state.piece >= content.piece_count) {
    co_return state.Damaged({}, "is not in the log");
  }
  while (state.piece < content.piece_count) {
    if (state.piece == 0) state.store->metrics().cache_misses.Add();
    const RecordPlace place = content.piece(state.piece);
    if (place.segment == nullptr) co_return state.Damaged(place, "is not in the log");
    auto piece = co_await state.ReadPiece(place);
    CO_RETURN_IF_ERROR(piece.status());
    if (state.piece++ == 0) *piece = state.WithoutPrefix(*piece);
    if (!piece->bytes.empty())
      co_return piece;  // an empty last piece says only that the one before was the last
  }
  co_return ContentPiece{};
}

// What the first piece holds for a reader that does not see the prefix. The decoder of its record
// has seen to it that the piece is not shorter.
ContentPiece ContentReader::State::WithoutPrefix(ContentPiece first) {
  const uint32_t prefix = content->prefix_bytes;
  if (part == ContentPart::kAll || prefix == 0) return first;
  if (first.dot_lines.data() != dot_lines.data())
    dot_lines.assign(first.dot_lines.begin(), first.dot_lines.end());
  // No line of ours begins with a dot; a disk may say so.
  std::erase_if(dot_lines, [prefix](uint32_t line) { return line < prefix; });
  for (uint32_t& line : dot_lines) line -= prefix;
  return {first.bytes.substr(std::min<size_t>(prefix, first.bytes.size())), dot_lines};
}

// The piece in what was read of its place, with its dots noted, or what is wrong with it.
ContentReader::State::Found ContentReader::State::PieceIn(std::string_view bytes,
                                                          const RecordPlace& place) {
  const auto record = DecodeRecord(bytes, SegmentSalt{place.segment->salt}, place.offset);
  if (!record || record->type != RecordType::kContent)
    return {.wrong = "the record is not readable"};
  const auto meta = DecodeContentMeta(record->meta, record->body.size());
  if (!meta || meta->content != content->id || meta->piece != piece)
    return {.wrong = "another record is there"};
  if (!BodyIntact(*meta, record->body)) return {.wrong = "wrong checksum"};
  dot_lines.resize(meta->dot_count());
  if (!dot_lines.empty())
    std::memcpy(dot_lines.data(), meta->dot_lines.data(), meta->dot_lines.size());
  return {.body = record->body};
}

// Out of a window: whoever sends the piece may take its time, and the window goes on without it.
bool ContentReader::State::CopyOut(std::string_view bytes, const RecordPlace& place,
                                   ContentPiece& out) {
  const Found found = PieceIn(bytes, place);
  if (!found.wrong.empty()) return false;
  if (buffer.size() < found.body.size())
    buffer = io::DmaBuffer(RoundUp(found.body.size(), io::kBlockBytes));
  if (!found.body.empty()) std::memcpy(buffer.data(), found.body.data(), found.body.size());
  out = {{buffer.data(), found.body.size()}, dot_lines};
  return true;
}

io::Task<StatusOr<ContentPiece>> ContentReader::State::ReadPiece(RecordPlace place) {
  ReadAhead& ahead = store->read_ahead();
  const ReadAhead::Range range{place.segment->log, place.segment->sequence, place.offset,
                               place.bytes};
  std::string_view bytes = ahead.Find(range);
  if (bytes.empty()) {
    if (ReadAhead::Window* window = ahead.Continue(range)) {
      const auto filled = co_await ReadSegment(place, window->from(), window->room());
      window->Fill(filled.value_or(0));
      bytes = ahead.Find(range);
    }
  }
  ContentPiece out;
  if (!bytes.empty() && CopyOut(bytes, place, out)) co_return out;
  co_return co_await ReadAlone(place);
}

io::Task<StatusOr<ContentPiece>> ContentReader::State::ReadAlone(RecordPlace place) {
  const uint64_t from = place.offset / io::kBlockBytes * io::kBlockBytes;
  const size_t bytes = RoundUp(uint64_t{place.offset} + place.bytes, io::kBlockBytes) - from;
  if (buffer.size() < bytes) buffer = io::DmaBuffer(bytes);
  ASSIGN_OR_CO_RETURN(const size_t read, co_await ReadSegment(place, from, {buffer.data(), bytes}));
  const size_t skip = place.offset - from;
  if (read < skip + place.bytes) co_return Damaged(place, "the segment is cut short");
  const Found found = PieceIn({buffer.data() + skip, place.bytes}, place);
  if (!found.wrong.empty()) co_return Damaged(place, found.wrong);
  co_return ContentPiece{found.body, dot_lines};
}

io::Task<StatusOr<size_t>> ContentReader::State::ReadSegment(RecordPlace place, uint64_t from,
                                                             std::span<char> room) {
  auto file = co_await store->AcquireReadFile(place.segment->log, place.segment->sequence);
  CO_RETURN_IF_ERROR(file.status());
  store->metrics().content_reads.Add();
  auto read = co_await (*file)->file.Read(from, room);
  store->ReleaseReadFile(*file);
  co_return read;
}

io::Task<StatusOr<ReadFile*>> StoreCore::AcquireReadFile(LogId log, uint64_t sequence) {
  for (auto it = read_files_.begin(); it != read_files_.end(); ++it) {
    if (it->log != log || it->sequence != sequence) continue;
    read_files_.splice(read_files_.begin(), read_files_, it);
    ++it->readers;
    co_return &*it;
  }
  auto file = co_await io::File::Open(SegmentPath(options_.data_dir, log, sequence),
                                      io::OpenMode::kRead, io::Access::kDirect);
  CO_RETURN_IF_ERROR(file.status());
  read_files_.push_front(
      {.log = log, .sequence = sequence, .readers = 1, .file = *std::move(file)});
  ReadFile* opened = &read_files_.front();
  for (auto it = std::prev(read_files_.end());
       read_files_.size() > kOpenReadFilesMax && it != read_files_.begin();) {
    const auto candidate = it--;
    if (candidate->readers == 0) read_files_.erase(candidate);
  }
  co_return opened;
}

void StoreCore::ReleaseReadFile(ReadFile* file) {
  CHECK_GT(file->readers, 0u);
  --file->readers;
}

}  // namespace ringmail::storage
