// The configuration file: whatever it holds, each fault is told at a place in it, and what is taken
// lies within the ranges of the schema. Sizes and durations are written as they are read.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/config/config.h"
#include "server/config/quantity.h"
#include "server/config/schema.h"

namespace ringmail::server {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void ReadQuantity(std::string_view text) {
  if (const auto bytes = ParseBytes(text)) Require(ParseBytes(FormatBytes(*bytes)) == bytes);
  if (const auto seconds = ParseSeconds(text))
    Require(ParseSeconds(FormatSeconds(*seconds)) == seconds);
}

void ReadConfig(std::string_view text) {
  const ConfigResult result = ParseConfig(text, "host.example.org");
  const auto lines = static_cast<uint32_t>(1 + std::count(text.begin(), text.end(), '\n'));
  for (const Diagnostic& diagnostic : result.diagnostics) {
    // A parser may name the line after the last.
    Require(diagnostic.line <= lines + 1);
    Require(!diagnostic.text.empty());
  }
  const std::string shown = FormatDiagnostics("FILE", result.diagnostics);
  // Each is one line, whatever the file holds.
  Require(static_cast<size_t>(std::count(shown.begin(), shown.end(), '\n')) ==
          result.diagnostics.size());
  for (const char c : shown) Require(static_cast<uint8_t>(c) >= ' ' || c == '\n');
  if (!result.ok()) return;
  for (const Section& section : Sections()) {
    for (const Key& key : section.keys) {
      if (key.now == nullptr) continue;
      const uint64_t now = key.now(result.config);
      Require(key.min <= now && now <= key.max);
    }
  }
  Require(!result.config.hostname.empty());
  Require(NeedsRestart(result.config, result.config).empty());
  for (const uint16_t shards : {uint16_t{1}, uint16_t{64}}) {
    const storage::StoreOptions options = PerShard(result.config, shards);
    Require(options.segment_bytes == result.config.store.segment_bytes);
  }
  (void)DoorOptions(result.config);
  (void)ServerOptions(result.config);
  (void)ClientOptions(result.config);
}

}  // namespace
}  // namespace ringmail::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16 << 10) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ringmail::server::ReadQuantity(text);
  ringmail::server::ReadConfig(text);
  return 0;
}
