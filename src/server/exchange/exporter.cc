#include "server/exchange/exporter.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "ringmail/codec/percent.h"
#include "ringmail/foreign/line_ends.h"
#include "ringmail/foreign/mailbox_name.h"
#include "ringmail/foreign/maildir.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "server/commands/shown.h"
#include "server/control/target.h"
#include "server/exchange/control_answer.h"
#include "server/exchange/source.h"
#include "server/mailboxes/frame.h"

namespace ringmail::server {
namespace {

// Beside the directory: within it, it would be a mailbox to who reads it.
constexpr std::string_view kStateSuffix = ".ringmail-export";
constexpr uint64_t kStateBytesMax = 64u << 20;

// One message as it came.
struct Received {
  FrameHead head;
  std::string octets;
};

// The messages of one mailbox, one after the other.
class FrameStream {
 public:
  io::Task<Status> Open(std::string socket, std::string target) {
    const auto reply = co_await stream_.Open(std::move(socket), std::move(target));
    co_return JudgeAnswer(reply);
  }
  // False: that was all.
  io::Task<StatusOr<bool>> Next(Received& message) {
    message = {};
    for (;;) {
      switch (frames_.Next(rest_)) {
        case FrameReader::Event::kMore: {
          ASSIGN_OR_CO_RETURN(piece_, co_await stream_.Next());
          rest_ = piece_;
          if (!piece_.empty()) continue;
          if (!frames_.between_messages()) co_return absl::DataLossError("the answer is cut off");
          co_return false;
        }
        case FrameReader::Event::kHead:
          message.head = frames_.head();
          break;
        case FrameReader::Event::kOctets:
          message.octets += frames_.octets();
          break;
        case FrameReader::Event::kMessage:
          co_return true;
        case FrameReader::Event::kMalformed:
          co_return absl::InternalError("the server's answer is not understood");
      }
    }
  }

 private:
  ControlStream stream_;
  FrameReader frames_;
  std::string piece_;
  std::string_view rest_;
};

// "951782399.V77U5.ringmail,S=1234" of the message with UID 5, UIDVALIDITY 77. 0: another's.
uint32_t UidOfUnique(std::string_view unique, uint32_t uid_validity) {
  const size_t dot = unique.find('.');
  const std::string mine = fmt::format(".V{}U", uid_validity);
  if (dot == unique.npos || !unique.substr(dot).starts_with(mine)) return 0;
  uint32_t uid = 0;
  const std::string_view rest = unique.substr(dot + mine.size());
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), uid);
  return error == std::errc() &&
                 rest.substr(static_cast<size_t>(end - rest.data())).starts_with(".ringmail,")
             ? uid
             : 0;
}

// How far the file of one mailbox is whole.
struct MboxState {
  uint32_t uid_validity = 0, uid = 0;
  uint64_t bytes = 0;
};

class Exporter {
 public:
  explicit Exporter(ExportOptions options) : options_(std::move(options)) {}
  io::Task<ExportResult> Run();

 private:
  std::string Target(std::string_view resource) const {
    return fmt::format("/v1/accounts/{}/{}", PercentEncode(options_.account), resource);
  }
  void Fault(std::string_view where, std::string_view what);
  void Count(const Received& message);
  io::Task<Status> WriteSmall(std::string path, std::string text);
  io::Task<Status> ExportAll();

  io::Task<Status> ExportMaildir(const MailboxAnswer& mailbox);
  io::Task<Status> ListMaildir(const std::string& path, uint32_t uid_validity);
  io::Task<Status> BringFlags(const std::string& path, const std::string& name, uint32_t& first);
  io::Task<Status> WriteFiles(const std::string& path, std::vector<Received>& batch,
                              uint32_t uid_validity);
  static io::Task<void> WriteFile(Exporter* self, std::string path, std::string name,
                                  Received* message);

