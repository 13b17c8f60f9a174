#include "ringmail/message/report.h"

#include <algorithm>

#include "message/lexer.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/header_text.h"
#include "ringmail/message/identifier.h"
#include "ringmail/message/xtext.h"

namespace ringmail::message {
namespace {

struct ActionRow {
  std::string_view name;
  DsnAction action;
};
constexpr ActionRow kActions[] = {{"failed", DsnAction::kFailed},
                                  {"delayed", DsnAction::kDelayed},
                                  {"delivered", DsnAction::kDelivered},
                                  {"relayed", DsnAction::kRelayed},
                                  {"expanded", DsnAction::kExpanded}};

struct DispositionRow {
  std::string_view name;
  MdnDisposition kind;
};
constexpr DispositionRow kDispositions[] = {{"displayed", MdnDisposition::kDisplayed},
                                            {"deleted", MdnDisposition::kDeleted},
                                            {"dispatched", MdnDisposition::kDispatched},
                                            {"processed", MdnDisposition::kProcessed}};

// One line of valid UTF-8, whatever the report has.
std::string Text(std::string_view value) {
  std::string text = RepairUtf8(Unfold(value));
  for (char& c : text) {
    if (static_cast<uint8_t>(c) < ' ' || c == 0x7F) c = ' ';
  }
  return std::string(TrimBlank(text));
}

// RFC 3464 §2.1.1 allows comments; quoted strings and source routes are the address's own.
std::string WithoutComments(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text[at] == '(') {
      at = SkipComment(text, at);
      continue;
    }
    if (text[at] == '"') end = SkipQuoted(text, at);
    out += text.substr(at, end - at);
    at = end;
  }
  return std::string(TrimBlank(out));
}

ReportValue TypedText(std::string_view value) {
  const std::string text = Text(value);
  const size_t semicolon = text.find(';');
  ReportValue result;
  // Some leave out the type where there is but one.
  if (semicolon == std::string::npos) {
    result.value = text;
    return result;
  }
  result.type = LowerAscii(WithoutComments(std::string_view(text).substr(0, semicolon)));
  result.value = TrimBlank(std::string_view(text).substr(semicolon + 1));
  return result;
}

ReportValue TypedName(std::string_view value) {
  ReportValue result = TypedText(value);
  result.value = WithoutComments(result.value);
  if (result.type == "utf-8") {
    if (auto address = DecodeUtf8Address(result.value)) result.value = Text(*address);
  }
  return result;
}

// The first word, in lower case: comments may follow.
std::string FirstWord(std::string_view value) {
  const std::string text = WithoutComments(Text(value));
  return LowerAscii(std::string_view(text).substr(0, text.find_first_of(" \t;")));
}

// RFC 3463 §2: one digit, then two numbers of up to three.
EnhancedStatus ReadStatus(std::string_view word) {
  uint16_t numbers[3] = {};
  size_t at = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (i > 0 && (at >= word.size() || word[at++] != '.')) return {};
    const size_t begin = at;
    for (; at < word.size() && IsDigit(word[at]) && at - begin < 3; ++at) {
      numbers[i] = static_cast<uint16_t>(numbers[i] * 10 + (word[at] - '0'));
    }
    if (at == begin) return {};
  }
  const bool known = numbers[0] == 2 || numbers[0] == 4 || numbers[0] == 5;
  if (!known || at != word.size()) return {};
  return {static_cast<uint8_t>(numbers[0]), numbers[1], numbers[2]};
}

// The fields of one group, whose text begins at `at`; moves `at` beyond it and the empty lines
// after it.
std::vector<FieldView> ReadGroup(std::string_view body, size_t& at) {
  std::vector<Field> fields;
  const std::string_view text = body.substr(at);
  const size_t end = IndexFields(text, 0, fields);
  // A line that is no field ends what can be read, for nobody knows what it belongs to.
  at = end == 0 ? body.size() : at + end;
  while (at < body.size() && (body[at] == '\r' || body[at] == '\n')) ++at;
  std::vector<FieldView> views;
  for (const Field& field : fields) views.push_back(ViewField(field, text, 0));
  return views;
}

bool Is(const FieldView& field, std::string_view name) { return SameAscii(field.name, name); }

void TakeRecipientField(const FieldView& field, RecipientStatus& recipient) {
  if (Is(field, "Original-Recipient")) {
    recipient.original_recipient = TypedName(field.value);
  } else if (Is(field, "Final-Recipient")) {
    recipient.final_recipient = TypedName(field.value);
  } else if (Is(field, "Action")) {
    const std::string word = FirstWord(field.value);
    for (const ActionRow& row : kActions) {
      if (row.name == word) recipient.action = row.action;
    }
  } else if (Is(field, "Status")) {
    recipient.status = ReadStatus(FirstWord(field.value));
  } else if (Is(field, "Remote-MTA")) {
    recipient.remote_mta = TypedName(field.value);
  } else if (Is(field, "Diagnostic-Code")) {
    recipient.diagnostic = TypedText(field.value);
  } else if (Is(field, "Last-Attempt-Date")) {
    recipient.last_attempt = ParseDate(field.value);
  } else if (Is(field, "Will-Retry-Until")) {
    recipient.will_retry_until = ParseDate(field.value);
  } else if (Is(field, "Final-Log-ID")) {
    recipient.final_log_id = Text(field.value);
  } else {
    recipient.others.push_back({Text(field.name), Text(field.value)});
  }
}

