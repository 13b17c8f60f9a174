#include "ringmail/base/log.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

#include "ringmail/base/check.h"

namespace ringmail {
namespace {

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr std::string_view kTruncated = " truncated=true";
// What Raw may fill; the rest is kept for the mark of a truncated line and its end.
constexpr size_t kLineRoom = kLogLineBytesMax - kTruncated.size() - 1;

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

void PutDecimal(char* out, int digits, uint64_t value) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

// "2026-11-23T05:42:08.123456Z" (RFC 3339), always 27 octets.
constexpr size_t kTimeBytes = 27;
void PutTime(char* out, WallTime when) {
  using std::chrono::floor;
  const auto micros = floor<std::chrono::microseconds>(when).time_since_epoch().count();
  const int64_t seconds = UnixSeconds(when);
  const int64_t days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
  const auto of_day = static_cast<uint64_t>(seconds - days * 86400);
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{static_cast<int>(days)}}};
  std::memcpy(out, "0000-00-00T00:00:00.000000Z", kTimeBytes);
  PutDecimal(out, 4, static_cast<uint64_t>(static_cast<int>(date.year())));
  PutDecimal(out + 5, 2, static_cast<unsigned>(date.month()));
  PutDecimal(out + 8, 2, static_cast<unsigned>(date.day()));
  PutDecimal(out + 11, 2, of_day / 3600);
  PutDecimal(out + 14, 2, of_day / 60 % 60);
  PutDecimal(out + 17, 2, of_day % 60);
  PutDecimal(out + 20, 6, static_cast<uint64_t>(micros - seconds * 1'000'000));
}

// The length of the printable UTF-8 sequence at the start of `text`; 0 where it is malformed (RFC
// 3629 §4) or a C1 control, which a terminal obeys.
size_t Utf8Sequence(std::string_view text) {
  const auto octet = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const auto tail = [&](size_t i) { return (octet(i) & 0xC0) == 0x80; };
  const uint8_t first = octet(0);
  if (first >= 0xC2 && first <= 0xDF) {
    return tail(1) && !(first == 0xC2 && octet(1) < 0xA0) ? 2 : 0;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    if (first == 0xE0 && octet(1) < 0xA0) return 0;
    if (first == 0xED && octet(1) > 0x9F) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (first == 0xF0 && octet(1) < 0x90) return 0;
    if (first == 0xF4 && octet(1) > 0x8F) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool Plain(char c) { return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\'; }

}  // namespace

LogBuffer::LogBuffer(size_t capacity_bytes)
    : capacity_(capacity_bytes), bytes_(new char[capacity_bytes]) {
  CHECK((capacity_bytes & (capacity_bytes - 1)) == 0);
  CHECK_GE(capacity_bytes, 2 * kLogLineBytesMax);
}

bool LogBuffer::Push(std::string_view line) {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  const uint64_t head = head_.load(std::memory_order_acquire);
  CHECK_LE(tail - head, capacity_);
  if (line.size() > capacity_ - (tail - head)) {
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return false;
  }
  const size_t at = static_cast<size_t>(tail) & (capacity_ - 1);
  const size_t first = std::min(line.size(), capacity_ - at);
  std::memcpy(bytes_.get() + at, line.data(), first);
  std::memcpy(bytes_.get(), line.data() + first, line.size() - first);
  tail_.store(tail + line.size(), std::memory_order_release);
  return true;
}

size_t LogBuffer::Pop(std::span<char> out) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t tail = tail_.load(std::memory_order_acquire);
  const size_t count = std::min(out.size(), static_cast<size_t>(tail - head));
  if (count == 0) return 0;
  const size_t at = static_cast<size_t>(head) & (capacity_ - 1);
  const size_t first = std::min(count, capacity_ - at);
  std::memcpy(out.data(), bytes_.get() + at, first);
  std::memcpy(out.data() + first, bytes_.get(), count - first);
  head_.store(head + count, std::memory_order_release);
  return count;
}

LogLine::LogLine(LogBuffer& buffer, LogLevel level, std::string_view event)
    : buffer_(buffer), on_(level >= buffer.level()) {
  if (!on_) return;
  char time[kTimeBytes];
  PutTime(time, buffer.now());
  Raw("time=");
  Raw({time, kTimeBytes});
  Raw(" level=");
  Raw(LevelName(level));
  Raw(" event=");
  Value(event);
}

LogLine::~LogLine() {
  if (!on_) return;
  if (truncated_) {
    std::memcpy(line_ + size_, kTruncated.data(), kTruncated.size());
    size_ += kTruncated.size();
  }
  line_[size_++] = '\n';
  CHECK_LE(size_, kLogLineBytesMax);
  buffer_.Push({line_, size_});
}

void LogLine::Raw(std::string_view text) {
  if (overflow_ || text.size() > kLineRoom - size_) {
    overflow_ = true;
    return;
  }
  std::memcpy(line_ + size_, text.data(), text.size());
  size_ += text.size();
}

void LogLine::Value(std::string_view text) {
  const bool cut = text.size() > kLogValueBytesMax;
  if (cut) {
    text = text.substr(0, kLogValueBytesMax);
    // Not inside a UTF-8 sequence: at most 3 octets back.
    size_t end = text.size();
    for (int i = 0; i < 3 && end > 0 && (static_cast<uint8_t>(text[end - 1]) & 0xC0) == 0x80; ++i) {
      --end;
    }
    if (end > 0 && static_cast<uint8_t>(text[end - 1]) >= 0xC0 &&
        Utf8Sequence(text.substr(end - 1)) == 0) {
      text = text.substr(0, end - 1);
    }
  }
  if (!text.empty() && std::all_of(text.begin(), text.end(), Plain)) {
    Raw(text);
    if (cut) Raw(kEllipsis);
    return;
  }
  constexpr char kHex[] = "0123456789abcdef";
  Raw("\"");
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\\') {
      const char escaped[] = {'\\', c};
      Raw({escaped, 2});
      ++at;
    } else if (c >= ' ' && c < 0x7F) {
      Raw(text.substr(at, 1));
      ++at;
    } else if (const size_t sequence = Utf8Sequence(text.substr(at)); sequence > 0) {
      Raw(text.substr(at, sequence));
      at += sequence;
    } else {
      const auto octet = static_cast<uint8_t>(c);
      const char escaped[] = {'\\', 'x', kHex[octet >> 4], kHex[octet & 15]};
      Raw({escaped, 4});
      ++at;
    }
  }
  if (cut) Raw(kEllipsis);
  Raw("\"");
}

