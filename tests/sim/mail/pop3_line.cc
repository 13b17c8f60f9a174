#include "tests/sim/mail/pop3_line.h"

#include <fmt/format.h>

#include <utility>

#include "ringmail/io/shard.h"

namespace ringmail::sim {
namespace {

using io::StreamStatus;

constexpr Nanoseconds kConnect = std::chrono::minutes(1);
constexpr Nanoseconds kPatience = std::chrono::minutes(3);

}  // namespace

Pop3Line::Pop3Line(Ledger& ledger, io::Endpoint server)
    : ledger_(ledger), server_(std::move(server)) {}

io::Task<bool> Pop3Line::ReadLine(std::string_view& line) {
  const MonotonicTime deadline = io::Now() + kPatience;
  while (stream_.open()) {
    if (buffer_.Take(line)) co_return true;
    if (co_await ReceiveInto(stream_, buffer_, deadline) != StreamStatus::kOk) break;
  }
  Drop();
  co_return false;
}

io::Task<Pop3Line::Said> Pop3Line::ReadReply() {
  std::string_view line;
  if (!co_await ReadLine(line)) co_return Said::kLost;
  const bool ok = line.starts_with("+OK");
  if ((!ok && !line.starts_with("-ERR")) || !line.ends_with("\r\n")) {
    ledger_.Violation("pop3", fmt::format("the server answered with: {}", line));
    Drop();
    co_return Said::kLost;
  }
  line.remove_suffix(2);
  const size_t space = line.find(' ');
  text_ = space == line.npos ? std::string_view() : line.substr(space + 1);
  co_return ok ? Said::kOk : Said::kError;
}

io::Task<Pop3Line::Said> Pop3Line::Open() {
  io::ConnectResult connected = co_await io::Connect(server_, {}, io::Now() + kConnect);
  if (connected.status != StreamStatus::kOk) co_return Said::kLost;
  stream_ = std::move(connected.stream);
  co_return co_await ReadReply();
}

io::Task<Pop3Line::Said> Pop3Line::Ask(std::string_view command) {
  stream_.Write(fmt::format("{}\r\n", command));
  co_return co_await ReadReply();
}

io::Task<Pop3Line::Said> Pop3Line::AskForLines(std::string_view command) {
  lines_.clear();
  const Said said = co_await Ask(command);
  if (said != Said::kOk) co_return said;
  for (;;) {
    std::string_view line;
    if (!co_await ReadLine(line)) co_return Said::kLost;
    if (line == ".\r\n") co_return Said::kOk;
    lines_ += line.starts_with('.') ? line.substr(1) : line;
  }
}

io::Task<void> Pop3Line::Leave(std::string_view command) {
  stream_.Write(fmt::format("{}\r\n", command));
  (void)co_await stream_.Flush(io::Now() + kPatience);
  Drop();
}

}  // namespace ringmail::sim
