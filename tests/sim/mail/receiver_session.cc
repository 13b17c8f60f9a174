#include "tests/sim/mail/receiver_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::sim {
namespace {

using io::StreamStatus;
using std::chrono::seconds;

constexpr size_t kLineBytesMax = 4096;
constexpr uint32_t kUnknownMax = 20;
constexpr Nanoseconds kCloseWithin = seconds(5);
// RFC 5321 §4.5.3.2.6, less what rounding may cost.
constexpr Nanoseconds kClientWaitsForEnd = seconds(590);

constexpr uint32_t Verb(const char (&text)[5]) {
  uint32_t verb = 0;
  for (size_t i = 0; i < 4; ++i) verb = verb << 8 | static_cast<unsigned char>(text[i]);
  return verb;
}

// The first four octets, as capitals.
uint32_t VerbOf(std::string_view line) {
  if (line.size() < 4) return 0;
  uint32_t verb = 0;
  for (size_t i = 0; i < 4; ++i) verb = verb << 8 | (static_cast<unsigned char>(line[i]) & 0xDFu);
  return verb;
}

// "MAIL FROM:<path> rest". False: something else.
bool ReadPath(std::string_view line, std::string_view before, std::string_view& path,
              std::string_view& rest) {
  if (!line.starts_with(before)) return false;
  const size_t end = line.find('>', before.size());
  if (end == line.npos) return false;
  path = line.substr(before.size(), end - before.size());
  rest = line.substr(end + 1, line.size() - 2 - (end + 1));
  return rest.empty() || rest[0] == ' ';
}

bool IsEightBit(std::string_view content) {
  return std::any_of(content.begin(), content.end(), [](char c) { return (c & 0x80) != 0; });
}

}  // namespace

ReceiverSession::ReceiverSession(ReceiverHost& host, io::Stream stream)
    : host_(host), stream_(std::move(stream)) {
  ++host_.sessions;
}

io::Task<void> ReceiverSession::Run() {
  if (co_await Act("220 peer.example ESMTP\r\n", host_.manners.Greeting(host_.sessions))) {
    for (;;) {
      std::string_view line;
      if (buffer_.Take(line)) {
        if (!co_await Command(line)) break;
      } else if (buffer_.rest().size() > kLineBytesMax) {
        if (!co_await OverLong()) break;
      } else if (!co_await More()) {
        break;
      }
    }
  }
  if (stream_.open()) co_await End(false);
}

// --- Octets

io::Task<bool> ReceiverSession::More() {
  if (gone_) co_return false;
  waiting_since_ = io::Now();
  const StreamStatus status = co_await stream_.Receive(waiting_since_ + host_.manners.patience());
  if (status == StreamStatus::kTimedOut) stream_.Write("421 4.4.2 You are idle\r\n");
  if (status != StreamStatus::kOk) co_return false;
  if (awaiting_ != kNone) Seen(stream_.input(), io::Now());
  buffer_.Append(stream_.input());
  stream_.Consume(stream_.input().size());
  co_return true;
}

// The next command says that the client has read our answer: it waits for it before it goes on. A
// QUIT may also come from one that waits no more, but not before its time is over.
void ReceiverSession::Seen(std::string_view octets, MonotonicTime now) {
  const bool quits = (octets[0] & 0xDF) == 'Q';
  if (!quits || now - end_not_before_ < kClientWaitsForEnd) host_.ledger.AnswerSeen(awaiting_, now);
  awaiting_ = kNone;
}

io::Task<void> ReceiverSession::Pause(Nanoseconds delay) {
  co_await io::SleepUntil(io::Now() + delay);
  // What came meanwhile was sent before our answer.
  while (!gone_) {
    const StreamStatus status = co_await ReceiveInto(stream_, buffer_, io::Now());
    if (status == StreamStatus::kTimedOut) break;
    gone_ = status != StreamStatus::kOk;
  }
}

io::Task<void> ReceiverSession::End(bool reset) {
  if (reset) {
    (void)co_await stream_.Flush(io::Now() + kCloseWithin);
    stream_.Abort();
  } else {
    co_await stream_.Close(io::Now() + kCloseWithin);
  }
}

// --- Replies

bool ReceiverSession::Say(std::string_view reply) {
  stream_.Write(reply);
  return true;
}

