#include "storage/segment.h"

#include <charconv>
#include <cstdio>

#include "fmt/format.h"

namespace ringmail::storage {
namespace {

constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::string_view kSummarySuffix = ".sum";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kAdoptionPrefix = "adopted-";
constexpr size_t kHexDigits = 16;

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool TakeHex(std::string_view& text, uint64_t& value) {
  if (text.size() < kHexDigits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + kHexDigits, value, 16);
  if (error != std::errc() || end != text.data() + kHexDigits) return false;
  text.remove_prefix(kHexDigits);
  return true;
}

bool TakeLog(std::string_view& text, LogId& log) {
  size_t digits = 0;
  uint32_t value = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9' && digits < 4) {
    value = value * 10 + static_cast<uint32_t>(text[digits++] - '0');
  }
  if (digits < 3 || value >= kLogCountMax) return false;
  text.remove_prefix(digits);
  log = LogId(static_cast<uint16_t>(value));
  return true;
}

}  // namespace

std::string LogsDirectory(std::string_view data_dir) { return fmt::format("{}/log", data_dir); }
std::string LogDirectoryName(LogId log) { return fmt::format("{:03}", log.value); }
std::string LogDirectory(std::string_view data_dir, LogId log) {
  return fmt::format("{}/log/{:03}", data_dir, log.value);
}
std::string SegmentName(uint64_t sequence) {
  return fmt::format("{:016x}{}", sequence, kSegmentSuffix);
}
std::string SegmentPath(std::string_view data_dir, LogId log, uint64_t sequence) {
  return LogDirectory(data_dir, log) + "/" + SegmentName(sequence);
}
std::string SummaryName(uint64_t sequence) {
  return fmt::format("{:016x}{}", sequence, kSummarySuffix);
}
std::string SummaryPath(std::string_view data_dir, LogId log, uint64_t sequence) {
  return LogDirectory(data_dir, log) + "/" + SummaryName(sequence);
}
std::string SpareName(uint64_t number) { return fmt::format("{}{:016x}", kSparePrefix, number); }

std::optional<LogId> ParseLogDirectoryName(std::string_view name) {
  LogId log;
  if (!TakeLog(name, log) || !name.empty()) return std::nullopt;
  return log;
}

std::optional<uint64_t> ParseSegmentName(std::string_view name) {
  uint64_t sequence;
  if (!TakeHex(name, sequence) || name != kSegmentSuffix || sequence == 0) return std::nullopt;
  return sequence;
}

std::optional<uint64_t> ParseSummaryName(std::string_view name) {
  uint64_t sequence;
  if (!TakeHex(name, sequence) || name != kSummarySuffix || sequence == 0) return std::nullopt;
  return sequence;
}

std::optional<uint64_t> ParseSpareName(std::string_view name) {
  uint64_t number;
  if (!TakePrefix(name, kSparePrefix) || !TakeHex(name, number) || !name.empty())
    return std::nullopt;
  return number;
}

std::string AdoptionName(const Adoption& adoption) {
  return fmt::format("{}{:016x}-{:016x}-by-{:03}-at-{:016x}", kAdoptionPrefix, adoption.through,
                     adoption.next_sequence, adoption.by.value, adoption.at);
}

std::optional<Adoption> ParseAdoptionName(std::string_view name) {
  Adoption adoption;
  const bool good = TakePrefix(name, kAdoptionPrefix) && TakeHex(name, adoption.through) &&
                    TakePrefix(name, "-") && TakeHex(name, adoption.next_sequence) &&
                    TakePrefix(name, "-by-") && TakeLog(name, adoption.by) &&
                    TakePrefix(name, "-at-") && TakeHex(name, adoption.at) && name.empty();
  if (!good) return std::nullopt;
  return adoption;
}

}  // namespace ringmail::storage
