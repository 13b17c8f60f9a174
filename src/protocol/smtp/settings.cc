#include "protocol/smtp/settings.h"

#include "absl/strings/str_cat.h"
#include "protocol/smtp/commands.h"

namespace ringmail::smtp {

Settings::Settings(const SmtpOptions& smtp_options, const agent::MailLimits& limits)
    : options(smtp_options),
      message_bytes_max(limits.message_bytes_max),
      recipients_max(limits.recipients_max),
      greeting(absl::StrCat("220 ", options.hostname, " ESMTP ringmail\r\n")),
      helo_reply(absl::StrCat("250 ", options.hostname, "\r\n")),
      ehlo_reply(EhloReply(options.hostname, Offer(/*starttls=*/false, {}))),
      ehlo_starttls_reply(EhloReply(options.hostname, Offer(/*starttls=*/true, {}))),
      help_reply(HelpReply(options.hostname, ListenerProtocol::kSmtp)),
      lmtp_greeting(absl::StrCat("220 ", options.hostname, " LMTP ringmail\r\n")),
      lmtp_help_reply(HelpReply(options.hostname, ListenerProtocol::kLmtp)) {}

OfferContext Settings::Offer(bool starttls, std::string_view mechanisms) const {
  return {.message_bytes_max = message_bytes_max,
          .recipients_max = recipients_max,
          .transactions_max = options.transactions_max,
          .starttls = starttls,
          .mechanisms = mechanisms};
}

}  // namespace ringmail::smtp