io::Task<bool> ReceiverSession::Act(std::string_view usual, Turn turn) {
  if (turn.delay.count() > 0) co_await Pause(turn.delay);
  const std::string_view reply = turn.reply.empty() ? usual : turn.reply;
  switch (turn.close) {
    case Turn::Close::kNo:
      Say(reply);
      if (turn.deaf) {
        buffer_.Clear();
        garbled_ = true;
      }
      co_return true;
    case Turn::Close::kUnsaid:
      break;
    case Turn::Close::kWithin:
      Say(reply.substr(0, 1 + fate_ % (reply.size() - 2)));
      break;
    case Turn::Close::kAfter:
      Say(reply);
      break;
  }
  co_await End(turn.reset);
  co_return false;
}

bool ReceiverSession::Hello(std::string_view line, bool extended) {
  CheckNothingBehind(line, false);
  Forget();
  offers_ = host_.manners.offers();
  if (extended && !offers_.ehlo) {
    offers_.pipelining = false;
    return Say("502 Command not implemented\r\n");
  }
  greeted_ = true;
  if (!extended) {
    offers_ = {
        .pipelining = false, .eight_bit = false, .codes = false, .chunking = false, .dsn = false};
    return Say("250 peer.example\r\n");
  }
  std::string reply = "250-peer.example\r\n";
  if (offers_.pipelining) reply += "250-PIPELINING\r\n";
  if (offers_.size_bytes_max > 0) reply += fmt::format("250-SIZE {}\r\n", offers_.size_bytes_max);
  if (offers_.eight_bit) reply += "250-8BITMIME\r\n";
  if (offers_.codes) reply += "250-ENHANCEDSTATUSCODES\r\n";
  if (offers_.chunking) reply += "250-CHUNKING\r\n";
  if (offers_.dsn) reply += "250-DSN\r\n";
  if (offers_.limits_recipients_max > 0) {
    reply += fmt::format("250-LIMITS RCPTMAX={}\r\n", offers_.limits_recipients_max);
  }
  reply += "250 HELP\r\n";
  return Say(reply);
}

// --- The client's faults

void ReceiverSession::Violation(std::string_view kind, std::string_view what) {
  if (garbled_) return;
  host_.ledger.Violation(kind, fmt::format("peer {} was sent: {}", host_.index,
                                           what.substr(0, std::min<size_t>(what.size(), 200))));
}

// RFC 5321 §2.3.8: lines end in CRLF, and neither stands alone; §4.5.3.1.4, with room for the
// parameters of extensions.
void ReceiverSession::CheckLine(std::string_view line) {
  const size_t end = line.find('\r');
  if (end != line.size() - 2) Violation("command line end", line);
  if (line.size() > 2048) Violation("command length", line);
}

// RFC 2920 §3.1. One that has given up waiting may say QUIT.
void ReceiverSession::CheckNothingBehind(std::string_view line, bool may_be_pipelined) {
  if (buffer_.empty() || (may_be_pipelined && offers_.pipelining && greeted_)) return;
  if (buffer_.rest().starts_with("QUIT")) return;
  Violation("pipelining",
            fmt::format("{} and behind it {}", line.substr(0, 60), buffer_.rest().substr(0, 60)));
}

void ReceiverSession::CheckContent(std::string_view content) {
  // RFC 6152 §3.
  if (!offers_.eight_bit && IsEightBit(content)) Violation("8-bit content", first_path_);
  // What the server wrote by itself; all else is compared with what was sent.
  if (host_.index != UINT32_MAX) return;
  for (size_t at = 0; (at = content.find_first_of("\r\n", at)) != content.npos; at += 2) {
    if (content.substr(at, 2) != "\r\n") {
      Violation("line ends of a report", content.substr(at > 60 ? at - 60 : 0, 80));
      return;
    }
  }
}

bool ReceiverSession::Unknown(std::string_view line) {
  Violation("command", line);
  if (++unknown_ < kUnknownMax) return Say("500 5.5.1 Not known\r\n");
  Say("421 4.7.0 Too many errors\r\n");
  return false;
}

io::Task<bool> ReceiverSession::OverLong() {
  Violation("command length", buffer_.rest());
  if (!garbled_) co_return Say("500 5.5.2 Line too long\r\n") && false;
  // Content that we did not take for content: its lines end somewhere.
  buffer_.Clear();
  co_return co_await More();
}

// --- Commands

io::Task<bool> ReceiverSession::Command(std::string_view line) {
  CheckLine(line);
  switch (VerbOf(line)) {
    case Verb("MAIL"):
      CheckNothingBehind(line, true);
      return Mail(line);
    case Verb("RCPT"):
      CheckNothingBehind(line, true);
      return Recipient(line);
    case Verb("DATA"):
      CheckNothingBehind(line, false);
      return Data();
    case Verb("BDAT"):
      return Chunk(line);
    default:
      return Other(line);
  }
}