  io::Task<Status> ExportMbox(const MailboxAnswer& mailbox);
  io::Task<Status> OpenMboxFile(const MailboxAnswer& mailbox, const std::string& path,
                                io::File& file);
  io::Task<Status> ReadState();
  io::Task<Status> WriteState();

  const ExportOptions options_;
  ExportResult result_;
  Status failed_;
  MonotonicTime next_progress_{};
  // Of the Maildir that is being written.
  foreign::MaildirKeywords keywords_;
  std::map<uint32_t, std::string> files_;  // by UID: name in cur
  // Of mboxes, by name of the mailbox.
  std::map<std::string, MboxState> states_;
};

void Exporter::Fault(std::string_view where, std::string_view what) {
  ++result_.faults;
  if (options_.report != nullptr)
    options_.report(options_.context, fmt::format("{}: {}: left out", Shown(where), Shown(what)));
}

void Exporter::Count(const Received& message) {
  ++result_.messages;
  result_.bytes += message.octets.size();
  if (options_.report == nullptr || io::Now() < next_progress_) return;
  next_progress_ = io::Now() + options_.progress_every;
  options_.report(options_.context,
                  fmt::format("{} messages, {} MiB", result_.messages, result_.bytes >> 20));
}

// Whole or not at all.
io::Task<Status> Exporter::WriteSmall(std::string path, std::string text) {
  auto file =
      co_await io::File::Open(path + ".tmp", io::OpenMode::kCreateOrReplace, io::Access::kBuffered);
  CO_RETURN_IF_ERROR(file.status());
  Status status = co_await file->Write(0, text, io::Durability::kDurable);
  co_await file->Close();
  CO_RETURN_IF_ERROR(status);
  CO_RETURN_IF_ERROR(co_await io::Rename(path + ".tmp", path));
  const size_t slash = path.rfind('/');
  co_return co_await io::SyncDirectory(slash == path.npos ? "." : path.substr(0, slash + 1));
}

// --- Maildir ---

io::Task<Status> Exporter::ListMaildir(const std::string& path, uint32_t uid_validity) {
  files_.clear();
  const auto text = co_await ReadFileIfThere(path + "/dovecot-keywords", kSourceIndexBytesMax);
  CO_RETURN_IF_ERROR(text.status());
  keywords_ = foreign::ParseMaildirKeywords(*text);
  const auto names = co_await io::ListDirectory(path + "/cur");
  CO_RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    const uint32_t uid = UidOfUnique(foreign::ParseMaildirFile(name).unique, uid_validity);
    if (uid != 0) files_[uid] = name;
  }
  co_return absl::OkStatus();
}

// Of messages that are there already. `first`: all up to it are.
io::Task<Status> Exporter::BringFlags(const std::string& path, const std::string& name,
                                      uint32_t& first) {
  bool whole = true;
  // Heads alone: each is a line, and no octets follow.
  ControlStream stream;
  CO_RETURN_IF_ERROR(JudgeAnswer(
      co_await stream.Open(options_.socket, Target("messages?mailbox=" + PercentEncode(name)))));
  std::string text;
  for (;;) {
    ASSIGN_OR_CO_RETURN(const std::string piece, co_await stream.Next());
    if (piece.empty()) break;
    text += piece;
    size_t at = 0;
    for (size_t feed = text.find('\n'); feed != text.npos; feed = text.find('\n', at)) {
      const auto head = ParseFrameHead(std::string_view(text).substr(at, feed - at));
      if (!head) co_return absl::InternalError("the server's answer is not understood");
      at = feed + 1;
      const auto file = files_.find(head->marks.uid);
      whole = whole && file != files_.end();
      if (whole) first = head->marks.uid;
      if (file == files_.end()) continue;
      ++result_.known;
      uint32_t lost = 0;
      const std::string wanted = std::string(foreign::ParseMaildirFile(file->second).unique) +
                                 ":2," + foreign::FormatMaildirFlags(head->marks, keywords_, lost);
      result_.keywords_lost += lost;
      if (wanted == file->second) continue;
      CO_RETURN_IF_ERROR(
          co_await io::Rename(path + "/cur/" + file->second, path + "/cur/" + wanted));
      file->second = wanted;
    }
    text.erase(0, at);
  }
  co_return absl::OkStatus();
}

