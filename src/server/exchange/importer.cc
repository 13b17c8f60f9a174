#include "server/exchange/importer.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "ringmail/foreign/mailbox_name.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "server/commands/shown.h"
#include "server/control/client.h"
#include "server/control/target.h"
#include "server/exchange/control_answer.h"
#include "server/exchange/journal.h"
#include "server/mailboxes/appending.h"
#include "server/mailboxes/frame.h"

namespace ringmail::server {
namespace {

constexpr uint64_t kJournalBytesMax = 8ull << 30;
// A batch of a run that was killed may still be on its way in the server.
constexpr Nanoseconds kLanePause = std::chrono::milliseconds(100);
constexpr int kLaneTriesMax = 600;
// Messages that came into the mailbox from elsewhere while a batch did.
constexpr uint64_t kMatchMessagesMax = 100'000;

// RFC 6154: names that clients know for them.
std::string_view RoleOf(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kRoles[] = {{"Sent", "sent"},
                                                                      {"Sent Messages", "sent"},
                                                                      {"Sent Items", "sent"},
                                                                      {"Drafts", "drafts"},
                                                                      {"Trash", "trash"},
                                                                      {"Deleted Items", "trash"},
                                                                      {"Deleted Messages", "trash"},
                                                                      {"Junk", "junk"},
                                                                      {"Spam", "junk"},
                                                                      {"Junk E-mail", "junk"},
                                                                      {"Archive", "archive"},
                                                                      {"Archives", "archive"}};
  for (const auto& [known, role] : kRoles) {
    if (known == name) return role;
  }
  return "";
}

// Messages that are gathered, and not yet on their way.
struct Batch {
  JournalBatch entry;
  std::vector<foreign::Marks> marks;
  std::vector<std::string> octets;
  uint64_t bytes = 0;

  void Take(const Batch& from, size_t i) {
    entry.items.push_back(from.entry.items[i]);
    marks.push_back(from.marks[i]);
    octets.push_back(from.octets[i]);
    bytes += from.octets[i].size();
  }
};

std::string BodyOf(const Batch& batch) {
  std::string body;
  body.reserve(batch.bytes + 256 * batch.octets.size());
  for (size_t i = 0; i < batch.octets.size(); ++i) {
    body +=
        FormatFrameHead({.bytes = batch.octets[i].size(), .marks = batch.marks[i], .error = {}});
    body += batch.octets[i];
  }
  return body;
}

class Importer {
 public:
  explicit Importer(ImportOptions options) : options_(std::move(options)) {}
  io::Task<ImportResult> Run();

 private:
  // What one lane is at.
  struct Lane {
    uint32_t number = 0;
    std::string name, token;
    std::string mailbox;  // ours
    // Where it is in the source, as the ids of its messages begin: two directories may have names
    // that are one here ("inbox", "INBOX").
    std::string place;
    bool uids_kept = false;  // in this mailbox
    Batch batch;
    Batch later;  // messages whose UIDs are used: they come last, and get others
    io::Gate sending;
    std::optional<io::Event> sent;  // while a batch is on its way
  };
  class Known final : public KnownMessages {
   public:
    Known(const Journal& journal, const Lane& lane) : journal_(journal), lane_(lane) {}
    bool Has(std::string_view id) const override {
      return journal_.Has(lane_.mailbox, lane_.place + std::string(id));
    }

   private:
    const Journal& journal_;
    const Lane& lane_;
  };

  std::string Target(std::string_view resource) const {
    return fmt::format("/v1/accounts/{}/{}", PercentEncode(options_.account), resource);
  }
  std::string NameHere(const std::string& name) const;
  void Fault(const SourceFault& fault);
  void Progress();

  io::Task<Status> OpenJournal();
  io::Task<Status> Write(std::string lines);
  io::Task<Status> SettleLanes();
  io::Task<Status> SettleLane(uint32_t number, Journal::Lane& lane);
  io::Task<StatusOr<std::string>> AskLane(std::string name, uint32_t& uid_next);
  io::Task<StatusOr<std::vector<uint32_t>>> FindItems(const JournalBatch& batch, uint32_t uid_next);
  io::Task<Status> MakeMailbox(std::string name, uint32_t uid_validity, uint32_t uid_next,
                               bool& kept);

