// The tables, the limits, the locks and the metrics.
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "protocol/pop3/capabilities.h"
#include "protocol/pop3/commands.h"
#include "protocol/pop3/limits.h"
#include "protocol/pop3/maildrop.h"
#include "protocol/pop3/metrics.h"
#include "ringmail/protocol/pop3.h"

namespace ringmail::pop3 {
namespace {

using std::chrono::seconds;

TEST(Pop3Commands, AreFoundInAnyCaseAndByTheirWholeName) {
  for (const CommandRow& row : CommandRows()) {
    EXPECT_EQ(FindCommand(row.verb), &row);
    EXPECT_TRUE(row.syntax.starts_with(row.verb));
    EXPECT_TRUE(row.rfc.starts_with("RFC ")) << row.verb;
    EXPECT_NE(row.states, 0) << row.verb;
    // RFC 2449 §4: three or four letters.
    EXPECT_TRUE(row.verb.size() == 3 || row.verb.size() == 4) << row.verb;
  }
  EXPECT_EQ(FindCommand("quit"), FindCommand("QUIT"));
  EXPECT_EQ(FindCommand("QUITS"), nullptr);
  EXPECT_EQ(FindCommand(""), nullptr);
}

TEST(Pop3Capabilities, AreWhatASessionIsOffered) {
  EXPECT_EQ(CapaReply({}),
            "+OK Capability list follows\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
            "EXPIRE NEVER\r\nPIPELINING\r\nUTF8 USER\r\nLANG\r\nIMPLEMENTATION ringmail\r\n.\r\n");
  Offer offer{.login_delay = seconds(30), .stls = true, .user = true};
  offer.mechanisms.Add(session::SaslMechanism::kPlain);
  offer.mechanisms.Add(session::SaslMechanism::kScramSha256);
  EXPECT_EQ(CapaReply(offer),
            "+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\nSASL SCRAM-SHA-256 PLAIN\r\n"
            "STLS\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nLOGIN-DELAY 30\r\nEXPIRE NEVER\r\n"
            "PIPELINING\r\nUTF8 USER\r\nLANG\r\nIMPLEMENTATION ringmail\r\n.\r\n");
}

TEST(Pop3Limits, AreShownEachByItsOwnName) {
  std::set<std::string_view> names;
  for (const FixedLimit& limit : Pop3Limits()) {
    EXPECT_TRUE(names.insert(limit.name).second) << limit.name;
    EXPECT_GT(limit.value, 0u);
    EXPECT_FALSE(limit.reached.empty());
  }
}

TEST(Pop3Metrics, HaveOneSeriesForEachVerb) {
  Pop3Metrics metrics;
  MetricRegistry registry;
  RegisterMetrics(metrics, registry);
  for (const CommandRow& row : CommandRows()) metrics.commands[CommandIndex(row)].Add();
  EXPECT_EQ(metrics.commands.back().value(), 1u);
}

TEST(Pop3Locks, GiveAMaildropToOneAtATime) {
  MaildropLocks locks;
  {
    const MaildropLocks::Lock first = locks.Take(AccountId(1));
    EXPECT_TRUE(static_cast<bool>(first));
    EXPECT_FALSE(static_cast<bool>(locks.Take(AccountId(1))));
    EXPECT_TRUE(static_cast<bool>(locks.Take(AccountId(2))));
  }
  EXPECT_TRUE(static_cast<bool>(locks.Take(AccountId(1))));
}

TEST(Pop3Locks, RefuseALoginWithinTheDelayAndNotAfterIt) {
  MaildropLocks locks;
  const MonotonicTime start{seconds(1000)};
  EXPECT_TRUE(locks.MayLogIn(AccountId(1), start, seconds(10)));
  locks.NoteLogin(AccountId(1), start, seconds(10));
  EXPECT_FALSE(locks.MayLogIn(AccountId(1), start + seconds(9), seconds(10)));
  EXPECT_TRUE(locks.MayLogIn(AccountId(1), start + seconds(10), seconds(10)));
  EXPECT_TRUE(locks.MayLogIn(AccountId(2), start, seconds(10)));
}

TEST(Pop3Locks, RememberSoManyLoginsAndNoneThatNobodyAsksFor) {
  MaildropLocks locks;
  const MonotonicTime start{seconds(1000)};
  for (uint64_t id = 1; id <= kLoginsRememberedMax + 1; ++id)
    locks.NoteLogin(AccountId(id), start, seconds(10));
  EXPECT_EQ(locks.remembered(), kLoginsRememberedMax);
  EXPECT_TRUE(locks.MayLogIn(AccountId(1), start, seconds(10)));
  EXPECT_FALSE(locks.MayLogIn(AccountId(2), start, seconds(10)));
  locks.NoteLogin(AccountId(1), start + seconds(10), seconds(10));
  EXPECT_EQ(locks.remembered(), 1u);
  locks.NoteLogin(AccountId(2), start + seconds(30), seconds(0));
  EXPECT_EQ(locks.remembered(), 0u);
}

}  // namespace
}  // namespace ringmail::pop3
