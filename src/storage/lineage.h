// Which segments belong together, whatever the number of shards was and is: README, "Adoption".
//
// Pure, but for ListLogs. A lineage is a log with everything it has adopted; every segment is in
// exactly one, for ever.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/io/task.h"
#include "storage/segment.h"

namespace ringmail::storage {

// What lies in the directory of one log.
struct LogFiles {
  LogId log;
  std::vector<uint64_t> segments;  // ascending
  std::vector<uint64_t> summaries;
  std::vector<uint64_t> spares;
  std::vector<std::string> unfinished;  // being made when the process ended
  std::vector<Adoption> adoptions;      // by `through`, ascending
};
io::Task<StatusOr<std::vector<LogFiles>>> ListLogs(std::string data_dir);

// Segments of one log that lie between two adoptions.
struct SegmentGroup {
  LogId log;
  std::vector<uint64_t> segments;  // ascending
  LogId owner;                     // the log at the end of the chain of adoptions
  uint32_t depth = 0;              // adoptions on the way there
};
// In replay order: what was adopted before what adopted it.
std::vector<SegmentGroup> GroupSegments(const std::vector<LogFiles>& logs);

}  // namespace ringmail::storage
