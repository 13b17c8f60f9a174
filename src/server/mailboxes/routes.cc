#include "server/mailboxes/routes.h"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "ringmail/io/shard.h"
#include "server/commands/arguments.h"
#include "server/control/json_writer.h"
#include "server/mailboxes/appending.h"
#include "server/mailboxes/reading.h"
#include "server/serve/on_shard.h"

namespace ringmail::server {
namespace {

using Servers = std::span<ShardServer* const>;

constexpr std::string_view kOctetsType = "application/octet-stream";
constexpr std::string_view kMessageType = "message/rfc822";
// Octets of a body that are taken to the account's shard at one time.
constexpr size_t kHopBytes = 256u << 10;

// In the order of MailboxRole.
constexpr std::array<std::string_view, storage::kMailboxRoleCount> kRoles = {
    "", "inbox", "all", "archive", "drafts", "flagged", "important", "junk", "sent", "trash"};

uint16_t CodeOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    default:
      return 503;
  }
}

io::Task<void> Fail(ControlResponse& response, Status status) {
  std::string body;
  JsonWriter json(body);
  json.BeginObject().Key("error").String(Std(status.message())).EndObject();
  response.Begin(CodeOf(status), kJsonType);
  (void)co_await response.Send(body + "\n");
}

io::Task<void> Reply(ControlResponse& response, Status status, std::string body) {
  if (!status.ok()) {
    co_await Fail(response, std::move(status));
    co_return;
  }
  response.Begin(200, kJsonType);
  (void)co_await response.Send(body);
}

std::string Text(const RequestTarget& target, std::string_view name) {
  const std::string* found = target.Find(name);
  return found == nullptr ? "" : *found;
}

// A number of the query, or `otherwise`.
std::optional<uint64_t> Count(const RequestTarget& target, std::string_view name, uint64_t max,
                              uint64_t otherwise) {
  const std::string* found = target.Find(name);
  return found == nullptr ? otherwise : ParseCount(*found, 0, max);
}

Status OnlyKnown(const RequestTarget& target, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : target.query) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return absl::InvalidArgumentError(Absl("unknown parameter " + name));
  }
  return absl::OkStatus();
}

// --- mailboxes ---

void WriteMailbox(const storage::Account& account, const storage::MailboxSummary& mailbox,
                  JsonWriter& json) {
  json.BeginObject().Key("id").Number(mailbox.id.value).Key("name").String(mailbox.name);
  json.Key("role").String(kRoles[static_cast<size_t>(mailbox.role)]);
  json.Key("uid_validity").Number(mailbox.uid_validity).Key("uid_next");
  json.Number(mailbox.uid_next.value).Key("messages").Number(mailbox.count);
  json.Key("unseen").Number(mailbox.unseen).Key("bytes").Number(mailbox.bytes);
  json.Key("keywords").BeginArray();
  const storage::MailboxView view = account.View(mailbox.id);
  for (const std::string& keyword : view.facts().keywords) json.String(keyword);
  json.EndArray().EndObject();
}

// Each work opens the account on its shard.
struct ListMailboxesWork {
  AccountId id;
  Status status;
  std::string body;
  io::Task<void> Run(ShardServer& server) {
    auto account = co_await server.accounts().Open(id);
    status = account.status();
    if (!account.ok()) co_return;
    JsonWriter json(body);
    json.BeginObject().Key("mailboxes").BeginArray();
    for (const storage::MailboxSummary& one : (*account)->Mailboxes())
      WriteMailbox(**account, one, json);
    json.EndArray().Key("subscriptions").BeginArray();
    for (const std::string& name : (*account)->Subscriptions()) json.String(name);
    json.EndArray().Key("bytes").Number((*account)->bytes());
    json.Key("messages").Number((*account)->messages()).EndObject();
    body += '\n';
  }
};

// Makes a mailbox where there is none of the name, and lets it go on where it was elsewhere, as far
// as it can: the answer says what it has.
struct MakeMailboxWork {
  AccountId id;
  storage::CreateMailbox wanted;
  storage::ContinueUids continued;
  Status status;
  std::string body;

