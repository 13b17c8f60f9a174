#include "tests/sim/mail/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "ringmail/base/check.h"

namespace ringmail::sim {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(PeerKind::kCount)> kPeerNames = {
    "correct", "greylister", "tarpit",       "refuser",  "closer",
    "late",    "liar",       "size-breaker", "old-host", "one-at-a-time"};

constexpr std::array<std::string_view, 3> kEndingNames = {"quit", "leave", "vanish"};

constexpr std::array<std::string_view, static_cast<size_t>(FaultKind::kCount)> kFaultNames = {
    "power-cut",    "kill",          "terminate",  "power-cut-at-write", "kill-at-write",
    "reload",       "disk-error",    "disk-full",  "slow-disk",          "rot",
    "latency",      "partition",     "reset",      "half-close",         "refuse",
    "backlog-full", "tiny-segments", "clock-jump", "dns-failure",        "slow-shard",
    "pause"};

// Text of the bodies: lines of several lengths, some with dots in front; a body is a piece of it.
const std::string& BodyText() {
  static const std::string text = [] {
    std::string out;
    uint64_t state = 7;
    while (out.size() < (512u << 10)) {
      state = Mix(state, out.size());
      const size_t length = state % 77;
      for (size_t i = 0; i < length; ++i) out += static_cast<char>('a' + (state >> (i % 48)) % 26);
      out += "\r\n";
    }
    return out;
  }();
  return text;
}

// `key=value` pairs of one line.
class Fields {
 public:
  explicit Fields(std::string_view line) {
    while (!line.empty()) {
      const size_t end = std::min(line.find(' '), line.size());
      if (end > 0) words_.push_back(line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
  }
  std::string_view word(size_t i) const {
    return i < words_.size() ? words_[i] : std::string_view();
  }
  std::string_view Text(std::string_view key) {
    for (const std::string_view word : words_) {
      const size_t equals = word.find('=');
      if (equals != word.npos && word.substr(0, equals) == key) return word.substr(equals + 1);
    }
    wrong_ = key;
    return {};
  }
  bool Has(std::string_view key) const {
    return std::any_of(words_.begin(), words_.end(), [key](std::string_view word) {
      return word.starts_with(key) && word.substr(key.size()).starts_with('=');
    });
  }
  uint64_t Number(std::string_view key) { return Read(Text(key), key); }
  uint64_t Read(std::string_view text, std::string_view key) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) wrong_ = key;
    return value;
  }
  template <typename T>
  void Set(T& out, std::string_view key) {
    out = static_cast<T>(Number(key));
  }
  void Set(Nanoseconds& out, std::string_view key) { out = Nanoseconds(Number(key)); }
  void Wrong(std::string_view key) { wrong_ = key; }
  std::string_view wrong() const { return wrong_; }

