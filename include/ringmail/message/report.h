// Reading reports: delivery status (RFC 3464), dispositions (RFC 8098), and their forms for
// addresses beyond ASCII (RFC 6533).
//
// Promise: pure; text is valid UTF-8 without controls. A report is a peer's word: nothing here is
// to be trusted. Read leniently: a group or field that is missing stays empty, fields that no
// member is for are in `others`. Limits: kReportRecipientsMax groups; what is beyond is not read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/compose.h"
#include "ringmail/message/date.h"
#include "ringmail/message/dsn.h"
#include "ringmail/message/part_view.h"
#include "ringmail/message/reply.h"

namespace ringmail::message {

inline constexpr size_t kReportRecipientsMax = 10000;

// "rfc822; user@example.org", "dns; mx.example.org", "smtp; 550 no such user". An address of type
// "utf-8" is decoded (RFC 6533 §3).
struct ReportValue {
  std::string type;  // lower case; both "" where the field is missing
  std::string value;

  bool present() const { return !type.empty() || !value.empty(); }
  friend bool operator==(const ReportValue&, const ReportValue&) = default;
};
struct ReportField {
  std::string name, value;  // as written, unfolded
  friend bool operator==(const ReportField&, const ReportField&) = default;
};

// RFC 3464 §2.3.
struct RecipientStatus {
  ReportValue original_recipient, final_recipient;
  std::optional<DsnAction> action;  // none where the word is unknown
  EnhancedStatus status;            // absent where it is none
  ReportValue remote_mta, diagnostic;
  std::optional<DateTime> last_attempt, will_retry_until;
  std::string final_log_id;
  std::vector<ReportField> others;
};
// RFC 3464 §2.2.
struct DeliveryStatus {
  std::string envelope_id;
  ReportValue reporting_mta, dsn_gateway, received_from_mta;
  std::optional<DateTime> arrival;
  std::vector<ReportField> others;
  std::vector<RecipientStatus> recipients;  // one at least
};
// The body of message/delivery-status, decoded. nullopt where it speaks of no recipient.
std::optional<DeliveryStatus> ParseDeliveryStatus(std::string_view body);
// The same of a part, encoded or not; nullopt where it is of another type.
std::optional<DeliveryStatus> ReadDeliveryStatus(const MessageView& message, PartIndex part);

// RFC 8098 §3.2.6.
struct Disposition {
  bool automatic_action = false, sent_automatically = false;
  std::optional<MdnDisposition> kind;  // none for the words of older RFCs: "denied", "failed"
  std::string word;                    // lower case
  std::vector<std::string> modifiers;  // lower case: "error"
};
// RFC 8098 §3.1.
struct DispositionNotification {
  std::string reporting_agent;
  ReportValue gateway, original_recipient, final_recipient;
  std::string original_message_id;  // without brackets
  Disposition disposition;
  std::vector<std::string> errors;
  std::vector<ReportField> others;
};
// nullopt without Final-Recipient, or a Disposition that can be read: §3.1 requires them.
std::optional<DispositionNotification> ParseDispositionNotification(std::string_view body);
std::optional<DispositionNotification> ReadDispositionNotification(const MessageView& message,
                                                                   PartIndex part);

}  // namespace ringmail::message
