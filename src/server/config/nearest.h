// The name that was probably meant: the nearest by edit distance. Pure.
#pragma once

#include <span>
#include <string_view>

namespace ringmail::server {

// The smallest number of insertions, deletions, replacements and swaps of neighbours that make `b`
// of `a`.
size_t EditDistance(std::string_view a, std::string_view b);

// The one of `known` nearest to `name`, "" where none is near enough to be meant.
std::string_view Nearest(std::string_view name, std::span<const std::string_view> known);

}  // namespace ringmail::server
