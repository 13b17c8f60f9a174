// Octets of a peer that have come and were not yet taken, by lines: what both actors of the mail
// world read with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"

namespace ringmail::sim {

class LineBuffer {
 public:
  // The next whole line with its LF. False: none has come. The view is good until the next Append.
  bool Take(std::string_view& line);
  // Everything that was not taken; good until the next Append.
  std::string_view rest() const { return std::string_view(bytes_).substr(at_); }
  bool empty() const { return at_ == bytes_.size(); }
  // REQUIRES: count <= rest().size().
  void Skip(size_t count) { at_ += count; }
  void Append(std::string_view bytes);
  void Clear();

 private:
  std::string bytes_;
  size_t at_ = 0;
};

// Waits for octets, and moves all that came to the buffer.
io::Task<io::StreamStatus> ReceiveInto(io::Stream& stream, LineBuffer& buffer,
                                       MonotonicTime deadline);

// RFC 5321 §4.5.2: a dot more before each line that begins with one; and the last dot. The scratch
// string is used where the content has such lines.
std::string_view Stuff(std::string_view content, std::string& scratch);
// The other way; `content` as it came, without its last dot.
std::string_view Unstuff(std::string_view content, std::string& scratch);

// FNV-1a: a choice that follows from a path is the same wherever it is built.
uint64_t HashOf(std::string_view text);

}  // namespace ringmail::sim
