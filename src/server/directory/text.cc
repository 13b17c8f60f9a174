#include "server/directory/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>

#include <fmt/format.h>

#include "absl/container/flat_hash_map.h"
#include "server/commands/arguments.h"
#include "server/config/nearest.h"
#include "server/config/quantity.h"
#include "server/control/queue_view.h"

namespace ringmail::server {
namespace {

using storage::AccountEntry;
using storage::AliasEntry;
using storage::Credential;
using storage::CredentialKind;
using storage::DirectoryEntry;
using storage::DomainEntry;
using storage::MovedEntry;

constexpr std::array<std::string_view, 4> kKinds = {"domain", "account", "alias", "moved"};

struct Word {
  std::string key, value;  // "to", "bob@example.org"; a word without "=" has no key
  bool quoted = false;
};

// The words of a line, or what is wrong with it.
std::string SplitLine(std::string_view line, std::vector<Word>& words) {
  size_t at = 0;
  for (;;) {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    if (at == line.size() || line[at] == '#') return {};
    Word word;
    bool in_value = false;
    while (at < line.size() && line[at] != ' ' && line[at] != '\t') {
      const char c = line[at++];
      if (c == '"') {
        word.quoted = true;
        bool closed = false;
        while (at < line.size() && !closed) {
          char inner = line[at++];
          closed = inner == '"';
          if (inner == '\\') {
            if (at == line.size() || (line[at] != '"' && line[at] != '\\'))
              return "\\ in quotes stands before \" or \\ alone";
            inner = line[at++];
          }
          if (!closed) word.value += inner;
        }
        if (!closed) return "a quote is not closed";
      } else if (c == '=' && !in_value && !word.quoted) {
        in_value = true;
        word.key = std::exchange(word.value, {});
      } else {
        word.value += c;
      }
    }
    words.push_back(std::move(word));
  }
}

std::string Quoted(std::string_view text) {
  const bool plain = !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return c == ' ' || c == '\t' || c == '"' || c == '#' || c == '\\' || c == '=';
  });
  if (plain) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string ReadTime(const std::string& text, WallTime& out) {
  const auto time = ParseTime(text);
  if (time) out = *time;
  return time ? "" : "created is no time: write 2026-11-23T16:19:24Z";
}

struct Fields {
  DirectoryEntry& entry;
  bool credentials_said = false;
};

std::string Unknown(std::string_view key, std::initializer_list<std::string_view> known) {
  const std::vector<std::string_view> all(known);
  const std::string_view nearest = Nearest(key, all);
  std::string text = fmt::format("unknown key '{}'", key);
  if (!nearest.empty()) return text + fmt::format("; did you mean '{}'?", nearest);
  text += "; known here:";
  for (std::string_view one : all) text += fmt::format(" {}", one);
  return text;
}

std::string SetField(DomainEntry& entry, const Word& word, Fields&) {
  if (word.key == "comment") return entry.comment = word.value, "";
  if (word.key == "created") return ReadTime(word.value, entry.created);
  return Unknown(word.key, {"comment", "created"});
}

std::string SetAccountField(AccountEntry& entry, const Word& word, Fields& fields) {
  if (word.key == "enabled") {
    if (word.value != "yes" && word.value != "no") return "enabled must be yes or no";
    entry.enabled = word.value == "yes";
    return {};
  }
  if (word.key == "quota") {
    const auto bytes = ParseBytes(word.value);
    if (bytes) entry.quota_bytes = *bytes;
    return bytes ? "" : "quota must be a size with its unit: 10GiB";
  }
  if (word.key == "messages") {
    const auto count = ParseCount(word.value, 0, uint64_t{1} << 62);
    if (count) entry.quota_messages = *count;
    return count ? "" : "messages must be a number";
  }
  if (word.key == "backend") return entry.backend = word.value, "";
  fields.credentials_said = true;
  if (word.key == "credentials")
    return word.value == "none" ? "" : "credentials must be none, where it is given";
  Credential credential;
  credential.secret = word.value;
  if (word.key == "scram") credential.kind = CredentialKind::kScram;
  if (word.key == "app") {
    const size_t colon = word.value.find(':');
    if (colon == word.value.npos) return "app must be NAME:HASH";
    credential.kind = CredentialKind::kAppPassword;
    credential.name = word.value.substr(0, colon);
    credential.secret = word.value.substr(colon + 1);
  }
  entry.credentials.push_back(std::move(credential));
  return {};
}

std::string SetField(AccountEntry& entry, const Word& word, Fields& fields) {
  if (word.key == "name") return entry.display_name = word.value, "";
  if (word.key == "comment") return entry.comment = word.value, "";
  if (word.key == "created") return ReadTime(word.value, entry.created);
  for (std::string_view one :
       {"enabled", "quota", "messages", "backend", "credentials", "password", "app", "scram"}) {
    if (word.key == one) return SetAccountField(entry, word, fields);
  }
  return Unknown(word.key, {"name", "comment", "created", "enabled", "quota", "messages", "backend",
                            "password", "app", "scram", "credentials"});
}

std::string SetField(AliasEntry& entry, const Word& word, Fields&) {
  if (word.key == "comment") return entry.comment = word.value, "";
  if (word.key == "created") return ReadTime(word.value, entry.created);
  if (word.key != "to") return Unknown(word.key, {"to", "comment", "created"});
  auto target = storage::DirectoryAddress(word.value);
  if (!target) return fmt::format("'{}' is no address", word.value);
  entry.targets.push_back(*std::move(target));
  return {};
}

std::string SetField(storage::KeptEntry&, const Word& word, Fields&) {
  return Unknown(word.key, {});
}

std::string SetField(MovedEntry& entry, const Word& word, Fields&) {
  if (word.key == "comment") return entry.comment = word.value, "";
  if (word.key == "created") return ReadTime(word.value, entry.created);
  if (word.key != "to") return Unknown(word.key, {"to", "comment", "created"});
  auto target = storage::DirectoryAddress(word.value);
  if (!target) return fmt::format("'{}' is no address", word.value);
  entry.new_address = *std::move(target);
  return {};
}

std::string ReadEntry(const std::vector<Word>& words, TextEntry& out) {
  const std::string& kind = words[0].value;
  if (!words[0].key.empty() || std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
    const std::string_view nearest = Nearest(kind, kKinds);
    return fmt::format("'{}' is none of domain, account, alias, moved{}", kind,
                       nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
  }
  if (words.size() < 2 || !words[1].key.empty())
    return fmt::format("{} needs a name behind it", kind);
  const std::string& name = words[1].value;
  std::optional<std::string> normalized;
  if (kind == "domain") {
    normalized = storage::DirectoryDomain(name);
    out.entry = DomainEntry{.name = normalized.value_or("")};
  } else if (kind == "alias") {
    normalized = storage::DirectoryAliasName(name);
    out.entry = AliasEntry{.address = normalized.value_or("")};
  } else {
    normalized = storage::DirectoryAddress(name);
    if (kind == "account") out.entry = AccountEntry{.address = normalized.value_or("")};
    if (kind == "moved") out.entry = MovedEntry{.address = normalized.value_or("")};
  }
  if (!normalized)
    return fmt::format("'{}' is no {}", name, kind == "domain" ? "domain" : "address");
  Fields fields{out.entry};
  std::set<std::string_view> seen;
  for (size_t i = 2; i < words.size(); ++i) {
    const Word& word = words[i];
    if (word.key.empty()) return fmt::format("'{}' is no key=value", word.value);
    const bool repeats =
        word.key == "to" || word.key == "password" || word.key == "app" || word.key == "scram";
    if (!seen.insert(word.key).second && (!repeats || kind == "moved"))
      return fmt::format("{} is there twice", word.key);
    std::string wrong =
        std::visit([&](auto& entry) { return SetField(entry, word, fields); }, out.entry);
    if (!wrong.empty()) return wrong;
  }
  out.keeps_credentials = kind == "account" && !fields.credentials_said;
  const Status checked = storage::CheckEntry(out.entry);
  return std::string(Std(checked.message()));
}

void WriteCommon(std::string_view comment, WallTime created, std::string& out) {
  if (!comment.empty()) out += " comment=" + Quoted(comment);
  if (UnixSeconds(created) != 0) out += " created=" + FormatTime(created);
}

// What the server keeps for itself stands in no file.
void WriteFields(const storage::KeptEntry&, std::string&) {}
void WriteFields(const DomainEntry& entry, std::string& out) {
  WriteCommon(entry.comment, entry.created, out);
}
void WriteFields(const AccountEntry& entry, std::string& out) {
  if (!entry.display_name.empty()) out += " name=" + Quoted(entry.display_name);
  if (!entry.enabled) out += " enabled=no";
  if (entry.quota_bytes != 0) out += " quota=" + FormatBytes(entry.quota_bytes);
  if (entry.quota_messages != 0) out += fmt::format(" messages={}", entry.quota_messages);
  if (!entry.backend.empty()) out += " backend=" + Quoted(entry.backend);
  WriteCommon(entry.comment, entry.created, out);
  if (entry.credentials.empty()) out += " credentials=none";
  for (const Credential& one : entry.credentials) {
    switch (one.kind) {
      case CredentialKind::kPassword:
        out += " password=" + Quoted(one.secret);
        break;
      case CredentialKind::kAppPassword:
        out += " app=" + Quoted(one.name + ':' + one.secret);
        break;
      case CredentialKind::kScram:
        out += " scram=" + Quoted(one.secret);
        break;
    }
  }
}
void WriteFields(const AliasEntry& entry, std::string& out) {
  for (const std::string& target : entry.targets) out += " to=" + Quoted(target);
  WriteCommon(entry.comment, entry.created, out);
}
void WriteFields(const MovedEntry& entry, std::string& out) {
  out += " to=" + Quoted(entry.new_address);
  WriteCommon(entry.comment, entry.created, out);
}

}  // namespace

DirectoryText ParseDirectoryText(std::string_view text) {
  DirectoryText out;
  absl::flat_hash_map<std::string, uint32_t> lines;
  uint32_t number = 0;
  const auto fault = [&](std::string what) {
    if (out.faults.size() < kDirectoryFaultsMax) out.faults.push_back({number, std::move(what)});
  };
  std::vector<Word> words;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    words.clear();
    if (std::string wrong = SplitLine(line, words); !wrong.empty()) {
      fault(std::move(wrong));
      continue;
    }
    if (words.empty()) continue;
    TextEntry entry{.entry = DomainEntry{}, .line = number};
    if (std::string wrong = ReadEntry(words, entry); !wrong.empty()) {
      fault(std::move(wrong));
      continue;
    }
    const auto [known, fresh] = lines.emplace(storage::NameOf(entry.entry), number);
    if (!fresh) {
      fault(fmt::format("{} is there already, in line {}", known->first, known->second));
      continue;
    }
    out.entries.push_back(std::move(entry));
  }
  return out;
}