  static io::Task<void> Walk(Importer* self, uint32_t number);
  io::Task<Status> ImportMailbox(Lane& lane, const FoundMailbox& found);
  io::Task<Status> Add(Lane& lane, SourceMessage& message);
  io::Task<Status> Flush(Lane& lane);
  static io::Task<void> Send(Importer* self, Lane* lane, Batch batch);
  io::Task<Status> SendBatch(Lane& lane, Batch batch);
  // Of messages that the server did not take: those whose keywords were in the way. Those whose
  // UIDs were go into lane.later.
  Batch TakeAnswer(Lane& lane, const Batch& batch, const BatchAnswer& answer,
                   std::vector<uint32_t>& uids);
  io::Task<Status> EndLanes();

  ImportOptions options_;
  ImportResult result_;
  Status failed_;
  Journal journal_;
  io::File file_;
  uint64_t journal_end_ = 0;
  bool writing_ = false;
  std::deque<io::Event*> writers_;  // that wait for their turn
  FoundTree tree_;
  size_t next_mailbox_ = 0;
  MonotonicTime next_progress_{};
};

std::string Importer::NameHere(const std::string& name) const {
  if (options_.mailbox.empty()) return name;
  if (name == "INBOX") return options_.mailbox;
  return options_.mailbox + "/" + (name.starts_with("INBOX/") ? name.substr(6) : name);
}

void Importer::Fault(const SourceFault& fault) {
  ++result_.faults;
  if (options_.report == nullptr) return;
  options_.report(options_.context, fmt::format("{}: octet {}: {}: left out", Shown(fault.path),
                                                fault.at, Shown(fault.what)));
}

void Importer::Progress() {
  if (options_.report == nullptr || io::Now() < next_progress_) return;
  next_progress_ = io::Now() + options_.progress_every;
  options_.report(
      options_.context,
      fmt::format("{} messages, {} MiB, mailbox {} of {}", result_.messages, result_.bytes >> 20,
                  std::min(next_mailbox_, tree_.mailboxes.size()), tree_.mailboxes.size()));
}

// --- the journal ---

io::Task<Status> Importer::OpenJournal() {
  auto text = co_await ReadFileIfThere(options_.journal, kJournalBytesMax);
  CO_RETURN_IF_ERROR(text.status());
  if (const auto fault = journal_.Read(*text))
    co_return absl::DataLossError(
        Absl(fmt::format("{}: octet {}: {}", options_.journal, fault->at, fault->what)));
  JournalHead head{"", options_.account, options_.source};
  if (journal_.valid_bytes() > 0) {
    head.job = journal_.head().job;
    if (journal_.head() != head)
      co_return absl::InvalidArgumentError(
          Absl(options_.journal + ": the journal of another import"));
    auto file =
        co_await io::File::Open(options_.journal, io::OpenMode::kReadWrite, io::Access::kBuffered);
    CO_RETURN_IF_ERROR(file.status());
    file_ = *std::move(file);
    journal_end_ = journal_.valid_bytes();
    co_return co_await file_.Truncate(journal_end_);
  }
  auto file = co_await io::File::Open(options_.journal, io::OpenMode::kCreateOrReplace,
                                      io::Access::kBuffered);
  CO_RETURN_IF_ERROR(file.status());
  file_ = *std::move(file);
  head.job = fmt::format("{:016x}", io::RandomUint64());
  const std::string line = FormatJournalHead(head);
  CO_RETURN_IF_ERROR(co_await Write(line));
  const size_t slash = options_.journal.rfind('/');
  CO_RETURN_IF_ERROR(co_await io::SyncDirectory(
      slash == std::string::npos ? "." : options_.journal.substr(0, slash + 1)));
  if (journal_.Read(line)) co_return absl::InternalError("the journal cannot be read back");
  co_return absl::OkStatus();
}

// One write after the other: what is behind a failed one would not count.
io::Task<Status> Importer::Write(std::string lines) {
  if (writing_) {
    io::Event turn;
    writers_.push_back(&turn);
    (void)co_await turn.Wait(kNever);
  }
  writing_ = true;
  const Status status = co_await file_.Write(journal_end_, lines, io::Durability::kDurable);
  if (status.ok()) journal_end_ += lines.size();
  writing_ = !writers_.empty();
  if (writing_) {
    writers_.front()->Notify();
    writers_.pop_front();
  }
  co_return status;
}

// --- lanes ---

io::Task<StatusOr<std::string>> Importer::AskLane(std::string name, uint32_t& uid_next) {
  for (int tries = 0; tries < kLaneTriesMax; ++tries) {
    const auto reply =
        co_await Fetch(options_.socket, "GET", Target("import?lane=" + PercentEncode(name)));
    if (reply.ok() && reply->status == 409) {
      co_await io::SleepUntil(io::Now() + kLanePause);
      continue;
    }
    CO_RETURN_IF_ERROR(JudgeAnswer(reply));
    const auto state = ParseLaneAnswer(reply->body);
    if (!state) co_return absl::InternalError("the server's answer is not understood");
    uid_next = state->uid_next;
    co_return state->token;
  }
  co_return absl::UnavailableError("a batch of an earlier run does not end");
}

io::Task<StatusOr<std::vector<uint32_t>>> Importer::FindItems(const JournalBatch& batch,
                                                              uint32_t uid_next) {
  const auto reply = co_await Fetch(
      options_.socket, "GET",
      Target(fmt::format("messages?mailbox={}&after={}&limit={}", PercentEncode(batch.mailbox),
                         uid_next == 0 ? 0 : uid_next - 1, kMatchMessagesMax)));
  // Without the mailbox nothing of it is left.
  if (reply.ok() && reply->status == 404) co_return std::vector<uint32_t>(batch.items.size());
  CO_RETURN_IF_ERROR(JudgeAnswer(reply));
  std::vector<FoundMessage> found;
  for (std::string_view rest = reply->body; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const auto head = ParseFrameHead(rest.substr(0, end));
    if (!head) co_return absl::InternalError("the server's answer is not understood");
    found.push_back({head->marks.uid, head->bytes, head->marks.date_seconds.value_or(0)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  co_return MatchItems(batch.items, found);
}

// Makes sure of what became of a batch that nobody heard of.
io::Task<Status> Importer::SettleLane(uint32_t number, Journal::Lane& lane) {
  const std::string name = fmt::format("{}-{}", journal_.head().job, number);
  for (;;) {
    uint32_t uid_next = 0;
    ASSIGN_OR_CO_RETURN(const std::string token, co_await AskLane(name, uid_next));
    if (!lane.open) {
      lane.token = token;
      co_return absl::OkStatus();
    }
    const JournalBatch& batch = *lane.open;
    if (token == batch.token) {
      ASSIGN_OR_CO_RETURN(const std::vector<uint32_t> uids, co_await FindItems(batch, uid_next));
      CO_RETURN_IF_ERROR(co_await Write(FormatEnded(batch, uids)));
      journal_.Ended(number, uids);
      co_return absl::OkStatus();
    }
    // It has not come. So that it never will, the lane goes on without it.
    const std::string next = fmt::format("{}.{}.none", number, journal_.batches());
    const auto reply = co_await FetchWithBody(
        options_.socket, "POST",
        Target(fmt::format("import?mailbox=INBOX&lane={}&expect={}&token={}", PercentEncode(name),
                           PercentEncode(token), PercentEncode(next))),
        {}, nullptr, nullptr);
    if (reply.ok() && reply->status == 409) continue;  // it came, after all
    CO_RETURN_IF_ERROR(JudgeAnswer(reply));
    CO_RETURN_IF_ERROR(co_await Write(FormatNone(batch, next)));
    journal_.None(number, next);
    co_return absl::OkStatus();
  }
}

io::Task<Status> Importer::SettleLanes() {
  for (auto& [number, lane] : journal_.lanes())
    CO_RETURN_IF_ERROR(co_await SettleLane(number, lane));
  co_return absl::OkStatus();
}

// A lane that the server forgets needs no place in the account. The next run asks before it uses
// it.
io::Task<Status> Importer::EndLanes() {
  for (const auto& [number, lane] : journal_.lanes()) {
    const std::string name = fmt::format("{}-{}", journal_.head().job, number);
    CO_RETURN_IF_ERROR(JudgeAnswer(
        co_await Fetch(options_.socket, "POST", Target("import/end?lane=" + PercentEncode(name)))));
  }
  co_return absl::OkStatus();
}

// --- batches ---

Batch Importer::TakeAnswer(Lane& lane, const Batch& batch, const BatchAnswer& answer,
                           std::vector<uint32_t>& uids) {
  Batch again;
  for (size_t i = 0; i < batch.octets.size(); ++i) {
    uids.push_back(answer.uids[i]);
    if (answer.uids[i] != 0) {
      ++result_.messages;
      result_.bytes += batch.octets[i].size();
    } else if (answer.errors[i] == ToString(storage::ChangeStatus::kUidsUsed)) {
      ++result_.uids_new;
      lane.later.Take(batch, i);
      lane.later.marks.back().uid = 0;
    } else if (!batch.marks[i].keywords.empty()) {
      ++result_.keywords_lost;
      again.Take(batch, i);
      again.marks.back().keywords.clear();
    } else {
      Fault({fmt::format("{}: {}", lane.mailbox, batch.entry.items[i].id), 0, answer.errors[i]});
    }
  }
  return again;
}

io::Task<Status> Importer::SendBatch(Lane& lane, Batch batch) {
  while (!batch.octets.empty()) {
    batch.entry.lane = lane.number;
    batch.entry.mailbox = lane.mailbox;
    batch.entry.expect = lane.token;
    batch.entry.token = fmt::format("{}.{}", lane.number, journal_.batches());
    journal_.Begun(batch.entry);
    CO_RETURN_IF_ERROR(co_await Write(FormatBegun(batch.entry)));
    const auto reply = co_await FetchWithBody(
        options_.socket, "POST",
        Target(fmt::format("import?mailbox={}&lane={}&expect={}&token={}",
                           PercentEncode(lane.mailbox), PercentEncode(lane.name),
                           PercentEncode(batch.entry.expect), PercentEncode(batch.entry.token))),
        BodyOf(batch), nullptr, nullptr);
    CO_RETURN_IF_ERROR(JudgeAnswer(reply));
    const auto answer = ParseBatchAnswer(reply->body);
    if (!answer || answer->uids.size() != batch.octets.size())
      co_return absl::InternalError("the server's answer is not understood");
    std::vector<uint32_t> uids;
    Batch again = TakeAnswer(lane, batch, *answer, uids);
    CO_RETURN_IF_ERROR(co_await Write(FormatEnded(batch.entry, uids)));
    journal_.Ended(lane.number, uids);
    lane.token = batch.entry.token;
    batch = std::move(again);
    // Else at the end of the mailbox, where no UID is in their way.
    if (batch.octets.empty() &&
        (lane.later.bytes > kBatchBytes || lane.later.octets.size() >= kBatchMessages))
      batch = std::exchange(lane.later, {});
    Progress();
  }
  co_return absl::OkStatus();
}

io::Task<void> Importer::Send(Importer* self, Lane* lane, Batch batch) {
  const Status status = co_await self->SendBatch(*lane, std::move(batch));
  if (self->failed_.ok()) self->failed_ = status;
  lane->sent->Notify();
}

// The batch goes; the next one is read meanwhile.
io::Task<Status> Importer::Flush(Lane& lane) {
  if (lane.sent) (void)co_await lane.sent->Wait(kNever);
  lane.sent.reset();
  if (failed_.ok() && !lane.batch.octets.empty()) {
    lane.sent.emplace();
    lane.sending.Spawn(Send(this, &lane, std::exchange(lane.batch, {})));
  }
  co_return failed_;
}

io::Task<Status> Importer::Add(Lane& lane, SourceMessage& message) {
  Batch& batch = lane.batch;
  if (!batch.octets.empty() && batch.bytes + message.octets.size() > kBatchBytes)
    CO_RETURN_IF_ERROR(co_await Flush(lane));
  const int64_t date = std::clamp<int64_t>(
      message.marks.date_seconds.value_or(UnixSeconds(io::WallNow())), 0, UINT32_MAX);
  message.marks.date_seconds = date;
  if (!lane.uids_kept) message.marks.uid = 0;
  batch.entry.items.push_back({lane.place + message.id, message.octets.size(), date});
  batch.marks.push_back(std::move(message.marks));
  batch.bytes += message.octets.size();
  batch.octets.push_back(std::move(message.octets));
  if (batch.octets.size() >= kBatchMessages) CO_RETURN_IF_ERROR(co_await Flush(lane));
  co_return failed_;
}

// --- mailboxes ---

io::Task<Status> Importer::MakeMailbox(std::string name, uint32_t uid_validity, uint32_t uid_next,
                                       bool& kept) {
  for (const std::string_view above : foreign::NamesAbove(name)) {
    CO_RETURN_IF_ERROR(JudgeAnswer(
        co_await Fetch(options_.socket, "POST", Target("mailboxes?name=" + PercentEncode(above)))));
  }
  const auto reply = co_await Fetch(
      options_.socket, "POST",
      Target(fmt::format("mailboxes?name={}&uid_validity={}&uid_next={}&role={}",
                         PercentEncode(name), uid_validity, uid_next, RoleOf(name))));
  CO_RETURN_IF_ERROR(JudgeAnswer(reply));
  const auto made = ParseMailboxAnswer(reply->body);
  if (!made) co_return absl::InternalError("the server's answer is not understood");
  kept = uid_validity != 0 && made->uid_validity == uid_validity;
  co_return absl::OkStatus();
}

io::Task<Status> Importer::ImportMailbox(Lane& lane, const FoundMailbox& found) {
  lane.mailbox = NameHere(found.name);
  lane.place = found.path.substr(std::min(options_.path.size(), found.path.size())) + ":";
  const Known known(journal_, lane);
  auto opened = co_await OpenSource(found, known, options_.quoting);
  if (!opened.ok()) {
    Fault({found.path, 0, std::string(Std(opened.status().message()))});
    co_return absl::OkStatus();
  }
  MailboxSource& source = **opened;
  const uint32_t uid_validity = options_.uids == ImportUids::kNew ? 0 : source.uid_validity();
  const Status made = co_await MakeMailbox(lane.mailbox, uid_validity, 0, lane.uids_kept);
  if (absl::IsInvalidArgument(made)) {
    Fault({found.path, 0, std::string(Std(made.message()))});
    co_return absl::OkStatus();
  }
  CO_RETURN_IF_ERROR(made);
  for (;;) {
    SourceMessage message;
    SourceFault fault;
    const MailboxSource::Got got = co_await source.Next(message, fault);
    if (got == MailboxSource::Got::kEnd) break;
    if (got == MailboxSource::Got::kFault) {
      Fault(fault);
      continue;
    }
    CO_RETURN_IF_ERROR(co_await Add(lane, message));
    Progress();
  }
  CO_RETURN_IF_ERROR(co_await Flush(lane));
  CO_RETURN_IF_ERROR(co_await Flush(lane));  // waits for the last
  // What comes next must not get the UID of a message that left the source.
  if (lane.uids_kept && source.uid_next() > 0)
    CO_RETURN_IF_ERROR(
        co_await MakeMailbox(lane.mailbox, uid_validity, source.uid_next(), lane.uids_kept));
  lane.batch = std::exchange(lane.later, {});
  CO_RETURN_IF_ERROR(co_await Flush(lane));
  CO_RETURN_IF_ERROR(co_await Flush(lane));
  result_.known += source.known();
  ++result_.mailboxes;
  if (lane.uids_kept) ++result_.uids_kept;
  co_return failed_;
}

io::Task<void> Importer::Walk(Importer* self, uint32_t number) {
  Lane lane;
  lane.number = number;
  lane.name = fmt::format("{}-{}", self->journal_.head().job, number);
  if (const auto found = self->journal_.lanes().find(number); found != self->journal_.lanes().end())
    lane.token = found->second.token;
  while (self->failed_.ok() && self->next_mailbox_ < self->tree_.mailboxes.size()) {
    const FoundMailbox found = self->tree_.mailboxes[self->next_mailbox_++];
    const Status status = co_await self->ImportMailbox(lane, found);
    if (self->failed_.ok()) self->failed_ = status;
  }
  co_await lane.sending.Close();
}

io::Task<ImportResult> Importer::Run() {
  while (options_.path.size() > 1 && options_.path.ends_with('/')) options_.path.pop_back();
  next_progress_ = io::Now() + options_.progress_every;
  auto tree = co_await FindMailboxes(options_.path, options_.format);
  failed_ = tree.status();
  if (failed_.ok()) tree_ = *std::move(tree);
  for (const SourceFault& fault : tree_.faults) Fault(fault);
  if (failed_.ok()) failed_ = co_await OpenJournal();
  if (failed_.ok()) failed_ = co_await SettleLanes();
  if (failed_.ok()) {
    io::Gate gate;
    for (uint32_t i = 0; i < std::min(options_.lanes, kLanesMax); ++i) gate.Spawn(Walk(this, i));
    co_await gate.Close();
  }
  for (size_t i = 0; i < tree_.subscriptions.size() && failed_.ok(); ++i) {
    failed_ = JudgeAnswer(co_await Fetch(
        options_.socket, "POST",
        Target("subscriptions?name=" + PercentEncode(NameHere(tree_.subscriptions[i])))));
  }
  if (failed_.ok()) failed_ = co_await EndLanes();
  if (file_.open()) co_await file_.Close();
  result_.status = failed_;
  co_return result_;
}

}  // namespace

io::Task<ImportResult> Import(ImportOptions options) {
  Importer importer(std::move(options));
  co_return co_await importer.Run();
}

}  // namespace ringmail::server
