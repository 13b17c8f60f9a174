// The limits of the store: each with its unit, and what happens when it is reached.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ringmail/io/file.h"
#include "ringmail/storage/content.h"

namespace ringmail::storage {

// A segment begins with its header, twice, so that one bad block does not lose it.
inline constexpr size_t kSegmentHeaderBytes = 2 * io::kBlockBytes;
// One group commit on disk, whatever StoreOptions says; recovery reads no longer batch.
inline constexpr size_t kBatchBytesMax = 4u << 20;
inline constexpr size_t kSegmentBytesMin = 1u << 20;
inline constexpr uint64_t kSegmentBytesMax = 1u << 30;

// Octets of one piece of content: with its metadata and the rounding to blocks it fits 256 KiB of
// read buffer.
inline constexpr size_t kPieceBytesMax = 224u << 10;
// Dot-lines noted in one piece; one more begins a new piece.
inline constexpr size_t kPieceDotLinesMax = 4096;
static_assert(kPieceBytesMax + kPieceDotLinesMax * 4 + 2 * io::kBlockBytes + 256 <= 256u << 10);
static_assert(kPieceBytesMax <= kContentStagingBytesMax);
inline constexpr size_t kStagingBytesMin = 4u << 10;

// Segments prepared ahead of the one being written, and dropped ones kept for reuse beyond these.
inline constexpr size_t kReadySegments = 2;
inline constexpr size_t kSpareSegmentsMax = 4;
// Fewer segments than this are never compacted.
inline constexpr uint64_t kCompactSegmentsMin = 4;
// One step of compaction, between yields.
inline constexpr size_t kCompactStepBytes = 512u << 10;

// Read-only files kept open for delivery, per shard.
inline constexpr size_t kOpenReadFilesMax = 16;

// Reading ahead, per shard: runs of reads with a window each, and single reads that may become one.
// Two megabytes of windows at most.
inline constexpr size_t kReadAheadRuns = 8;
inline constexpr size_t kReadAheadProbes = 32;
// A run's first window, and what it doubles to.
inline constexpr size_t kReadAheadBytesMin = 32u << 10;
inline constexpr size_t kReadAheadBytesMax = 256u << 10;
// A longer record is read alone: to copy it out of a window would cost what the request saves.
inline constexpr size_t kReadAheadRecordMax = 64u << 10;
// A run goes on where at most so many octets of others lie between.
inline constexpr uint64_t kReadAheadGapMax = 32u << 10;
static_assert(kReadAheadRecordMax + 2 * io::kBlockBytes <= kReadAheadBytesMax);

// Queue and content numbers skipped at each start, so that one given out before a crash is not
// given out again.
inline constexpr uint64_t kSequenceSkip = 1u << 16;

// Recovery reads this much at once, with kScanReads of them in flight.
inline constexpr size_t kScanChunkBytes = 2u << 20;
inline constexpr size_t kScanReads = 2;

// The summary of one segment: while it is gathered it is memory of the shard. A segment with more
// metadata has none, and is read whole at a start.
inline constexpr size_t kSummaryBytesMax = 16u << 20;
// Summaries that wait to be written; one that would be over it is not written.
inline constexpr size_t kSummaryWaitingBytesMax = 32u << 20;

// Damages reported one by one; more are counted in the last.
inline constexpr size_t kDamagesMax = 1000;

}  // namespace ringmail::storage
