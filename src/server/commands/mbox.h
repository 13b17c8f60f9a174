// The messages of an mbox (RFC 4155), or the one message of any other file. Pure.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail::server {

// A text that begins with a "From " line is an mbox. A message ends where its Content-Length says,
// if a "From " line or the end of the file bears that out. Otherwise before the next "From " line
// that has an empty line in front, which is not its own, or that looks like a separator and has a
// header field behind. ">From " was "From " (mboxrd: one '>' less of any number); where no line was
// quoted, a message is a view into `text`, otherwise into `unquoted`, which grows by the messages
// that it holds and must live as long as the result.
std::vector<std::string_view> SplitMbox(std::string_view text, std::deque<std::string>& unquoted);

}  // namespace ringmail::server
