// What sessions share: the options they began with, and what the service lends them.
#pragma once

#include <cstdint>
#include <memory>

#include "protocol/pop3/maildrop.h"
#include "protocol/pop3/metrics.h"
#include "ringmail/agent/authenticator.h"
#include "ringmail/base/time.h"
#include "ringmail/protocol/pop3.h"

namespace ringmail::pop3 {

// One configuration. Replaced at reload; an old one lives as long as a session uses it.
struct Settings {
  explicit Settings(Pop3Options pop3_options) : options(std::move(pop3_options)) {}

  const Pop3Options options;
  uint32_t sessions = 0;
};

// What all sessions of a shard use in turn.
struct Shared {
  Maildrops& maildrops;
  agent::Authenticator& authenticator;
  MaildropLocks locks;
  Pop3Metrics metrics;
  bool stopping = false;
  MonotonicTime stop_deadline = kNever;
};

}  // namespace ringmail::pop3
