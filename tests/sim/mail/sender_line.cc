#include "tests/sim/mail/sender_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"

namespace ringmail::sim {
namespace {

using io::StreamStatus;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// RFC 5321 §4.5.3.2.
constexpr Nanoseconds kConnect = minutes(2);
constexpr Nanoseconds kGreeting = minutes(5);
constexpr Nanoseconds kEnvelope = minutes(5);
constexpr Nanoseconds kDataStart = minutes(2);
constexpr Nanoseconds kDataBlock = minutes(3);
constexpr Nanoseconds kDataEnd = minutes(10);
constexpr Nanoseconds kClose = seconds(10);
constexpr size_t kBlockBytes = 64u << 10;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Told ToldBy(int code) { return code >= 500 ? Told::kRefused : Told::kDeferred; }

// To all who were not told otherwise: the transaction failed for them.
void TellRest(Errand& errand, int code) {
  for (Told& told : errand.told) {
    if (told == Told::kNothing || told == Told::kAccepted) told = ToldBy(code);
  }
}

bool Anybody(const Errand& errand) {
  return std::find(errand.told.begin(), errand.told.end(), Told::kAccepted) != errand.told.end();
}

}  // namespace

SenderLine::SenderLine(const Plan& plan, Ledger& ledger, io::Endpoint server)
    : plan_(plan), ledger_(ledger), server_(std::move(server)) {}

void SenderLine::Wrong(std::string_view to_what) {
  ledger_.Violation("reply", fmt::format("the server answered {} with: {}", to_what, text_));
  bad_ = true;
  Drop();
}

// --- Replies

void SenderLine::Extension(std::string_view line) {
  const std::string_view word = line.substr(4, line.find_first_of(" \r", 4) - 4);
  pipelining_ = pipelining_ || word == "PIPELINING";
  chunking_ = chunking_ || word == "CHUNKING";
  eight_bit_ = eight_bit_ || word == "8BITMIME";
  size_ = size_ || word == "SIZE";
  dsn_ = dsn_ || word == "DSN";
  codes_ = codes_ || word == "ENHANCEDSTATUSCODES";
}

// Lines that continue are taken as they come: the last says all that is needed, but for EHLO.
bool SenderLine::TakeReply() {
  std::string_view line;
  while (buffer_.Take(line)) {
    text_ = line;
    const bool sound = line.size() >= 5 && line.ends_with("\r\n") && IsDigit(line[0]) &&
                       IsDigit(line[1]) && IsDigit(line[2]) && line[0] >= '2' && line[0] <= '5';
    const char mark = sound ? line[3] : '\0';
    if (!sound || (mark != ' ' && mark != '-' && mark != '\r')) {
      Wrong("with no reply");
      return false;
    }
    code_ = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (hello_) {
      Extension(line);
    } else if (codes_ && line[0] != '3' &&
               (line.size() < 9 || line[4] != line[0] || line[5] != '.')) {
      // RFC 2034 §4.
      Wrong("without the code it offered");
      return false;
    }
    if (mark != '-') return true;
  }
  return false;
}

io::Task<bool> SenderLine::Read(Nanoseconds patience) {
  const MonotonicTime deadline = io::Now() + patience;
  while (stream_.open()) {
    if (TakeReply()) co_return true;
    if (bad_) break;
    if (co_await ReceiveInto(stream_, buffer_, deadline) != StreamStatus::kOk) break;
  }
  Drop();
  co_return false;
}

// --- The beginning and the end

io::Task<bool> SenderLine::Open() {
  buffer_.Clear();
  transactions_ = 0;
  bad_ = pipelining_ = chunking_ = eight_bit_ = size_ = dsn_ = codes_ = hello_ = false;
  io::ConnectResult connected = co_await io::Connect(server_, {}, io::Now() + kConnect);
  if (connected.status != StreamStatus::kOk) co_return false;
  stream_ = std::move(connected.stream);
  if (!co_await Read(kGreeting)) co_return false;
  if (code_ != 220) {
    if (code_ < 400) Wrong("a connection");
    Drop();
    co_return false;
  }
  hello_ = true;
  stream_.Write("EHLO home.example\r\n");
  if (!co_await Read(kEnvelope)) co_return false;
  hello_ = false;
  if (code_ >= 500) {
    // RFC 5321 §3.2.
    stream_.Write("HELO home.example\r\n");
    if (!co_await Read(kEnvelope)) co_return false;
  }
  if (code_ != 250) {
    if (code_ < 400) Wrong("EHLO");
    Drop();
    co_return false;
  }
  co_return true;
}

io::Task<void> SenderLine::Quit() {
  if (!stream_.open()) co_return;
  stream_.Write("QUIT\r\n");
  if (!co_await Read(kClose)) co_return;
  if (code_ != 221 && code_ != 421) Wrong("QUIT");
  co_await stream_.Close(io::Now() + kClose);
}

io::Task<void> SenderLine::Reset() {
  if (!stream_.open()) co_return;
  stream_.Write("RSET\r\n");
  if (!co_await Read(kEnvelope)) co_return;
  if (code_ == 421) {
    Drop();
  } else if (!completed()) {
    Wrong("RSET");
  }
}

// --- A transaction

io::Task<void> SenderLine::Carry(Errand& errand) {
  ++transactions_;
  errand.told.assign(errand.recipients.size(), Told::kNothing);
  errand.whole = false;
  errand.final_code = 0;
  content_ = ContentOf(plan_, *errand.message);
  if (errand.message->chunks && chunking_) return ByChunks(errand);
  return ByData(errand);
}

void SenderLine::AppendMail(const Errand& errand) {
  out_ += "MAIL FROM:<";
  out_ += ReversePathOf(*errand.message);
  out_ += '>';
  if (errand.message->eight_bit && eight_bit_) out_ += " BODY=8BITMIME";
  if (size_ && errand.dice % 3 == 0) {
    fmt::format_to(std::back_inserter(out_), " SIZE={}", content_.size());
  }
  if (errand.message->whole && dsn_) out_ += " RET=FULL";
  out_ += "\r\n";
}

void SenderLine::AppendRecipient(const Errand& errand, size_t index) {
  out_ += "RCPT TO:<";
  out_ += ForwardPathOf(*errand.message, errand.recipients[index]);
  out_ += ">\r\n";
}

// False: it was refused.
bool SenderLine::JudgeMail(Errand& errand) {
  if (completed()) return true;
  if (code_ < 400) Wrong("MAIL");
  TellRest(errand, code_ < 400 ? 451 : code_);
  return false;
}

void SenderLine::JudgeRecipient(Errand& errand, size_t index) {
  Told& told = errand.told[index];
  // What is said behind a refused MAIL says nothing of the recipient.
  if (told != Told::kNothing) return;
  if (completed()) {
    told = Told::kAccepted;
  } else if (code_ == 421 || code_ < 400) {
    // RFC 5321 §3.8: the connection ends, and the transaction with it.
    if (code_ != 421) Wrong("RCPT");
    Finish(errand, 421);
  } else {
    told = ToldBy(code_);
  }
}

void SenderLine::Finish(Errand& errand, int code) {
  errand.final_code = code;
  errand.final_text = text_;
  if (code / 100 != 2) TellRest(errand, code);
  if (code == 421) Drop();
}

io::Task<bool> SenderLine::EnvelopeReplies(Errand& errand) {
  if (!co_await Read(kEnvelope)) co_return false;
  const bool closes = code_ == 421;
  (void)JudgeMail(errand);
  if (closes) Drop();
  for (size_t i = 0; i < errand.told.size(); ++i) {
    if (!co_await Read(kEnvelope)) co_return false;
    JudgeRecipient(errand, i);
  }
  co_return stream_.open();
}

// MAIL and RCPT, each with its answer where the server does not take them together. True: somebody
// was accepted, and the line is good.
io::Task<bool> SenderLine::Envelope(Errand& errand) {
  out_.clear();
  AppendMail(errand);
  if (pipelining_) {
    for (size_t i = 0; i < errand.told.size(); ++i) AppendRecipient(errand, i);
    stream_.Write(out_);
    if (!co_await EnvelopeReplies(errand)) co_return false;
  } else {
    stream_.Write(out_);
    if (!co_await Read(kEnvelope)) co_return false;
    if (!JudgeMail(errand)) {
      if (code_ == 421) Drop();
      co_return false;
    }
    for (size_t i = 0; i < errand.told.size(); ++i) {
      out_.clear();
      AppendRecipient(errand, i);
      stream_.Write(out_);
      if (!co_await Read(kEnvelope)) co_return false;
      JudgeRecipient(errand, i);
      if (!stream_.open()) co_return false;
    }
  }
  if (Anybody(errand)) co_return true;
  co_await Reset();
  co_return false;
}

io::Task<void> SenderLine::ByData(Errand& errand) {
  if (pipelining_) {
    out_.clear();
    AppendMail(errand);
    for (size_t i = 0; i < errand.told.size(); ++i) AppendRecipient(errand, i);
    out_ += "DATA\r\n";
    stream_.Write(out_);
    if (!co_await EnvelopeReplies(errand)) co_return;
  } else {
    if (!co_await Envelope(errand)) co_return;
    stream_.Write("DATA\r\n");
  }
  if (!co_await Read(kDataStart)) co_return;
  if (code_ != 354) {
    if (code_ < 400) co_return Wrong("DATA");
    Finish(errand, code_);
    co_return co_await Reset();
  }
  if (!Anybody(errand)) {
    // RFC 2920 §3.1: a server that says 354 with no valid recipient gets an empty content.
    stream_.Write(".\r\n");
    if (co_await Read(kDataEnd) && code_ < 400) Wrong("a content for nobody");
    co_return;
  }
  if (!co_await WriteContent(Stuff(content_, scratch_), errand, false)) co_return;
  // Not apart from the last line's end, or a server could take it for whole before we say so.
  errand.whole = true;
  stream_.Write(".\r\n");
  if (!co_await Read(kDataEnd)) co_return;
  if (code_ < 400 && !completed()) co_return Wrong("the end of the content");
  Finish(errand, code_);
}

// Waits where much was written; the last octets are left to the next Read. `last`: the end of the
// content is among them.
io::Task<bool> SenderLine::WriteContent(std::string_view bytes, Errand& errand, bool last) {
  const size_t parts = 2 + errand.dice % 5;
  const size_t step = errand.pieces ? bytes.size() / parts + 1 : kBlockBytes;
  while (bytes.size() > step) {
    stream_.Write(bytes.substr(0, step));
    bytes.remove_prefix(step);
    if (co_await stream_.Flush(io::Now() + kDataBlock) != StreamStatus::kOk) {
      Drop();
      co_return false;
    }
    if (errand.pieces) {
      co_await io::SleepUntil(io::Now() + milliseconds(1 + Mix(errand.dice, bytes.size()) % 300));
    }
  }
  errand.whole = last;
  stream_.Write(bytes);
  co_return true;
}

// RFC 3030. One to three chunks, the last sometimes without octets.
io::Task<void> SenderLine::ByChunks(Errand& errand) {
  const bool eager = pipelining_ && errand.dice / 3 % 2 == 0;
  if (eager) {
    out_.clear();
    AppendMail(errand);
    for (size_t i = 0; i < errand.told.size(); ++i) AppendRecipient(errand, i);
    stream_.Write(out_);
  } else if (!co_await Envelope(errand)) {
    co_return;
  }
  const size_t count = 1 + errand.dice / 6 % 3;
  const bool empty_last = count > 1 && errand.dice / 18 % 4 == 0;
  size_t answered = 0;
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t left = content_.size() - at;
    const size_t parts_left = count - i - (empty_last ? 1 : 0);
    const size_t bytes = parts_left <= 1 ? left : left / parts_left;
    const bool last = i + 1 == count;
    stream_.Write(fmt::format("BDAT {}{}\r\n", bytes, last ? " LAST" : ""));
    const std::string_view chunk = std::string_view(content_).substr(at, bytes);
    if (!co_await WriteContent(chunk, errand, last)) co_return;
    at += bytes;
    if (!pipelining_ && !last) {
      if (!co_await ChunkReplies(errand, i, i + 1, count)) co_return;
      answered = i + 1;
      if (errand.final_code != 0) break;
    }
  }
  if (eager && !co_await EnvelopeReplies(errand)) co_return;
  if (errand.final_code == 0 && !co_await ChunkReplies(errand, answered, count, count)) co_return;
  if (errand.final_code == 500 || errand.final_code == 502) {
    // A server that does not know what it offered has read the chunks as commands.
    Drop();
  } else if (errand.final_code / 100 != 2) {
    co_await Reset();
  }
}

// The first that is not 2yz says what became of the content; what follows can only be refused.
io::Task<bool> SenderLine::ChunkReplies(Errand& errand, size_t from, size_t to, size_t count) {
  for (size_t i = from; i < to; ++i) {
    if (!co_await Read(kDataEnd)) co_return false;
    const bool last = i + 1 == count;
    if (code_ < 400 && !completed()) {
      Wrong("BDAT");
      co_return false;
    }
    if (completed() && (errand.final_code != 0 || !Anybody(errand))) {
      Wrong("BDAT of a transaction that had failed");
      co_return false;
    }
    if (errand.final_code == 0 && (last || !completed())) Finish(errand, code_);
    if (!stream_.open()) co_return false;
  }
  co_return true;
}

}  // namespace ringmail::sim
