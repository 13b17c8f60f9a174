#include "ringmail/backend/passwd_file.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "fmt/format.h"
#include "ringmail/backend/fields.h"

namespace ringmail::backend {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// The part up to `separator`, which goes from `rest` with it.
std::string_view Take(std::string_view& rest, char separator) {
  const size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

// Names of fields that are not obeyed, each told once.
class Passed {
 public:
  explicit Passed(std::vector<std::string>& warnings) : warnings_(warnings) {}
  void Note(uint32_t line, std::string what) {
    if (warnings_.size() >= kPasswdWarningsMax) return;
    const auto same = [&](const std::string& one) {
      return std::string_view(one).ends_with(": " + what);
    };
    if (std::none_of(warnings_.begin(), warnings_.end(), same))
      warnings_.push_back(fmt::format("line {}: {}", line, what));
  }

 private:
  std::vector<std::string>& warnings_;
};

// "*:storage=1G:messages=1000", of Dovecot; of all mailboxes alone.
bool ReadQuotaRule(std::string_view rule, BackendAccount& account) {
  if (Take(rule, ':') != "*") return true;
  while (!rule.empty()) {
    std::string_view value = Take(rule, ':');
    const std::string_view name = Take(value, '=');
    const auto number = ReadQuota(value);
    if (name == "ignore" || name == "noenforcing") continue;
    if (!number) return false;
    // Of storage without a unit Dovecot says that it is kilobytes.
    const bool plain = value.find_first_not_of("0123456789") == value.npos;
    if (name == "storage") {
      if (plain && *number >> 52 != 0) return false;
      account.quota_bytes = plain ? *number << 10 : *number;
    } else if (name == "bytes") {
      account.quota_bytes = *number;
    } else if (name == "messages") {
      account.quota_messages = *number;
    }
  }
  return true;
}

// False: the value cannot be read.
bool TakeExtra(std::string_view field, uint32_t line, BackendAccount& account, Passed& passed) {
  std::string_view value = field;
  std::string_view name = Take(value, '=');
  constexpr std::string_view kUserdb = "userdb_";
  if (name.starts_with(kUserdb)) name.remove_prefix(kUserdb.size());
  if (name == "quota_rule") return ReadQuotaRule(value, account);
  if (name == "quota_storage_size") {
    account.quota_bytes = ReadQuota(value);
    return account.quota_bytes.has_value();
  }
  if (name == "allow_nets") return ReadNetworks(value, account);
  if (name == "nologin") {
    account.password.clear();
    return true;
  }
  if (name == "forward") {
    while (!value.empty()) {
      const std::string_view one = Take(value, ',');
      if (one.empty()) continue;
      if (account.forward.size() == kBackendForwardMax) return false;
      account.forward.emplace_back(one);
    }
    return true;
  }
  if (name == "nopassword") {
    account.password.clear();
    passed.Note(line, "nopassword is not obeyed: such an account cannot log in here");
    return true;
  }
  passed.Note(line,
              fmt::format("extra field '{}' means nothing here", field.substr(0, field.find('='))));
  return true;
}

struct Line {
  std::string_view user;
  BackendAccount account;
  std::string wrong;
};

bool NoPassword(std::string_view stored) {
  return stored.empty() || stored == "x" || stored.front() == '*' || stored.front() == '!';
}

Line ReadColons(std::string_view text, uint32_t number, PasswdFormat format,
                std::string_view default_scheme, Passed& passed) {
  Line out;
  if (text.find(':') == text.npos) {
    out.wrong = "has no colon behind the user";
    return out;
  }
  out.user = Take(text, ':');
  // "{SCHEME}value" may hold no colon, and neither does what crypt(3) writes.
  const std::string_view password = Take(text, ':');
  if (password.size() > kBackendPasswordBytesMax) out.wrong = "the password is too long";
  if (format == PasswdFormat::kPasswd ? !NoPassword(password) : !password.empty())
    out.account.password = WithScheme(password, default_scheme);
  if (format == PasswdFormat::kPasswd) return out;
  for (int field = 2; field < 7; ++field) (void)Take(text, ':');
  while (!text.empty()) {
    const std::string_view extra = Take(text, ' ');
    if (extra.empty()) continue;
    if (!TakeExtra(extra, number, out.account, passed)) {
      out.wrong = fmt::format("'{}' cannot be read", extra.substr(0, 60));
      break;
    }
  }
  return out;
}

// Maildir++: "10000000S,1000C".
bool ReadMaildirQuota(std::string_view text, BackendAccount& account) {
  while (!text.empty()) {
    const std::string_view one = Take(text, ',');
    if (one.empty()) continue;
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), number);
    if (error != std::errc() || end + 1 != one.data() + one.size() || number >> 62 != 0)
      return false;
    if (*end == 'S') {
      account.quota_bytes = number;
    } else if (*end == 'C') {
      account.quota_messages = number;
    } else {
      return false;
    }
  }
  return true;
}

