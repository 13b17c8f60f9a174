// What the server offers in EHLO and what each offer changes: one row for a keyword, one for a
// parameter of MAIL or RCPT.
//
// A row is all that an extension needs to be announced, listed in the documentation and known to
// the fuzzers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "protocol/smtp/wire.h"
#include "ringmail/message/envelope.h"

namespace ringmail::smtp {

// What the parameters of an EHLO keyword may depend on.
struct OfferContext {
  uint64_t message_bytes_max;
  uint32_t recipients_max;
  uint32_t transactions_max;  // 0: none
  bool starttls = false;
  std::string_view mechanisms;  // of AUTH, the best first; "": not offered
};

struct ExtensionRow {
  std::string_view keyword;
  std::string_view rfc;
  // Appends " parameters" to the keyword; null: it has none.
  void (*append_parameters)(const OfferContext& context, std::string& out);
  // Null: always.
  bool (*offered)(const OfferContext& context) = nullptr;
};
std::span<const ExtensionRow> ExtensionRows();

struct MailParameterRow {
  std::string_view keyword;
  std::string_view rfc;
  bool has_value;
  bool (*parse)(std::string_view value, MailArguments& parameters);
};
struct RcptParameterRow {
  std::string_view keyword;
  std::string_view rfc;
  bool has_value;
  bool (*parse)(std::string_view value, RcptParameters& parameters);
};
// The argument only says which.
std::span<const MailParameterRow> ParameterRows(const MailArguments& which);
std::span<const RcptParameterRow> ParameterRows(const RcptParameters& which);

// The whole reply to EHLO, "250-host ...\r\n250-PIPELINING\r\n...".
std::string EhloReply(std::string_view hostname, const OfferContext& context);

}  // namespace ringmail::smtp
