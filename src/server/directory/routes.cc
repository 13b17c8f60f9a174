#include "server/directory/routes.h"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"
#include "server/control/json_writer.h"
#include "server/control/queue_view.h"
#include "server/directory/import.h"
#include "server/directory/passwords.h"

namespace ringmail::server {
namespace {

using storage::AccountEntry;
using storage::AliasEntry;
using storage::Credential;
using storage::CredentialKind;
using storage::Directory;
using storage::DirectoryChange;
using storage::DirectoryEntry;
using storage::DirectoryKind;
using storage::DomainEntry;
using storage::MovedEntry;

constexpr size_t kRowsPerTurn = 128;

uint16_t CodeOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    default:
      return 503;
  }
}

io::Task<void> Answer(ControlResponse& response, const Status& status, std::string_view done) {
  std::string body;
  JsonWriter json(body);
  json.BeginObject()
      .Key(status.ok() ? "done" : "error")
      .String(status.ok() ? done : Std(status.message()))
      .EndObject();
  response.Begin(status.ok() ? 200 : CodeOf(status), kJsonType);
  (void)co_await response.Send(body + "\n");
}

// The JSON object of a request, of which every key must be known.
class Body {
 public:
  explicit Body(std::string_view text) {
    if (text.empty()) text = "{}";
    if (parser_.parse(text.data(), text.size()).get(root_) != simdjson::SUCCESS ||
        root_.get(object_) != simdjson::SUCCESS) {
      wrong_ = "the body is no JSON object";
    }
  }
  // What is wrong with it, once all known keys were asked for.
  std::string wrong() {
    if (!wrong_.empty()) return wrong_;
    for (const auto field : object_) {
      if (std::find(asked_.begin(), asked_.end(), field.key) == asked_.end())
        return fmt::format("unknown key {}", field.key);
    }
    return {};
  }
  template <typename T, typename Out>
  bool Take(std::string_view key, Out& out) {
    asked_.push_back(key);
    simdjson::dom::element element;
    if (!wrong_.empty() || object_.at_key(key).get(element) != simdjson::SUCCESS) return false;
    T value;
    if (element.get(value) != simdjson::SUCCESS) {
      wrong_ = fmt::format("{} is of the wrong type", key);
      return false;
    }
    out = Out(value);
    return true;
  }
  bool Text(std::string_view key, std::string& out) { return Take<std::string_view>(key, out); }
  void TextList(std::string_view key, std::vector<std::string>& out) {
    simdjson::dom::array array;
    if (!Take<simdjson::dom::array>(key, array)) return;
    for (const auto element : array) {
      std::string_view text;
      if (element.get(text) != simdjson::SUCCESS) wrong_ = fmt::format("{} holds no strings", key);
      out.emplace_back(text);
    }
  }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
  simdjson::dom::object object_;
  std::vector<std::string_view> asked_;
  std::string wrong_;
};

io::Task<Status> ApplyOne(Directory& directory, DirectoryChange change) {
  storage::DirectoryTransaction transaction;
  transaction.changes.push_back(std::move(change));
  co_return (co_await directory.Apply(std::move(transaction))).status();
}

// An entry as it stands, to be changed and put back unless somebody else was faster.
template <typename Entry>
struct Found {
  std::optional<Entry> entry;
  uint64_t version = 0;
};
template <typename Entry>
Found<Entry> FindAs(const Directory& directory, const std::string& name) {
  Found<Entry> out;
  const auto row = directory.Find(name);
  if (!row) return out;
  const auto decoded = storage::DecodeEntry(row->name, row->value);
  if (decoded && std::holds_alternative<Entry>(*decoded))
    out.entry = *std::get_if<Entry>(&*decoded);
  out.version = row->version;
  return out;
}
io::Task<Status> PutBack(Directory& directory, DirectoryEntry entry, uint64_t version) {
  DirectoryChange change = DirectoryChange::Put(entry, DirectoryChange::Expect::kVersion);
  change.version = version;
  co_return co_await ApplyOne(directory, std::move(change));
}

