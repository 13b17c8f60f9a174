#include "protocol/smtp/commands.h"

#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "protocol/smtp/extensions.h"
#include "protocol/smtp/metrics.h"
#include "ringmail/base/metrics.h"

namespace ringmail::smtp {
namespace {

constexpr ListenerProtocol kProtocols[] = {ListenerProtocol::kSmtp, ListenerProtocol::kLmtp};

bool Spoken(const CommandRow& row, ListenerProtocol protocol) {
  return row.spoken == CommandRow::Spoken::kBoth ||
         (row.spoken == CommandRow::Spoken::kLmtp) == (protocol == ListenerProtocol::kLmtp);
}

TEST(Commands, AreFoundInAnyCaseAndNeverByAPartOfTheirName) {
  for (const ListenerProtocol protocol : kProtocols) {
    for (const CommandRow& row : CommandRows()) {
      const CommandRow* found = Spoken(row, protocol) ? &row : nullptr;
      EXPECT_EQ(FindCommand(row.verb, protocol), found);
      std::string lower(row.verb);
      for (char& c : lower) c = static_cast<char>(c + ('a' - 'A'));
      EXPECT_EQ(FindCommand(lower, protocol), found);
      EXPECT_EQ(FindCommand(row.verb.substr(0, 3), protocol), nullptr);
      EXPECT_EQ(FindCommand(std::string(row.verb) + "X", protocol), nullptr);
    }
    EXPECT_EQ(FindCommand("", protocol), nullptr);
    EXPECT_EQ(FindCommand("ETRN", protocol), nullptr);
  }
}

TEST(Commands, AreAllInHelp) {
  for (const ListenerProtocol protocol : kProtocols) {
    const std::string help = HelpReply("mx.example.org", protocol);
    for (const CommandRow& row : CommandRows()) {
      EXPECT_EQ(help.find(row.syntax) != std::string::npos, Spoken(row, protocol)) << row.verb;
      EXPECT_NE(HelpReplyFor(row).find(row.help), std::string::npos) << row.verb;
    }
  }
}

TEST(Commands, HaveAMetricEach) {
  SmtpMetrics metrics;
  MetricRegistry registry;
  RegisterMetrics(metrics, registry);
  metrics.commands[CommandIndex(*FindCommand("RCPT", ListenerProtocol::kSmtp))].Add(3);
  const std::string text = MetricRegistry::Render({&registry});
  EXPECT_NE(text.find("ringmail_smtp_commands_total{verb=\"rcpt\"} 3"), std::string::npos) << text;
}

TEST(Extensions, AreAnnouncedOnALineEachAndTheLastEndsTheReply) {
  const std::string reply =
      EhloReply("mx.example.org",
                {.message_bytes_max = 5000, .recipients_max = 2'000'000, .transactions_max = 7});
  EXPECT_EQ(reply,
            "250-mx.example.org at your service\r\n250-PIPELINING\r\n250-SIZE "
            "5000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
            "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n"
            "250 LIMITS MAILMAX=7 RCPTMAX=999999\r\n");
}

TEST(Extensions, SayNothingOfALimitThatIsNone) {
  const std::string reply =
      EhloReply("mx", {.message_bytes_max = 5000, .recipients_max = 100, .transactions_max = 0});
  EXPECT_NE(reply.find("250 LIMITS RCPTMAX=100\r\n"), std::string::npos);
}

}  // namespace
}  // namespace ringmail::smtp
