// Trace information (RFC 5321 §4.4) and what guards against loops (§6.3). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/base/ids.h"
#include "ringmail/base/ip_address.h"
#include "ringmail/base/time.h"
#include "ringmail/message/path.h"

namespace ringmail::message {

struct ReceivedField {
  std::string_view helo;  // what the client said, already valid; may be "" (local submission)
  IpAddress client;       // kNone for a local client
  std::string_view by_host;
  std::string_view with_protocol;  // RFC 3848: SMTP ESMTP ESMTPS ESMTPA …, RFC 6531: UTF8SMTP …
  std::string_view tls;            // comment text such as "TLS1.3 cipher …", "" without TLS
  QueueId id;
  std::string_view for_path;  // "" unless there is exactly one recipient (RFC 5321 §7.6)
  WallTime when{};
};

// "Received: from … by … with … id …; date\r\n", folded at 78 columns, appended to `out`.
void AppendReceived(const ReceivedField& field, std::string& out);

// "Mon, 23 Nov 2026 05:42:08 +0000" (RFC 5322 §3.3), appended.
void AppendDate(WallTime when, std::string& out);

// Counts Received fields in the header section while content streams by in pieces, cut anywhere
// (RFC 5321 §6.3), and notices those written by `own_host`: "by <own_host>" outside comments, any
// case. O(1) memory; stops at the empty line. Borrows `own_host`.
// Limits: a host name over kDomainBytesMax is never ours.
class HopCounter {
 public:
  explicit HopCounter(std::string_view own_host);
  void Feed(std::string_view piece);
  uint32_t received_count() const { return received_; }
  uint32_t own_count() const { return own_; }
  bool header_ended() const { return ended_; }

 private:
  enum class State : uint8_t { kLineStart, kCrAtLineStart, kName, kSkipLine, kBody };
  size_t LineStart(char c);
  void Name(char c);
  void Body(char c);
  void EndToken();

  std::string_view own_host_;
  uint32_t received_ = 0, own_ = 0;
  bool ended_ = false, in_received_ = false;
  State state_ = State::kLineStart;
  // Within a Received field: what matters of its tokens.
  bool after_by_ = false, own_seen_ = false, after_backslash_ = false;
  uint32_t comment_depth_ = 0;
  size_t matched_ = 0;  // octets of "received" in kName
  size_t token_bytes_ = 0;
  char token_[kDomainBytesMax];
};

}  // namespace ringmail::message