Status NoSuch(std::string_view kind, std::string_view name) {
  return absl::NotFoundError(Absl(fmt::format("no {} {}", kind, name)));
}

// --- what is shown ---

void Write(const DomainEntry& entry, JsonWriter& json) {
  json.BeginObject().Key("name").String(entry.name).Key("comment").String(entry.comment);
  json.Key("created").String(FormatTime(entry.created)).Key("configured").Bool(false).EndObject();
}

void Write(const AccountEntry& entry, JsonWriter& json) {
  json.BeginObject().Key("address").String(storage::WrittenAddress(entry.address));
  json.Key("id").Number(entry.id).Key("name").String(entry.display_name);
  json.Key("comment").String(entry.comment).Key("enabled").Bool(entry.enabled);
  json.Key("quota_bytes").Number(entry.quota_bytes);
  json.Key("quota_messages").Number(entry.quota_messages);
  json.Key("backend").String(entry.backend);
  json.Key("created").String(FormatTime(entry.created)).Key("credentials").BeginArray();
  for (const Credential& one : entry.credentials) {
    const bool app = one.kind == CredentialKind::kAppPassword;
    json.BeginObject().Key("kind").String(app                                  ? "app"
                                          : one.kind == CredentialKind::kScram ? "scram"
                                                                               : "password");
    if (app) json.Key("name").String(one.name);
    // Of the hash no more than what it was made with.
    const size_t end = one.secret.find('}');
    json.Key("scheme").String(one.secret.starts_with('{') && end != one.secret.npos
                                  ? std::string_view(one.secret).substr(1, end - 1)
                                  : "");
    json.Key("created").String(FormatTime(one.created)).EndObject();
  }
  json.EndArray().EndObject();
}

void Write(const AliasEntry& entry, JsonWriter& json) {
  json.BeginObject().Key("address").String(
      entry.address.starts_with('@') ? entry.address : storage::WrittenAddress(entry.address));
  json.Key("moved").Bool(false).Key("targets").BeginArray();
  for (const std::string& target : entry.targets) json.String(storage::WrittenAddress(target));
  json.EndArray().Key("comment").String(entry.comment);
  json.Key("created").String(FormatTime(entry.created)).EndObject();
}

void Write(const MovedEntry& entry, JsonWriter& json) {
  json.BeginObject().Key("address").String(storage::WrittenAddress(entry.address));
  json.Key("moved").Bool(true).Key("targets").BeginArray();
  json.String(storage::WrittenAddress(entry.new_address));
  json.EndArray().Key("comment").String(entry.comment);
  json.Key("created").String(FormatTime(entry.created)).EndObject();
}

// Never shown: Listing leaves them out.
void Write(const storage::KeptEntry&, JsonWriter& json) { json.Null(); }

struct Listing {
  bool (*wanted)(DirectoryKind kind) = nullptr;
  std::string domain;  // "": all
  bool text = false;   // lines of the text file
  bool first = true;
  std::string piece;
  static void Visit(void* context, const storage::DirectoryRow& row) {
    auto& self = *static_cast<Listing*>(context);
    const auto kind = storage::EncodedKind(row.value);
    // What the server keeps for itself, private keys among it, is shown to nobody.
    if (kind == storage::DirectoryKind::kKept) return;
    if (kind && !self.wanted(*kind)) return;
    if (!self.domain.empty() && storage::DomainOfName(row.name) != self.domain) return;
    const auto entry = storage::DecodeEntry(row.name, row.value);
    if (!entry) {
      if (self.text) self.piece += fmt::format("# unreadable: {}\n", row.name);
      return;
    }
    if (self.text) {
      self.piece += WriteDirectoryLine(*entry);
      return;
    }
    self.piece += self.first ? "\n" : ",\n";
    self.first = false;
    JsonWriter json(self.piece);
    std::visit([&](const auto& one) { Write(one, json); }, *entry);
  }
};