  io::Task<void> Run(ShardServer& server) {
    auto opened = co_await server.accounts().Open(id);
    status = opened.status();
    if (!opened.ok()) co_return;
    storage::Account& account = **opened;
    bool created = false;
    if (!account.FindName(wanted.name)) co_await Create(account, created);
    if (status.ok() && continued.uid_validity != 0) co_await Continue(account);
    if (!status.ok()) co_return;
    const auto found = account.FindName(wanted.name);
    if (!found) {
      status = absl::AbortedError("it was removed again");
      co_return;
    }
    JsonWriter json(body);
    json.BeginObject().Key("created").Bool(created).Key("mailbox");
    WriteMailbox(account, *found, json);
    json.EndObject();
    body += '\n';
  }

  io::Task<void> Create(storage::Account& account, bool& created) {
    wanted.uid_validity = static_cast<uint32_t>(UnixSeconds(io::WallNow()));
    // One mailbox has a role: where another has it, this one does without.
    for (const storage::MailboxSummary& one : account.Mailboxes()) {
      if (one.role == wanted.role) wanted.role = storage::MailboxRole::kNone;
    }
    storage::AccountTransaction transaction{.time_seconds = wanted.uid_validity};
    transaction.changes.emplace_back(wanted);
    const auto results = co_await account.Apply(std::move(transaction));
    status = results.status();
    if (!status.ok()) co_return;
    const storage::ChangeStatus made = results->front().status;
    created = made == storage::ChangeStatus::kOk;
    if (!created && made != storage::ChangeStatus::kExists)
      status = absl::InvalidArgumentError(Absl(ToString(made)));
  }

  // A UIDNEXT is of the UIDVALIDITY that it stands beside.
  io::Task<void> Continue(storage::Account& account) {
    const auto mailbox = account.FindName(wanted.name);
    if (!mailbox) co_return;
    continued.mailbox = mailbox->id;
    if (mailbox->uid_validity == continued.uid_validity && continued.uid_next <= mailbox->uid_next)
      co_return;
    storage::AccountTransaction transaction{.time_seconds =
                                                static_cast<uint32_t>(UnixSeconds(io::WallNow()))};
    transaction.changes.emplace_back(continued);
    status = (co_await account.Apply(std::move(transaction))).status();
  }
};

struct ChangeWork {
  AccountId id;
  storage::AccountChange change;
  Status status;
  io::Task<void> Run(ShardServer& server) {
    auto account = co_await server.accounts().Open(id);
    status = account.status();
    if (!account.ok()) co_return;
    storage::AccountTransaction transaction{.time_seconds =
                                                static_cast<uint32_t>(UnixSeconds(io::WallNow()))};
    transaction.changes.push_back(std::move(change));
    const auto results = co_await (*account)->Apply(std::move(transaction));
    status = results.status();
    if (status.ok() && results->front().status != storage::ChangeStatus::kOk)
      status = absl::InvalidArgumentError(Absl(ToString(results->front().status)));
  }
};

struct LaneWork {
  AccountId id;
  std::string lane;
  Status status;
  LaneState state;
  io::Task<void> Run(ShardServer& server) {
    auto account = co_await server.accounts().Open(id);
    status = account.status();
    if (!account.ok()) co_return;
    if (server.lanes().contains({id, lane})) {
      status = absl::AbortedError("a batch is under way in the lane");
      co_return;
    }
    const auto value = (*account)->Value(storage::MailboxId(0), LaneValueName(lane));
    if (value) state = ParseLane(*value).value_or(LaneState{});
  }
};

// --- messages ---

struct BeginAppendWork {
  AppendRequest request;
  std::unique_ptr<Appending>* appending = nullptr;
  Status status;
  io::Task<void> Run(ShardServer& server) {
    *appending = std::make_unique<Appending>(server.queue(), server.accounts(), server.lanes(),
                                             std::move(request));
    status = co_await (*appending)->Begin();
    if (!status.ok()) appending->reset();
  }
};

struct FeedAppendWork {
  std::unique_ptr<Appending>* appending = nullptr;
  std::string_view piece;
  Status status;
  io::Task<void> Run(ShardServer&) {
    status = co_await (*appending)->Feed(piece);
    if (!status.ok()) appending->reset();
  }
};

