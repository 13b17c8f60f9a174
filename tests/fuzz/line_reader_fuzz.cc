// The line reader: however the octets arrive, they mean the same; what is given out as a line is
// one, and nothing that stands between a bare LF and the next CRLF ever is.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/session/line_reader.h"
#include "support/io/still_io.h"

namespace {

using namespace ringmail;

constexpr size_t kLineBytesMax = 24;

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Reading {
  io::Stream* stream;
  session::LineReader* reader;
  std::vector<std::pair<session::LineStatus, std::string>> lines;
};

io::Task<void> ReadAll(Reading* reading) {
  for (;;) {
    session::Line line = reading->reader->TryLine(*reading->stream);
    if (line.status == session::LineStatus::kNeedMore) {
      line = co_await reading->reader->ReadLine(*reading->stream, kNever);
    }
    if (line.status == session::LineStatus::kStream) co_return;
    reading->lines.emplace_back(line.status, line.text);
  }
}

std::vector<std::pair<session::LineStatus, std::string>> Read(const std::string& bytes,
                                                              const std::vector<uint8_t>& cuts,
                                                              session::LineEnds ends) {
  std::vector<io::Happening> script;
  size_t at = 0;
  for (size_t i = 0; at < bytes.size(); ++i) {
    const size_t count = cuts.empty() ? bytes.size() : 1 + cuts[i % cuts.size()] % 31;
    script.push_back({.bytes = bytes.substr(at, count)});
    at += count;
  }
  io::Connection connection(std::move(script));
  connection.keep_output = false;
  io::Stream stream(&connection);
  session::LineReader reader(kLineBytesMax, ends);
  Reading reading{&stream, &reader, {}};
  io::RunStill(ReadAll(&reading));
  return std::move(reading.lines);
}

// The lines that a reader finds that knows CRLF alone.
std::vector<std::string> SplitAtCrlf(const std::string& bytes) {
  std::vector<std::string> lines;
  size_t at = 0;
  for (size_t end = bytes.find("\r\n"); end != std::string::npos; end = bytes.find("\r\n", at)) {
    lines.push_back(bytes.substr(at, end - at));
    at = end + 2;
  }
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const std::vector<uint8_t> cuts(data, data + 3);
  const auto ends =
      data[3] % 2 == 0 ? session::LineEnds::kStrict : session::LineEnds::kLegacyBareLf;
  const std::string bytes(reinterpret_cast<const char*>(data + 4), size - 4);
  // Of a longer input without line ends the number of verdicts depends on the pieces.
  if (bytes.size() >= session::kLineDiscardBytes) return 0;
  const auto whole = Read(bytes, {}, ends);
  Require(Read(bytes, cuts, ends) == whole);
  Require(Read(bytes, {0}, ends) == whole);
  std::vector<std::string> good;
  for (const auto& [status, text] : whole) {
    if (status != session::LineStatus::kLine) continue;
    Require(text.size() <= kLineBytesMax);
    Require(text.find('\n') == std::string::npos && text.find('\r') == std::string::npos);
    Require(text.find('\0') == std::string::npos);
    good.push_back(text);
  }
  if (ends != session::LineEnds::kStrict) return 0;
  std::vector<std::string> expected;
  for (const std::string& line : SplitAtCrlf(bytes)) {
    const bool plain = line.find_first_of(std::string("\r\n\0", 3)) == std::string::npos;
    if (plain && line.size() <= kLineBytesMax) expected.push_back(line);
  }
  Require(good == expected);
  return 0;
}
