#include "protocol/pop3/metrics.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "ringmail/base/status.h"

namespace ringmail::pop3 {

void RegisterMetrics(Pop3Metrics& metrics, MetricRegistry& registry) {
  registry.Add("ringmail_pop3_sessions_total", "POP3 sessions begun by clients.",
               &metrics.sessions_begun);
  registry.Add("ringmail_pop3_sessions", "POP3 sessions open.", &metrics.sessions);
  constexpr std::string_view kRefused = "ringmail_pop3_sessions_refused_total";
  constexpr std::string_view kRefusedHelp = "POP3 connections turned away.";
  registry.Add(kRefused, kRefusedHelp, &metrics.sessions_refused_full, "reason=\"shard\"");
  registry.Add(kRefused, kRefusedHelp, &metrics.sessions_refused_network, "reason=\"network\"");
  registry.Add(kRefused, kRefusedHelp, &metrics.sessions_refused_banned, "reason=\"banned\"");
  constexpr std::string_view kCommands = "ringmail_pop3_commands_total";
  constexpr std::string_view kCommandsHelp = "POP3 commands received.";
  for (const CommandRow& row : CommandRows()) {
    const std::string label = absl::StrCat("verb=\"", absl::AsciiStrToLower(Absl(row.verb)), "\"");
    registry.Add(kCommands, kCommandsHelp, &metrics.commands[CommandIndex(row)], label);
  }
  registry.Add(kCommands, kCommandsHelp, &metrics.unknown_commands, "verb=\"unknown\"");
  constexpr std::string_view kReplies = "ringmail_pop3_replies_total";
  constexpr std::string_view kRepliesHelp = "POP3 replies given.";
  registry.Add(kReplies, kRepliesHelp, &metrics.replies_positive, "status=\"ok\"");
  registry.Add(kReplies, kRepliesHelp, &metrics.replies_negative, "status=\"err\"");
  constexpr std::string_view kLogins = "ringmail_pop3_logins_total";
  constexpr std::string_view kLoginsHelp = "POP3 logins, by what came of them.";
  registry.Add(kLogins, kLoginsHelp, &metrics.logins_accepted, "result=\"accepted\"");
  registry.Add(kLogins, kLoginsHelp, &metrics.logins_refused, "result=\"refused\"");
  registry.Add(kLogins, kLoginsHelp, &metrics.logins_malformed, "result=\"malformed\"");
  registry.Add(kLogins, kLoginsHelp, &metrics.logins_unavailable, "result=\"unavailable\"");
  registry.Add(kLogins, kLoginsHelp, &metrics.maildrops_in_use, "result=\"in_use\"");
  registry.Add(kLogins, kLoginsHelp, &metrics.maildrops_too_soon, "result=\"too_soon\"");
  registry.Add(kLogins, kLoginsHelp, &metrics.maildrops_failed, "result=\"failed\"");
  constexpr std::string_view kMoves = "ringmail_pop3_moves_total";
  constexpr std::string_view kMovesHelp = "POP3 sessions that went to the shard of their account.";
  registry.Add(kMoves, kMovesHelp, &metrics.moved, "result=\"moved\"");
  registry.Add(kMoves, kMovesHelp, &metrics.move_refused, "result=\"refused\"");
  constexpr std::string_view kMessages = "ringmail_pop3_messages_total";
  constexpr std::string_view kMessagesHelp = "Messages fetched and deleted by POP3.";
  registry.Add(kMessages, kMessagesHelp, &metrics.messages_sent, "what=\"sent\"");
  registry.Add(kMessages, kMessagesHelp, &metrics.messages_failed, "what=\"failed\"");
  registry.Add(kMessages, kMessagesHelp, &metrics.messages_deleted, "what=\"deleted\"");
  registry.Add("ringmail_pop3_updates_failed_total", "Deletions at QUIT that failed.",
               &metrics.updates_failed);
  registry.Add("ringmail_pop3_message_bytes", "Sizes of messages sent by POP3.",
               &metrics.message_bytes);
  constexpr std::string_view kTls = "ringmail_pop3_tls_total";
  constexpr std::string_view kTlsHelp = "TLS handshakes of POP3 clients.";
  registry.Add(kTls, kTlsHelp, &metrics.tls_begun, "result=\"full\"");
  registry.Add(kTls, kTlsHelp, &metrics.tls_resumed, "result=\"resumed\"");
  registry.Add(kTls, kTlsHelp, &metrics.tls_failed, "result=\"failed\"");
  constexpr std::string_view kEnds = "ringmail_pop3_sessions_cut_total";
  constexpr std::string_view kEndsHelp = "POP3 sessions that ended without QUIT.";
  registry.Add(kEnds, kEndsHelp, &metrics.ends_timeout, "reason=\"timeout\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_lost, "reason=\"lost\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_abuse, "reason=\"abuse\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_damage, "reason=\"damage\"");
  registry.Add(kEnds, kEndsHelp, &metrics.ends_shutdown, "reason=\"shutdown\"");
}

}  // namespace ringmail::pop3