// Finishes, or with `abandon` gives up.
struct EndAppendWork {
  enum class End : uint8_t { kFinish, kAbandon };
  std::unique_ptr<Appending>* appending = nullptr;
  End end = End::kFinish;
  std::string body;
  Status status;
  io::Task<void> Run(ShardServer&) {
    if (end == End::kFinish) status = co_await (*appending)->Finish(body);
    appending->reset();
  }
};

io::Task<void> AppendMessages(ShardServer& server, AppendRequest request, RequestBody& body,
                              ControlResponse& response) {
  std::unique_ptr<Appending> appending;
  BeginAppendWork begin{.request = std::move(request), .appending = &appending};
  co_await RunOn(server, begin);
  if (!begin.status.ok()) {
    co_await Fail(response, begin.status);
    co_return;
  }
  bool here = true;
  std::string gathered, piece;
  do {
    here = co_await body.Next(piece);
    gathered += piece;
    if (!gathered.empty() && (piece.empty() || gathered.size() >= kHopBytes)) {
      FeedAppendWork feed{.appending = &appending, .piece = gathered};
      co_await RunOn(server, feed);
      gathered.clear();
      if (!feed.status.ok()) {
        co_await Fail(response, feed.status);
        co_return;
      }
    }
  } while (here && !piece.empty());
  EndAppendWork end{.appending = &appending};
  if (!here) end.end = EndAppendWork::End::kAbandon;
  co_await RunOn(server, end);
  if (here) co_await Reply(response, end.status, std::move(end.body));
}

struct BeginReadWork {
  ReadRequest request;
  std::unique_ptr<Reading>* reading = nullptr;
  Status status;
  io::Task<void> Run(ShardServer& server) {
    *reading = std::make_unique<Reading>(server.store(), server.accounts(), std::move(request));
    status = co_await (*reading)->Begin();
    if (!status.ok()) reading->reset();
  }
};

struct NextReadWork {
  std::unique_ptr<Reading>* reading = nullptr;
  std::string piece;
  bool more = false;
  Status status;
  io::Task<void> Run(ShardServer&) {
    const auto next = co_await (*reading)->Next(piece);
    status = next.status();
    more = next.ok() && *next;
    if (!more) reading->reset();
  }
};

struct EndReadWork {
  std::unique_ptr<Reading>* reading = nullptr;
  io::Task<void> Run(ShardServer&) {
    reading->reset();
    co_return;
  }
};

io::Task<void> ReadMessages(ShardServer& server, ReadRequest request, std::string_view type,
                            ControlResponse& response) {
  std::unique_ptr<Reading> reading;
  BeginReadWork begin{.request = std::move(request), .reading = &reading};
  co_await RunOn(server, begin);
  if (!begin.status.ok()) {
    co_await Fail(response, begin.status);
    co_return;
  }
  bool begun = false;
  for (bool more = true; more;) {
    NextReadWork next{.reading = &reading};
    co_await RunOn(server, next);
    if (!next.status.ok() && !begun) {
      co_await Fail(response, next.status);
      co_return;
    }
    if (!next.status.ok()) {
      response.Abort();
      co_return;
    }
    if (!begun) response.Begin(200, type);
    begun = true;
    more = next.more;
    if (co_await response.Send(next.piece)) continue;
    if (more) {
      EndReadWork end{.reading = &reading};
      co_await RunOn(server, end);
    }
    co_return;
  }
}

// --- requests ---