// As the directory stands now, however long the client takes to read it.
io::Task<bool> SendRows(const Directory::Pin& pin, Listing& listing, ControlResponse& response) {
  uint64_t cursor = 0;
  do {
    cursor = pin.Visit(cursor, kRowsPerTurn, &Listing::Visit, &listing);
    if (listing.piece.size() >= kResponsePieceBytes) {
      if (!co_await response.Send(listing.piece)) co_return false;
      listing.piece.clear();
    }
    co_await io::Yield();
  } while (cursor != 0);
  co_return true;
}

io::Task<void> List(Directory& directory, const RequestTarget& target, std::string_view name,
                    bool (*wanted)(DirectoryKind kind), ControlResponse& response) {
  Listing listing{.wanted = wanted};
  for (const auto& [key, value] : target.query) {
    const auto domain = storage::DirectoryDomain(value);
    if (key != "domain" || !domain) {
      co_await Answer(
          response,
          absl::InvalidArgumentError(key == "domain" ? "domain is no domain" : "unknown parameter"),
          "");
      co_return;
    }
    listing.domain = *domain;
  }
  const auto pin = directory.MakePin();
  response.Begin(200, kJsonType);
  listing.piece = fmt::format("{{\"complete\":{},\"{}\":[", directory.complete(), name);
  if (!co_await SendRows(*pin, listing, response)) co_return;
  (void)co_await response.Send(listing.piece + "]}\n");
}

io::Task<void> Export(Directory& directory, ControlResponse& response) {
  Listing listing{.wanted = [](DirectoryKind) { return true; }, .text = true};
  const auto pin = directory.MakePin();
  response.Begin(200, "text/plain; charset=utf-8");
  if (!co_await SendRows(*pin, listing, response)) co_return;
  (void)co_await response.Send(listing.piece);
}

io::Task<void> Lookup(Directory& directory, const std::string& address, ControlResponse& response) {
  const size_t at = address.rfind('@');
  if (at == address.npos) {
    co_await Answer(response, absl::InvalidArgumentError("no address"), "");
    co_return;
  }
  const std::string_view local = std::string_view(address).substr(0, at);
  const std::string_view domain = std::string_view(address).substr(at + 1);
  constexpr std::array<std::string_view, 6> kNames = {"foreign", "account", "alias",
                                                      "moved",   "unknown", "unavailable"};
  const storage::Resolution found = directory.Resolve(local, domain);
  const storage::Expansion expansion = directory.Expand(local, domain);
  std::string body;
  JsonWriter json(body);
  json.BeginObject().Key("kind").String(kNames[static_cast<size_t>(found.kind)]);
  json.Key("certain").Bool(found.certain).Key("entry").String(found.name);
  json.Key("detail").String(found.detail).Key("catch_all").Bool(found.catch_all);
  json.Key("new_address").String(found.new_address).Key("accounts").BeginArray();
  for (const auto& one : expansion.accounts) json.String(one.address);
  json.EndArray().Key("foreign").BeginArray();
  for (const std::string& one : expansion.foreign) json.String(one);
  json.EndArray().Key("unknown").BeginArray();
  for (const std::string& one : expansion.unknown) json.String(one);
  json.EndArray().Key("truncated").Bool(expansion.truncated).EndObject();
  response.Begin(200, kJsonType);
  (void)co_await response.Send(body + "\n");
}

// --- what is done ---

io::Task<Status> ActOnDomain(Directory& directory, const std::string& name, std::string_view verb,
                             Body& body) {
  if (verb == "delete") {
    if (std::string wrong = body.wrong(); !wrong.empty())
      co_return absl::InvalidArgumentError(Absl(wrong));
    co_return co_await ApplyOne(directory,
                                DirectoryChange::Erase(name, DirectoryChange::Expect::kPresent));
  }
  DomainEntry entry{.name = name, .created = io::WallNow()};
  (void)body.Text("comment", entry.comment);
  if (std::string wrong = body.wrong(); !wrong.empty())
    co_return absl::InvalidArgumentError(Absl(wrong));
  CO_RETURN_IF_ERROR(storage::CheckEntry(entry));
  co_return co_await ApplyOne(directory,
                              DirectoryChange::Put(entry, DirectoryChange::Expect::kAbsent));
}

