#include <algorithm>

#include "fmt/format.h"
#include "ringmail/base/check.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/message/path.h"
#include "ringmail/storage/directory.h"
#include "storage/directory/fields.h"

namespace ringmail::storage {
namespace {

// Numbers of an encoding have 63 bits.
constexpr uint64_t kQuotaMax = uint64_t{1} << 62;

uint64_t Seconds(WallTime time) {
  return static_cast<uint64_t>(std::clamp<int64_t>(UnixSeconds(time), 0, UINT32_MAX));
}

WallTime FromSeconds(uint64_t seconds) {
  return FromUnixSeconds(static_cast<int64_t>(std::min<uint64_t>(seconds, UINT32_MAX)));
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7F;
  });
}

Status Wrong(std::string_view name, std::string_view what) {
  return absl::InvalidArgumentError(Absl(fmt::format("{}: {}", name, what)));
}

Status CheckText(std::string_view name, std::string_view field, std::string_view text,
                 size_t bytes_max) {
  if (text.size() > bytes_max)
    return Wrong(name, fmt::format("{} is longer than {} octets", field, bytes_max));
  if (HasControl(text)) return Wrong(name, fmt::format("{} holds a control character", field));
  return absl::OkStatus();
}

Status Check(const DomainEntry& entry) {
  if (DirectoryDomain(entry.name) != entry.name) return Wrong(entry.name, "is no domain");
  return CheckText(entry.name, "the comment", entry.comment, kDirectoryCommentBytesMax);
}

Status CheckCredential(const AccountEntry& account, const Credential& one) {
  const std::string& name = account.address;
  if (one.secret.empty()) return Wrong(name, "a credential is empty");
  RETURN_IF_ERROR(CheckText(name, "a password hash", one.secret, kCredentialSecretBytesMax));
  RETURN_IF_ERROR(
      CheckText(name, "the name of an app password", one.name, kCredentialNameBytesMax));
  const bool app = one.kind == CredentialKind::kAppPassword;
  if (app == one.name.empty())
    return Wrong(name, app ? "an app password has no name" : "only an app password has a name");
  const auto same = [&](const Credential& other) { return other.name == one.name; };
  if (app && std::count_if(account.credentials.begin(), account.credentials.end(), same) > 1)
    return Wrong(name, fmt::format("app password '{}' is there twice", one.name));
  return absl::OkStatus();
}

Status Check(const AccountEntry& entry) {
  if (DirectoryAddress(entry.address) != entry.address)
    return Wrong(entry.address, "is no address");
  RETURN_IF_ERROR(
      CheckText(entry.address, "the display name", entry.display_name, kDisplayNameBytesMax));
  RETURN_IF_ERROR(
      CheckText(entry.address, "the comment", entry.comment, kDirectoryCommentBytesMax));
  RETURN_IF_ERROR(
      CheckText(entry.address, "the backend's name", entry.backend, kBackendNameBytesMax));
  if (entry.quota_bytes > kQuotaMax || entry.quota_messages > kQuotaMax || entry.id > kQuotaMax)
    return Wrong(entry.address, "a quota is beyond all reason");
  if (entry.credentials.size() > kAccountCredentialsMax) {
    return Wrong(entry.address,
                 fmt::format("has more than {} credentials", kAccountCredentialsMax));
  }
  for (const Credential& one : entry.credentials) RETURN_IF_ERROR(CheckCredential(entry, one));
  return absl::OkStatus();
}

Status Check(const AliasEntry& entry) {
  if (DirectoryAliasName(entry.address) != entry.address)
    return Wrong(entry.address, "is neither an address nor \"@domain\"");
  RETURN_IF_ERROR(
      CheckText(entry.address, "the comment", entry.comment, kDirectoryCommentBytesMax));
  if (entry.targets.empty()) return Wrong(entry.address, "an alias needs a target");
  if (entry.targets.size() > kAliasTargetsMax)
    return Wrong(entry.address, fmt::format("has more than {} targets", kAliasTargetsMax));
  for (const std::string& target : entry.targets) {
    if (DirectoryAddress(target) != target)
      return Wrong(entry.address, fmt::format("target '{}' is no address", target));
  }
  return absl::OkStatus();
}

Status Check(const MovedEntry& entry) {
  if (DirectoryAddress(entry.address) != entry.address)
    return Wrong(entry.address, "is no address");
  if (DirectoryAddress(entry.new_address) != entry.new_address)
    return Wrong(entry.address, fmt::format("new address '{}' is no address", entry.new_address));
  return CheckText(entry.address, "the comment", entry.comment, kDirectoryCommentBytesMax);
}