void LogLine::BeginField(std::string_view key) {
  field_start_ = size_;
  Raw(" ");
  Raw(key);
  Raw("=");
}

LogLine& LogLine::EndField() {
  if (overflow_) {
    // A field is written whole or not at all: half a value could be read as another.
    size_ = field_start_;
    overflow_ = false;
    truncated_ = true;
  }
  return *this;
}

LogLine& LogLine::Id(QueueId id) {
  if (!on_) return *this;
  char text[QueueId::kTextBytes];
  id.Format(text);
  BeginField("id");
  Raw({text, sizeof(text)});
  return EndField();
}

LogLine& LogLine::Field(std::string_view key, std::string_view value) {
  if (!on_) return *this;
  BeginField(key);
  Value(value);
  return EndField();
}

LogLine& LogLine::Field(std::string_view key, int64_t value) {
  if (!on_) return *this;
  char text[24];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  BeginField(key);
  Raw({text, static_cast<size_t>(result.ptr - text)});
  return EndField();
}

LogLine& LogLine::Field(std::string_view key, uint64_t value) {
  if (!on_) return *this;
  char text[24];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  BeginField(key);
  Raw({text, static_cast<size_t>(result.ptr - text)});
  return EndField();
}

LogLine& LogLine::Field(std::string_view key, Nanoseconds value) {
  if (!on_) return *this;
  const int64_t millis = std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
  const uint64_t size =
      millis < 0 ? uint64_t{0} - static_cast<uint64_t>(millis) : static_cast<uint64_t>(millis);
  char text[32];
  char* at = text;
  if (millis < 0) *at++ = '-';
  at = std::to_chars(at, text + sizeof(text), size / 1000).ptr;
  *at++ = '.';
  PutDecimal(at, 3, size % 1000);
  at += 3;
  BeginField(key);
  Raw({text, static_cast<size_t>(at - text)});
  return EndField();
}

}  // namespace ringmail