Line ReadUserdb(std::string_view text, std::string_view default_scheme) {
  Line out;
  if (text.find('\t') == text.npos) {
    out.wrong = "has no tab behind the user";
    return out;
  }
  out.user = Take(text, '\t');
  constexpr std::string_view kPasswords[] = {"systempw", "pop3pw", "imappw", "esmtppw"};
  size_t best = std::size(kPasswords);
  while (!text.empty()) {
    std::string_view value = Take(text, '|');
    const std::string_view name = Take(value, '=');
    const auto rank = static_cast<size_t>(
        std::find(std::begin(kPasswords), std::end(kPasswords), name) - std::begin(kPasswords));
    if (rank < best && !NoPassword(value)) {
      if (value.size() > kBackendPasswordBytesMax) out.wrong = "the password is too long";
      out.account.password = WithScheme(value, default_scheme);
      best = rank;
    }
    if (name == "quota" && !ReadMaildirQuota(value, out.account)) {
      out.wrong = "the quota cannot be read";
    }
  }
  return out;
}

}  // namespace

StatusOr<PasswdTable> PasswdTable::Parse(std::string_view text, PasswdFormat format,
                                         std::string_view default_scheme,
                                         std::vector<std::string>& warnings) {
  PasswdTable out;
  Passed passed(warnings);
  uint32_t number = 0;
  while (!text.empty()) {
    std::string_view line = Take(text, '\n');
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos || line.front() == '#') continue;
    Line read;
    if (line.size() > kPasswdLineBytesMax) {
      read.wrong = fmt::format("is longer than {} octets", kPasswdLineBytesMax);
    } else if (line.find('\0') != line.npos) {
      read.wrong = "holds a NUL";
    } else if (format == PasswdFormat::kCourier) {
      read = ReadUserdb(line, default_scheme);
    } else {
      read = ReadColons(line, number, format, default_scheme, passed);
    }
    if (read.wrong.empty() && read.user.empty()) read.wrong = "has no user";
    if (!read.wrong.empty())
      return absl::InvalidArgumentError(Absl(fmt::format("line {}: {}", number, read.wrong)));
    if (!out.accounts_.emplace(Lower(read.user), std::move(read.account)).second)
      passed.Note(number, "a user is there twice, and the first one counts");
  }
  return out;
}

const BackendAccount* PasswdTable::Find(const BackendQuestion& question) const {
  auto found = accounts_.find(question.address);
  if (found == accounts_.end()) found = accounts_.find(question.local_part);
  return found == accounts_.end() ? nullptr : &found->second;
}

StatusOr<std::shared_ptr<const PasswdFile::Loaded>> PasswdFile::Load(
    const PasswdStamp& stamp) const {
  StatusOr<std::string> text = reader_.read(options_.path, kPasswdFileBytesMax);
  if (!text.ok()) return text.status();
  Loaded loaded{.table = {}, .stamp = stamp, .warnings = {}};
  auto table = PasswdTable::Parse(*text, options_.format, options_.default_scheme, loaded.warnings);
  if (!table.ok()) {
    return absl::InvalidArgumentError(
        Absl(fmt::format("{}: {}", options_.path, Std(table.status().message()))));
  }
  loaded.table = *std::move(table);
  return std::make_shared<const Loaded>(std::move(loaded));
}

StatusOr<std::shared_ptr<PasswdFile>> PasswdFile::Open(PasswdOptions options, PasswdReader reader) {
  std::shared_ptr<PasswdFile> out(new PasswdFile(std::move(options), reader));
  bool changed;
  RETURN_IF_ERROR(out->Refresh(changed));
  return out;
}

Status PasswdFile::Refresh(bool& changed) {
  changed = false;
  // The stamp first: what is written while the file is read is read the next time.
  const StatusOr<PasswdStamp> stamp = reader_.stamp(options_.path);
  if (!stamp.ok()) return stamp.status();
  const auto before = loaded_.load();
  if (before != nullptr && before->stamp == *stamp) return absl::OkStatus();
  auto loaded = Load(*stamp);
  if (!loaded.ok()) return loaded.status();
  loaded_.store(*std::move(loaded));
  changed = true;
  return absl::OkStatus();
}

}  // namespace ringmail::backend