io::Task<void> Exporter::WriteFile(Exporter* self, std::string path, std::string name,
                                   Received* message) {
  std::string text;
  foreign::ToLf to_lf;
  to_lf.Feed(message->octets, text);
  to_lf.Finish(text);
  const std::string made = path + "/tmp/" + name.substr(0, name.find(':'));
  const std::string kept = path + "/cur/" + name;
  auto file = co_await io::File::Open(made, io::OpenMode::kCreateOrReplace, io::Access::kBuffered);
  Status status = file.status();
  if (status.ok()) {
    status = co_await file->Write(0, text, io::Durability::kDurable);
    co_await file->Close();
  }
  if (status.ok())
    status = co_await io::SetModified(
        made, FromUnixSeconds(message->head.marks.date_seconds.value_or(0)));
  if (status.ok()) status = co_await io::Rename(made, kept);
  if (self->failed_.ok()) self->failed_ = status;
}

io::Task<Status> Exporter::WriteFiles(const std::string& path, std::vector<Received>& batch,
                                      uint32_t uid_validity) {
  io::Gate gate;
  for (Received& one : batch) {
    uint32_t lost = 0;
    const std::string flags = foreign::FormatMaildirFlags(one.head.marks, keywords_, lost);
    result_.keywords_lost += lost;
    const auto feeds =
        static_cast<uint64_t>(std::count(one.octets.begin(), one.octets.end(), '\n'));
    // S= is what lies in the file, W= what clients see.
    std::string name = fmt::format(
        "{}.V{}U{}.ringmail,S={},W={}:2,{}", one.head.marks.date_seconds.value_or(0), uid_validity,
        one.head.marks.uid, one.octets.size() - feeds, one.octets.size(), flags);
    files_[one.head.marks.uid] = name;
    gate.Spawn(WriteFile(this, path, std::move(name), &one));
  }
  co_await gate.Close();
  for (const Received& one : batch) Count(one);
  batch.clear();
  co_return failed_;
}

io::Task<Status> Exporter::ExportMaildir(const MailboxAnswer& mailbox) {
  std::string path = options_.path;
  if (mailbox.name != "INBOX") path += "/" + foreign::FolderOfName(mailbox.name);
  for (const std::string_view part : {"", "/cur", "/new", "/tmp"})
    CO_RETURN_IF_ERROR(co_await io::CreateDirectory(path + std::string(part)));
  if (mailbox.name != "INBOX") CO_RETURN_IF_ERROR(co_await WriteSmall(path + "/maildirfolder", ""));
  CO_RETURN_IF_ERROR(co_await ListMaildir(path, mailbox.uid_validity));
  uint32_t first = 0;
  CO_RETURN_IF_ERROR(co_await BringFlags(path, mailbox.name, first));
  FrameStream stream;
  CO_RETURN_IF_ERROR(co_await stream.Open(
      options_.socket,
      Target(fmt::format("export?mailbox={}&after={}", PercentEncode(mailbox.name), first))));
  std::vector<Received> batch;
  uint64_t bytes = 0;
  for (;;) {
    Received message;
    ASSIGN_OR_CO_RETURN(const bool more, co_await stream.Next(message));
    if (!more) break;
    const uint32_t uid = message.head.marks.uid;
    if (!message.head.error.empty()) {
      Fault(fmt::format("{}: UID {}", mailbox.name, uid), message.head.error);
      continue;
    }
    if (files_.contains(uid)) continue;
    bytes += message.octets.size();
    batch.push_back(std::move(message));
    if (batch.size() < kExportFilesMax && bytes < kExportBytesMax) continue;
    CO_RETURN_IF_ERROR(co_await WriteFiles(path, batch, mailbox.uid_validity));
    bytes = 0;
  }
  CO_RETURN_IF_ERROR(co_await WriteFiles(path, batch, mailbox.uid_validity));
  CO_RETURN_IF_ERROR(co_await io::SyncDirectory(path + "/cur"));
  foreign::UidList list{
      .uid_validity = mailbox.uid_validity, .uid_next = mailbox.uid_next, .uids = {}};
  for (const auto& [uid, name] : files_)
    list.uids.emplace_back(uid, foreign::ParseMaildirFile(name).unique);
  if (!list.uids.empty()) list.uid_next = std::max(list.uid_next, list.uids.back().first + 1);
  CO_RETURN_IF_ERROR(co_await WriteSmall(path + "/dovecot-uidlist", FormatUidList(list)));
  const std::string keywords = foreign::FormatMaildirKeywords(keywords_);
  if (!keywords.empty())
    CO_RETURN_IF_ERROR(co_await WriteSmall(path + "/dovecot-keywords", keywords));
  co_return absl::OkStatus();
}