 private:
  std::vector<std::string_view> words_;
  std::string_view wrong_;
};

template <typename Kind, size_t N>
Kind FindKind(Fields& fields, const std::array<std::string_view, N>& names,
              std::string_view key = "kind") {
  const auto found = std::find(names.begin(), names.end(), fields.Text(key));
  if (found == names.end()) fields.Wrong(key);
  return static_cast<Kind>(found == names.end() ? 0 : found - names.begin());
}

// Calls read(word) for each word between commas.
template <typename Read>
void ReadList(std::string_view list, Read read) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    read(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

std::string Text(RecipientPlan to) {
  switch (to.kind) {
    case RecipientPlan::Kind::kAccount:
      return fmt::format("b{}", to.index);
    case RecipientPlan::Kind::kDetail:
      return fmt::format("b{}+", to.index);
    case RecipientPlan::Kind::kAlias:
      return fmt::format("l{}", to.index);
    case RecipientPlan::Kind::kPeer:
      break;
  }
  return fmt::format("{}", to.index);
}

RecipientPlan ReadRecipient(Fields& f, std::string_view word, const Plan& plan) {
  RecipientPlan to;
  size_t count = plan.peers.size();
  if (word.starts_with('b')) {
    to.kind = word.ends_with('+') ? RecipientPlan::Kind::kDetail : RecipientPlan::Kind::kAccount;
    count = plan.accounts.size();
    word.remove_prefix(1);
    if (word.ends_with('+')) word.remove_suffix(1);
  } else if (word.starts_with('l')) {
    to.kind = RecipientPlan::Kind::kAlias;
    count = plan.aliases.size();
    word.remove_prefix(1);
  }
  to.index = static_cast<uint32_t>(f.Read(word, "to"));
  if (to.index >= count) f.Wrong("to");
  return to;
}

void ReadAccount(Fields& f, Plan& plan) {
  AccountPlan account;
  f.Set(account.quota_messages, "quota_messages");
  plan.accounts.push_back(account);
}

void ReadAlias(Fields& f, Plan& plan) {
  AliasPlan alias;
  ReadList(f.Text("accounts"), [&](std::string_view word) {
    alias.accounts.push_back(static_cast<uint32_t>(f.Read(word, "accounts")));
    if (alias.accounts.back() >= plan.accounts.size()) f.Wrong("accounts");
  });
  if (alias.accounts.empty()) f.Wrong("accounts");
  plan.aliases.push_back(std::move(alias));
}

void ReadVisit(Fields& f, Plan& plan) {
  VisitPlan visit;
  visit.number = static_cast<uint32_t>(f.Read(f.word(1), "visit"));
  f.Set(visit.account, "account");
  f.Set(visit.at, "at");
  f.Set(visit.lingers, "lingers");
  f.Set(visit.read_percent, "read_percent");
  f.Set(visit.delete_percent, "delete_percent");
  visit.ending = FindKind<VisitPlan::Ending>(f, kEndingNames, "ending");
  if (visit.account >= plan.accounts.size()) f.Wrong("account");
  plan.visits.push_back(visit);
}

void ReadMessage(Fields& f, Plan& plan) {
  MessagePlan message;
  message.number = static_cast<uint32_t>(f.Read(f.word(1), "message"));
  f.Set(message.sender, "sender");
  f.Set(message.at, "at");
  ReadList(f.Text("to"), [&](std::string_view word) {
    message.recipients.push_back(ReadRecipient(f, word, plan));
  });
  f.Set(message.bytes, "bytes");
  const std::string_view flags = f.Text("flags");
  message.null_path = flags.find('n') != flags.npos;
  message.eight_bit = flags.find('8') != flags.npos;
  message.chunks = flags.find('c') != flags.npos;
  message.whole = flags.find('r') != flags.npos;
  message.dots = flags.find('d') != flags.npos;
  if (message.number == 0 || message.sender >= plan.senders || message.recipients.empty()) {
    f.Wrong("message");
  }
  plan.messages.push_back(std::move(message));
}

void ReadFault(Fields& f, Plan& plan) {
  FaultPlan fault;
  fault.id = static_cast<uint32_t>(f.Read(f.word(1), "fault"));
  fault.kind = FindKind<FaultKind>(f, kFaultNames);
  f.Set(fault.at, "at");
  f.Set(fault.lasts, "lasts");
  f.Set(fault.server, "server");
  f.Set(fault.peer, "peer");
  f.Set(fault.place, "place");
  f.Set(fault.number, "number");
  if (fault.server >= plan.servers) f.Wrong("server");
  if (fault.peer < FaultPlan::kHome && fault.peer >= plan.peers.size()) f.Wrong("peer");
  plan.faults.push_back(fault);
}

void ReadHead(Fields& f, Plan& plan) {
  plan.scenario = f.Text("scenario");
  f.Set(plan.seed, "seed");
  f.Set(plan.servers, "servers");
  f.Set(plan.shards, "shards");
  f.Set(plan.senders, "senders");
  f.Set(plan.messages_per_connection, "messages_per_connection");
  f.Set(plan.expire_after, "expire_after");
  f.Set(plan.warn_after, "warn_after");
  f.Set(plan.connections_max, "connections_max");
  f.Set(plan.shard_queue, "shard_queue");
  // Plans that were kept before these were there have the usual.
  if (f.Has("cache_bytes")) f.Set(plan.cache_bytes, "cache_bytes");
  if (f.Has("window_bytes")) f.Set(plan.window_bytes, "window_bytes");
  if (f.Has("behave_after")) f.Set(plan.behave_after, "behave_after");
  if (plan.servers < 1 || plan.servers > 2) f.Wrong("servers");
  if (plan.shards < 1 || plan.shards > 16) f.Wrong("shards");
}

void ReadLine(Fields& f, Plan& plan) {
  if (f.word(0) == "plan") {
    ReadHead(f, plan);
  } else if (f.word(0) == "peer") {
    PeerPlan peer;
    peer.kind = FindKind<PeerKind>(f, kPeerNames);
    f.Set(peer.number, "number");
    peer.by_name = f.Number("by_name") != 0;
    plan.peers.push_back(peer);
  } else if (f.word(0) == "account") {
    ReadAccount(f, plan);
  } else if (f.word(0) == "alias") {
    ReadAlias(f, plan);
  } else if (f.word(0) == "visit") {
    ReadVisit(f, plan);
  } else if (f.word(0) == "message") {
    ReadMessage(f, plan);
  } else if (f.word(0) == "fault") {
    ReadFault(f, plan);
  } else {
    f.Wrong("the first word");
  }
}

}  // namespace

std::string_view Name(PeerKind kind) { return kPeerNames[static_cast<size_t>(kind)]; }
std::string_view Name(FaultKind kind) { return kFaultNames[static_cast<size_t>(kind)]; }
std::string_view Name(VisitPlan::Ending ending) {
  return kEndingNames[static_cast<size_t>(ending)];
}

uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t z = a * 0x9E3779B97F4A7C15u ^ (b + 0xD1B54A32D192ED03u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::string Print(const Plan& plan) {
  std::string out = fmt::format(
      "plan scenario={} seed={} servers={} shards={} senders={} messages_per_connection={} "
      "expire_after={} "
      "warn_after={} connections_max={} "
      "shard_queue={} cache_bytes={} window_bytes={} behave_after={}\n",
      plan.scenario, plan.seed, plan.servers, plan.shards, plan.senders,
      plan.messages_per_connection, plan.expire_after.count(), plan.warn_after.count(),
      plan.connections_max, plan.shard_queue, plan.cache_bytes, plan.window_bytes,
      plan.behave_after.count());
  for (const PeerPlan& peer : plan.peers) {
    out += fmt::format("peer kind={} number={} by_name={}\n", Name(peer.kind), peer.number,
                       int{peer.by_name});
  }
  for (const AccountPlan& account : plan.accounts)
    out += fmt::format("account quota_messages={}\n", account.quota_messages);
  for (const AliasPlan& alias : plan.aliases)
    out += fmt::format("alias accounts={}\n", fmt::join(alias.accounts, ","));
  for (const MessagePlan& m : plan.messages) {
    std::vector<std::string> to;
    for (const RecipientPlan recipient : m.recipients) to.push_back(Text(recipient));
    out += fmt::format("message {} sender={} at={} to={} bytes={} flags={}{}{}{}{}-\n", m.number,
                       m.sender, m.at.count(), fmt::join(to, ","), m.bytes, m.null_path ? "n" : "",
                       m.eight_bit ? "8" : "", m.chunks ? "c" : "", m.whole ? "r" : "",
                       m.dots ? "d" : "");
  }
  for (const VisitPlan& v : plan.visits) {
    out += fmt::format(
        "visit {} account={} at={} lingers={} read_percent={} delete_percent={} ending={}\n",
        v.number, v.account, v.at.count(), v.lingers.count(), v.read_percent, v.delete_percent,
        Name(v.ending));
  }
  for (const FaultPlan& f : plan.faults) {
    out += fmt::format("fault {} kind={} at={} lasts={} server={} peer={} place={} number={}\n",
                       f.id, Name(f.kind), f.at.count(), f.lasts.count(), f.server, f.peer, f.place,
                       f.number);
  }
  return out;
}

StatusOr<Plan> ParsePlan(std::string_view text) {
  Plan plan;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line[0] == '#') continue;
    Fields fields(line);
    ReadLine(fields, plan);
    if (!fields.wrong().empty()) {
      return absl::InvalidArgumentError(
          fmt::format("line {}: {} is missing or wrong", number, fields.wrong()));
    }
  }
  if (plan.peers.empty()) return absl::InvalidArgumentError("a plan without peers");
  return plan;
}

