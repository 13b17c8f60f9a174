// How long a failure to authenticate waits for its answer, and who is not listened to for a while:
// failures counted by client network and by the name that was tried.
//
// Made by: agent/authenticator.h, one for each shard. Order: Admit before an attempt; Fail or
//   Succeed after it; Learn what other shards' Fail and Succeed returned.
// Promise: it asks nothing of whether a name exists, so nothing that it does tells. A name is never
//   refused to a network that has logged in to it lately: strangers cannot lock its owner out.
//   Failures are forgotten at a steady rate, bans end by themselves. Neither names nor passwords
//   are kept, but keyed hashes of them.
// Shard: pure, one of a shard; the time is told to it. What one shard sees, the others are told
//   (AuthNews is four words of a message), so that each counts all failures; a message that is
//   lost is one failure less on one shard.
// Limits: AuthLimiterOptions; entries_max of networks and of names, 56 octets each, and of known
//   pairs, 16 octets each, made at the start. Where the place of an entry is full, one that is
//   forgiven goes, then the one longest without a failure, then the ban that ends first: whoever
//   wants a ban forgotten has to fail from as many networks.
// Errors: none.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/base/time.h"

namespace ringmail::session {

struct AuthLimiterOptions {
  // An IPv6 client has all of its /64 (RFC 7707 §3). 64 at most.
  uint8_t network_bits_v4 = 32, network_bits_v6 = 64;
  // Neither counted nor banned by network (proxies, webmail); the names that they try are counted.
  std::vector<IpNetwork> trusted_networks;
  // The answer to the first failure leaves this long after the attempt began; each further one of
  // the network or name doubles it.
  Nanoseconds delay_min = std::chrono::seconds(1), delay_max = std::chrono::seconds(15);
  // So many failures that are not forgiven yet, then a ban. 0: none.
  uint32_t network_failures_max = 20, name_failures_max = 50;
  std::chrono::seconds forgive_time{600};  // for one failure
  // The first ban of a network or name, and each of a row twice as long as the one before.
  std::chrono::seconds ban_time{900}, ban_time_max{86400};
  // How long a network may try a name, banned or not, after a success.
  std::chrono::seconds known_time{30 * 86400};
  uint32_t entries_max = 65536;
};

enum class AuthAdmission : uint8_t {
  kAdmitted,
  kNetworkBanned,
  kNameBanned,
};

// What other shards are told.
struct AuthNews {
  uint64_t network = 0;  // keyed hashes; 0: of a trusted network
  uint64_t name = 0;     // 0: none
  uint64_t attempt = 0;  // of name and password; 0: not known
  bool success = false;
};

struct AuthPenalty {
  Nanoseconds delay{0};  // from the begin of the attempt to its answer
  AuthNews news;
  bool network_banned = false, name_banned = false;  // by this failure
};

class AuthLimiter {
 public:
  // `key` is the same on all shards, and secret: nobody chooses names that fall together.
  AuthLimiter(AuthLimiterOptions options, std::array<uint64_t, 2> key);
  ~AuthLimiter();
  AuthLimiter(const AuthLimiter&) = delete;
  AuthLimiter& operator=(const AuthLimiter&) = delete;

  AuthAdmission Admit(const IpAddress& client, std::string_view name, MonotonicTime now);
  // A network alone: before it has said anything.
  bool Banned(const IpAddress& client, MonotonicTime now) const;
  // `password` as sent, "" where there is none: one and the same wrong password of a client that
  // repeats itself is delayed, and counts once.
  AuthPenalty Fail(const IpAddress& client, std::string_view name, std::string_view password,
                   MonotonicTime now);
  // The news: nothing where the others know.
  std::optional<AuthNews> Succeed(const IpAddress& client, std::string_view name,
                                  MonotonicTime now);
  void Learn(const AuthNews& news, MonotonicTime now);
  // What is counted stays; entries_max is that of the start.
  void Reconfigure(AuthLimiterOptions options);

  // How many there are that are banned.
  uint32_t networks_banned(MonotonicTime now) const;
  uint32_t names_banned(MonotonicTime now) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringmail::session