// Reads what a request says of an account; `password` is left to be hashed.
Status TakeAccount(Body& body, AccountEntry& account, std::string& password) {
  (void)body.Text("name", account.display_name);
  (void)body.Text("comment", account.comment);
  (void)body.Take<bool>("enabled", account.enabled);
  (void)body.Take<uint64_t>("quota_bytes", account.quota_bytes);
  (void)body.Take<uint64_t>("quota_messages", account.quota_messages);
  (void)body.Text("password", password);
  if (std::string wrong = body.wrong(); !wrong.empty())
    return absl::InvalidArgumentError(Absl(wrong));
  return storage::CheckEntry(account);
}

io::Task<Status> AddAccount(Directory& directory, const std::string& address, Body& body,
                            PasswordMaking making) {
  AccountEntry account{.address = address, .created = io::WallNow()};
  std::string password;
  CO_RETURN_IF_ERROR(TakeAccount(body, account, password));
  if (!password.empty()) {
    CO_RETURN_IF_ERROR(co_await SetOwnPassword(account, std::move(password), making));
  }
  co_return co_await ApplyOne(directory,
                              DirectoryChange::Put(account, DirectoryChange::Expect::kAbsent));
}

io::Task<Status> SetAccount(Directory& directory, const std::string& address, Body& body,
                            PasswordMaking making) {
  auto found = FindAs<AccountEntry>(directory, address);
  if (!found.entry) co_return NoSuch("account", address);
  std::string password;
  CO_RETURN_IF_ERROR(TakeAccount(body, *found.entry, password));
  if (!password.empty()) {
    CO_RETURN_IF_ERROR(co_await SetOwnPassword(*found.entry, std::move(password), making));
  }
  co_return co_await PutBack(directory, *std::move(found.entry), found.version);
}

io::Task<Status> ChangePassword(Directory& directory, const std::string& address, Body& body,
                                PasswordMaking making) {
  std::string password, app;
  bool revoke = false;
  (void)body.Text("password", password);
  (void)body.Text("app", app);
  (void)body.Take<bool>("revoke", revoke);
  if (std::string wrong = body.wrong(); !wrong.empty())
    co_return absl::InvalidArgumentError(Absl(wrong));
  auto found = FindAs<AccountEntry>(directory, address);
  if (!found.entry) co_return NoSuch("account", address);
  std::vector<Credential>& credentials = found.entry->credentials;
  const auto same = [&](const Credential& one) {
    return app.empty() ? one.kind != CredentialKind::kAppPassword
                       : one.kind == CredentialKind::kAppPassword && one.name == app;
  };
  if (revoke) {
    if (std::erase_if(credentials, same) == 0)
      co_return absl::NotFoundError(app.empty() ? "there is no password" : "no such app password");
    co_return co_await PutBack(directory, *std::move(found.entry), found.version);
  }
  if (app.empty()) {
    CO_RETURN_IF_ERROR(co_await SetOwnPassword(*found.entry, std::move(password), making));
  } else {
    CO_RETURN_IF_ERROR(
        co_await SetChosenAppPassword(*found.entry, app, std::move(password), making));
  }
  co_return co_await PutBack(directory, *std::move(found.entry), found.version);
}