io::Task<bool> ReceiverSession::Other(std::string_view line) {
  switch (VerbOf(line)) {
    case Verb("EHLO"):
      co_return Hello(line, true);
    case Verb("HELO"):
      co_return Hello(line, false);
    case Verb("RSET"):
      CheckNothingBehind(line, true);
      Forget();
      co_return Say("250 2.0.0 Forgotten\r\n");
    case Verb("NOOP"):
      co_return Say("250 2.0.0 Here\r\n");
    case Verb("QUIT"):
      Say("221 2.0.0 Bye\r\n");
      co_return false;
    default:
      co_return Unknown(line);
  }
}

void ReceiverSession::Forget() {
  open_ = troubled_ = false;
  mail_refused_ = 0;
  reverse_path_.clear();
  first_path_.clear();
  paths_.clear();
  chunks_.clear();
  asked_ = 0;
  fate_ = 0;
}

void ReceiverSession::DenyAll(int code) {
  for (const std::string& path : paths_) host_.ledger.Denied(path, code);
}

ReceiverSession::Parameters ReceiverSession::ReadParameters(std::string_view text) const {
  Parameters out;
  while (!text.empty()) {
    text.remove_prefix(1);
    const std::string_view word = text.substr(0, std::min(text.find(' '), text.size()));
    text.remove_prefix(word.size());
    out.any = true;
    if (word.starts_with("SIZE=") && offers_.size_bytes_max > 0) {
      std::from_chars(word.data() + 5, word.data() + word.size(), out.size_bytes);
    } else if (word.starts_with("BODY=") && offers_.eight_bit) {
      out.unknown = out.unknown || (word != "BODY=7BIT" && word != "BODY=8BITMIME");
    } else if (!offers_.dsn || !(word.starts_with("RET=") || word.starts_with("ENVID=") ||
                                 word.starts_with("NOTIFY=") || word.starts_with("ORCPT="))) {
      out.unknown = true;
    }
  }
  return out;
}

io::Task<bool> ReceiverSession::Mail(std::string_view line) {
  std::string_view path, rest;
  if (!ReadPath(line, "MAIL FROM:<", path, rest)) co_return Unknown(line);
  const Parameters parameters = ReadParameters(rest);
  if (parameters.unknown) {
    Violation("parameter", line);
    co_return Say("555 5.5.4 That was not offered\r\n");
  }
  // RFC 5321 §4.1.4.
  if (!greeted_ || (open_ && !troubled_)) {
    Violation("MAIL out of order", line);
    co_return Say("503 5.5.1 Not now\r\n");
  }
  Forget();
  reverse_path_ = path;
  end_not_before_ = waiting_since_;
  const Turn turn = host_.manners.Mail(reverse_path_, parameters.any, parameters.size_bytes);
  mail_refused_ = turn.code() >= 400 && turn.code() < 600 ? turn.code() : 0;
  open_ = mail_refused_ == 0;
  if (turn.plain()) co_return Say("250 2.1.0 Go on\r\n");
  co_return co_await Act("250 2.1.0 Go on\r\n", turn);
}

io::Task<bool> ReceiverSession::Recipient(std::string_view line) {
  std::string_view path, rest;
  if (!ReadPath(line, "RCPT TO:<", path, rest)) co_return Unknown(line);
  if (ReadParameters(rest).unknown) {
    Violation("parameter", line);
    co_return Say("555 5.5.4 That was not offered\r\n");
  }
  if (!open_) {
    if (mail_refused_ != 0) {
      host_.ledger.Denied(path, mail_refused_);
    } else {
      Violation("RCPT out of order", line);
    }
    co_return Say("503 5.5.1 MAIL first\r\n");
  }
  const size_t position = asked_++;
  const Turn turn = host_.manners.Recipient(path, position, paths_.size(), io::Now());
  if (position == 0) {
    first_path_ = path;
    fate_ = host_.manners.FateOf(path);
  }
  const int code = turn.code();
  if (code >= 400) {
    host_.ledger.Denied(path, code);
  } else {
    paths_.emplace_back(path);
  }
  if (turn.plain()) co_return Say("250 2.1.5 Known\r\n");
  co_return co_await Act("250 2.1.5 Known\r\n", turn);
}

