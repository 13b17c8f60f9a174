#include "server/config/quantity.h"

#include <array>

namespace ringmail::server {
namespace {

constexpr uint64_t kQuantityMax = uint64_t{1} << 63;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Largest first within a family, so that formatting takes the first that divides.
constexpr std::array<Unit, 5> kBinaryUnits = {{{"TiB", uint64_t{1} << 40},
                                               {"GiB", 1u << 30},
                                               {"MiB", 1u << 20},
                                               {"KiB", 1u << 10},
                                               {"B", 1}}};
constexpr std::array<Unit, 4> kDecimalUnits = {
    {{"TB", 1'000'000'000'000}, {"GB", 1'000'000'000}, {"MB", 1'000'000}, {"kB", 1'000}}};
constexpr std::array<Unit, 5> kTimeUnits = {
    {{"w", 604'800}, {"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}}};

// The digits at the start of `text`, which moves past them.
std::optional<uint64_t> TakeDigits(std::string_view& text) {
  uint64_t value = 0;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    const uint64_t digit = static_cast<uint64_t>(text[digits] - '0');
    if (value > (kQuantityMax - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return value;
}

template <size_t N>
std::optional<uint64_t> Scale(uint64_t value, std::string_view unit_name,
                              const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (unit.name != unit_name) continue;
    if (value > kQuantityMax / unit.factor) return std::nullopt;
    return value * unit.factor;
  }
  return std::nullopt;
}

template <size_t N>
std::string Format(uint64_t value, const std::array<Unit, N>& units) {
  if (value != 0) {
    for (const Unit& unit : units) {
      if (value % unit.factor == 0)
        return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(value) + std::string(units.back().name);
}

}  // namespace

std::optional<uint64_t> ParseBytes(std::string_view text) {
  const std::optional<uint64_t> value = TakeDigits(text);
  if (!value) return std::nullopt;
  if (const auto scaled = Scale(*value, text, kBinaryUnits)) return scaled;
  return Scale(*value, text, kDecimalUnits);
}

std::optional<uint64_t> ParseSeconds(std::string_view text) {
  const std::optional<uint64_t> value = TakeDigits(text);
  if (!value) return std::nullopt;
  return Scale(*value, text, kTimeUnits);
}

std::string FormatBytes(uint64_t bytes) { return Format(bytes, kBinaryUnits); }
std::string FormatSeconds(uint64_t seconds) { return Format(seconds, kTimeUnits); }

}  // namespace ringmail::server