std::string WriteDirectoryLine(const DirectoryEntry& entry) {
  std::string out(storage::KindName(storage::KindOf(entry)));
  out += ' ';
  out += Quoted(storage::NameOf(entry));
  std::visit([&](const auto& one) { WriteFields(one, out); }, entry);
  return out + '\n';
}

std::optional<WallTime> ParseTime(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  if (text.size() != kForm.size()) return std::nullopt;
  std::array<unsigned, 6> parts{};
  size_t part = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) return std::nullopt;
    if (digit) {
      parts[part] = parts[part] * 10 + static_cast<unsigned>(text[i] - '0');
    } else {
      ++part;
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(parts[0])),
                                         std::chrono::month(parts[1]), std::chrono::day(parts[2])};
  if (!date.ok() || parts[3] > 23 || parts[4] > 59 || parts[5] > 59) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(days).count() +
                          parts[3] * 3600 + parts[4] * 60 + parts[5];
  if (seconds < 0 || seconds > int64_t{UINT32_MAX}) return std::nullopt;
  return FromUnixSeconds(seconds);
}

std::string Differences(const DirectoryEntry& before, const DirectoryEntry& after) {
  if (before.index() != after.index()) {
    return fmt::format("{} becomes {}", storage::KindName(storage::KindOf(before)),
                       storage::KindName(storage::KindOf(after)));
  }
  std::string out;
  const auto note = [&](std::string_view what, bool differs) {
    if (differs) out += (out.empty() ? "" : ", ") + std::string(what);
  };
  if (const auto* a = std::get_if<DomainEntry>(&before))
    note("comment", a->comment != std::get_if<DomainEntry>(&after)->comment);
  if (const auto* a = std::get_if<AliasEntry>(&before)) {
    const auto* b = std::get_if<AliasEntry>(&after);
    note("targets", a->targets != b->targets);
    note("comment", a->comment != b->comment);
  }
  if (const auto* a = std::get_if<MovedEntry>(&before)) {
    const auto* b = std::get_if<MovedEntry>(&after);
    note("new address", a->new_address != b->new_address);
    note("comment", a->comment != b->comment);
  }
  if (const auto* a = std::get_if<AccountEntry>(&before)) {
    const auto* b = std::get_if<AccountEntry>(&after);
    note("name", a->display_name != b->display_name);
    note("comment", a->comment != b->comment);
    note("enabled", a->enabled != b->enabled);
    note("quota", a->quota_bytes != b->quota_bytes);
    note("messages", a->quota_messages != b->quota_messages);
    note("backend", a->backend != b->backend);
    const auto same = [](const Credential& x, const Credential& y) {
      return x.kind == y.kind && x.name == y.name && x.secret == y.secret;
    };
    note("credentials", !std::equal(a->credentials.begin(), a->credentials.end(),
                                    b->credentials.begin(), b->credentials.end(), same));
  }
  return out;
}

}  // namespace ringmail::server