io::Task<bool> ReceiverSession::Data() {
  if (!open_) {
    if (mail_refused_ == 0) Violation("DATA out of order", "DATA");
    co_return Say("503 5.5.1 MAIL first\r\n");
  }
  if (paths_.empty()) {
    troubled_ = true;
    co_return Say("554 5.5.1 No valid recipients\r\n");
  }
  const Turn turn = host_.manners.Data(fate_);
  if (turn.code() >= 400) {
    DenyAll(turn.code());
    troubled_ = true;
    co_return co_await Act({}, turn);
  }
  if (!co_await Act("354 Let it come\r\n", turn)) co_return false;
  end_not_before_ = io::Now();
  size_t from = 0;
  for (;;) {
    const std::string_view rest = buffer_.rest();
    size_t end = rest.starts_with(".\r\n") ? 0 : rest.find("\r\n.\r\n", from);
    if (end != rest.npos) {
      const size_t content = end == 0 && rest[0] == '.' ? 0 : end + 2;
      buffer_.Skip(content + 3);
      co_return co_await EndOfContent(Unstuff(rest.substr(0, content), scratch_), false);
    }
    if (host_.manners.RefusesWithin(rest.size())) {
      DenyAll(552);
      Say("552 5.3.4 Enough\r\n");
      co_return false;
    }
    from = rest.size() < 4 ? 0 : rest.size() - 4;
    if (!co_await More()) co_return false;
  }
}

io::Task<bool> ReceiverSession::Chunk(std::string_view line) {
  uint64_t bytes = 0;
  const char* const end = line.data() + line.size() - 2;
  const auto [after, error] =
      std::from_chars(line.data() + std::min<size_t>(5, line.size()), end, bytes);
  const std::string_view how(after, static_cast<size_t>(std::max<ptrdiff_t>(0, end - after)));
  const bool last = how == " LAST";
  if (error != std::errc() || !(last || how.empty()) || !offers_.chunking || !greeted_) {
    Violation("BDAT", line);
    co_return Say("501 5.5.4 Not so\r\n");
  }
  const bool at_all = open_ && !paths_.empty() && !troubled_;
  const Turn turn = !at_all || last ? Turn() : host_.manners.Chunk(fate_, chunks_.size() + bytes);
  // Whoever does not know BDAT takes what comes behind it for commands.
  if (!host_.manners.KnowsBdat()) {
    DenyAll(500);
    troubled_ = garbled_ = true;
    co_return Say("500 5.5.1 What is BDAT?\r\n");
  }
  while (buffer_.rest().size() < bytes) {
    if (!co_await More()) co_return false;
  }
  const std::string_view piece = buffer_.rest().substr(0, bytes);
  buffer_.Skip(bytes);
  CheckNothingBehind("BDAT", true);
  if (!at_all) {
    if (!open_ && mail_refused_ == 0) Violation("BDAT out of order", "BDAT");
    const bool nobody = open_ && !std::exchange(troubled_, true);
    co_return Say(nobody ? "554 5.5.1 No valid recipients\r\n" : "503 5.5.1 Not now\r\n");
  }
  if (last && chunks_.empty()) co_return co_await EndOfContent(piece, true);
  chunks_ += piece;
  if (last) co_return co_await EndOfContent(chunks_, true);
  if (turn.code() >= 400) {
    DenyAll(turn.code());
    troubled_ = true;
  }
  if (turn.plain()) co_return Say("250 2.0.0 Kept\r\n");
  co_return co_await Act("250 2.0.0 Kept\r\n", turn);
}

io::Task<bool> ReceiverSession::EndOfContent(std::string_view content, bool by_chunks) {
  Turn turn = host_.manners.End(reverse_path_, first_path_, fate_, content.size(), by_chunks);
  CheckContent(content);
  std::string kept;
  if (turn.delay.count() > 0) {
    kept = content;
    content = kept;
    co_await Pause(std::exchange(turn.delay, Nanoseconds(0)));
  }
  const int code = turn.code();
  if (code >= 400) {
    DenyAll(code);
  } else if (turn.taken) {
    const uint64_t transaction =
        host_.ledger.Took(host_.index, reverse_path_, paths_, content, io::Now());
    const bool said = turn.close == Turn::Close::kNo || turn.close == Turn::Close::kAfter;
    if (said && buffer_.empty() && !gone_) awaiting_ = transaction;
  }
  const uint64_t fate = fate_;
  Forget();
  fate_ = fate;
  if (turn.plain()) co_return Say("250 2.0.0 Taken\r\n");
  co_return co_await Act("250 2.0.0 Taken\r\n", turn);
}

}  // namespace ringmail::sim