io::Task<Status> ActOnAccount(Directory& directory, storage::Accounts& accounts,
                              const std::string& address, std::string_view verb, Body& body,
                              PasswordMaking making) {
  if (verb == "add") co_return co_await AddAccount(directory, address, body, making);
  if (verb == "set") co_return co_await SetAccount(directory, address, body, making);
  if (verb == "passwd") co_return co_await ChangePassword(directory, address, body, making);
  const auto found = FindAs<AccountEntry>(directory, address);
  if (!found.entry) co_return NoSuch("account", address);
  CO_RETURN_IF_ERROR(co_await ApplyOne(
      directory, DirectoryChange::Erase(address, DirectoryChange::Expect::kPresent)));
  // The number is never given again: nobody else would find what is left.
  const Status erased = co_await accounts.Erase(AccountId(found.entry->id));
  if (erased.ok()) co_return erased;
  co_return Status(erased.code(), Absl(fmt::format("{} is deleted, but not its mail: {}", address,
                                                   Std(erased.message()))));
}

// Targets are added to those that are there, and taken from them.
io::Task<Status> ActOnAlias(Directory& directory, const std::string& name, std::string_view verb,
                            Body& body) {
  std::vector<std::string> given, targets;
  bool moved = false;
  std::string comment;
  body.TextList("targets", given);
  if (verb == "add") {
    (void)body.Take<bool>("moved", moved);
    (void)body.Text("comment", comment);
  }
  if (std::string wrong = body.wrong(); !wrong.empty())
    co_return absl::InvalidArgumentError(Absl(wrong));
  for (const std::string& one : given) {
    auto target = storage::DirectoryAddress(one);
    if (!target) co_return absl::InvalidArgumentError(Absl(one + " is no address"));
    targets.push_back(*std::move(target));
  }
  auto found = FindAs<AliasEntry>(directory, name);
  if (verb == "add" && moved) {
    if (targets.size() != 1) co_return absl::InvalidArgumentError("one new address is needed");
    const MovedEntry entry{
        .address = name, .new_address = targets[0], .comment = comment, .created = io::WallNow()};
    CO_RETURN_IF_ERROR(storage::CheckEntry(entry));
    co_return co_await ApplyOne(directory,
                                DirectoryChange::Put(entry, DirectoryChange::Expect::kAbsent));
  }
  if (verb == "delete" && targets.empty()) {
    if (!found.entry && !FindAs<MovedEntry>(directory, name).entry) co_return NoSuch("alias", name);
    co_return co_await ApplyOne(directory,
                                DirectoryChange::Erase(name, DirectoryChange::Expect::kPresent));
  }
  if (verb == "delete") {
    if (!found.entry) co_return NoSuch("alias", name);
    std::vector<std::string>& list = found.entry->targets;
    for (const std::string& one : targets) {
      if (std::erase(list, one) == 0) co_return NoSuch("target", one);
    }
    if (list.empty()) {
      co_return co_await ApplyOne(directory,
                                  DirectoryChange::Erase(name, DirectoryChange::Expect::kPresent));
    }
    co_return co_await PutBack(directory, *std::move(found.entry), found.version);
  }
  AliasEntry entry = found.entry.value_or(AliasEntry{.address = name, .created = io::WallNow()});
  for (std::string& one : targets) {
    if (std::find(entry.targets.begin(), entry.targets.end(), one) == entry.targets.end())
      entry.targets.push_back(std::move(one));
  }
  if (!comment.empty()) entry.comment = comment;
  CO_RETURN_IF_ERROR(storage::CheckEntry(entry));
  if (found.entry) co_return co_await PutBack(directory, std::move(entry), found.version);
  co_return co_await ApplyOne(directory,
                              DirectoryChange::Put(entry, DirectoryChange::Expect::kAbsent));
}

// How many accounts' mail went; `status`: why that of the others did not.
io::Task<size_t> EraseMail(storage::Accounts& accounts, std::vector<AccountId> removed,
                           Status& status) {
  size_t erased = 0;
  for (const AccountId id : removed) {
    const Status one = co_await accounts.Erase(id);
    if (one.ok()) ++erased;
    status.Update(one);
  }
  co_return erased;
}

