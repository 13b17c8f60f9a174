#include "protocol/smtp/metrics.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "ringmail/base/status.h"

namespace ringmail::smtp {

void RegisterMetrics(SmtpMetrics& metrics, MetricRegistry& registry) {
  registry.Add("ringmail_smtp_sessions_total", "SMTP sessions begun by clients.",
               &metrics.sessions_begun);
  registry.Add("ringmail_smtp_sessions", "SMTP sessions open.", &metrics.sessions);
  constexpr std::string_view kRefused = "ringmail_smtp_sessions_refused_total";
  constexpr std::string_view kRefusedHelp = "SMTP connections turned away with 421.";
  registry.Add(kRefused, kRefusedHelp, &metrics.sessions_refused_full, "reason=\"shard\"");
  registry.Add(kRefused, kRefusedHelp, &metrics.sessions_refused_network, "reason=\"network\"");
  constexpr std::string_view kCommands = "ringmail_smtp_commands_total";
  constexpr std::string_view kCommandsHelp = "SMTP commands received.";
  for (const CommandRow& row : CommandRows()) {
    const std::string label = absl::StrCat("verb=\"", absl::AsciiStrToLower(Absl(row.verb)), "\"");
    registry.Add(kCommands, kCommandsHelp, &metrics.commands[CommandIndex(row)], label);
  }
  registry.Add(kCommands, kCommandsHelp, &metrics.unknown_commands, "verb=\"unknown\"");
  constexpr std::string_view kReplies = "ringmail_smtp_replies_total";
  constexpr std::string_view kRepliesHelp = "SMTP replies given.";
  registry.Add(kReplies, kRepliesHelp, &metrics.replies_positive, "class=\"2\"");
  registry.Add(kReplies, kRepliesHelp, &metrics.replies_transient, "class=\"4\"");
  registry.Add(kReplies, kRepliesHelp, &metrics.replies_permanent, "class=\"5\"");
  constexpr std::string_view kMessages = "ringmail_smtp_messages_total";
  constexpr std::string_view kMessagesHelp = "Messages whose content came by SMTP.";
  registry.Add(kMessages, kMessagesHelp, &metrics.messages_accepted, "result=\"accepted\"");
  registry.Add(kMessages, kMessagesHelp, &metrics.messages_refused, "result=\"refused\"");
  registry.Add("ringmail_smtp_message_bytes", "Content of accepted messages.",
               &metrics.message_bytes);
  constexpr std::string_view kTls = "ringmail_smtp_tls_total";
  constexpr std::string_view kTlsHelp = "TLS handshakes of SMTP clients.";
  registry.Add(kTls, kTlsHelp, &metrics.tls_begun, "result=\"full\"");
  registry.Add(kTls, kTlsHelp, &metrics.tls_resumed, "result=\"resumed\"");
  registry.Add(kTls, kTlsHelp, &metrics.tls_failed, "result=\"failed\"");
  constexpr std::string_view kAuth = "ringmail_smtp_auth_total";
  constexpr std::string_view kAuthHelp = "Authentication exchanges of SMTP clients.";
  registry.Add(kAuth, kAuthHelp, &metrics.auth_accepted, "result=\"accepted\"");
  registry.Add(kAuth, kAuthHelp, &metrics.auth_refused, "result=\"refused\"");
  registry.Add(kAuth, kAuthHelp, &metrics.auth_unavailable, "result=\"unavailable\"");
  registry.Add(kAuth, kAuthHelp, &metrics.auth_given_up, "result=\"given-up\"");
  constexpr std::string_view kEnds = "ringmail_smtp_sessions_cut_total";
  constexpr std::string_view kEndsHelp = "SMTP sessions that ended without QUIT.";
  registry.Add(kEnds, kEndsHelp, &metrics.ends_timeout, "reason=\"timeout\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_lost, "reason=\"lost\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_abuse, "reason=\"abuse\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_unsynchronized, "reason=\"unsynchronized\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_shutdown, "reason=\"shutdown\"");
}

}  // namespace ringmail::smtp