Status Check(const KeptEntry& entry) {
  const bool named = entry.name.size() > 1 && entry.name.size() <= kKeptNameBytesMax &&
                     entry.name.front() == '=' && !HasControl(entry.name) &&
                     entry.name.find('@') == std::string::npos;
  if (!named) return Wrong(entry.name, "is no name of what the server keeps");
  if (entry.value.empty() || entry.value.size() > kKeptValueBytesMax)
    return Wrong(entry.name, fmt::format("has not 1 to {} octets", kKeptValueBytesMax));
  return absl::OkStatus();
}

void Encode(const DomainEntry& entry, FieldWriter& out) {
  out.Number(kTagCreated, Seconds(entry.created));
  out.Octets(kTagComment, entry.comment);
}

void Encode(const AccountEntry& entry, FieldWriter& out) {
  out.Number(kTagCreated, Seconds(entry.created));
  out.Octets(kTagComment, entry.comment);
  out.Number(kTagAccountId, entry.id);
  out.Octets(kTagDisplayName, entry.display_name);
  out.Number(kTagDisabled, entry.enabled ? 0 : 1);
  out.Number(kTagQuotaBytes, entry.quota_bytes);
  out.Number(kTagQuotaMessages, entry.quota_messages);
  out.Octets(kTagBackend, entry.backend);
  for (const Credential& one : entry.credentials) {
    std::string inner;
    FieldWriter fields(inner);
    fields.Number(kTagKind, static_cast<uint64_t>(one.kind));
    fields.Octets(kTagName, one.name);
    fields.Octets(kTagSecret, one.secret);
    fields.Number(kTagCreated, Seconds(one.created));
    out.Always(kTagCredential, inner);
  }
}

void Encode(const AliasEntry& entry, FieldWriter& out) {
  out.Number(kTagCreated, Seconds(entry.created));
  out.Octets(kTagComment, entry.comment);
  for (const std::string& target : entry.targets) out.Always(kTagTarget, target);
}

void Encode(const MovedEntry& entry, FieldWriter& out) {
  out.Number(kTagCreated, Seconds(entry.created));
  out.Octets(kTagComment, entry.comment);
  out.Octets(kTagTarget, entry.new_address);
}

void Encode(const KeptEntry& entry, FieldWriter& out) {
  out.Number(kTagCreated, Seconds(entry.created));
  out.Octets(kTagKept, entry.value);
}

std::optional<AccountView::CredentialView> ReadCredential(std::string_view octets) {
  AccountView::CredentialView out;
  out.kind = CredentialKind{};
  FieldReader fields(octets);
  Field field;
  while (fields.Next(field)) {
    switch (field.tag) {
      case kTagKind:
        if (field.number < 1 || field.number > 3) return std::nullopt;
        out.kind = static_cast<CredentialKind>(field.number);
        break;
      case kTagName:
        out.name = field.octets;
        break;
      case kTagSecret:
        out.secret = field.octets;
        break;
      case kTagCreated:
        out.created = FromSeconds(field.number);
        break;
      default:
        return std::nullopt;
    }
  }
  if (fields.bad() || out.kind == CredentialKind{}) return std::nullopt;
  return out;
}

bool Take(const Field& field, DomainEntry&) { return false; }

bool Take(const Field& field, AccountEntry& entry) {
  switch (field.tag) {
    case kTagAccountId:
      entry.id = field.number;
      return true;
    case kTagDisplayName:
      entry.display_name = field.octets;
      return true;
    case kTagDisabled:
      entry.enabled = field.number == 0;
      return true;
    case kTagQuotaBytes:
      entry.quota_bytes = field.number;
      return true;
    case kTagQuotaMessages:
      entry.quota_messages = field.number;
      return true;
    case kTagBackend:
      entry.backend = field.octets;
      return true;
    case kTagCredential: {
      const auto read = ReadCredential(field.octets);
      if (!read) return false;
      entry.credentials.push_back(
          {read->kind, std::string(read->name), std::string(read->secret), read->created});
      return true;
    }
    default:
      return false;
  }
}

bool Take(const Field& field, AliasEntry& entry) {
  if (field.tag != kTagTarget) return false;
  entry.targets.emplace_back(field.octets);
  return true;
}

bool Take(const Field& field, MovedEntry& entry) {
  if (field.tag != kTagTarget) return false;
  entry.new_address = field.octets;
  return true;
}