std::string ContentOf(const Plan& plan, const MessagePlan& message) {
  const uint64_t mix = Mix(plan.seed, message.number);
  std::string out;
  out.reserve(message.bytes + 256);
  fmt::format_to(std::back_inserter(out),
                 "From: s{}.m{}@home.example\r\nX-Sim: m{}\r\nSubject: message {}\r\n\r\n",
                 message.sender, message.number, message.number, message.number);
  const std::string& text = BodyText();
  size_t left = message.bytes;
  size_t at = mix % text.size();
  while (left > 0) {
    const size_t count = std::min(left, text.size() - at);
    out.append(text, at, count);
    left -= count;
    at = 0;
  }
  // A piece may begin or end within a line, or within its CRLF.
  if (out.back() == '\r') out.back() = 'x';
  if (message.eight_bit) out += "gr\xc3\xbc\xc3\x9f \xff\xfe\x80";
  if (!out.ends_with("\r\n")) out += "\r\n";
  if (message.dots) {
    for (uint64_t i = 0; i < 1 + mix % 40; ++i)
      out += i % 3 == 0 ? ".\r\n" : i % 3 == 1 ? "..a\r\n" : ".. \r\n";
    out += ".\r\n";
  }
  // A piece may begin with the second half of a CRLF.
  const size_t body = out.find("\r\n\r\n") + 4;
  if (body < out.size() && out[body] == '\n') out[body] = 'y';
  return out;
}

