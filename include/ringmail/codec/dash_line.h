// Where a line begins with "--": the only lines that can delimit parts (RFC 2046 §5.1.1).
//
// Promise: every kernel finds the same. Nothing is allocated. Shard: pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace ringmail::codec {

// The first LF at or after `from` that is followed by "--" within `text`; npos where there is none.
// A cut within "\n--" is the caller's, who sees the end of `text`.
size_t FindDashLine(std::string_view text, size_t from);

// How many LF `text` has.
size_t CountLf(std::string_view text);

}  // namespace ringmail::codec
