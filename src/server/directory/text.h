// The directory as one text file: what `ringmail directory export` writes and `import` reads. Pure,
// fuzzed.
//
// One entry a line, "#" begins a comment:
//   domain  example.org
//   account bob@example.org  name="Bob Bobson" quota=10GiB password={SHA512-CRYPT}$6$…
//   alias   sales@example.org to=bob@example.org to=eve@elsewhere.example
//   alias   @example.org to=bob@example.org            the catch-all
//   moved   old@example.org to=new@elsewhere.example
// A value with a space, a quote or a "#" stands in quotes; \" and \\ are a quote and a backslash.
// An account without password=, app= and scram= keeps the credentials it has; credentials=none
// takes them away.
// Promise: what is written is read back as the same entries. Every fault is found, with its line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/storage/directory_entry.h"

namespace ringmail::server {

inline constexpr size_t kDirectoryTextBytesMax = size_t{1} << 30;
inline constexpr size_t kDirectoryFaultsMax = 100;

struct TextEntry {
  storage::DirectoryEntry entry;
  uint32_t line = 0;
  bool keeps_credentials = false;
};
struct TextFault {
  uint32_t line = 0;
  std::string what;
};
struct DirectoryText {
  std::vector<TextEntry> entries;  // in the order of the file
  std::vector<TextFault> faults;   // up to kDirectoryFaultsMax
};
DirectoryText ParseDirectoryText(std::string_view text);

// One line, with its end.
std::string WriteDirectoryLine(const storage::DirectoryEntry& entry);

// "2026-11-23T16:19:24Z"; nullopt: not such a time.
std::optional<WallTime> ParseTime(std::string_view text);

// What an import would change about an entry: "quota, password". "" where they are the same; ids
// and times are not compared.
std::string Differences(const storage::DirectoryEntry& before,
                        const storage::DirectoryEntry& after);

}  // namespace ringmail::server
