#include "ringmail/session/auth_limiter.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/codec/digest.h"

namespace ringmail::session {
namespace {

constexpr size_t kWays = 8;
constexpr size_t kAttempts = 4;
constexpr uint8_t kBansMax = 20;  // the doubling ends at ban_time_max long before

// What failed, of one network or one name.
struct Entry {
  uint64_t key = 0;  // 0: free
  MonotonicTime last{}, banned_until{};
  double failures = 0;  // not forgiven yet, at `last`
  std::array<uint32_t, kAttempts> attempts{};
  uint8_t next_attempt = 0, bans = 0;
};
static_assert(sizeof(Entry) <= 56);

struct Pair {
  uint64_t key = 0;
  MonotonicTime until{};
};

double Left(const Entry& entry, const AuthLimiterOptions& options, MonotonicTime now) {
  const double passed = std::chrono::duration<double>(now - entry.last).count();
  const double each = static_cast<double>(std::max<int64_t>(options.forgive_time.count(), 1));
  return std::max(0.0, entry.failures - passed / each);
}

bool IsBanned(const Entry& entry, MonotonicTime now) { return entry.banned_until > now; }

// Places of kWays entries each: what is wanted may lie in one place alone.
template <typename T>
class Table {
 public:
  explicit Table(size_t entries)
      : places_(std::max<size_t>(entries / kWays, 1)), entries_(places_ * kWays) {}
  T* Find(uint64_t key) {
    T* const place = Place(key);
    for (size_t i = 0; i < kWays; ++i) {
      if (place[i].key == key) return &place[i];
    }
    return nullptr;
  }
  // The one that `better` puts first gives way.
  template <typename Better>
  T& FindOrMake(uint64_t key, Better better) {
    if (T* const found = Find(key)) return *found;
    T* const place = Place(key);
    T* least = place;
    for (size_t i = 0; i < kWays; ++i) {
      if (place[i].key == 0) {
        least = &place[i];
        break;
      }
      if (better(place[i], *least)) least = &place[i];
    }
    *least = T{};
    least->key = key;
    return *least;
  }
  template <typename Count>
  uint32_t CountIf(Count count) const {
    return static_cast<uint32_t>(std::count_if(entries_.begin(), entries_.end(), count));
  }

 private:
  T* Place(uint64_t key) { return &entries_[key % places_ * kWays]; }
  const size_t places_;
  std::vector<T> entries_;
};

}  // namespace

struct AuthLimiter::State {
  State(AuthLimiterOptions o, std::array<uint64_t, 2> k)
      : options(std::move(o)),
        key(k),
        networks(options.entries_max),
        names(options.entries_max),
        pairs(options.entries_max) {}

  uint64_t Hash(char purpose, std::string_view text) const {
    std::string octets(1, purpose);
    octets += text;
    const uint64_t hash = codec::KeyedHash(key, octets);
    codec::Wipe(octets);
    return hash == 0 ? 1 : hash;
  }
  // A Unix socket is no network: one program speaks there for many people.
  bool Trusted(const IpAddress& client) const {
    if (client.family == IpAddress::Family::kNone) return true;
    return std::any_of(options.trusted_networks.begin(), options.trusted_networks.end(),
                       [&](const IpNetwork& one) { return one.Contains(client); });
  }
  uint64_t NetworkKey(const IpAddress& client) const {
    const bool v4 = client.family == IpAddress::Family::kV4;
    const IpNetwork network =
        IpNetwork::Of(client, v4 ? options.network_bits_v4 : options.network_bits_v6);
    const std::string octets(network.address.bytes.begin(), network.address.bytes.end());
    return Hash(v4 ? '4' : '6', octets);
  }
  uint64_t NameKey(std::string_view name) const { return name.empty() ? 0 : Hash('n', name); }
  uint64_t PairKey(uint64_t network, uint64_t name) const {
    const std::array<uint64_t, 2> both{network, name};
    return Hash('p', {reinterpret_cast<const char*>(both.data()), sizeof(both)});
  }
  bool Known(uint64_t network, uint64_t name, MonotonicTime now) {
    const Pair* const pair = pairs.Find(PairKey(network, name));
    return pair != nullptr && pair->until > now;
  }

  struct Counted {
    double failures = 0;
    bool banned = false;  // by this one
  };
  Counted Count(Table<Entry>& table, uint64_t entry_key, uint64_t attempt, uint32_t failures_max,
                MonotonicTime now);
  struct Verdict {
    Counted network, name;
  };
  Verdict Note(const AuthNews& news, MonotonicTime now);
  void NoteKnown(const AuthNews& news, MonotonicTime now);

