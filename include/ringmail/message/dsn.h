// Delivery status notifications (RFC 3461, 3462, 3464): the content of one report. Pure.
//
// Promise: valid RFC 3464 for any input; what a peer said (diagnostic text, ENVID, ORCPT) is
//   encoded, never trusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ids.h"
#include "ringmail/base/time.h"
#include "ringmail/message/envelope.h"
#include "ringmail/message/reply.h"

namespace ringmail::message {

enum class DsnAction : uint8_t { kFailed, kDelayed, kDelivered, kRelayed, kExpanded };

struct DsnRecipient {
  std::string_view path;
  std::string_view original_recipient;  // ORCPT as kept, xtext, or ""
  DsnAction action = DsnAction::kFailed;
  EnhancedStatus
      status;  // RFC 3463; absent becomes that of `diagnostic`, or x.0.0 of the action's class
  std::string_view remote_host;  // who said it, "" for our own verdict
  Reply diagnostic;              // code 0 for none
  WallTime last_attempt{};
  WallTime will_retry_until{};  // kDelayed only
};

struct DsnRequest {
  std::string_view reporting_host;
  QueueId queue_id;              // of the message reported on
  QueueId own_id;                // of the report itself: its Message-ID
  std::string_view to;           // the reverse-path
  std::string_view envelope_id;  // xtext or ""
  WallTime arrival{};
  WallTime now{};
  bool smtp_utf8 = false;  // RFC 6533 forms are used where an address needs them
  DsnReturn returns = DsnReturn::kUnspecified;
  std::vector<DsnRecipient> recipients;
  // The original's header section, or as much of the content as is returned; bounded by the caller.
  std::string_view original;
  bool original_is_whole = false;  // message/rfc822, otherwise text/rfc822-headers
};

// The whole content, CRLF lines, 7-bit unless smtp_utf8 or `original` has 8-bit octets.
std::string WriteDsn(const DsnRequest& request);

}  // namespace ringmail::message