std::string ReversePathOf(const MessagePlan& message) {
  if (message.null_path) return {};
  return fmt::format("s{}.m{}@home.example", message.sender, message.number);
}

std::string ForwardPathOf(const MessagePlan& message, size_t recipient) {
  const RecipientPlan to = message.recipients[recipient];
  switch (to.kind) {
    case RecipientPlan::Kind::kAccount:
      return AddressOfAccount(to.index);
    case RecipientPlan::Kind::kDetail:
      return fmt::format("box{}+m{}.r{}@local.example", to.index, message.number, recipient);
    case RecipientPlan::Kind::kAlias:
      return AddressOfAlias(to.index);
    case RecipientPlan::Kind::kPeer:
      break;
  }
  return fmt::format("m{}.r{}@d{}.example", message.number, recipient, to.index);
}

std::string AddressOfAccount(uint32_t account) {
  return fmt::format("box{}@local.example", account);
}

std::string AddressOfAlias(uint32_t alias) { return fmt::format("list{}@local.example", alias); }

std::string AliasTargetOf(uint32_t alias, uint32_t account) {
  if ((alias + account) % 2 == 0) return AddressOfAccount(account);
  return fmt::format("box{}+list{}@local.example", account, alias);
}

std::vector<uint32_t> AccountsOf(const Plan& plan, RecipientPlan to) {
  if (to.kind == RecipientPlan::Kind::kPeer) return {};
  if (to.kind == RecipientPlan::Kind::kAlias) return plan.aliases[to.index].accounts;
  return {to.index};
}

bool ReadAccountAddress(std::string_view path, uint32_t& account) {
  if (!path.starts_with("box") || !path.ends_with("@local.example")) return false;
  const char* const end = path.data() + path.size();
  const auto part = std::from_chars(path.data() + 3, end, account);
  return part.ec == std::errc() && (*part.ptr == '@' || *part.ptr == '+');
}

bool ReadForwardPath(std::string_view path, uint32_t& message, uint32_t& recipient) {
  if (!path.starts_with('m')) return false;
  const char* const end = path.data() + path.size();
  auto part = std::from_chars(path.data() + 1, end, message);
  if (part.ec != std::errc() || end - part.ptr < 3 || part.ptr[0] != '.' || part.ptr[1] != 'r')
    return false;
  part = std::from_chars(part.ptr + 2, end, recipient);
  return part.ec == std::errc() && part.ptr != end && *part.ptr == '@';
}

uint32_t MessageOf(std::string_view content) {
  constexpr std::string_view kField = "\r\nX-Sim: m";
  const std::string_view header = content.substr(0, content.find("\r\n\r\n"));
  const size_t at = header.find(kField);
  uint32_t number = 0;
  if (at == header.npos) return 0;
  const std::string_view digits = header.substr(at + kField.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

}  // namespace ringmail::sim