bool Take(const Field& field, KeptEntry& entry) {
  if (field.tag != kTagKept) return false;
  entry.value = field.octets;
  return true;
}

// What the operator may say of an entry; the server's own have none.
template <typename Entry>
bool TakeComment(const Field& field, Entry& entry) {
  entry.comment = field.octets;
  return true;
}
bool TakeComment(const Field&, KeptEntry&) { return false; }

template <typename Entry>
std::optional<DirectoryEntry> Decode(std::string_view fields_bytes, Entry entry) {
  FieldReader fields(fields_bytes);
  Field field;
  while (fields.Next(field)) {
    if (field.tag == kTagCreated) {
      entry.created = FromSeconds(field.number);
    } else if (field.tag == kTagComment ? !TakeComment(field, entry) : !Take(field, entry)) {
      return std::nullopt;
    }
  }
  if (fields.bad() || !Check(entry).ok()) return std::nullopt;
  return entry;
}

}  // namespace

std::string_view KindName(DirectoryKind kind) {
  switch (kind) {
    case DirectoryKind::kDomain:
      return "domain";
    case DirectoryKind::kAccount:
      return "account";
    case DirectoryKind::kAlias:
      return "alias";
    case DirectoryKind::kMoved:
      return "moved";
    case DirectoryKind::kKept:
      return "kept";
  }
  CHECK(false);
}

const std::string& NameOf(const DirectoryEntry& entry) {
  if (const auto* domain = std::get_if<DomainEntry>(&entry)) return domain->name;
  if (const auto* account = std::get_if<AccountEntry>(&entry)) return account->address;
  if (const auto* alias = std::get_if<AliasEntry>(&entry)) return alias->address;
  if (const auto* moved = std::get_if<MovedEntry>(&entry)) return moved->address;
  return std::get_if<KeptEntry>(&entry)->name;
}

WallTime CreatedOf(const DirectoryEntry& entry) {
  if (const auto* domain = std::get_if<DomainEntry>(&entry)) return domain->created;
  if (const auto* account = std::get_if<AccountEntry>(&entry)) return account->created;
  if (const auto* alias = std::get_if<AliasEntry>(&entry)) return alias->created;
  if (const auto* moved = std::get_if<MovedEntry>(&entry)) return moved->created;
  return std::get_if<KeptEntry>(&entry)->created;
}

void SetCreated(DirectoryEntry& entry, WallTime created) {
  if (auto* domain = std::get_if<DomainEntry>(&entry)) domain->created = created;
  if (auto* account = std::get_if<AccountEntry>(&entry)) account->created = created;
  if (auto* alias = std::get_if<AliasEntry>(&entry)) alias->created = created;
  if (auto* moved = std::get_if<MovedEntry>(&entry)) moved->created = created;
  if (auto* kept = std::get_if<KeptEntry>(&entry)) kept->created = created;
}

std::optional<std::string> DirectoryDomain(std::string_view text) {
  if (!message::ValidDomain(text, message::Utf8::kAllowed)) return std::nullopt;
  return message::NormalizedDomain(text);
}

std::optional<std::string> DirectoryAddress(std::string_view text) {
  const auto mailbox = message::ParseMailbox(text, message::Utf8::kAllowed);
  if (!mailbox || !message::ValidDomain(mailbox->domain, message::Utf8::kAllowed)) {
    // A name in its stored form has no quotes, wherever RFC 5321 would want them.
    const size_t at = text.rfind('@');
    if (at == text.npos || at == 0 || at > message::kLocalPartBytesMax) return std::nullopt;
    const auto domain = DirectoryDomain(text.substr(at + 1));
    if (!domain || HasControl(text) || text.front() == '"' || text.front() == '@')
      return std::nullopt;
    const auto written = message::ParseMailbox(WrittenAddress(text), message::Utf8::kAllowed);
    if (!written) return std::nullopt;
    std::string out(text.substr(0, at));
    std::transform(out.begin(), out.end(), out.begin(), Lower);
    return out + '@' + *domain;
  }
  std::string_view local = mailbox->local_part;
  std::string out;
  if (mailbox->quoted()) local = local.substr(1, local.size() - 2);
  for (size_t i = 0; i < local.size(); ++i) {
    // RFC 5321 §4.1.2: a quoted pair is the character, and "a"@x is the same mailbox as a@x.
    if (mailbox->quoted() && local[i] == '\\' && i + 1 < local.size()) ++i;
    out += Lower(local[i]);
  }
  // A quotation mark in front is kept for WrittenAddress, "@" for the catch-all.
  if (out.empty() || out.front() == '"' || out.front() == '@') return std::nullopt;
  return out + '@' + message::NormalizedDomain(mailbox->domain);
}

