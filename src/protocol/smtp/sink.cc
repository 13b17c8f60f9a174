#include "protocol/smtp/sink.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "protocol/smtp/commands.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/wire.h"
#include "ringmail/base/check.h"
#include "ringmail/io/file.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/session/line_reader.h"

namespace ringmail::smtp {

// One connection. What it holds of a message, it holds only where messages are kept.
class SinkSession : public ListHook<> {
 public:
  SinkSession(SinkService& sink, io::Stream stream)
      : sink_(sink), stream_(std::move(stream)), lines_(kCommandLineBytesMax - 2) {}

  static void* operator new(size_t bytes) { return io::FrameAllocate(bytes); }
  static void operator delete(void* memory, size_t bytes) { io::FrameFree(memory, bytes); }

  io::Task<void> Run();
  void Drain() {
    if (waits_for_command_) stream_.Cancel();
  }
  void Cut() { stream_.Cancel(); }

 private:
  bool keeps() const { return !sink_.options_.directory.empty(); }
  MonotonicTime Deadline() const { return io::Now() + sink_.options_.timeout; }
  Next Answer(const session::Line& line);
  Next AnswerMail(std::string_view argument);
  Next AnswerRcpt(std::string_view argument);
  Next AnswerBdat(std::string_view argument);
  void Forget();
  void Take(std::string_view bytes);
  io::Task<bool> ReceiveContent();
  io::Task<bool> ReceiveChunk();
  io::Task<void> Finish();
  io::Task<Status> Keep();

