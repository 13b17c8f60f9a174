// Segments: the files of a log, their names, and how much of each is still needed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/base/ids.h"

namespace ringmail::storage {

// One segment that holds records. Its address is stable until it is dropped; log, sequence and salt
// never change, so that a reader on another shard may look at them while content in it is lent.
struct Segment {
  LogId log;
  uint64_t sequence = 0;
  uint64_t salt = 0;        // SegmentSalt
  uint64_t bytes = 0;       // of the file
  uint64_t end = 0;         // valid bytes
  uint64_t live_bytes = 0;  // of records that are still needed
  uint64_t live_records = 0;
  bool from_summary = false;     // recovery read its summary, not itself
  bool damage_reported = false;  // by compaction, once

  void AddLive(uint64_t record_bytes) {
    live_bytes += record_bytes;
    ++live_records;
  }
  void SubLive(uint64_t record_bytes) {
    live_bytes -= record_bytes;
    --live_records;
  }
};

// Where a record lies.
struct RecordPlace {
  Segment* segment = nullptr;  // nullptr: damaged or missing
  uint32_t offset = 0;
  uint32_t bytes = 0;
  friend bool operator==(const RecordPlace&, const RecordPlace&) = default;
};

// In replay order: foreign segments first, the one being written last. They leave from the front
// only.
using SegmentList = std::deque<std::unique_ptr<Segment>>;

std::string LogsDirectory(std::string_view data_dir);
std::string LogDirectoryName(LogId log);  // "003"
std::string LogDirectory(std::string_view data_dir, LogId log);
std::string SegmentName(uint64_t sequence);  // "000000000000002a.seg"
std::string SegmentPath(std::string_view data_dir, LogId log, uint64_t sequence);
std::string SummaryName(uint64_t sequence);  // "000000000000002a.sum"
std::string SummaryPath(std::string_view data_dir, LogId log, uint64_t sequence);
std::string SpareName(uint64_t number);  // "spare-000000000000002a"
inline constexpr std::string_view kUnfinishedSuffix = ".tmp";

std::optional<LogId> ParseLogDirectoryName(std::string_view name);
std::optional<uint64_t> ParseSegmentName(std::string_view name);
std::optional<uint64_t> ParseSummaryName(std::string_view name);
std::optional<uint64_t> ParseSpareName(std::string_view name);

// Says that the segments of a log up to `through` belong to the log `by` from its segment `at` on:
// README, "Adoption". The file's name is all there is to it, so making it is one atomic step.
struct Adoption {
  uint64_t through = 0;
  uint64_t next_sequence = 0;  // no queue or content number of the adopted log is at or over this
  LogId by;
  uint64_t at = 0;
};
std::string AdoptionName(const Adoption& adoption);
std::optional<Adoption> ParseAdoptionName(std::string_view name);

}  // namespace ringmail::storage