// --- mbox ---

// NAME UIDVALIDITY UID OCTETS, a mailbox a line.
io::Task<Status> Exporter::ReadState() {
  const std::string path = options_.path + std::string(kStateSuffix);
  const auto text = co_await ReadFileIfThere(path, kStateBytesMax);
  CO_RETURN_IF_ERROR(text.status());
  for (std::string_view rest = *text; !rest.empty();) {
    const std::string_view line = rest.substr(0, std::min(rest.find('\n'), rest.size()));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const size_t space = std::min(line.find(' '), line.size());
    std::string name(space, '\0');
    name.resize(codec::PercentDecode(line.substr(0, space), name.data()).bytes);
    MboxState state;
    const char* const end = line.data() + line.size();
    const char* at = line.data() + space;
    const auto number = [&](auto& value) {
      if (at == end || *at != ' ') return false;
      const auto read = std::from_chars(at + 1, end, value);
      at = read.ptr;
      return read.ec == std::errc();
    };
    if (!number(state.uid_validity) || !number(state.uid) || !number(state.bytes))
      co_return absl::DataLossError(Absl(path + ": no line of an export"));
    states_[name] = state;
  }
  co_return absl::OkStatus();
}

io::Task<Status> Exporter::WriteState() {
  std::string text;
  for (const auto& [name, state] : states_)
    text += fmt::format("{} {} {} {}\n", PercentEncode(name), state.uid_validity, state.uid,
                        state.bytes);
  co_return co_await WriteSmall(options_.path + std::string(kStateSuffix), std::move(text));
}

io::Task<Status> Exporter::OpenMboxFile(const MailboxAnswer& mailbox, const std::string& path,
                                        io::File& file) {
  const auto facts = co_await io::Examine(path);
  if (!facts.ok() && !absl::IsNotFound(facts.status())) co_return facts.status();
  const auto state = states_.find(mailbox.name);
  const bool ours = state != states_.end() && state->second.uid_validity == mailbox.uid_validity;
  if (facts.ok() && (!ours || facts->bytes < state->second.bytes))
    co_return absl::AlreadyExistsError(
        Absl(path + ": is there, and is no export of this mailbox that can go on"));
  if (!facts.ok()) {
    // Before the file is there: a run that ends in between knows it as its own.
    states_[mailbox.name] = {.uid_validity = mailbox.uid_validity};
    CO_RETURN_IF_ERROR(co_await WriteState());
  }
  auto opened = co_await io::File::Open(
      path, facts.ok() ? io::OpenMode::kReadWrite : io::OpenMode::kCreate, io::Access::kBuffered);
  CO_RETURN_IF_ERROR(opened.status());
  file = *std::move(opened);
  co_return co_await file.Truncate(states_[mailbox.name].bytes);
}