void TakeMessageField(const FieldView& field, DeliveryStatus& status) {
  if (Is(field, "Original-Envelope-Id")) {
    status.envelope_id = Text(field.value);
  } else if (Is(field, "Reporting-MTA")) {
    status.reporting_mta = TypedName(field.value);
  } else if (Is(field, "DSN-Gateway")) {
    status.dsn_gateway = TypedName(field.value);
  } else if (Is(field, "Received-From-MTA")) {
    status.received_from_mta = TypedName(field.value);
  } else if (Is(field, "Arrival-Date")) {
    status.arrival = ParseDate(field.value);
  } else {
    status.others.push_back({Text(field.name), Text(field.value)});
  }
}

bool SpeaksOfRecipient(const std::vector<FieldView>& group) {
  return std::any_of(group.begin(), group.end(), [](const FieldView& field) {
    return Is(field, "Final-Recipient") || Is(field, "Original-Recipient");
  });
}

// "manual-action/MDN-sent-manually; displayed/error,expired" (RFC 8098 §3.2.6).
bool ReadDisposition(std::string_view value, Disposition& disposition) {
  const std::string text = LowerAscii(WithoutComments(Text(value)));
  const size_t semicolon = text.find(';');
  if (semicolon == std::string::npos) return false;
  const std::string_view mode = std::string_view(text).substr(0, semicolon);
  const size_t slash = mode.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view action = TrimBlank(mode.substr(0, slash));
  const std::string_view sending = TrimBlank(mode.substr(slash + 1));
  disposition.automatic_action = action == "automatic-action";
  disposition.sent_automatically = sending == "mdn-sent-automatically";
  if (!disposition.automatic_action && action != "manual-action") return false;
  if (!disposition.sent_automatically && sending != "mdn-sent-manually") return false;
  std::string_view rest = std::string_view(text).substr(semicolon + 1);
  const size_t modifiers = rest.find('/');
  disposition.word = TrimBlank(rest.substr(0, modifiers));
  for (const DispositionRow& row : kDispositions) {
    if (row.name == disposition.word) disposition.kind = row.kind;
  }
  while (modifiers != std::string_view::npos && !rest.empty()) {
    rest.remove_prefix(std::min(rest.find_first_of("/,") + 1, rest.size()));
    const std::string_view word = TrimBlank(rest.substr(0, rest.find(',')));
    if (!word.empty()) disposition.modifiers.emplace_back(word);
    if (rest.find(',') == std::string_view::npos) break;
  }
  return !disposition.word.empty();
}

std::optional<std::string> ReportBody(const MessageView& message, PartIndex part,
                                      MediaSubtype ascii, MediaSubtype global) {
  const MediaSubtype subtype = message.part(part).media_subtype;
  if (subtype != ascii && subtype != global) return std::nullopt;
  std::string body;
  AppendDecodedBody(message, part, body);
  return body;
}

}  // namespace

std::optional<DeliveryStatus> ParseDeliveryStatus(std::string_view body) {
  DeliveryStatus status;
  size_t at = 0;
  while (at < body.size() && (body[at] == '\r' || body[at] == '\n')) ++at;
  for (bool first = true; at < body.size() && status.recipients.size() < kReportRecipientsMax;
       first = false) {
    const std::vector<FieldView> group = ReadGroup(body, at);
    if (SpeaksOfRecipient(group)) {
      RecipientStatus& recipient = status.recipients.emplace_back();
      for (const FieldView& field : group) TakeRecipientField(field, recipient);
    } else if (first) {
      for (const FieldView& field : group) TakeMessageField(field, status);
    }
  }
  if (status.recipients.empty()) return std::nullopt;
  return status;
}

std::optional<DeliveryStatus> ReadDeliveryStatus(const MessageView& message, PartIndex part) {
  const auto body =
      ReportBody(message, part, MediaSubtype::kDeliveryStatus, MediaSubtype::kGlobalDeliveryStatus);
  if (!body) return std::nullopt;
  return ParseDeliveryStatus(*body);
}

std::optional<DispositionNotification> ParseDispositionNotification(std::string_view body) {
  DispositionNotification notification;
  size_t at = 0;
  bool read = false;
  for (const FieldView& field : ReadGroup(body, at)) {
    if (Is(field, "Reporting-UA")) {
      notification.reporting_agent = Text(field.value);
    } else if (Is(field, "MDN-Gateway")) {
      notification.gateway = TypedName(field.value);
    } else if (Is(field, "Original-Recipient")) {
      notification.original_recipient = TypedName(field.value);
    } else if (Is(field, "Final-Recipient")) {
      notification.final_recipient = TypedName(field.value);
    } else if (Is(field, "Original-Message-ID")) {
      const std::vector<std::string> ids = ParseMessageIds(field.value);
      if (!ids.empty()) notification.original_message_id = Text(ids.front());
    } else if (Is(field, "Disposition")) {
      read = ReadDisposition(field.value, notification.disposition);
    } else if (Is(field, "Error")) {
      notification.errors.push_back(Text(field.value));
    } else {
      notification.others.push_back({Text(field.name), Text(field.value)});
    }
  }
  if (!read || !notification.final_recipient.present()) return std::nullopt;
  return notification;
}

std::optional<DispositionNotification> ReadDispositionNotification(const MessageView& message,
                                                                   PartIndex part) {
  const auto body = ReportBody(message, part, MediaSubtype::kDispositionNotification,
                               MediaSubtype::kGlobalDispositionNotification);
  if (!body) return std::nullopt;
  return ParseDispositionNotification(*body);
}

}  // namespace ringmail::message
