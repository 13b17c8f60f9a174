#include "tests/sim/mail/smtp_line.h"

#include <cstring>

namespace ringmail::sim {

bool LineBuffer::Take(std::string_view& line) {
  const char* const begin = bytes_.data() + at_;
  const size_t left = bytes_.size() - at_;
  const void* const end = left == 0 ? nullptr : std::memchr(begin, '\n', left);
  if (end == nullptr) return false;
  line = {begin, static_cast<size_t>(static_cast<const char*>(end) - begin) + 1};
  at_ += line.size();
  return true;
}

void LineBuffer::Append(std::string_view bytes) {
  if (at_ == bytes_.size()) {
    Clear();
  } else if (at_ > bytes_.size() / 2) {
    bytes_.erase(0, at_);
    at_ = 0;
  }
  bytes_.append(bytes);
}

void LineBuffer::Clear() {
  bytes_.clear();
  at_ = 0;
}

io::Task<io::StreamStatus> ReceiveInto(io::Stream& stream, LineBuffer& buffer,
                                       MonotonicTime deadline) {
  const io::StreamStatus status = co_await stream.Receive(deadline);
  if (status == io::StreamStatus::kOk) {
    buffer.Append(stream.input());
    stream.Consume(stream.input().size());
  }
  co_return status;
}

std::string_view Stuff(std::string_view content, std::string& scratch) {
  scratch.clear();
  if (content.starts_with('.')) scratch += '.';
  size_t done = 0;
  for (size_t at = 0; (at = content.find("\r\n.", at)) != content.npos;) {
    at += 2;
    scratch.append(content, done, at - done);
    scratch += '.';
    done = at;
  }
  if (scratch.empty()) return content;
  scratch.append(content, done);
  return scratch;
}

std::string_view Unstuff(std::string_view content, std::string& scratch) {
  if (content.starts_with('.')) content.remove_prefix(1);
  scratch.clear();
  size_t done = 0;
  for (size_t at = 0; (at = content.find("\r\n.", at)) != content.npos;) {
    at += 2;
    scratch.append(content, done, at - done);
    done = at + 1;
  }
  if (done == 0) return content;
  scratch.append(content, done);
  return scratch;
}

uint64_t HashOf(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  return hash;
}

}  // namespace ringmail::sim