std::optional<std::string> DirectoryAliasName(std::string_view text) {
  if (!text.starts_with('@')) return DirectoryAddress(text);
  const auto domain = DirectoryDomain(text.substr(1));
  if (!domain) return std::nullopt;
  return '@' + *domain;
}

std::string_view DomainOfName(std::string_view name) {
  const size_t at = name.rfind('@');
  return at == name.npos ? name : name.substr(at + 1);
}

std::string WrittenAddress(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == address.npos || at == 0) return std::string(address);
  if (const auto plain = message::ParseMailbox(address, message::Utf8::kAllowed);
      plain && !plain->quoted())
    return std::string(address);
  std::string out = "\"";
  for (char c : address.substr(0, at)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"' + std::string(address.substr(at));
}

Status CheckEntry(const DirectoryEntry& entry) {
  const Status status = std::visit([](const auto& one) { return Check(one); }, entry);
  RETURN_IF_ERROR(status);
  if (EncodeEntry(entry).size() > kDirectoryValueBytesMax) {
    return Wrong(NameOf(entry),
                 fmt::format("is longer than {} octets in all", kDirectoryValueBytesMax));
  }
  return absl::OkStatus();
}

std::string EncodeEntry(const DirectoryEntry& entry) {
  std::string out;
  out += static_cast<char>(KindOf(entry));
  out += static_cast<char>(kEntryEncoding);
  FieldWriter fields(out);
  std::visit([&](const auto& one) { Encode(one, fields); }, entry);
  return out;
}

std::optional<DirectoryKind> EncodedKind(std::string_view value) {
  if (value.size() < 2 || value.size() > kDirectoryValueBytesMax ||
      static_cast<uint8_t>(value[1]) != kEntryEncoding)
    return std::nullopt;
  const auto kind = static_cast<uint8_t>(value[0]);
  if (kind < 1 || kind > 5) return std::nullopt;
  return static_cast<DirectoryKind>(kind);
}

std::optional<DirectoryEntry> DecodeEntry(std::string_view name, std::string_view value) {
  const auto kind = EncodedKind(value);
  if (!kind) return std::nullopt;
  value.remove_prefix(2);
  std::string text(name);
  switch (*kind) {
    case DirectoryKind::kDomain:
      return Decode(value, DomainEntry{.name = std::move(text)});
    case DirectoryKind::kAccount:
      return Decode(value, AccountEntry{.address = std::move(text)});
    case DirectoryKind::kAlias:
      return Decode(value, AliasEntry{.address = std::move(text)});
    case DirectoryKind::kMoved:
      return Decode(value, MovedEntry{.address = std::move(text)});
    case DirectoryKind::kKept:
      return Decode(value, KeptEntry{.name = std::move(text)});
  }
  CHECK(false);
}

std::optional<AccountView> AccountView::Parse(std::string_view address, std::string_view value) {
  if (EncodedKind(value) != DirectoryKind::kAccount) return std::nullopt;
  AccountView out;
  out.address_ = address;
  out.value_ = value.substr(2);
  FieldReader fields(out.value_);
  Field field;
  while (fields.Next(field)) {
    switch (field.tag) {
      case kTagAccountId:
        out.id_ = field.number;
        break;
      case kTagDisplayName:
        out.display_name_ = field.octets;
        break;
      case kTagDisabled:
        out.enabled_ = field.number == 0;
        break;
      case kTagQuotaBytes:
        out.quota_bytes_ = field.number;
        break;
      case kTagQuotaMessages:
        out.quota_messages_ = field.number;
        break;
      case kTagBackend:
        out.backend_ = field.octets;
        break;
      case kTagCredential:
        if (!ReadCredential(field.octets)) return std::nullopt;
        break;
      case kTagCreated:
      case kTagComment:
        break;
      default:
        return std::nullopt;
    }
  }
  if (fields.bad()) return std::nullopt;
  return out;
}

void AccountView::VisitCredentials(bool (*visit)(void* context, const CredentialView& credential),
                                   void* context) const {
  FieldReader fields(value_);
  Field field;
  while (fields.Next(field)) {
    if (field.tag != kTagCredential) continue;
    const auto read = ReadCredential(field.octets);
    if (!read || !visit(context, *read)) return;
  }
}

}  // namespace ringmail::storage
