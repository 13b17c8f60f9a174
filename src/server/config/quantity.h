// Sizes and durations as people write them: "50MiB", "5m". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::server {

// Digits and one of B, KiB, MiB, GiB, TiB (and kB, MB, GB, TB for powers of ten). nullopt: not a
// size, or over 2^63.
std::optional<uint64_t> ParseBytes(std::string_view text);
// Digits and one of s, m, h, d, w. In seconds.
std::optional<uint64_t> ParseSeconds(std::string_view text);

// The largest unit that divides it: "50MiB", "5m"; 0 is "0B" and "0s".
std::string FormatBytes(uint64_t bytes);
std::string FormatSeconds(uint64_t seconds);

}  // namespace ringmail::server