StatusOr<AppendRequest> ReadAppend(AccountId id, const RequestTarget& target,
                                   AppendRequest::Body body) {
  AppendRequest request{.account = id,
                        .mailbox = Text(target, "mailbox"),
                        .lane = Text(target, "lane"),
                        .expect = Text(target, "expect"),
                        .token = Text(target, "token"),
                        .body = body};
  if (request.mailbox.empty()) return absl::InvalidArgumentError("mailbox is missing");
  const bool laned = !request.lane.empty();
  if (laned != !request.token.empty())
    return absl::InvalidArgumentError("lane and token belong together");
  if (laned && (!ValidLaneName(request.lane) || !ValidLaneName(request.token)))
    return absl::InvalidArgumentError("lane or token is malformed");
  for (const auto& [name, value] : target.query) {
    if (name == "flag") {
      if (SystemFlag(value) == 0) return absl::InvalidArgumentError("flag is no system flag");
      request.marks.flags |= SystemFlag(value);
    } else if (name == "keyword") {
      if (!foreign::ValidKeyword(value)) return absl::InvalidArgumentError("keyword is no atom");
      request.marks.keywords.push_back(value);
    } else if (name == "date") {
      const auto seconds = ParseCount(value, 0, UINT32_MAX);
      if (!seconds) return absl::InvalidArgumentError("date is no Unix time");
      request.marks.date_seconds = static_cast<int64_t>(*seconds);
    } else if (name != "mailbox" && name != "lane" && name != "expect" && name != "token") {
      return absl::InvalidArgumentError(Absl("unknown parameter " + name));
    }
  }
  return request;
}

StatusOr<ReadRequest> ReadRead(AccountId id, const RequestTarget& target, ReadRequest::What what) {
  RETURN_IF_ERROR(OnlyKnown(target, {"mailbox", "after", "limit"}));
  const auto after = Count(target, "after", UINT32_MAX, 0);
  const auto limit = Count(target, "limit", UINT64_MAX, UINT64_MAX);
  if (!after || !limit) return absl::InvalidArgumentError("after or limit is no number");
  ReadRequest request{.account = id,
                      .mailbox = Text(target, "mailbox"),
                      .what = what,
                      .after = static_cast<uint32_t>(*after),
                      .limit = *limit};
  if (what == ReadRequest::What::kMessage) {
    const auto uid = ParseCount(target.segments[4], 1, UINT32_MAX);
    if (!uid) return absl::InvalidArgumentError("a UID is a number");
    request.after = static_cast<uint32_t>(*uid);
  }
  if (request.mailbox.empty()) return absl::InvalidArgumentError("mailbox is missing");
  return request;
}

io::Task<void> AnswerGet(ShardServer& server, AccountId id, const RequestTarget& target,
                         ControlResponse& response) {
  const std::vector<std::string>& path = target.segments;
  if (path[3] == "mailboxes" && path.size() == 4) {
    ListMailboxesWork work{.id = id};
    co_await RunOn(server, work);
    co_await Reply(response, work.status, std::move(work.body));
    co_return;
  }
  if (path[3] == "import" && path.size() == 4) {
    LaneWork work{.id = id, .lane = Text(target, "lane")};
    if (ValidLaneName(work.lane)) {
      co_await RunOn(server, work);
    } else {
      work.status = absl::InvalidArgumentError("lane is malformed");
    }
    std::string body;
    JsonWriter json(body);
    json.BeginObject().Key("token").String(work.state.token).Key("mailbox");
    json.Number(work.state.mailbox).Key("uid_next").Number(work.state.uid_next).EndObject();
    co_await Reply(response, work.status, body + "\n");
    co_return;
  }
  using What = ReadRequest::What;
  const bool one = path[3] == "messages" && path.size() == 5;
  if (!one && (path.size() != 4 || (path[3] != "messages" && path[3] != "export"))) {
    co_await Fail(response, absl::NotFoundError("no such resource"));
    co_return;
  }
  const What what = one ? What::kMessage : path[3] == "export" ? What::kFrames : What::kHeads;
  auto request = ReadRead(id, target, what);
  if (!request.ok()) {
    co_await Fail(response, request.status());
    co_return;
  }
  co_await ReadMessages(server, *std::move(request), one ? kMessageType : kOctetsType, response);
}