io::Task<void> Import(Directory& directory, storage::Accounts& accounts,
                      const ControlRequest& request, const RequestTarget& target,
                      ControlResponse& response) {
  ImportOptions options;
  bool erase_mail = false;
  for (const auto& [key, value] : target.query) {
    bool* option = key == "prune"        ? &options.prune
                   : key == "dry_run"    ? &options.dry_run
                   : key == "erase_mail" ? &erase_mail
                                         : nullptr;
    if (option == nullptr || (value != "true" && value != "false")) {
      co_await Answer(
          response, absl::InvalidArgumentError("prune, erase_mail and dry_run, true or false"), "");
      co_return;
    }
    *option = value == "true";
  }
  const ImportResult result = co_await ImportDirectory(directory, request.body, options);
  std::string body;
  JsonWriter json(body);
  json.BeginObject();
  if (!result.faults.empty()) {
    json.Key("error").String("the file has faults; nothing was changed").Key("faults").BeginArray();
    for (const TextFault& one : result.faults)
      json.BeginObject().Key("line").Number(one.line).Key("what").String(one.what).EndObject();
    json.EndArray().EndObject();
    response.Begin(400, kJsonType);
    (void)co_await response.Send(body + "\n");
    co_return;
  }
  if (!result.status.ok()) {
    co_await Answer(response, result.status, "");
    co_return;
  }
  Status kept;
  const size_t erased = erase_mail && !options.dry_run
                            ? co_await EraseMail(accounts, result.accounts_removed, kept)
                            : 0;
  json.Key("accounts_removed").Number(result.accounts_removed.size());
  json.Key("mail_erased").Number(erased);
  if (!kept.ok()) json.Key("mail_kept_because").String(Std(kept.message()));
  json.Key("dry_run").Bool(options.dry_run).Key("added").Number(result.added);
  json.Key("changed").Number(result.changed).Key("removed").Number(result.removed);
  json.Key("unchanged").Number(result.unchanged).Key("differences").BeginArray();
  for (const std::string& one : result.differences) json.String(one);
  json.EndArray().EndObject();
  response.Begin(200, kJsonType);
  (void)co_await response.Send(body + "\n");
}

io::Task<Status> Act(Directory& directory, storage::Accounts& accounts,
                     const ControlRequest& request, const std::vector<std::string>& path,
                     PasswordMaking making) {
  Body body(request.body);
  const std::string_view verb = path[3];
  if (path[1] == "domains" && (verb == "add" || verb == "delete")) {
    const auto name = storage::DirectoryDomain(path[2]);
    if (!name) co_return absl::InvalidArgumentError(Absl(path[2] + " is no domain"));
    co_return co_await ActOnDomain(directory, *name, verb, body);
  }
  if (path[1] == "accounts" &&
      (verb == "add" || verb == "set" || verb == "passwd" || verb == "delete")) {
    const auto address = storage::DirectoryAddress(path[2]);
    if (!address) co_return absl::InvalidArgumentError(Absl(path[2] + " is no address"));
    co_return co_await ActOnAccount(directory, accounts, *address, verb, body, making);
  }
  if (path[1] == "aliases" && (verb == "add" || verb == "delete")) {
    const auto name = storage::DirectoryAliasName(path[2]);
    if (!name) co_return absl::InvalidArgumentError(Absl(path[2] + " is no address"));
    co_return co_await ActOnAlias(directory, *name, verb, body);
  }
  co_return absl::NotFoundError("no such resource");
}