  AuthLimiterOptions options;
  const std::array<uint64_t, 2> key;
  Table<Entry> networks, names;
  Table<Pair> pairs;
};

AuthLimiter::State::Counted AuthLimiter::State::Count(Table<Entry>& table, uint64_t entry_key,
                                                      uint64_t attempt, uint32_t failures_max,
                                                      MonotonicTime now) {
  // Who gives way: the forgiven, then who is not banned, then whose failure or ban is the oldest.
  const auto rank = [&](const Entry& one) {
    return IsBanned(one, now) ? 2 : Left(one, options, now) > 0 ? 1 : 0;
  };
  Entry& entry = table.FindOrMake(entry_key, [&](const Entry& a, const Entry& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    return IsBanned(a, now) ? a.banned_until < b.banned_until : a.last < b.last;
  });
  const double left = Left(entry, options, now);
  const auto mark = static_cast<uint32_t>(attempt);
  const bool repeated =
      mark != 0 && left > 0 &&
      std::find(entry.attempts.begin(), entry.attempts.end(), mark) != entry.attempts.end();
  entry.failures = left + (repeated ? 0 : 1);
  // A row of bans has ended when nothing has failed for as long as the longest of them.
  if (now - entry.last > Nanoseconds(options.ban_time_max)) entry.bans = 0;
  entry.last = now;
  if (!repeated) {
    entry.attempts[entry.next_attempt] = mark;
    entry.next_attempt = static_cast<uint8_t>((entry.next_attempt + 1) % kAttempts);
  }
  Counted counted{.failures = entry.failures, .banned = false};
  // To the nearest: the moments between failures forgive a little of each.
  if (failures_max == 0 || IsBanned(entry, now) || entry.failures + 0.5 < failures_max) {
    return counted;
  }
  const auto time = std::min<std::chrono::seconds>(options.ban_time * (int64_t{1} << entry.bans),
                                                   options.ban_time_max);
  entry.banned_until = now + time;
  entry.bans = std::min<uint8_t>(static_cast<uint8_t>(entry.bans + 1), kBansMax);
  // After the ban it begins anew.
  entry.failures = 0;
  counted.banned = true;
  return counted;
}

AuthLimiter::State::Verdict AuthLimiter::State::Note(const AuthNews& news, MonotonicTime now) {
  Verdict verdict;
  if (news.network != 0) {
    verdict.network =
        Count(networks, news.network, news.attempt, options.network_failures_max, now);
  }
  if (news.name != 0) {
    verdict.name = Count(names, news.name, news.attempt, options.name_failures_max, now);
  }
  return verdict;
}

void AuthLimiter::State::NoteKnown(const AuthNews& news, MonotonicTime now) {
  Pair& pair = pairs.FindOrMake(PairKey(news.network, news.name),
                                [](const Pair& a, const Pair& b) { return a.until < b.until; });
  pair.until = now + options.known_time;
}

AuthLimiter::AuthLimiter(AuthLimiterOptions options, std::array<uint64_t, 2> key)
    : state_(std::make_unique<State>(std::move(options), key)) {}
AuthLimiter::~AuthLimiter() = default;

AuthAdmission AuthLimiter::Admit(const IpAddress& client, std::string_view name,
                                 MonotonicTime now) {
  const uint64_t network = state_->NetworkKey(client);
  if (!state_->Trusted(client)) {
    const Entry* const entry = state_->networks.Find(network);
    if (entry != nullptr && IsBanned(*entry, now)) return AuthAdmission::kNetworkBanned;
  }
  const uint64_t key = state_->NameKey(name);
  if (key == 0) return AuthAdmission::kAdmitted;
  const Entry* const entry = state_->names.Find(key);
  if (entry != nullptr && IsBanned(*entry, now) && !state_->Known(network, key, now)) {
    return AuthAdmission::kNameBanned;
  }
  return AuthAdmission::kAdmitted;
}

bool AuthLimiter::Banned(const IpAddress& client, MonotonicTime now) const {
  if (state_->Trusted(client)) return false;
  const Entry* const entry = state_->networks.Find(state_->NetworkKey(client));
  return entry != nullptr && IsBanned(*entry, now);
}

AuthPenalty AuthLimiter::Fail(const IpAddress& client, std::string_view name,
                              std::string_view password, MonotonicTime now) {
  AuthPenalty penalty;
  penalty.news.network = state_->Trusted(client) ? 0 : state_->NetworkKey(client);
  penalty.news.name = state_->NameKey(name);
  if (!password.empty()) {
    std::string both(name);
    both += '\0';
    both += password;
    penalty.news.attempt = state_->Hash('a', both);
    codec::Wipe(both);
  }
  const State::Verdict verdict = state_->Note(penalty.news, now);
  penalty.network_banned = verdict.network.banned;
  penalty.name_banned = verdict.name.banned;
  const AuthLimiterOptions& options = state_->options;
  const double failures = std::max(verdict.network.failures, verdict.name.failures);
  // 2^30 of the shortest delay is more than the longest.
  const int doublings = std::clamp(static_cast<int>(std::min(failures, 31.0) + 0.5) - 1, 0, 30);
  penalty.delay = options.delay_min;
  for (int i = 0; i < doublings && penalty.delay < options.delay_max; ++i) penalty.delay *= 2;
  penalty.delay = std::min(penalty.delay, options.delay_max);
  return penalty;
}

std::optional<AuthNews> AuthLimiter::Succeed(const IpAddress& client, std::string_view name,
                                             MonotonicTime now) {
  AuthNews news;
  news.network = state_->NetworkKey(client);
  news.name = state_->NameKey(name);
  news.success = true;
  if (news.name == 0) return std::nullopt;
  const Pair* const pair = state_->pairs.Find(state_->PairKey(news.network, news.name));
  // The others hear of it again before half of the time is over.
  const bool fresh =
      pair != nullptr && pair->until - now > Nanoseconds(state_->options.known_time) / 2;
  if (fresh) return std::nullopt;
  state_->NoteKnown(news, now);
  return news;
}

void AuthLimiter::Learn(const AuthNews& news, MonotonicTime now) {
  if (news.success) {
    state_->NoteKnown(news, now);
  } else {
    (void)state_->Note(news, now);
  }
}

void AuthLimiter::Reconfigure(AuthLimiterOptions options) { state_->options = std::move(options); }

uint32_t AuthLimiter::networks_banned(MonotonicTime now) const {
  return state_->networks.CountIf([&](const Entry& one) { return IsBanned(one, now); });
}
uint32_t AuthLimiter::names_banned(MonotonicTime now) const {
  return state_->names.CountIf([&](const Entry& one) { return IsBanned(one, now); });
}

}  // namespace ringmail::session