io::Task<void> MakeMailbox(ShardServer& server, AccountId id, const RequestTarget& target,
                           ControlResponse& response) {
  MakeMailboxWork work{.id = id, .wanted = {.name = Text(target, "name")}};
  work.status = OnlyKnown(target, {"name", "uid_validity", "uid_next", "role"});
  const auto uid_validity = Count(target, "uid_validity", UINT32_MAX, 0);
  const auto uid_next = Count(target, "uid_next", UINT32_MAX, 0);
  const auto role = std::find(kRoles.begin(), kRoles.end(), Text(target, "role"));
  if (!uid_validity || !uid_next || role == kRoles.end() || work.wanted.name.empty())
    work.status = absl::InvalidArgumentError("name, uid_validity, uid_next or role is malformed");
  if (work.status.ok()) {
    work.continued.uid_validity = static_cast<uint32_t>(*uid_validity);
    work.continued.uid_next = storage::Uid(static_cast<uint32_t>(*uid_next));
    work.wanted.role = static_cast<storage::MailboxRole>(role - kRoles.begin());
    co_await RunOn(server, work);
  }
  co_await Reply(response, work.status, std::move(work.body));
}

io::Task<void> AnswerPost(ShardServer& server, AccountId id, const RequestTarget& target,
                          RequestBody& body, ControlResponse& response) {
  const std::vector<std::string>& path = target.segments;
  const bool raw = path[3] == "messages";
  if (path.size() == 4 && (raw || path[3] == "import")) {
    auto request =
        ReadAppend(id, target, raw ? AppendRequest::Body::kMessage : AppendRequest::Body::kFrames);
    if (!request.ok()) {
      co_await Fail(response, request.status());
      co_return;
    }
    co_await AppendMessages(server, *std::move(request), body, response);
    co_return;
  }
  if (path.size() == 4 && path[3] == "mailboxes") {
    co_await MakeMailbox(server, id, target, response);
    co_return;
  }
  ChangeWork work{.id = id};
  if (path.size() == 4 && path[3] == "subscriptions") {
    work.change = storage::Subscribe{.name = Text(target, "name")};
  } else if (path.size() == 5 && path[3] == "import" && path[4] == "end") {
    const std::string lane = Text(target, "lane");
    if (!ValidLaneName(lane)) work.status = absl::InvalidArgumentError("lane is malformed");
    work.change = storage::SetValue{.name = LaneValueName(lane)};
  } else {
    work.status = absl::NotFoundError("no such resource");
  }
  if (work.status.ok()) co_await RunOn(server, work);
  co_await Reply(response, work.status, "{\"done\":true}\n");
}

// The account of an address: itself, not where an alias or a catch-all leads.
StatusOr<AccountId> FindAccount(const storage::Directory& directory, const std::string& address) {
  const size_t at = address.rfind('@');
  if (at == address.npos) return absl::InvalidArgumentError("no address");
  const storage::Resolution found =
      directory.Resolve(address.substr(0, at), address.substr(at + 1));
  if (found.kind == storage::Resolution::Kind::kUnavailable)
    return absl::UnavailableError("the directory lost entries: see ringmail directory --help");
  if (found.kind != storage::Resolution::Kind::kAccount || found.catch_all ||
      !found.detail.empty() || !found.account)
    return absl::NotFoundError(Absl("no account " + address));
  return AccountId(found.account->id());
}

}  // namespace

bool IsMailboxTarget(const RequestTarget& target) {
  constexpr std::string_view kResources[] = {"mailboxes", "messages", "import", "export",
                                             "subscriptions"};
  const std::vector<std::string>& path = target.segments;
  return path.size() >= 4 && path.size() <= 5 && path[0] == "v1" && path[1] == "accounts" &&
         std::find(std::begin(kResources), std::end(kResources), path[3]) != std::end(kResources);
}

io::Task<void> AnswerMailboxes(Servers servers, const ControlRequest& request,
                               const RequestTarget& target, ControlResponse& response) {
  const StatusOr<AccountId> id = FindAccount(servers.front()->directory(), target.segments[2]);
  if (!id.ok()) {
    co_await Fail(response, id.status());
    co_return;
  }
  ShardServer& server = *servers[servers.front()->accounts().ShardOf(*id).value];
  if (request.method == "GET") {
    co_await AnswerGet(server, *id, target, response);
  } else if (request.stream != nullptr) {
    co_await AnswerPost(server, *id, target, *request.stream, response);
  } else {
    co_await Fail(response, absl::InvalidArgumentError("no body"));
  }
}

}  // namespace ringmail::server
