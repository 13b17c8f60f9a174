#include "protocol/smtp/extensions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "protocol/smtp/limits.h"
#include "ringmail/base/status.h"
#include "ringmail/message/xtext.h"

namespace ringmail::smtp {
namespace {

void AppendSize(const OfferContext& context, std::string& out) {
  absl::StrAppend(&out, " ", context.message_bytes_max);
}

// RFC 9422 §3: values of one to six digits; a larger limit is announced as the largest, which is
// not untrue.
void AppendLimits(const OfferContext& context, std::string& out) {
  if (context.transactions_max != 0) {
    absl::StrAppend(&out, " MAILMAX=", std::min(context.transactions_max, kLimitsValueMax));
  }
  absl::StrAppend(&out, " RCPTMAX=", std::min(context.recipients_max, kLimitsValueMax));
}

// RFC 3207 §4.2: not inside TLS.
bool OffersStartTls(const OfferContext& context) { return context.starttls; }

// RFC 4954 §3: the names of the mechanisms that may be used now.
void AppendMechanisms(const OfferContext& context, std::string& out) {
  absl::StrAppend(&out, " ", Absl(context.mechanisms));
}
bool OffersAuth(const OfferContext& context) { return !context.mechanisms.empty(); }

// What is not always offered does not come last.
constexpr ExtensionRow kExtensions[] = {
    {"PIPELINING", "RFC 2920", nullptr},
    {"SIZE", "RFC 1870", AppendSize},
    {"8BITMIME", "RFC 6152", nullptr},
    {"SMTPUTF8", "RFC 6531", nullptr},
    {"ENHANCEDSTATUSCODES", "RFC 2034", nullptr},
    {"CHUNKING", "RFC 3030", nullptr},
    {"BINARYMIME", "RFC 3030", nullptr},
    {"DSN", "RFC 3461", nullptr},
    {"STARTTLS", "RFC 3207", nullptr, OffersStartTls},
    {"AUTH", "RFC 4954", AppendMechanisms, OffersAuth},
    {"LIMITS", "RFC 9422", AppendLimits},
};

// RFC 1870 §4.
bool ParseSize(std::string_view value, MailArguments& parameters) {
  const auto bytes = ParseNumber(value);
  if (!bytes.has_value()) return false;
  parameters.declared_bytes = *bytes;
  return true;
}

// RFC 6152 §2, RFC 3030 §3.
bool ParseBody(std::string_view value, MailArguments& parameters) {
  if (EqualsIgnoringCase(value, "7BIT")) {
    parameters.body = message::BodyType::k7Bit;
  } else if (EqualsIgnoringCase(value, "8BITMIME")) {
    parameters.body = message::BodyType::k8BitMime;
  } else if (EqualsIgnoringCase(value, "BINARYMIME")) {
    parameters.body = message::BodyType::kBinaryMime;
  } else {
    return false;
  }
  return true;
}

// RFC 6531 §3.4.
bool ParseSmtpUtf8(std::string_view, MailArguments& parameters) {
  parameters.smtp_utf8 = true;
  return true;
}

// RFC 3461 §4.3.
bool ParseRet(std::string_view value, MailArguments& parameters) {
  if (EqualsIgnoringCase(value, "FULL")) {
    parameters.dsn_return = message::DsnReturn::kFull;
  } else if (EqualsIgnoringCase(value, "HDRS")) {
    parameters.dsn_return = message::DsnReturn::kHeaders;
  } else {
    return false;
  }
  return true;
}

// RFC 3461 §4.4.
bool ParseEnvid(std::string_view value, MailArguments& parameters) {
  if (!ValidXtext(value, kEnvelopeIdBytesMax)) return false;
  parameters.envelope_id.assign(value);
  return true;
}

// RFC 4954 §5: the mailbox of who submitted the message first, in xtext, or "<>". It is believed of
// nobody: what goes on from here was submitted here, or says nothing.
bool ParseSubmitter(std::string_view value, MailArguments& parameters) {
  parameters.submitter_given = true;
  if (value == "<>") return true;
  if (!ValidXtext(value, kSubmitterBytesMax)) return false;
  const std::optional<std::string> mailbox = message::DecodeXtext(value);
  return mailbox && message::ParseMailbox(*mailbox, message::Utf8::kAllowed);
}

// RFC 3461 §4.1: NEVER alone, or a list of the others.
bool ParseNotify(std::string_view value, RcptParameters& parameters) {
  if (EqualsIgnoringCase(value, "NEVER")) {
    parameters.notify = message::kNotifyNever;
    return true;
  }
  uint8_t notify = 0;
  while (true) {
    const size_t comma = std::min(value.find(','), value.size());
    const std::string_view word = value.substr(0, comma);
    if (EqualsIgnoringCase(word, "SUCCESS")) {
      notify |= message::kNotifySuccess;
    } else if (EqualsIgnoringCase(word, "FAILURE")) {
      notify |= message::kNotifyFailure;
    } else if (EqualsIgnoringCase(word, "DELAY")) {
      notify |= message::kNotifyDelay;
    } else {
      return false;
    }
    if (comma == value.size()) break;
    value.remove_prefix(comma + 1);
  }
  parameters.notify = notify;
  return true;
}

// RFC 3461 §4.2: addr-type ";" xtext. RFC 6533 §3: type utf-8 may hold UTF-8 as it is.
bool ParseOrcpt(std::string_view value, RcptParameters& parameters) {
  if (value.size() > kOriginalRecipientBytesMax) return false;
  const size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0) return false;
  const std::string_view type = value.substr(0, semicolon), address = value.substr(semicolon + 1);
  const bool atom = std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  if (!atom || address.empty()) return false;
  const bool valid = EqualsIgnoringCase(type, "utf-8") && HasOctetOver127(address)
                         ? true
                         : ValidXtext(address, kOriginalRecipientBytesMax);
  if (valid) parameters.original_recipient = value;
  return valid;
}

constexpr MailParameterRow kMailParameters[] = {
    {"SIZE", "RFC 1870", true, ParseSize},          {"BODY", "RFC 6152", true, ParseBody},
    {"SMTPUTF8", "RFC 6531", false, ParseSmtpUtf8}, {"RET", "RFC 3461", true, ParseRet},
    {"ENVID", "RFC 3461", true, ParseEnvid},        {"AUTH", "RFC 4954", true, ParseSubmitter},
};
constexpr RcptParameterRow kRcptParameters[] = {
    {"NOTIFY", "RFC 3461", true, ParseNotify},
    {"ORCPT", "RFC 3461", true, ParseOrcpt},
};

}  // namespace

std::span<const ExtensionRow> ExtensionRows() { return kExtensions; }
std::span<const MailParameterRow> ParameterRows(const MailArguments&) { return kMailParameters; }
std::span<const RcptParameterRow> ParameterRows(const RcptParameters&) { return kRcptParameters; }

std::string EhloReply(std::string_view hostname, const OfferContext& context) {
  // RFC 5321 §4.1.1.1: the first line names the host, one keyword a line, and the last has a space
  // for the hyphen.
  std::string reply = absl::StrCat("250-", Absl(hostname), " at your service\r\n");
  for (const ExtensionRow& row : kExtensions) {
    if (row.offered != nullptr && !row.offered(context)) continue;
    absl::StrAppend(&reply, &row == std::end(kExtensions) - 1 ? "250 " : "250-", Absl(row.keyword));
    if (row.append_parameters != nullptr) row.append_parameters(context, reply);
    reply += "\r\n";
  }
  return reply;
}

}  // namespace ringmail::smtp
