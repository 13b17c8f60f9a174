// The text file of the directory: whatever it holds, every fault has its line, and what is taken is
// read back from what is written of it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/directory/text.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::server;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<uint32_t>(1 + std::count(text.begin(), text.end(), '\n'));
  const DirectoryText read = ParseDirectoryText(text);
  for (const TextFault& one : read.faults)
    Require(one.line >= 1 && one.line <= lines && !one.what.empty());
  for (const TextEntry& one : read.entries) {
    const DirectoryText again = ParseDirectoryText(WriteDirectoryLine(one.entry));
    Require(again.faults.empty() && again.entries.size() == 1);
    Require(again.entries[0].entry == one.entry);
  }
  return 0;
}
