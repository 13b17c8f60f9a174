#include "ringmail/backend/fields.h"

#include <charconv>

#include "ringmail/codec/ascii.h"

namespace ringmail::backend {
namespace {

bool Same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != b[i]) return false;
  }
  return true;
}

std::string_view TakeItem(std::string_view& list) {
  constexpr std::string_view kBetween = ", \t\r\n";
  const size_t begin = list.find_first_not_of(kBetween);
  if (begin == list.npos) {
    list = {};
    return {};
  }
  const size_t end = std::min(list.find_first_of(kBetween, begin), list.size());
  const std::string_view item = list.substr(begin, end - begin);
  list.remove_prefix(end);
  return item;
}

std::optional<uint64_t> ReadNumber(std::string_view text, std::string_view& rest) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  rest = text.substr(static_cast<size_t>(end - text.data()));
  return number;
}

Status Wrong(std::string_view name) {
  return absl::InvalidArgumentError(Absl("field '" + std::string(name) + "' cannot be read"));
}

Status TakeField(const BackendField& field, std::string_view default_scheme, BackendAccount& out) {
  if (Same(field.name, "password")) {
    if (field.value.size() > kBackendPasswordBytesMax) return Wrong("password");
    if (out.password.empty()) out.password = WithScheme(field.value, default_scheme);
  } else if (Same(field.name, "quota")) {
    if (field.value.empty()) return absl::OkStatus();
    out.quota_bytes = ReadQuota(field.value);
    if (!out.quota_bytes) return Wrong("quota");
  } else if (Same(field.name, "quota_messages")) {
    if (field.value.empty()) return absl::OkStatus();
    std::string_view rest;
    out.quota_messages = ReadNumber(field.value, rest);
    if (!out.quota_messages || !rest.empty() || *out.quota_messages >> 62 != 0)
      return Wrong("quota_messages");
  } else if (Same(field.name, "enabled")) {
    out.enabled = false;
    for (const std::string_view yes : {"1", "true", "yes", "t", "y"}) {
      out.enabled |= Same(field.value, yes);
    }
  } else if (Same(field.name, "forward")) {
    std::string_view list = field.value;
    for (std::string_view one = TakeItem(list); !one.empty(); one = TakeItem(list)) {
      if (out.forward.size() == kBackendForwardMax) return Wrong("forward");
      out.forward.emplace_back(one);
    }
  } else if (Same(field.name, "allow_nets")) {
    if (!ReadNetworks(field.value, out)) return Wrong("allow_nets");
  }
  return absl::OkStatus();
}

}  // namespace

BackendQuestion BackendQuestion::Of(std::string_view address) {
  const size_t at = std::min(address.rfind('@'), address.size());
  return {std::string(address), std::string(address.substr(0, at)),
          std::string(address.substr(std::min(at + 1, address.size())))};
}

StatusOr<BackendAccount> AccountOfFields(std::span<const BackendField> fields,
                                         std::string_view default_scheme) {
  BackendAccount out;
  for (const BackendField& one : fields) RETURN_IF_ERROR(TakeField(one, default_scheme, out));
  return out;
}

std::optional<uint64_t> ReadQuota(std::string_view text) {
  std::string_view unit;
  const auto number = ReadNumber(text, unit);
  if (!number) return std::nullopt;
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  unsigned shift = 0;
  if (!unit.empty()) {
    constexpr std::string_view kUnits = "bkmgt";
    const char first = unit.front() >= 'A' && unit.front() <= 'Z'
                           ? static_cast<char>(unit.front() + 32)
                           : unit.front();
    const size_t at = kUnits.find(first);
    if (at == kUnits.npos) return std::nullopt;
    shift = static_cast<unsigned>(at) * 10;
    const std::string_view rest = unit.substr(1);
    if (!rest.empty() && (at == 0 || (!Same(rest, "b") && !Same(rest, "ib")))) return std::nullopt;
  }
  if (*number > (uint64_t{1} << 62) >> shift) return std::nullopt;
  return *number << shift;
}

std::string WithScheme(std::string_view stored, std::string_view default_scheme) {
  if (stored.empty() || stored.front() == '{' || stored.front() == '$' || default_scheme.empty())
    return std::string(stored);
  return "{" + std::string(default_scheme) + "}" + std::string(stored);
}

bool ReadNetworks(std::string_view text, BackendAccount& account) {
  std::string_view list = text;
  for (std::string_view one = TakeItem(list); !one.empty(); one = TakeItem(list)) {
    account.restricted = true;
    // Dovecot's word for Unix sockets, which nobody comes by here.
    if (one == "local") continue;
    const auto network = IpNetwork::Parse(one);
    if (!network || account.networks.size() == kBackendNetworksMax) return false;
    account.networks.push_back(*network);
  }
  return true;
}

}  // namespace ringmail::backend
