#include "storage/lineage.h"

#include <algorithm>
#include <tuple>

#include "ringmail/io/file.h"

namespace ringmail::storage {
namespace {

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

const LogFiles* FindLog(const std::vector<LogFiles>& logs, LogId log) {
  const auto it = std::find_if(logs.begin(), logs.end(),
                               [&](const LogFiles& files) { return files.log == log; });
  return it == logs.end() ? nullptr : &*it;
}

// The adoption that segment `sequence` of the log falls under, or nullptr.
const Adoption* AdoptionOf(const LogFiles* files, uint64_t sequence) {
  if (files == nullptr) return nullptr;
  for (const Adoption& adoption : files->adoptions) {
    if (adoption.through >= sequence) return &adoption;
  }
  return nullptr;
}

void ResolveOwner(const std::vector<LogFiles>& logs, size_t hops_max, SegmentGroup& group) {
  group.owner = group.log;
  uint64_t sequence = group.segments.front();
  for (size_t hop = 0; hop < hops_max; ++hop) {
    const Adoption* adoption = AdoptionOf(FindLog(logs, group.owner), sequence);
    if (adoption == nullptr) return;
    group.owner = adoption->by;
    sequence = adoption->at;
    ++group.depth;
  }
  // Names that lead in a circle were not made by us: the log keeps its own.
  group.owner = group.log;
  group.depth = 0;
}

}  // namespace

io::Task<StatusOr<std::vector<LogFiles>>> ListLogs(std::string data_dir) {
  auto directories = co_await io::ListDirectory(LogsDirectory(data_dir));
  CO_RETURN_IF_ERROR(directories.status());
  std::vector<LogFiles> logs;
  for (const std::string& directory : *directories) {
    const auto log = ParseLogDirectoryName(directory);
    if (!log) continue;
    auto names = co_await io::ListDirectory(LogDirectory(data_dir, *log));
    CO_RETURN_IF_ERROR(names.status());
    LogFiles files{.log = *log};
    for (const std::string& name : *names) {
      if (const auto sequence = ParseSegmentName(name)) {
        files.segments.push_back(*sequence);
      } else if (const auto summary = ParseSummaryName(name)) {
        files.summaries.push_back(*summary);
      } else if (const auto spare = ParseSpareName(name)) {
        files.spares.push_back(*spare);
      } else if (const auto adoption = ParseAdoptionName(name)) {
        files.adoptions.push_back(*adoption);
      } else if (EndsWith(name, kUnfinishedSuffix)) {
        files.unfinished.push_back(name);
      }
    }
    std::sort(files.segments.begin(), files.segments.end());
    std::sort(files.adoptions.begin(), files.adoptions.end(),
              [](const Adoption& a, const Adoption& b) { return a.through < b.through; });
    logs.push_back(std::move(files));
  }
  co_return logs;
}

std::vector<SegmentGroup> GroupSegments(const std::vector<LogFiles>& logs) {
  size_t adoptions = 0;
  for (const LogFiles& files : logs) adoptions += files.adoptions.size();
  std::vector<SegmentGroup> groups;
  for (const LogFiles& files : logs) {
    const Adoption* last = nullptr;
    bool first = true;
    for (const uint64_t sequence : files.segments) {
      const Adoption* adoption = AdoptionOf(&files, sequence);
      if (first || adoption != last) groups.push_back({.log = files.log});
      first = false;
      last = adoption;
      groups.back().segments.push_back(sequence);
    }
  }
  for (SegmentGroup& group : groups) ResolveOwner(logs, adoptions + 1, group);
  std::stable_sort(groups.begin(), groups.end(), [](const SegmentGroup& a, const SegmentGroup& b) {
    return std::tuple(b.depth, a.log, a.segments.front()) <
           std::tuple(a.depth, b.log, b.segments.front());
  });
  return groups;
}

}  // namespace ringmail::storage