io::Task<Status> Exporter::ExportMbox(const MailboxAnswer& mailbox) {
  std::string path = options_.path;
  const std::vector<std::string> levels = foreign::LevelsOfName(mailbox.name, '/');
  for (size_t i = 0; i < levels.size(); ++i) {
    path += "/" + levels[i];
    if (i + 1 < levels.size()) CO_RETURN_IF_ERROR(co_await io::CreateDirectory(path));
  }
  path += ".mbox";
  io::File file;
  CO_RETURN_IF_ERROR(co_await OpenMboxFile(mailbox, path, file));
  MboxState& state = states_[mailbox.name];
  FrameStream stream;
  CO_RETURN_IF_ERROR(co_await stream.Open(
      options_.socket,
      Target(fmt::format("export?mailbox={}&after={}", PercentEncode(mailbox.name), state.uid))));
  uint64_t at = state.bytes;
  uint32_t uid = state.uid;
  Status status;
  while (status.ok()) {
    Received message;
    const auto more = co_await stream.Next(message);
    status = more.status();
    const bool over = !more.ok() || !*more;
    // What is known to be whole goes on stable storage, then what says so.
    if (status.ok() && (over || at - state.bytes > kExportBytesMax) && at != state.bytes) {
      status = co_await file.Sync();
      state.bytes = at;
      state.uid = uid;
      if (status.ok()) status = co_await WriteState();
    }
    if (over || !status.ok()) break;
    uid = message.head.marks.uid;
    if (!message.head.error.empty()) {
      Fault(fmt::format("{}: UID {}", mailbox.name, uid), message.head.error);
      continue;
    }
    foreign::MboxPlace place;
    if (at == 0)
      place = {.uid_validity = mailbox.uid_validity,
               .uid_last = mailbox.uid_next - 1,
               .keywords = mailbox.keywords};
    const std::string text =
        foreign::FormatMboxMessage(message.octets, message.head.marks, options_.quoting, place);
    status = co_await file.Write(at, text, io::Durability::kNone);
    at += text.size();
    Count(message);
  }
  co_await file.Close();
  co_return status;
}

// --- all ---

io::Task<Status> Exporter::ExportAll() {
  const auto reply = co_await Fetch(options_.socket, "GET", Target("mailboxes"));
  CO_RETURN_IF_ERROR(JudgeAnswer(reply));
  const auto answer = ParseMailboxesAnswer(reply->body);
  if (!answer) co_return absl::InternalError("the server's answer is not understood");
  const bool maildir = options_.format == ExportOptions::Format::kMaildir;
  CO_RETURN_IF_ERROR(co_await io::CreateDirectory(options_.path));
  if (!maildir) CO_RETURN_IF_ERROR(co_await ReadState());
  bool found = false;
  for (const MailboxAnswer& mailbox : answer->mailboxes) {
    if (!options_.mailbox.empty() && mailbox.name != options_.mailbox) continue;
    found = true;
    if (maildir) {
      CO_RETURN_IF_ERROR(co_await ExportMaildir(mailbox));
    } else {
      CO_RETURN_IF_ERROR(co_await ExportMbox(mailbox));
    }
    ++result_.mailboxes;
  }
  if (!found) co_return absl::NotFoundError(Absl("no mailbox " + options_.mailbox));
  if (answer->subscriptions.empty()) co_return absl::OkStatus();
  if (maildir)
    co_return co_await WriteSmall(options_.path + "/subscriptions",
                                  foreign::FormatSubscriptions(answer->subscriptions));
  std::string text;
  for (const std::string& name : answer->subscriptions) {
    std::string line;
    for (const std::string& level : foreign::LevelsOfName(name, '/'))
      line += (line.empty() ? "" : "/") + level;
    text += line + "\n";
  }
  co_return co_await WriteSmall(options_.path + "/.subscriptions", std::move(text));
}

io::Task<ExportResult> Exporter::Run() {
  next_progress_ = io::Now() + options_.progress_every;
  result_.status = co_await ExportAll();
  co_return result_;
}

}  // namespace

io::Task<ExportResult> Export(ExportOptions options) {
  Exporter exporter(std::move(options));
  co_return co_await exporter.Run();
}

}  // namespace ringmail::server
