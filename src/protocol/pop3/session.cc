#include "protocol/pop3/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"
#include "protocol/pop3/wire.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/base/status.h"
#include "ringmail/io/shard.h"

namespace ringmail::pop3 {

Session::Session(Shared& shared, Settings& settings, std::unique_ptr<Baggage> baggage,
                 io::Stream stream)
    : shared_(shared),
      settings_(settings),
      stream_(std::move(stream)),
      baggage_(std::move(baggage)) {
  ++settings_.sessions;
  shared_.metrics.sessions.Add(1);
}

Session::~Session() {
  CloseMaildrop();
  --settings_.sessions;
  shared_.metrics.sessions.Add(-1);
}

io::Task<void> Session::Run() {
  if (baggage_->account.value != 0) {
    co_await OpenMaildrop();
  } else {
    LogBegin();
    if (baggage_->listener->tls == ListenerTls::kImplicit) co_await StartTls();
    if (ending_ == Ending::kNone) {
      const std::string* const timestamp = baggage_->timestamp.get();
      // RFC 1939 §7: a timestamp in the greeting offers APOP.
      Ok(timestamp == nullptr ? "ringmail ready" : absl::StrCat("ringmail ready ", *timestamp));
    }
  }
  while (ending_ == Ending::kNone) {
    if (shared_.stopping) {
      End(Ending::kShutdown);
      break;
    }
    session::Line line = baggage_->lines.TryLine(stream_);
    if (line.status == session::LineStatus::kNeedMore) {
      // The whole of the next line has one deadline, so that a byte now and then gains nothing.
      const MonotonicTime deadline = io::Now() + settings_.options.autologout;
      waits_for_command_ = true;
      // Not ReadLine: its frame would lie beside this one in every idle session.
      while (line.status == session::LineStatus::kNeedMore) {
        const io::StreamStatus status = co_await stream_.Receive(deadline);
        line = status == io::StreamStatus::kOk
                   ? baggage_->lines.TryLine(stream_)
                   : session::Line{.status = session::LineStatus::kStream, .stream = status};
      }
      waits_for_command_ = false;
    }
    std::string_view argument;
    if (const CommandRow* row = Judge(line, argument); row != nullptr)
      co_await row->run(*this, argument);
    AfterCommand();
    if (ending_ == Ending::kNone && output_full()) (void)co_await Pace();
  }
  if (Planted(Canary::kDeleteWithoutQuit) && maildrop_ != nullptr && deleted_count() > 0)
    (void)co_await maildrop_->Update(DeletedUids());
  CloseMaildrop();
  if (ending_ == Ending::kMoved) co_return;
  LogEnd();
  co_await stream_.Close(std::min(io::Now() + kCloseTimeout, shared_.stop_deadline));
}

void Session::Drain() {
  if (waits_for_command_) stream_.Cancel();
}

bool Session::Heard(io::StreamStatus status) {
  if (status == io::StreamStatus::kOk) return true;
  if (status == io::StreamStatus::kTimedOut) {
    // RFC 1939 §3: closed without a word, and nothing is deleted.
    End(Ending::kTimedOut);
  } else if (status == io::StreamStatus::kCancelled && shared_.stopping) {
    End(Ending::kShutdown);
  } else {
    End(Ending::kLost);
  }
  return false;
}

io::Task<bool> Session::Pace() {
  co_return Heard(co_await stream_.Flush(io::Now() + settings_.options.send_timeout));
}

const CommandRow* Session::Judge(const session::Line& line, std::string_view& argument) {
  using session::LineStatus;
  if (line.status == LineStatus::kStream) {
    (void)Heard(line.stream);
    return nullptr;
  }
  ++baggage_->commands;
  const CommandWords words = SplitCommand(line.text);
  const CommandRow* const row =
      line.status == LineStatus::kLine ? FindCommand(words.verb) : nullptr;
  // RFC 1939 §7: PASS comes immediately after USER.
  if (row == nullptr || row->run != RunPass) user_.clear();
  if (line.status == LineStatus::kTooLong || line.text.size() + 2 > kCommandLineBytesMax) {
    Err(fmt::format("A command has {} octets at most", kCommandLineBytesMax));
  } else if (line.status != LineStatus::kLine) {
    Err("A line ends in CRLF, and has no other CR or LF and no NUL");
  } else if (row == nullptr) {
    shared_.metrics.unknown_commands.Add();
    Err(BeginsHttp(words.verb) ? "This is POP3, not HTTP" : "Unknown command");
    if (BeginsHttp(words.verb)) End(Ending::kAbuse);
  } else if ((row->states & state()) == 0) {
    Err(state() == kAuthorization ? "Log in first" : "You are logged in already");
  } else if (words.argument.empty() ? row->argument == Argument::kRequired
                                    : row->argument == Argument::kNone) {
    Err(absl::StrCat("Say ", Absl(row->syntax)));
  } else {
    shared_.metrics.commands[CommandIndex(*row)].Add();
    argument = words.argument;
    return row;
  }
  return nullptr;
}

void Session::AfterCommand() {
  if (ending_ != Ending::kNone) return;
  const bool failures = baggage_->login_failures >= settings_.options.login_failures_max;
  if (!failures && baggage_->errors < settings_.options.errors_max) return;
  End(Ending::kAbuse);
}

void Session::Ok(std::string_view text) {
  shared_.metrics.replies_positive.Add();
  stream_.Write("+OK ");
  stream_.Write(text);
  stream_.Write("\r\n");
}

void Session::Err(std::string_view text) {
  CHECK_LE(text.size() + 7, kReplyLineBytesMax);
  shared_.metrics.replies_negative.Add();
  ++baggage_->errors;
  stream_.Write("-ERR ");
  stream_.Write(text);
  stream_.Write("\r\n");
}

std::optional<uint32_t> Session::Place(std::string_view number) {
  const std::optional<uint32_t> parsed = ParseNumber(number);
  if (!parsed) {
    Err("That is no message number");
  } else if (*parsed == 0 || *parsed > maildrop_->count()) {
    Err(fmt::format("No such message, there are {}", maildrop_->count()));
  } else if (deleted(*parsed - 1)) {
    Err(fmt::format("Message {} is deleted", *parsed));
  } else {
    return *parsed - 1;
  }
  return std::nullopt;
}

void Session::Delete(uint32_t place) {
  CHECK(!deleted(place));
  if (deleted_.empty()) deleted_.resize(maildrop_->count());
  deleted_[place] = true;
  ++deleted_count_;
  deleted_bytes_ += maildrop_->at(place).bytes;
}

void Session::Undelete() {
  deleted_ = {};
  deleted_count_ = 0;
  deleted_bytes_ = 0;
}

std::vector<storage::UidRange> Session::DeletedUids() const {
  std::vector<storage::UidRange> uids;
  for (uint32_t place = 0; place < deleted_.size(); ++place) {
    if (deleted_[place]) storage::AddUid(maildrop_->at(place).uid, uids);
  }
  return uids;
}

void Session::CloseMaildrop() {
  maildrop_.reset();
  lock_ = {};
  Undelete();
}

void Session::End(Ending ending) {
  if (ending_ == Ending::kNone) ending_ = ending;
}

void Session::LogBegin() {
  shared_.metrics.sessions_begun.Add();
  LogLine(io::ShardLog(), LogLevel::kInfo, "connect")
      .Field("listener", baggage_->listener->name)
      .Field("client", client().ToString());
}

void Session::LogEnd() {
  Pop3Metrics& metrics = shared_.metrics;
  struct Row {
    std::string_view why;
    Counter* counter;
  };
  const Row rows[] = {{"none", nullptr},
                      {"quit", nullptr},
                      {"moved", nullptr},
                      {"lost", &metrics.ends_lost},
                      {"timeout", &metrics.ends_timeout},
                      {"abuse", &metrics.ends_abuse},
                      {"tls", &metrics.ends_lost},
                      {"damage", &metrics.ends_damage},
                      {"shutdown", &metrics.ends_shutdown}};
  const Row& row = rows[static_cast<size_t>(ending_)];
  if (row.counter != nullptr) row.counter->Add();
  LogLine line(io::ShardLog(), LogLevel::kInfo, "disconnect");
  line.Field("listener", baggage_->listener->name)
      .Field("client", client().ToString())
      .Field("why", row.why)
      .Field("commands", baggage_->commands)
      .Field("errors", baggage_->errors)
      .Field("sent", sent_count_)
      .Field("seconds", io::Now() - baggage_->began);
  if (!baggage_->name.empty()) line.Field("account", baggage_->name);
}

}  // namespace ringmail::pop3
