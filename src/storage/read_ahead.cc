#include "storage/read_ahead.h"

#include <algorithm>

#include "ringmail/base/check.h"

namespace ringmail::storage {

void ReadAhead::Window::Fill(size_t bytes) {
  CHECK(filling_ && bytes <= room_);
  filling_ = false;
  valid_ = bytes;
}

std::string_view ReadAhead::Find(const Range& range) {
  for (Window& window : windows_) {
    if (!window.Of(range) || window.filling_ || range.offset < window.from_ ||
        range.end() > window.from_ + window.valid_)
      continue;
    window.next_ = range.end();
    window.used_ = ++uses_;
    return {window.buffer_.data() + (range.offset - window.from_), range.bytes};
  }
  return {};
}

ReadAhead::Window* ReadAhead::Continue(const Range& range) {
  if (range.bytes > kReadAheadRecordMax) return nullptr;
  for (Window& window : windows_) {
    // A window in which the record should have been, had it been written then, is not read again
    // for it: the end of a log that is being written would be read over and over.
    if (window.used_ == 0 || !window.Of(range) || window.filling_ ||
        !Follows(window.next_, range) || range.end() <= window.from_ + window.valid_)
      continue;
    return Ask(window, range, std::min(window.room_ * 2, kReadAheadBytesMax));
  }
  for (Probe& probe : probes_) {
    if (probe.next == 0 || probe.log != range.log || probe.sequence != range.sequence ||
        !Follows(probe.next, range))
      continue;
    probe = {};
    return Begin(range);
  }
  probes_[next_probe_] = {range.log, range.sequence, range.end()};
  next_probe_ = (next_probe_ + 1) % probes_.size();
  return nullptr;
}

ReadAhead::Window* ReadAhead::Begin(const Range& range) {
  Window* oldest = nullptr;
  for (Window& window : windows_) {
    if (window.filling_) continue;
    if (oldest == nullptr || window.used_ < oldest->used_) oldest = &window;
  }
  if (oldest == nullptr) return nullptr;
  oldest->log_ = range.log;
  oldest->sequence_ = range.sequence;
  return Ask(*oldest, range, kReadAheadBytesMin);
}

ReadAhead::Window* ReadAhead::Ask(Window& window, const Range& range, size_t room) {
  const uint64_t from = range.offset / io::kBlockBytes * io::kBlockBytes;
  const uint64_t needed =
      (range.end() - from + io::kBlockBytes - 1) / io::kBlockBytes * io::kBlockBytes;
  window.room_ = std::max<size_t>(room, needed);
  if (window.buffer_.size() != window.room_) window.buffer_ = io::DmaBuffer(window.room_);
  window.from_ = from;
  window.next_ = range.end();
  window.valid_ = 0;
  window.used_ = ++uses_;
  window.filling_ = true;
  return &window;
}

}  // namespace ringmail::storage
