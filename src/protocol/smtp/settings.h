// What sessions share: the options they began with and the replies made of them, and what the
// service lends them.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/smtp/extensions.h"
#include "protocol/smtp/metrics.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/base/time.h"
#include "ringmail/codec/data_scan.h"
#include "ringmail/protocol/smtp.h"

namespace ringmail::smtp {

// One configuration. Replaced at reload; an old one lives as long as a session uses it.
struct Settings {
  Settings(const SmtpOptions& smtp_options, const agent::MailLimits& limits);

  // What EHLO announces. `mechanisms` is borrowed.
  OfferContext Offer(bool starttls, std::string_view mechanisms) const;

  const SmtpOptions options;
  const uint64_t message_bytes_max;
  const uint32_t recipients_max;
  // Whole replies; that to EHLO is also that to LHLO (RFC 2033 §4.1).
  const std::string greeting, helo_reply, ehlo_reply, ehlo_starttls_reply, help_reply;
  const std::string lmtp_greeting, lmtp_help_reply;
  uint32_t sessions = 0;
};

// What all sessions of a shard use in turn, never across an await.
struct Shared {
  agent::MailDoor& door;
  SmtpMetrics metrics;
  // 2.6 KB of room to work in, once instead of in each session.
  codec::DataScanner::Step step;
  bool stopping = false;
  MonotonicTime stop_deadline = kNever;
};

}  // namespace ringmail::smtp
