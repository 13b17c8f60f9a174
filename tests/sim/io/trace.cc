#include "tests/sim/io/trace.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ringmail::sim {
namespace {

constexpr size_t kTextBytes = 160;  // of an event's octets, shown

uint64_t Load(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint64_t Step(uint64_t lane, uint64_t word) {
  lane = (lane ^ word) * 0x9E3779B97F4A7C15u;
  return lane << 29 | lane >> 35;
}

void AppendReadable(std::string& out, std::string_view bytes) {
  for (const char c : bytes.substr(0, kTextBytes)) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c >= ' ' && c < 0x7F) {
      out += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02X", static_cast<uint8_t>(c));
      out += escaped;
    }
  }
  if (bytes.size() > kTextBytes) out += "...";
}

}  // namespace

uint64_t HashBytes(std::string_view bytes) {
  // Four lanes, so that one multiplication need not wait for the one before.
  uint64_t a = 0x13198A2E03707344u ^ bytes.size(), b = 0xA4093822299F31D0u;
  uint64_t c = 0x082EFA98EC4E6C89u, d = 0x452821E638D01377u;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 32; left -= 32, at += 32) {
    a = Step(a, Load(at));
    b = Step(b, Load(at + 8));
    c = Step(c, Load(at + 16));
    d = Step(d, Load(at + 24));
  }
  for (; left >= 8; left -= 8, at += 8) a = Step(a, Load(at));
  if (left > 0) {
    uint64_t last = 0;
    std::memcpy(&last, at, left);
    b = Step(b, last);
  }
  uint64_t hash = Step(Step(Step(a, b), c), d);
  hash ^= hash >> 32;
  return hash * 0xD6E8FEB86659FD93u;
}

std::string_view Name(TraceKind kind) {
  static constexpr std::string_view kNames[] = {"start", "end",   "connect", "refused", "segment",
                                                "fin",   "reset", "closed",  "disk",    "disk done",
                                                "log",   "fault", "clock"};
  static_assert(std::size(kNames) == static_cast<size_t>(TraceKind::kCount));
  return kNames[static_cast<size_t>(kind)];
}

void Trace::Keep(MonotonicTime now, uint64_t node, TraceKind kind, uint64_t a, uint64_t b,
                 std::string_view bytes, std::string_view text) {
  if (lines_.size() < timeline_) {
    lines_.emplace_back();
    next_ = lines_.size() - 1;
  }
  Line& line = lines_[next_];
  next_ = (next_ + 1) % timeline_;
  line.when = now;
  line.node = node;
  line.kind = kind;
  line.a = a;
  line.b = b;
  line.text.assign(text);
  if (kind == TraceKind::kSegment || kind == TraceKind::kLog) {
    if (!text.empty()) line.text += ' ';
    AppendReadable(line.text, bytes);
  }
}

std::string Trace::Timeline(MonotonicTime start, const std::vector<std::string>& nodes) const {
  std::string out;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[(next_ + i) % lines_.size()];
    char head[96];
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(line.when - start).count();
    const std::string name = line.node == 0 || line.node > nodes.size()
                                 ? "-"
                                 : nodes[static_cast<size_t>(line.node) - 1];
    std::snprintf(head, sizeof(head), "%12.6f %-8s %-9s %llu %llu ",
                  static_cast<double>(micros) / 1e6, name.c_str(),
                  std::string(Name(line.kind)).c_str(), static_cast<unsigned long long>(line.a),
                  static_cast<unsigned long long>(line.b));
    out += head;
    out += line.text;
    out += '\n';
  }
  return out;
}

}  // namespace ringmail::sim