// The one answer that shows a password: it was drawn here.
io::Task<void> AnswerAppPassword(Directory& directory, const ControlRequest& request,
                                 const std::string& name, PasswordMaking making,
                                 ControlResponse& response) {
  Body body(request.body);
  std::string app;
  (void)body.Text("name", app);
  const auto address = storage::DirectoryAddress(name);
  auto found = FindAs<AccountEntry>(directory, address.value_or(""));
  Status status = found.entry ? absl::OkStatus() : NoSuch("account", name);
  if (const std::string wrong = body.wrong(); !wrong.empty()) {
    status = absl::InvalidArgumentError(Absl(wrong));
  }
  StatusOr<std::string> password = status;
  if (status.ok()) password = co_await DrawAppPassword(*found.entry, app, making);
  status = password.status();
  if (status.ok()) {
    status = co_await PutBack(directory, *std::move(found.entry), found.version);
  }
  if (!status.ok()) {
    co_await Answer(response, status, "");
    co_return;
  }
  std::string text;
  JsonWriter json(text);
  json.BeginObject().Key("done").String("app-password").Key("name").String(app);
  json.Key("password").String(*password).EndObject();
  response.Begin(200, kJsonType);
  (void)co_await response.Send(text + "\n");
  codec::Wipe(text);
  codec::Wipe(*password);
}

io::Task<void> Read(Directory& directory, const RequestTarget& target, ControlResponse& response) {
  const std::vector<std::string>& path = target.segments;
  if (path.size() == 2 && path[1] == "domains") {
    co_await List(
        directory, target, "domains",
        [](DirectoryKind kind) { return kind == DirectoryKind::kDomain; }, response);
  } else if (path.size() == 2 && path[1] == "accounts") {
    co_await List(
        directory, target, "accounts",
        [](DirectoryKind kind) { return kind == DirectoryKind::kAccount; }, response);
  } else if (path.size() == 2 && path[1] == "aliases") {
    co_await List(
        directory, target, "aliases",
        [](DirectoryKind kind) {
          return kind == DirectoryKind::kAlias || kind == DirectoryKind::kMoved;
        },
        response);
  } else if (path.size() == 2 && path[1] == "directory") {
    co_await Export(directory, response);
  } else if (path.size() == 3 && path[1] == "lookup") {
    co_await Lookup(directory, path[2], response);
  } else if (path.size() == 3 && path[1] == "accounts") {
    const auto address = storage::DirectoryAddress(path[2]);
    const auto found = FindAs<AccountEntry>(directory, address.value_or(""));
    if (!found.entry) {
      co_await Answer(response, NoSuch("account", path[2]), "");
      co_return;
    }
    std::string body;
    JsonWriter json(body);
    Write(*found.entry, json);
    response.Begin(200, kJsonType);
    (void)co_await response.Send(body + "\n");
  } else {
    co_await Answer(response, absl::NotFoundError("no such resource"), "");
  }
}

}  // namespace

bool IsDirectoryTarget(const RequestTarget& target) {
  const std::vector<std::string>& path = target.segments;
  return path.size() >= 2 && path[0] == "v1" &&
         (path[1] == "domains" || path[1] == "accounts" || path[1] == "aliases" ||
          path[1] == "directory" || path[1] == "lookup");
}

io::Task<void> AnswerDirectory(ShardServer& server, const ControlRequest& request,
                               const RequestTarget& target, ControlResponse& response) {
  Directory& directory = server.directory();
  const std::vector<std::string>& path = target.segments;
  if (request.method == "GET") {
    co_await Read(directory, target, response);
  } else if (path.size() == 4) {
    const agent::AuthenticatorOptions& options = server.config().authentication;
    const PasswordMaking making = {.cost = options.cost,
                                   .scram_iterations = options.scram_iterations};
    if (path[1] == "accounts" && path[3] == "app-password") {
      co_await AnswerAppPassword(directory, request, path[2], making, response);
    } else {
      co_await Answer(response, co_await Act(directory, server.accounts(), request, path, making),
                      path[3]);
    }
  } else if (path.size() == 3 && path[1] == "directory" && path[2] == "import") {
    co_await Import(directory, server.accounts(), request, target, response);
  } else if (path.size() == 3 && path[1] == "directory" && path[2] == "accept") {
    storage::DirectoryTransaction transaction;
    transaction.accept_damage = true;
    co_await Answer(response, (co_await directory.Apply(std::move(transaction))).status(),
                    "accept");
  } else {
    co_await Answer(response, absl::NotFoundError("no such resource"), "");
  }
}

}  // namespace ringmail::server