  SinkService& sink_;
  io::Stream stream_;
  session::LineReader lines_;
  std::string envelope_, content_, helo_;
  uint64_t bytes_ = 0, chunk_bytes_ = 0;
  uint32_t recipients_ = 0;
  bool mail_ = false, chunks_ = false, chunk_last_ = false, too_large_ = false,
       waits_for_command_ = false;
};

io::Task<void> SinkSession::Run() {
  stream_.Write(sink_.greeting_);
  while (!sink_.stopping_) {
    session::Line line = lines_.TryLine(stream_);
    if (line.status == session::LineStatus::kNeedMore) {
      waits_for_command_ = true;
      line = co_await lines_.ReadLine(stream_, Deadline());
      waits_for_command_ = false;
    }
    const Next next = Answer(line);
    if (next == Next::kClose) break;
    if (next == Next::kContent && !co_await ReceiveContent()) break;
    if (next == Next::kChunk && !co_await ReceiveChunk()) break;
    if (stream_.output_bytes() > kOutputBytesMax &&
        co_await stream_.Flush(Deadline()) != io::StreamStatus::kOk)
      break;
  }
  if (sink_.stopping_) stream_.Write("421 4.3.2 Shutting down\r\n");
  co_await stream_.Close(std::min(io::Now() + kCloseTimeout, sink_.stop_deadline_));
}

Next SinkSession::Answer(const session::Line& line) {
  switch (line.status) {
    case session::LineStatus::kLine:
      break;
    case session::LineStatus::kBareCr:
    case session::LineStatus::kBareLf:
      stream_.Write(kLineBareNewline);
      return Next::kCommand;
    case session::LineStatus::kNul:
      stream_.Write(kLineNul);
      return Next::kCommand;
    case session::LineStatus::kTooLong:
      stream_.Write(kLineTooLong);
      return Next::kCommand;
    default:
      return Next::kClose;
  }
  const CommandWords words = SplitCommand(line.text);
  const CommandRow* row = FindCommand(words.verb, ListenerProtocol::kSmtp);
  if (row == nullptr) {
    stream_.Write(kUnknownCommand);
    return Next::kCommand;
  }
  if (row->run == RunMail) return AnswerMail(words.argument);
  if (row->run == RunRcpt) return AnswerRcpt(words.argument);
  if (row->run == RunBdat) return AnswerBdat(words.argument);
  if (row->run == RunData) {
    if (recipients_ == 0 || chunks_) {
      stream_.Write(kRecipientFirst);
      return Next::kCommand;
    }
    return Next::kContent;
  }
  if (row->run == RunEhlo || row->run == RunHelo) {
    Forget();
    if (keeps()) helo_.assign(words.argument);
    stream_.Write(row->run == RunEhlo ? std::string_view(sink_.ehlo_reply_) : kOk);
    return Next::kCommand;
  }
  if (row->run == RunQuit) {
    stream_.Write(kBye);
    return Next::kClose;
  }
  if (row->run == RunRset) Forget();
  stream_.Write(row->run == RunVrfy ? kVerifyLater : row->run == RunExpn ? kNotExpanded : kOk);
  return Next::kCommand;
}

Next SinkSession::AnswerMail(std::string_view argument) {
  if (mail_) {
    stream_.Write("503 5.5.1 A message is begun already\r\n");
    return Next::kCommand;
  }
  mail_ = true;
  ++sink_.counts_.transactions;
  if (keeps()) absl::StrAppend(&envelope_, "HELO ", helo_, "\r\nMAIL ", Absl(argument), "\r\n");
  stream_.Write("250 2.1.0 OK\r\n");
  return Next::kCommand;
}

Next SinkSession::AnswerRcpt(std::string_view argument) {
  if (!mail_ || chunks_) {
    stream_.Write(kMailFirst);
    return Next::kCommand;
  }
  if (recipients_ >= sink_.options_.recipients_max) {
    stream_.Write("452 4.5.3 Too many recipients\r\n");
    return Next::kCommand;
  }
  ++recipients_;
  ++sink_.counts_.recipients;
  if (keeps()) absl::StrAppend(&envelope_, "RCPT ", Absl(argument), "\r\n");
  stream_.Write("250 2.1.5 OK\r\n");
  return Next::kCommand;
}

Next SinkSession::AnswerBdat(std::string_view argument) {
  const BdatCommand command = ParseBdat(argument);
  if (!command.well_formed) {
    stream_.Write(kBdatSyntaxClosing);
    return Next::kClose;
  }
  chunk_bytes_ = *command.bytes;
  chunk_last_ = command.last;
  chunks_ = true;
  return Next::kChunk;
}

void SinkSession::Forget() {
  envelope_.clear();
  content_.clear();
  bytes_ = 0;
  recipients_ = 0;
  mail_ = chunks_ = too_large_ = false;
}

void SinkSession::Take(std::string_view bytes) {
  bytes_ += bytes.size();
  if (!keeps()) return;
  too_large_ = too_large_ || bytes_ > sink_.options_.message_bytes_max;
  if (!too_large_) content_.append(bytes);
}

io::Task<bool> SinkSession::ReceiveContent() {
  lines_.Release(stream_);
  stream_.Write(kSendContent);
  codec::DataScanner scanner;
  while (true) {
    while (!stream_.input().empty()) {
      codec::DataScanner::Step& step = sink_.step_;
      scanner.Feed(stream_.input(), step);
      for (size_t i = 0; i < step.run_count; ++i) Take(step.runs[i].bytes);
      const bool ended = step.verdict == codec::DataVerdict::kEnd;
      stream_.Consume(step.consumed);
      if (!ended) continue;
      co_await Finish();
      co_return true;
    }
    if (co_await stream_.Receive(Deadline()) != io::StreamStatus::kOk) co_return false;
  }
}

io::Task<bool> SinkSession::ReceiveChunk() {
  lines_.Release(stream_);
  while (chunk_bytes_ > 0) {
    if (stream_.input().empty() && co_await stream_.Receive(Deadline()) != io::StreamStatus::kOk)
      co_return false;
    const std::string_view input = stream_.input();
    const auto count = static_cast<size_t>(std::min<uint64_t>(input.size(), chunk_bytes_));
    if (recipients_ > 0) Take(input.substr(0, count));
    stream_.Consume(count);
    chunk_bytes_ -= count;
  }
  if (recipients_ == 0) {
    stream_.Write(kRecipientFirst);
    chunks_ = false;
  } else if (chunk_last_) {
    co_await Finish();
  } else {
    stream_.Write(kOk);
  }
  co_return true;
}

io::Task<void> SinkSession::Finish() {
  if (too_large_) {
    ++sink_.counts_.failures;
    stream_.Write(kTooLarge);
    Forget();
    co_return;
  }
  if (keeps()) {
    if (const Status status = co_await Keep(); !status.ok()) {
      ++sink_.counts_.failures;
      stream_.Write(kStoreFailed);
      Forget();
      co_return;
    }
  }
  ++sink_.counts_.messages;
  sink_.counts_.bytes += bytes_;
  stream_.Write(kOk);
  Forget();
}

io::Task<Status> SinkSession::Keep() {
  const uint64_t number = sink_.next_file_;
  sink_.next_file_ += sink_.options_.number_step;
  const std::string base = absl::StrCat(sink_.options_.directory, "/", number);
  for (const bool envelope : {true, false}) {
    // The content last: whoever waits for N.eml finds its envelope.
    auto file = co_await io::File::Open(base + (envelope ? ".envelope" : ".eml"),
                                        io::OpenMode::kCreateOrReplace, io::Access::kBuffered);
    CO_RETURN_IF_ERROR(file.status());
    CO_RETURN_IF_ERROR(
        co_await file->Write(0, envelope ? envelope_ : content_, io::Durability::kNone));
    co_await file->Close();
  }
  co_return absl::OkStatus();
}

std::unique_ptr<Sink> Sink::Make(SinkOptions options) {
  return std::make_unique<SinkService>(std::move(options));
}

SinkService::SinkService(SinkOptions options)
    : options_(std::move(options)),
      greeting_(absl::StrCat("220 ", options_.hostname, " ESMTP ringmail sink\r\n")),
      ehlo_reply_(EhloReply(options_.hostname, {.message_bytes_max = options_.message_bytes_max,
                                                .recipients_max = options_.recipients_max,
                                                .transactions_max = 0})),
      next_file_(options_.first_number) {
  CHECK_GT(options_.number_step, 0u);
}

SinkService::~SinkService() { CHECK(sessions_.empty()); }

void SinkService::Listen(io::Listener listener) {
  CHECK(listener.open());
  CHECK(!stopping_);
  listeners_.push_back(std::make_unique<io::Listener>(std::move(listener)));
  gate_.Spawn(Accept(listeners_.size() - 1));
}

io::Task<void> SinkService::Accept(size_t index) {
  io::Listener& listener = *listeners_[index];
  while (!stopping_) {
    io::AcceptResult result = co_await listener.Accept();
    if (result.status == io::StreamStatus::kCancelled || stopping_) break;
    if (result.status == io::StreamStatus::kOk) {
      gate_.Spawn(Serve(std::move(result.stream)));
    } else {
      co_await io::SleepUntil(io::Now() + kAcceptPause);
    }
  }
}

io::Task<void> SinkService::Serve(io::Stream stream) {
  ++counts_.connections;
  ++counts_.open;
  auto session = std::make_unique<SinkSession>(*this, std::move(stream));
  sessions_.PushBack(*session);
  co_await session->Run();
  session->Unlink();
  --counts_.open;
}

io::Task<void> SinkService::Stop(MonotonicTime deadline) {
  CHECK(!stopping_);
  stopping_ = true;
  stop_deadline_ = deadline;
  for (const auto& listener : listeners_) listener->Cancel();
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    SinkSession& session = *at;
    ++at;
    session.Drain();
  }
  if (co_await gate_.CloseUntil(deadline)) co_return;
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    SinkSession& session = *at;
    ++at;
    session.Cut();
  }
  co_await gate_.Close();
}

}  // namespace ringmail::smtp
