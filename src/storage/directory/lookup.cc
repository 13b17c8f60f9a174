// Look-ups: any shard, at any time, without a wait.
#include <algorithm>
#include <array>
#include <cstring>

#include "ringmail/base/check.h"
#include "ringmail/codec/ascii.h"
#include "ringmail/message/path.h"
#include "storage/directory/directory.h"
#include "storage/directory/fields.h"

namespace ringmail::storage {
namespace {

// local-part@domain in its stored form, gathered without an allocation.
class NameBuffer {
 public:
  bool Append(std::string_view text) {
    if (text.size() > bytes_.size() - used_) return false;
    codec::AsciiLowerCopy(text, bytes_.data() + used_);
    used_ += text.size();
    return true;
  }
  std::string_view view() const { return {bytes_.data(), used_}; }

 private:
  std::array<char, message::kLocalPartBytesMax + 1 + message::kDomainBytesMax> bytes_;
  size_t used_ = 0;
};

// RFC 5321 §4.1.2: the quotes are not part of the local part, nor is the backslash of a pair.
// `escaped`: it had pairs, so that the text is no part of what the peer wrote.
bool Unquote(std::string_view local_part, std::array<char, message::kLocalPartBytesMax>& buffer,
             std::string_view& out, bool& escaped) {
  escaped = false;
  out = local_part;
  if (local_part.size() < 2 || local_part.front() != '"' || local_part.back() != '"')
    return !local_part.empty() && local_part.size() <= buffer.size();
  local_part = local_part.substr(1, local_part.size() - 2);
  out = local_part;
  if (local_part.empty() || local_part.size() > buffer.size()) return false;
  if (local_part.find('\\') == local_part.npos) return true;
  escaped = true;
  size_t used = 0;
  for (size_t i = 0; i < local_part.size(); ++i) {
    if (local_part[i] == '\\' && i + 1 < local_part.size()) ++i;
    buffer[used++] = local_part[i];
  }
  out = {buffer.data(), used};
  return true;
}

}  // namespace

bool DirectoryCore::LocalDomain(std::string_view normalized) const {
  if (configured_.contains(Absl(normalized))) return true;
  const EntryNode* entry = FindEntry(view_.root, normalized);
  // What the server keeps for itself begins with "=", which no domain does.
  return entry != nullptr && !normalized.starts_with('=');
}

bool DirectoryCore::IsLocalDomain(std::string_view domain) const {
  NameBuffer name;
  return !domain.empty() && domain.find('@') == domain.npos && name.Append(domain) &&
         LocalDomain(name.view());
}

std::optional<DirectoryRow> DirectoryCore::Find(std::string_view name) const {
  const EntryNode* entry = FindEntry(view_.root, name);
  if (entry == nullptr) return std::nullopt;
  return DirectoryRow{entry->name(), entry->value(), entry->version};
}

Resolution DirectoryCore::ResolveEntry(const EntryNode& entry) const {
  Resolution out;
  out.name = entry.name();
  // Its record is whole, but of a later version: neither delivered by guess nor refused.
  out.kind = Resolution::Kind::kUnavailable;
  const auto kind = EncodedKind(entry.value());
  if (kind == DirectoryKind::kAccount) {
    out.account = AccountView::Parse(entry.name(), entry.value());
    if (out.account) out.kind = Resolution::Kind::kAccount;
  } else if (kind == DirectoryKind::kAlias) {
    out.kind = Resolution::Kind::kAlias;
  } else if (kind == DirectoryKind::kMoved) {
    FieldReader fields(entry.value().substr(2));
    Field field;
    while (fields.Next(field)) {
      if (field.tag == kTagTarget) out.new_address = field.octets;
    }
    if (!fields.bad() && !out.new_address.empty()) out.kind = Resolution::Kind::kMoved;
  }
  return out;
}

Resolution DirectoryCore::NotFound() const {
  return {.kind = view_.complete ? Resolution::Kind::kUnknown : Resolution::Kind::kUnavailable};
}

Resolution DirectoryCore::Resolve(std::string_view local_part, std::string_view domain) const {
  NameBuffer domain_name;
  if (domain.empty() || !domain_name.Append(domain) || !LocalDomain(domain_name.view()))
    return {.kind = Resolution::Kind::kForeign, .certain = view_.complete};
  std::array<char, message::kLocalPartBytesMax> buffer;
  std::string_view local;
  bool escaped;
  if (!Unquote(local_part, buffer, local, escaped)) return {.kind = Resolution::Kind::kUnknown};
  const auto find = [&](std::string_view user) -> const EntryNode* {
    NameBuffer name;
    if (!name.Append(user) || !name.Append("@") || !name.Append(domain_name.view())) return nullptr;
    return FindEntry(view_.root, name.view());
  };
  if (const EntryNode* entry = find(local)) return ResolveEntry(*entry);
  const size_t separator = local.find_first_of(options_.subaddress_separators);
  if (separator != local.npos && separator > 0) {
    if (const EntryNode* entry = find(local.substr(0, separator))) {
      Resolution out = ResolveEntry(*entry);
      // What was unescaped is in a buffer of this function: RFC 5233 §4 allows no detail there.
      if (!escaped) out.detail = local.substr(separator + 1);
      return out;
    }
  }
  // Where entries were lost, the catch-all must not swallow the mail of one of them.
  const EntryNode* catch_all = find({});
  if (catch_all == nullptr || !view_.complete) return NotFound();
  Resolution out = ResolveEntry(*catch_all);
  out.catch_all = true;
  return out;
}

Expansion DirectoryCore::Expand(std::string_view local_part, std::string_view domain) const {
  struct Step {
    std::string local_part, domain;
    uint32_t depth;
  };
  Expansion out;
  std::vector<Step> steps = {{std::string(local_part), std::string(domain), 0}};
  absl::flat_hash_set<std::string> seen;
  const auto note = [&](std::vector<std::string>& list, const Step& step) {
    std::string name = step.local_part + '@' + step.domain;
    if (seen.insert(name).second) list.push_back(WrittenAddress(name));
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step step = steps[i];
    const Resolution found = Resolve(step.local_part, step.domain);
    if (!found.certain) out.unavailable = true;
    switch (found.kind) {
      case Resolution::Kind::kForeign:
        note(out.foreign, step);
        break;
      case Resolution::Kind::kUnknown:
      case Resolution::Kind::kMoved:
        note(out.unknown, step);
        break;
      case Resolution::Kind::kUnavailable:
        out.unavailable = true;
        break;
      case Resolution::Kind::kAccount:
        if (!found.account->enabled()) {
          note(out.unknown, step);
        } else if (seen.insert(std::string(found.name)).second) {
          out.accounts.push_back({.address = std::string(found.name),
                                  .detail = std::string(found.detail),
                                  .path = WrittenAddress(step.local_part + '@' + step.domain),
                                  .account_id = found.account->id()});
        }
        break;
      case Resolution::Kind::kAlias: {
        if (!seen.insert(std::string(found.name)).second) break;
        const EntryNode* entry = FindEntry(view_.root, found.name);
        FieldReader fields(entry->value().substr(2));
        Field field;
        while (fields.Next(field)) {
          if (field.tag != kTagTarget) continue;
          if (step.depth >= kAliasDepthMax || steps.size() >= kExpansionMax) {
            out.truncated = true;
            break;
          }
          const size_t at = field.octets.rfind('@');
          if (at == field.octets.npos) continue;
          steps.push_back({std::string(field.octets.substr(0, at)),
                           std::string(field.octets.substr(at + 1)), step.depth + 1});
        }
        if (fields.bad()) out.unavailable = true;
        break;
      }
    }
  }
  return out;
}

}  // namespace ringmail::storage
