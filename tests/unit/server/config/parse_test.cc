#include <gtest/gtest.h>
#include <algorithm>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "server/config/config.h"
#include "server/config/schema.h"

namespace ringmail::server {
namespace {

constexpr std::string_view kSmallest = "[[listener]]\naddress = \"127.0.0.1:2525\"\n";

ConfigResult Parse(std::string_view text) { return ParseConfig(text, "mx.example.org"); }
std::string Said(std::string_view text) {
  return FormatDiagnostics("f.toml", Parse(text).diagnostics);
}
// The same after a listener without fault, for tests of other keys.
std::string SaidAfter(std::string_view text) {
  return Said(std::string(kSmallest) + std::string(text));
}

TEST(ConfigTest, AListenerIsEnoughAndEverythingElseHasADefaultThatRelaysForNobody) {
  const ConfigResult result = Parse(kSmallest);
  EXPECT_EQ(FormatDiagnostics("f", result.diagnostics), "");
  const Config& config = result.config;
  EXPECT_EQ(config.hostname, "mx.example.org");
  EXPECT_EQ(config.data_dir, "/var/lib/ringmail");
  EXPECT_EQ(config.control_socket, "/var/lib/ringmail/control.sock");
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].endpoint.ToString(), "127.0.0.1:2525");
  EXPECT_TRUE(config.relay.networks.empty());
  EXPECT_TRUE(config.relay.domains.empty());
  EXPECT_EQ(config.mail.message_bytes_max, 50u << 20);
  EXPECT_EQ(config.transfer.retry.expire_after, std::chrono::hours(120));
}

TEST(ConfigTest, AcmeIsReadAndBringsTheNamesAndTheListenersDefaults) {
  const ConfigResult result = Parse(
      "[[listener]]\naddress = \"0.0.0.0:25\"\n"
      "[[listener]]\naddress = \"0.0.0.0:80\"\nprotocol = \"acme\"\n"
      "[[listener]]\naddress = \"0.0.0.0:443\"\nprotocol = \"acme\"\n"
      "[acme]\nagree_to_terms = true\ncontact = [\"a@example.org\", \"mailto:b@example.org\"]\n"
      "challenge = \"tls-alpn-01\"\nauthorities = \"/ca.pem\"\n"
      "directory = \"https://ca.example:14000/dir\"\n");
  EXPECT_EQ(FormatDiagnostics("f", result.diagnostics), "");
  const AcmeConfig& acme = result.config.acme;
  EXPECT_TRUE(acme.on);
  EXPECT_EQ(acme.names, std::vector<std::string>{"mx.example.org"});
  EXPECT_EQ(acme.contacts,
            (std::vector<std::string>{"mailto:a@example.org", "mailto:b@example.org"}));
  EXPECT_EQ(acme.challenge, acme::ChallengeKind::kTlsAlpn01);
  EXPECT_EQ(acme.directory_url, "https://ca.example:14000/dir");
  EXPECT_EQ(acme.authorities.path, "/ca.pem");
  EXPECT_EQ(result.config.listeners[0].options.tls, smtp::ListenerTls::kStartTls);
  EXPECT_EQ(result.config.listeners[1].options.tls, smtp::ListenerTls::kNone);
  EXPECT_EQ(result.config.listeners[1].options.name, "acme");
  EXPECT_EQ(result.config.listeners[2].options.tls, smtp::ListenerTls::kImplicit);
}

TEST(ConfigTest, AcmeWithoutWhatItNeedsIsRefused) {
  const std::string listener = "[[listener]]\naddress = \"0.0.0.0:80\"\nprotocol = \"acme\"\n";
  const auto said = [&](std::string_view text) { return Said(listener + std::string(text)); };
  EXPECT_EQ(said("[acme]\nagree_to_terms = true\n"), "");
  EXPECT_NE(said("[acme]\n").find("4:1: error: [acme] needs agree_to_terms = true"),
            std::string::npos);
  EXPECT_NE(SaidAfter("[acme]\nagree_to_terms = true\n").find("\"http-01\" needs a listener"),
            std::string::npos);
  EXPECT_NE(said("[acme]\nagree_to_terms = true\nchallenge = \"tls-alpn-01\"\n")
                .find("\"tls-alpn-01\" needs a listener"),
            std::string::npos);
  for (std::string_view wrong : {"domains = [\"*.example.org\"]", "domains = [\"a b\"]",
                                 "domains = [\"a.example\", \"A.example\"]",
                                 "contact = [\"nobody\"]", "directory = \"http://ca.example/dir\"",
                                 "challenge = \"dns-01\"", "authorities = \"ca.pem\""}) {
    EXPECT_NE(said("[acme]\nagree_to_terms = true\n" + std::string(wrong) + "\n"), "") << wrong;
  }
  EXPECT_NE(said("tls = \"starttls\"\n[acme]\nagree_to_terms = true\n"), "");
  EXPECT_NE(said("auth = \"always\"\n[acme]\nagree_to_terms = true\n"), "");
  EXPECT_NE(said("greeting_delay = \"1s\"\n[acme]\nagree_to_terms = true\n"), "");
}

// long: one file with every key, and what became of each.
TEST(ConfigTest, EveryKeyReachesItsPlace) {
  const ConfigResult result = Parse(R"(hostname = "MX.Example.ORG"
data_dir = "/srv/mail"
user = "mail"
shards = 3
shutdown_timeout = "1m"
[[listener]]
address = "[::1]:25"
protocol = "smtp"
tls = "none"
name = "inside"
bare_newline = "legacy-scanner"
path_spacing = "legacy-mailer"
helo_syntax = "windows-host"
greeting_delay = "2s"
[relay]
networks = ["127.0.0.0/8", "::1"]
domains = ["Backup.example.net", ".example.com"]
next_hop = "smart.example.net:587"
postmaster = "admin@example.org"
[[route]]
domain = "example.com"
next_hop = "[2001:db8::1]:26"
[limits]
message_size = "1MiB"
recipients = 500
connections = 7
connections_per_network = 6
command_timeout = "10m"
[retry]
first_delay = "1m"
delay_max = "2h"
growth = 3
jitter = 0.5
expire_after = "6d"
delay_warning_after = "0s"
[destination]
connections = 2
chunking = false
source_address = "192.0.2.9"
data_end_timeout = "15m"
[log]
path = "/var/log/r"
level = "debug"
[store]
segment_size = "4MiB"
quota = "1GiB"
reserve = "16MiB"
cache = "8MiB"
)");
  EXPECT_EQ(FormatDiagnostics("f", result.diagnostics), "");
  const Config& config = result.config;
  EXPECT_EQ(config.hostname, "mx.example.org");
  EXPECT_EQ(config.control_socket, "/srv/mail/control.sock");
  EXPECT_EQ(config.user, "mail");
  EXPECT_EQ(config.shards, 3);
  EXPECT_EQ(config.shutdown_timeout, std::chrono::minutes(1));
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].options.name, "inside");
  EXPECT_EQ(config.listeners[0].options.bare_newline, smtp::BareNewline::kLegacyScanner);
  EXPECT_EQ(config.listeners[0].options.path_spacing, smtp::PathSpacing::kLegacyMailer);
  EXPECT_EQ(config.listeners[0].options.helo_syntax, smtp::HeloSyntax::kWindowsHost);
  EXPECT_EQ(config.listeners[0].options.greeting_delay, std::chrono::seconds(2));
  EXPECT_EQ(config.relay.networks.size(), 2u);
  EXPECT_EQ(config.relay.domains, (std::vector<std::string>{"backup.example.net", ".example.com"}));
  EXPECT_EQ(config.relay.postmaster, "admin@example.org");
  ASSERT_TRUE(config.transfer.relay_next_hop.has_value());
  EXPECT_EQ(config.transfer.relay_next_hop->port, 587);
  ASSERT_EQ(config.transfer.routes.size(), 1u);
  EXPECT_EQ(config.transfer.routes[0].next_hop.host, "2001:db8::1");
  EXPECT_EQ(config.mail.message_bytes_max, 1u << 20);
  EXPECT_EQ(config.store.message_bytes_max, 1u << 20);
  EXPECT_EQ(config.mail.recipients_max, 500u);
  EXPECT_EQ(config.smtp.sessions_max, 7u);
  EXPECT_EQ(config.smtp.sessions_per_network_max, 6u);
  EXPECT_EQ(config.smtp.command_timeout, std::chrono::minutes(10));
  EXPECT_EQ(config.transfer.retry.first_delay, std::chrono::minutes(1));
  EXPECT_EQ(config.transfer.retry.growth, 3.0);
  EXPECT_EQ(config.transfer.retry.jitter, 0.5);
  EXPECT_EQ(config.transfer.retry.delay_warning_after, std::chrono::seconds(0));
  EXPECT_EQ(config.transfer.destination.sessions_max, 2u);
  EXPECT_EQ(config.client.chunking, smtp::Use::kNever);
  EXPECT_EQ(config.client.pipelining, smtp::Use::kWhereOffered);
  EXPECT_EQ(config.client.source.ToString(), "192.0.2.9");
  EXPECT_EQ(config.client.timeouts.data_end, std::chrono::minutes(15));
  EXPECT_EQ(config.log.path, "/var/log/r");
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
  EXPECT_EQ(config.store.segment_bytes, 4u << 20);
  EXPECT_EQ(config.store.quota_bytes, 1u << 30);
  const storage::StoreOptions shard = PerShard(config, 2);
  EXPECT_EQ(shard.quota_bytes, 1u << 29);
  EXPECT_EQ(shard.data_dir, "/srv/mail");
  EXPECT_EQ(ServerOptions(config).trusted_networks, config.relay.networks);
}

TEST(ParseConfig, ReadsListenersAndLimitsOfPop3) {
  const ConfigResult result = ParseConfig(R"(
hostname = "pop.example.org"
[[listener]]
address = "127.0.0.1:110"
protocol = "pop3"
auth = "always"
[[listener]]
address = "127.0.0.1:25"
[limits]
connections = 7
[pop3]
autologout = "20m"
send_timeout = "1m"
login_delay = "30s"
errors = 9
login_failures = 3
apop = true
unique_id = "%v-%u"
utf8_header = "refused"
)",
                                          "");
  EXPECT_EQ(FormatDiagnostics("f", result.diagnostics), "");
  const Config& config = result.config;
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].options.protocol, session::ListenerProtocol::kPop3);
  EXPECT_EQ(config.listeners[1].options.protocol, session::ListenerProtocol::kSmtp);
  const pop3::Pop3ListenerOptions listener = Pop3Listener(config.listeners[0]);
  EXPECT_EQ(listener.name, "pop3");
  EXPECT_EQ(listener.tls, pop3::ListenerTls::kNone);
  EXPECT_EQ(listener.plaintext, session::SaslPlaintext::kAlways);
  const pop3::Pop3Options options = Pop3ServerOptions(config);
  EXPECT_EQ(options.hostname, "pop.example.org");
  EXPECT_EQ(options.sessions_max, 7u);
  EXPECT_EQ(options.autologout, std::chrono::minutes(20));
  EXPECT_EQ(options.send_timeout, std::chrono::minutes(1));
  EXPECT_EQ(options.login_delay, std::chrono::seconds(30));
  EXPECT_EQ(options.errors_max, 9u);
  EXPECT_EQ(options.login_failures_max, 3u);
  EXPECT_TRUE(options.apop);
  EXPECT_EQ(options.unique_id.text(), "%v-%u");
  EXPECT_EQ(options.utf8_header, pop3::Utf8Header::kRefused);
}

TEST(ParseConfig, WarnsOfAListenerWhereNobodyCouldLogIn) {
  const ConfigResult result = ParseConfig(
      "hostname = \"a.example\"\n[[listener]]\naddress = \"127.0.0.1:110\"\nprotocol = "
      "\"pop3\"\n",
      "");
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(FormatDiagnostics("f", result.diagnostics),
            "f:2:1: warning: [[listener]] 127.0.0.1:110 has no tls, and takes no password without: "
            "write [tls], or auth = \"always\" where nobody else sees the wire\n");
}

struct Wrong {
  const char* text;
  const char* said;
};

class ConfigDiagnosticTest : public testing::TestWithParam<Wrong> {};

TEST_P(ConfigDiagnosticTest, NamesFileLineColumnAndWhatToDo) {
  EXPECT_EQ(SaidAfter(GetParam().text), GetParam().said);
}

// Each text stands after the two lines of kSmallest.
constexpr Wrong kWrong[] = {
    {"[relay]\nnetwork = [\"127.0.0.1\"]\n",
     "f.toml:4:1: error: unknown key \"[relay] network\"; did you mean \"networks\"?\n"},
    {"[limit]\nrecipients = 100\n",
     "f.toml:3:2: error: unknown key \"limit\"; did you mean \"limits\"?\n"},
    {"[lmiits]\nrecipients = 100\n",
     "f.toml:3:2: error: unknown key \"lmiits\"; did you mean \"limits\"?\n"},
    {"[limits]\nmessage-size = \"1MiB\"\n",
     "f.toml:4:1: error: unknown key \"[limits] message-size\"; did you mean \"message_size\"?\n"},
    {"[limits]\ntimeout = \"5m\"\n",
     "f.toml:4:1: error: unknown key \"[limits] timeout\"; did you mean \"command_timeout\"?\n"},
    {"hostname = \"a.example\"\n",
     "f.toml:3:1: error: unknown key \"[[listener]] hostname\"; it belongs at the top of the file, "
     "before the first [table]\n"},
    {"[relay]\nrecipients = 100\n",
     "f.toml:4:1: error: unknown key \"[relay] recipients\"; it belongs in [limits]\n"},
    {"[log]\nzzzzzzzz = 1\n",
     "f.toml:4:1: error: unknown key \"[log] zzzzzzzz\"; known here: path level\n"},
    {"[limits]\nrecipients = \"many\"\n",
     "f.toml:4:14: error: [limits] recipients must be an integer without quotes, not a string\n"},
    {"[limits]\nrecipients = 99\n",
     "f.toml:4:14: error: [limits] recipients must be from 100 to 999999\n"},
    {"[limits]\nrecipients = -1\n",
     "f.toml:4:14: error: [limits] recipients must be from 100 to 999999\n"},
    {"[limits]\nmessage_size = 1000000\n",
     "f.toml:4:16: error: [limits] message_size must be a size with its unit as a string, "
     "\"50MiB\", not an integer\n"},
    {"[limits]\nmessage_size = \"50 megs\"\n",
     "f.toml:4:16: error: [limits] message_size \"50 megs\" must be a size with its unit as a "
     "string, \"50MiB\"\n"},
    {"[limits]\nmessage_size = \"1B\"\n",
     "f.toml:4:16: error: [limits] message_size must be from 64KiB to 4GiB\n"},
    {"[limits]\ncommand_timeout = \"5 minutes\"\n",
     "f.toml:4:19: error: [limits] command_timeout \"5 minutes\" must be a duration with its unit "
     "as a string, \"5m\"\n"},
    {"[limits]\ncommand_timeout = \"1m\"\n",
     "f.toml:4:19: warning: [limits] command_timeout is less than the 5m that RFC 5321 §4.5.3.2.7 "
     "asks for\n"},
    {"[relay]\nnetworks = \"127.0.0.1\"\n",
     "f.toml:4:12: error: [relay] networks must be an array of strings, [\"…\", \"…\"], not a "
     "string\n"},
    {"[relay]\nnetworks = [\"127.0.0.1/8\"]\n",
     "f.toml:4:13: error: [relay] networks \"127.0.0.1/8\" is no network: write \"192.0.2.0/24\", "
     "\"2001:db8::/32\" or one "
     "address; bits beyond the prefix must be zero\n"},
    {"[relay]\nnetworks = [\"0.0.0.0/0\"]\n",
     "f.toml:4:13: error: [relay] networks \"0.0.0.0/0\" is the whole Internet, which would make "
     "this server an open relay: "
     "name the networks that may relay\n"},
    {"[relay]\nnetworks = [\"::1\",\n  \"::/0\"]\n",
     "f.toml:5:3: error: [relay] networks \"::/0\" is the whole Internet, which would make this "
     "server an open relay: name "
     "the networks that may relay\n"},
    {"[relay]\ndomains = [\"example..org\"]\n",
     "f.toml:4:12: error: [relay] domains \"example..org\" is no domain: write \"example.org\", or "
     "\".example.org\" for all "
     "its subdomains\n"},
    {"[relay]\nnext_hop = \"a b\"\n",
     "f.toml:4:12: error: [relay] next_hop \"a b\" is no next hop: write \"host\", \"host:port\", "
     "\"192.0.2.1:port\" or "
     "\"[2001:db8::1]:port\", or \"unix:/run/service.sock\"; \"lmtp://\" before it for one that "
     "speaks LMTP\n"},
    {"[[route]]\ndomain = \"a.example\"\n",
     "f.toml:3:1: error: [[route]] has no next_hop: a route needs both domain and next_hop\n"},
    {"[[route]]\ndomain = \"a.example\"\nnext_hop = \"b\"\n[[route]]\ndomain = "
     "\"A.example\"\nnext_hop = \"c\"\n",
     "f.toml:7:10: error: [[route]] domain \"a.example\" is there twice\n"},
    {"[[listener]]\naddress = \"127.0.0.1:2525\"\n",
     "f.toml:4:11: error: [[listener]] address \"127.0.0.1:2525\" is there twice\n"},
    {"[[listener]]\naddress = \"localhost:25\"\n",
     "f.toml:4:11: error: [[listener]] address \"localhost:25\" is no address to listen at: write "
     "\"0.0.0.0:25\", "
     "\"192.0.2.1:25\", \"[::]:25\" or \"unix:/run/ringmail/lmtp.sock\"\n"},
    {"[[listener]]\naddress = \"unix:lmtp.sock\"\n",
     "f.toml:4:11: error: [[listener]] address \"unix:lmtp.sock\" is no address to listen at: "
     "write "
     "\"0.0.0.0:25\", \"192.0.2.1:25\", \"[::]:25\" or \"unix:/run/ringmail/lmtp.sock\"\n"},
    {"[[listener]]\naddress = \"unix:/run/l\"\nmode = \"0888\"\n",
     "f.toml:5:8: error: [[listener]] mode \"0888\" is no mode of a file: write \"0660\"\n"},
    {"mode = \"0660\"\n", "f.toml:3:8: error: [[listener]] mode is for a Unix socket\n"},
    {"group = \"mail\"\n", "f.toml:3:9: error: [[listener]] group is for a Unix socket\n"},
    {"[[listener]]\nprotocol = \"smtp\"\n",
     "f.toml:3:1: error: [[listener]] has no address: write address = \"0.0.0.0:25\"\n"},
    {"protocol = \"imap\"\n",
     "f.toml:3:12: error: [[listener]] protocol \"imap\" is not in this version yet: \"smtp\", "
     "\"submission\", \"lmtp\", \"pop3\" and \"acme\" are\n"},
    {"protocol = \"gopher\"\n",
     "f.toml:3:12: error: [[listener]] protocol \"gopher\" is no protocol: \"smtp\", "
     "\"submission\", \"lmtp\", \"pop3\" and \"acme\" are\n"},
    {"protocol = \"pop3\"\nauth = \"none\"\n",
     "f.toml:1:1: error: [[listener]] auth \"none\" lets nobody log in: take it out\n"},
    {"protocol = \"pop3\"\nauth = \"always\"\nbare_newline = \"refused\"\n",
     "f.toml:5:16: error: [[listener]] bare_newline is for smtp, not for pop3\n"},
    {"protocol = \"pop3\"\nauth = \"never\"\n",
     "f.toml:1:1: warning: [[listener]] 127.0.0.1:2525 has no tls, and takes no password without: "
     "write [tls], or auth = \"always\" where nobody else sees the wire\n"
     "f.toml:4:8: error: [[listener]] auth \"never\" must be one of \"none\", \"encrypted\", "
     "\"always\"\n"},
    {"protocol = \"pop3\"\nauth = \"always\"\n[pop3]\nautologout = \"9m\"\n",
     "f.toml:6:14: warning: [pop3] autologout is less than the 10m that RFC 1939 §3 asks for\n"},
    {"protocol = \"pop3\"\nauth = \"always\"\n[pop3]\nunique_id = \"%f\"\n",
     "f.toml:6:13: error: [pop3] unique_id \"%f\" is no format of unique-ids: text with %u (the "
     "UID), %v (UIDVALIDITY), or with zeros before them and hexadecimal, as %08Xu; at most 70 "
     "octets, without spaces\n"},
    {"protocol = \"pop3\"\nauth = \"always\"\n[pop3]\nutf8_header = \"x\"\n",
     "f.toml:6:15: error: [pop3] utf8_header \"x\" must be one of \"surrogate\", \"refused\"\n"},
    {"tls = \"starttls\"\n",
     "f.toml:3:7: error: [[listener]] tls needs a certificate: write [tls] with certificate and "
     "private_key, or [acme]\n"},
    {"tls = \"ssl\"\n",
     "f.toml:3:7: error: [[listener]] tls \"ssl\" must be one of \"none\", \"starttls\", "
     "\"implicit\"\n"},
    {"bare_newline = \"ok\"\n",
     "f.toml:3:16: error: [[listener]] bare_newline \"ok\" must be one of \"refused\", "
     "\"legacy-scanner\"\n"},
    {"[tls]\ncertificate = \"/c.pem\"\n",
     "f.toml:3:1: error: [tls] private_key is missing: a certificate and its private key go "
     "together\n"},
    {"[tls]\nclient_certificates = \"require\"\n",
     "f.toml:3:1: error: [tls] client_certificates \"require\" needs client_authorities: nobody "
     "could come in\n"},
    {"[authentication]\nfailure_delay = \"20s\"\n",
     "f.toml:3:2: error: [authentication] failure_delay_max is shorter than failure_delay\n"},
    {"[authentication]\nban_time = \"2d\"\n",
     "f.toml:3:2: error: [authentication] ban_time_max is shorter than ban_time\n"},
    {"[authentication]\ncertificates = true\n[tls]\nclient_certificates = \"request\"\n",
     "f.toml:3:2: error: [authentication] certificates needs [tls] client_certificates = "
     "\"request\" and client_authorities: nobody would vouch for a client\n"},
    {"[tls]\nversion_min = \"1.1\"\n",
     "f.toml:4:15: error: [tls] version_min \"1.1\" must be one of \"1.2\", \"1.3\"\n"},
    {"[[certificate]]\nprivate_key = \"/k.pem\"\n",
     "f.toml:3:1: error: [[certificate]] certificate is missing: a certificate and its private key "
     "go together\n"},
    {"[[domain]]\nname = \"not a domain\"\n",
     "f.toml:4:8: error: [[domain]] name \"not a domain\" is no domain: write \"example.org\"\n"},
    {"[listener2]\n", "f.toml:3:2: error: unknown key \"listener2\"; did you mean \"listener\"?\n"},
    {"[retry]\nfirst_delay = \"2h\"\ndelay_max = \"1h\"\n",
     "f.toml:3:2: error: [retry] delay_max is shorter than first_delay\n"},
    {"[retry]\njitter = 1.5\n", "f.toml:4:10: error: [retry] jitter must be from 0 to 1\n"},
    {"[retry]\njitter = nan\n", "f.toml:4:10: error: [retry] jitter must be from 0 to 1\n"},
    {"[retry]\ngrowth = \"2\"\n",
     "f.toml:4:10: error: [retry] growth must be a number without quotes, not a string\n"},
    {"[destination]\nchunking = 1\n",
     "f.toml:4:12: error: [destination] chunking must be true or false without quotes, not an "
     "integer\n"},
    {"[log]\npath = \"ringmail.log\"\n",
     "f.toml:4:8: error: [log] path \"ringmail.log\" must be an absolute path, so that it means "
     "the same wherever the server "
     "is started\n"},
    {"[log]\nlevel = \"loud\"\n",
     "f.toml:4:9: error: [log] level \"loud\" must be one of \"debug\", \"info\", \"warning\", "
     "\"error\"\n"},
    {"[store]\nsegment_size = \"1500KiB\"\n",
     "f.toml:4:16: error: [store] segment_size must be a whole number of MiB\n"},
    {"[store]\nquota = \"64MiB\"\n",
     "f.toml: error: [store] quota 64MiB is less than four segments of 64MiB: raise quota or lower "
     "segment_size\n"},
    {"[limits]\nrecipients = 100\nrecipients = 200\n",
     "f.toml:5:14: error: not TOML: Error while parsing key-value pair: cannot redefine existing "
     "integer 'recipients'\n"},
    {"[limits\n",
     "f.toml:3:8: error: not TOML: Error while parsing table header: expected ']', saw '\\n'\n"},
};

INSTANTIATE_TEST_SUITE_P(Wrong, ConfigDiagnosticTest, testing::ValuesIn(kWrong));

TEST(ConfigTest, WhatCannotBeginAKeyIsAFaultLikeAnyOther) {
  for (const std::string_view text : {"ä = 1\n", "hostname = ä\n", "ˈ", "[ä]\n", "[\\x]\n",
                                      "[[\\x]]\n", "a.\\ = 1\n", "a = {\\ = 1}\n"}) {
    EXPECT_NE(Said(text).find("not TOML"), std::string::npos) << text << ": " << Said(text);
  }
}

TEST(ConfigTest, NoFaultIsShownWithAControlCharacterOfTheFile) {
  const std::string said = Said("hostname =f\001\033[2J\n");
  EXPECT_NE(said.find("not TOML"), std::string::npos) << said;
  const bool controls = std::any_of(said.begin(), said.end() - 1,
                                    [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  EXPECT_FALSE(controls) << said;
}

TEST(ConfigTest, AllFaultsAreSaidAtOnceInTheOrderOfTheFile) {
  EXPECT_EQ(
      Said("shards = 0\n"
           "hostnam = \"a\"\n"
           "[[listener]]\n"
           "adress = \"127.0.0.1:25\"\n"
           "[limits]\n"
           "errors = true\n"),
      "f.toml:1:10: error: shards must be from 1 to 256\n"
      "f.toml:2:1: error: unknown key \"hostnam\"; did you mean \"hostname\"?\n"
      "f.toml:3:1: error: [[listener]] has no address: write address = \"0.0.0.0:25\"\n"
      "f.toml:4:1: error: unknown key \"[[listener]] adress\"; did you mean \"address\"?\n"
      "f.toml:6:10: error: [limits] errors must be an integer without quotes, not true or false\n");
}

TEST(ConfigTest, AnEmptyFileSaysThatNothingListens) {
  EXPECT_EQ(Said(""),
            "f.toml: error: no [[listener]], so no mail could come in: write [[listener]] and "
            "address = \"0.0.0.0:25\"\n");
}

TEST(ConfigTest, WithoutAHostNameAnywhereItAsksForOne) {
  const ConfigResult result = ParseConfig(kSmallest, "not a host");
  EXPECT_EQ(FormatDiagnostics("f", result.diagnostics),
            "f: error: no hostname, and the system's own name is no host name: write hostname = "
            "\"mx.example.org\"\n");
}

TEST(ConfigTest, AWarningDoesNotMakeItUnusable) {
  EXPECT_TRUE(Parse(std::string(kSmallest) + "[limits]\ncommand_timeout = \"1m\"\n").ok());
}

TEST(ConfigTest, TokensComeWithOneWayToJudgeThem) {
  constexpr std::string_view kWays =
      "[token] needs one of jwks_url, key_set, keys and introspection_url, and no other";
  constexpr std::string_view kTogether =
      "[token] introspection_url, client_id and client_secret go together (RFC 7662 §2.1)";
  const std::string jwt = "[token]\nissuer = \"https://id\"\naudience = [\"a\"]\n";
  const std::string asked =
      "[token]\nintrospection_url = \"https://id/i\"\nclient_id = \"m\"\nclient_secret = \"/s\"\n";
  EXPECT_EQ(SaidAfter(jwt + "jwks_url = \"https://id/jwks\"\nrefresh = \"5m\"\n"), "");
  EXPECT_EQ(SaidAfter(asked + "cache_time = \"0s\"\nserver_timeout = \"3s\"\n"), "");
  EXPECT_NE(SaidAfter(jwt).find(kWays), std::string::npos);
  EXPECT_NE(SaidAfter(jwt + "jwks_url = \"https://id/jwks\"\nkey_set = \"/k\"\n").find(kWays),
            std::string::npos);
  EXPECT_NE(SaidAfter(asked + "jwks_url = \"https://id/jwks\"\n").find(kWays), std::string::npos);
  EXPECT_NE(SaidAfter("[token]\nintrospection_url = \"https://id/i\"\n").find(kTogether),
            std::string::npos);
  EXPECT_NE(SaidAfter(jwt + "jwks_url = \"https://id/j\"\nclient_id = \"m\"\n").find(kTogether),
            std::string::npos);
  EXPECT_NE(SaidAfter(jwt + "jwks_url = \"http://id/jwks\"\n").find("is no URL that begins with"),
            std::string::npos);
  EXPECT_NE(SaidAfter("[token]\njwks_url = \"https://id/j\"\n").find("[token] issuer is missing"),
            std::string::npos);
}

TEST(ConfigTest, ControlCharactersOfAValueAreShownEscaped) {
  EXPECT_NE(SaidAfter("[relay]\nnext_hop = \"a\\u0007\\n b\"\n").find("\"a\\x07\\x0a b\""),
            std::string::npos);
}

std::string Example() {
  std::ifstream file(RINGMAIL_EXAMPLE);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(ConfigTest, TheExampleParsesAndNamesEveryKey) {
  const std::string text = Example();
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(FormatDiagnostics("example", Parse(text).diagnostics), "");
  for (const Section& section : Sections()) {
    const size_t begin =
        section.name.empty() ? 0 : text.find("[" + std::string(section.name) + "]");
    ASSERT_NE(begin, std::string::npos) << section.name;
    const size_t end = text.find("\n[", begin);
    const std::string part = text.substr(begin, end - begin);
    for (const Key& key : section.keys) {
      EXPECT_NE(part.find(std::string(key.name) + " "), std::string::npos)
          << section.name << " " << key.name;
    }
  }
}

TEST(ConfigTest, WhatTheExampleCallsDefaultsAreTheDefaults) {
  std::string text = Example();
  // Keys behind "# " at the start of a line, except those whose default is no value.
  std::string uncommented;
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool key =
        line.starts_with("# [") || (line.starts_with("# ") && line.find(" = ") != line.npos &&
                                    line.find("ringmail check") == line.npos);
    for (std::string_view no_value :
         {"user", "shards", "postmaster", "source_address", "path ", "jwks_url",
          "introspection_url", "client_id", "client_secret"}) {
      if (line.starts_with("# " + std::string(no_value))) line = "#";
    }
    uncommented += (key && line != "#" ? line.substr(2) : line) + "\n";
  }
  const ConfigResult all = Parse(uncommented), none = Parse(text);
  ASSERT_EQ(FormatDiagnostics("uncommented", all.diagnostics), "");
  for (const Section& section : Sections()) {
    for (const Key& key : section.keys) {
      if (key.now != nullptr) EXPECT_EQ(key.now(all.config), key.now(none.config)) << key.name;
    }
  }
  // Of these there are none by default.
  EXPECT_EQ(NeedsRestart(none.config, all.config), (std::vector<std::string>{"[[backend]]"}));
  EXPECT_EQ(all.config.backends.size(), 5u);
  EXPECT_EQ(all.config.transfer.retry.first_delay, none.config.transfer.retry.first_delay);
  EXPECT_EQ(all.config.transfer.retry.growth, none.config.transfer.retry.growth);
  EXPECT_EQ(all.config.transfer.retry.jitter, none.config.transfer.retry.jitter);
}

// What is said of a [[backend]] with these lines.
std::string FaultsOfBackend(std::string_view lines) {
  const ConfigResult result = Parse(
      "[[listener]]\naddress = \"0.0.0.0:25\"\n[[backend]]\nname = \"a\"\n"
      "domains = [\"example.org\"]\n" +
      std::string(lines));
  std::string out;
  for (const Diagnostic& one : result.diagnostics) out += one.text + "\n";
  return out;
}

TEST(Backend, LacksNothingAndHasNothingOfAnotherKind) {
  EXPECT_EQ(FaultsOfBackend("kind = \"passwd_file\"\nfile = \"/people\"\n"), "");
  EXPECT_EQ(FaultsOfBackend("kind = \"pam\"\n"), "");
  EXPECT_EQ(FaultsOfBackend(""), "[[backend]] has no kind: write kind = \"passwd_file\"\n");
  EXPECT_EQ(FaultsOfBackend("kind = \"sqlite\"\n"),
            "[[backend]] of kind \"sqlite\" needs file\n"
            "[[backend]] of kind \"sqlite\" needs query\n");
  EXPECT_EQ(FaultsOfBackend("kind = \"passwd_file\"\nfile = \"/people\"\nquery = \"SELECT 1\"\n"),
            "[[backend]] query means nothing to kind \"passwd_file\"\n");
  EXPECT_EQ(
      FaultsOfBackend("kind = \"postgresql\"\nuri = \"dbname=a\"\nquery = \"SELECT :user\"\n"),
      "[[backend]] query has a parameter :user: there are :address, :local_part and "
      ":domain\n");
  EXPECT_EQ(FaultsOfBackend(
                "kind = \"ldap\"\nuri = \"ldapi:///\"\nbase = \"o=e\"\nfilter = \"(a={b})\"\n"),
            "[[backend]] '(a={b})' has braces around what is none of {address}, {local_part} and "
            "{domain}\n");
}

TEST(Backend, ItsDomainsAreLocalAndItsNameIsItsOwn) {
  const std::string one =
      "[[backend]]\nname = \"a\"\nkind = \"pam\"\ndomains = [\"Example.ORG\"]\n";
  const ConfigResult result = Parse("[[listener]]\naddress = \"0.0.0.0:25\"\n" + one);
  ASSERT_TRUE(result.ok()) << FormatDiagnostics("f", result.diagnostics);
  EXPECT_EQ(result.config.directory.configured_domains, (std::vector<std::string>{"example.org"}));
  const ConfigResult twice = Parse("[[listener]]\naddress = \"0.0.0.0:25\"\n" + one + one);
  EXPECT_NE(FormatDiagnostics("f", twice.diagnostics).find("name \"a\" is there twice"),
            std::string::npos);
  // A socket of that name must fit sun_path.
  const ConfigResult deep = Parse("data_dir = \"/" + std::string(100, 'd') +
                                  "\"\n[[listener]]\naddress = \"0.0.0.0:25\"\n" + one);
  EXPECT_NE(FormatDiagnostics("f", deep.diagnostics).find("too long a name for a socket"),
            std::string::npos);
}

TEST(ConfigTest, WhatCannotChangeWhileRunningIsNamed) {
  Config running = Parse(kSmallest).config, wanted = running;
  EXPECT_TRUE(NeedsRestart(running, wanted).empty());
  wanted.shards = 5;
  wanted.data_dir = "/elsewhere";
  wanted.relay.domains = {"example.org"};
  EXPECT_EQ(NeedsRestart(running, wanted), (std::vector<std::string>{"data_dir", "shards"}));
}

TEST(SchemaTest, NoKeyIsThereTwiceAndEveryLimitSaysWhatHappens) {
  for (const Section& section : Sections()) {
    std::set<std::string_view> names;
    for (const Key& key : section.keys) {
      EXPECT_TRUE(names.insert(key.name).second) << key.name;
      EXPECT_NE(key.set, nullptr) << key.name;
      if (key.now != nullptr) EXPECT_FALSE(key.reached.empty()) << key.name;
      if (key.now != nullptr) EXPECT_GE(key.now(Config{}), key.min) << key.name;
      if (key.now != nullptr) EXPECT_LE(key.now(Config{}), key.max) << key.name;
      if (key.advised_min != 0) EXPECT_GE(key.now(Config{}), key.advised_min) << key.name;
    }
  }
}

TEST(ParseConfig, WhoHasACertificateOffersStartTlsUnlessAListenerSaysOtherwise) {
  const std::string_view text =
      "[[listener]]\naddress = \"0.0.0.0:25\"\n"
      "[[listener]]\naddress = \"0.0.0.0:26\"\ntls = \"none\"\n"
      "[[listener]]\naddress = \"0.0.0.0:465\"\ntls = \"implicit\"\n";
  const std::string_view certificates =
      "[[certificate]]\ncertificate = \"/b.pem\"\nprivate_key = \"/b.key\"\n"
      "[tls]\ncertificate = \"/a.pem\"\nprivate_key = \"/a.key\"\n";
  const ConfigResult with = ParseConfig(std::string(text) + std::string(certificates), "h.invalid");
  ASSERT_TRUE(with.ok()) << FormatDiagnostics("f", with.diagnostics);
  EXPECT_EQ(with.config.listeners[0].options.tls, smtp::ListenerTls::kStartTls);
  EXPECT_EQ(with.config.listeners[1].options.tls, smtp::ListenerTls::kNone);
  EXPECT_EQ(with.config.listeners[2].options.tls, smtp::ListenerTls::kImplicit);
  ASSERT_EQ(with.config.tls.certificates.size(), 2u);
  EXPECT_EQ(with.config.tls.certificates[0].certificate.path, "/a.pem") << "[tls] comes first";
  EXPECT_EQ(with.config.tls.certificates[0].certificate.line, 13u);
  EXPECT_EQ(with.config.tls.certificates[1].private_key.line, 11u);
  const ConfigResult without = ParseConfig(text.substr(0, text.find("[[", 2)), "h.invalid");
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without.config.listeners[0].options.tls, smtp::ListenerTls::kNone);
}

TEST(Config, SpeaksLmtpToThoseWhoBringMailAndToStores) {
  const ConfigResult result = ParseConfig(R"(
[[listener]]
address = "127.0.0.1:24"
protocol = "lmtp"
[[route]]
domain = "example.com"
next_hop = "lmtp://192.0.2.25"
[delivery]
detail = "mailbox"
)",
                                          "mx.example.org");
  ASSERT_TRUE(result.ok()) << FormatDiagnostics("f", result.diagnostics);
  EXPECT_EQ(result.config.listeners.at(0).options.protocol, smtp::ListenerProtocol::kLmtp);
  EXPECT_EQ(result.config.transfer.routes.at(0).next_hop.ToString(), "lmtp://192.0.2.25:24");
  EXPECT_EQ(result.config.delivery.detail, agent::DetailMailbox::kNamed);
}

TEST(Config, RefusesLmtpOnThePortOfSmtp) {
  const ConfigResult result = ParseConfig(
      "[[listener]]\naddress = \"127.0.0.1:25\"\nprotocol = \"lmtp\"\n", "mx.example.org");
  EXPECT_FALSE(result.ok());
  EXPECT_NE(FormatDiagnostics("f", result.diagnostics).find("port 24"), std::string::npos);
}

TEST(ParseConfig, AListenerForAccountsOffersAuthInsideTlsAndIsImplicitOnThePortsOfThat) {
  const std::string_view tls = "[tls]\ncertificate = \"/a.pem\"\nprivate_key = \"/a.key\"\n";
  const std::string_view listeners =
      "[[listener]]\naddress = \"0.0.0.0:587\"\nprotocol = \"submission\"\n"
      "[[listener]]\naddress = \"0.0.0.0:465\"\nprotocol = \"submission\"\n"
      "[[listener]]\naddress = \"0.0.0.0:466\"\nprotocol = \"submission\"\nauth = \"always\"\n"
      "[[listener]]\naddress = \"0.0.0.0:25\"\n"
      "[[listener]]\naddress = \"0.0.0.0:26\"\nauth = \"encrypted\"\n"
      "[[listener]]\naddress = \"0.0.0.0:110\"\nprotocol = \"pop3\"\n"
      "[[listener]]\naddress = \"0.0.0.0:995\"\nprotocol = \"pop3\"\n";
  const ConfigResult read = ParseConfig(std::string(listeners) + std::string(tls), "h.invalid");
  ASSERT_TRUE(read.ok()) << FormatDiagnostics("f", read.diagnostics);
  struct Wanted {
    smtp::ListenerProtocol protocol;
    smtp::ListenerTls tls;
    smtp::ListenerAuth auth;
  };
  using smtp::ListenerAuth, smtp::ListenerProtocol, smtp::ListenerTls;
  constexpr Wanted kWanted[] = {
      {ListenerProtocol::kSubmission, ListenerTls::kStartTls, ListenerAuth::kEncrypted},
      {ListenerProtocol::kSubmission, ListenerTls::kImplicit, ListenerAuth::kEncrypted},
      {ListenerProtocol::kSubmission, ListenerTls::kStartTls, ListenerAuth::kAlways},
      {ListenerProtocol::kSmtp, ListenerTls::kStartTls, ListenerAuth::kNone},
      {ListenerProtocol::kSmtp, ListenerTls::kStartTls, ListenerAuth::kEncrypted},
      {ListenerProtocol::kPop3, ListenerTls::kStartTls, ListenerAuth::kEncrypted},
      {ListenerProtocol::kPop3, ListenerTls::kImplicit, ListenerAuth::kEncrypted}};
  ASSERT_EQ(read.config.listeners.size(), std::size(kWanted));
  for (size_t i = 0; i < std::size(kWanted); ++i) {
    EXPECT_EQ(read.config.listeners[i].options.protocol, kWanted[i].protocol) << i;
    EXPECT_EQ(read.config.listeners[i].options.tls, kWanted[i].tls) << i;
    EXPECT_EQ(read.config.listeners[i].options.auth, kWanted[i].auth) << i;
  }
}

TEST(ParseConfig, AListenerThatWouldLetNobodyInIsAnError) {
  const auto said = [](std::string_view more) {
    return FormatDiagnostics(
        "f",
        ParseConfig("[[listener]]\naddress = \"0.0.0.0:587\"\n" + std::string(more), "h.invalid")
            .diagnostics);
  };
  const std::string_view needs_tls = "f:1:1: error: [[listener]] auth \"encrypted\" needs TLS";
  EXPECT_TRUE(said("protocol = \"submission\"\n").starts_with(needs_tls));
  EXPECT_TRUE(said("auth = \"encrypted\"\n").starts_with(needs_tls));
  EXPECT_TRUE(said("protocol = \"submission\"\nauth = \"none\"\n")
                  .starts_with("f:1:1: error: [[listener]] auth \"none\" lets nobody submit"));
  EXPECT_EQ(said("protocol = \"submission\"\nauth = \"always\"\n"), "");
  EXPECT_NE(said("auth = \"plain\"\n").find("must be one of \"none\", \"encrypted\", \"always\""),
            std::string::npos);
}

TEST(ParseConfig, WhatAnAccountMaySubmit) {
  const ConfigResult read = ParseConfig(
      "[[listener]]\naddress = \"0.0.0.0:25\"\n[submission]\nidentities = \"any\"\n"
      "null_reverse_path = false\nmessages_per_hour = 10\nmessages_per_day = 0\n"
      "recipients_per_hour = 1\nrecipients_per_day = 7\n",
      "h.invalid");
  ASSERT_TRUE(read.ok()) << FormatDiagnostics("f", read.diagnostics);
  const agent::SubmissionPolicy whole = DoorOptions(read.config).submission;
  EXPECT_EQ(whole.identities, agent::SubmissionIdentities::kAny);
  EXPECT_EQ(whole.null_reverse_path, agent::NullReversePath::kRefused);
  EXPECT_EQ(whole.limits, (agent::SubmissionLimits{10, 0, 1, 7}));
}

// --- Proxies and tunnels

TEST(ConfigTest, AListenerKnowsItsProxies) {
  const ConfigResult result = Parse(
      "[[listener]]\naddress = \"0.0.0.0:25\"\nproxy_protocol = [\"10.0.0.0/8\", "
      "\"2001:db8::/32\"]\n[[listener]]\naddress = \"0.0.0.0:995\"\nprotocol = \"pop3\"\n"
      "proxy_protocol = [\"192.0.2.1\"]\n");
  ASSERT_TRUE(result.ok()) << FormatDiagnostics("f", result.diagnostics);
  EXPECT_EQ(result.config.listeners[0].options.proxies.size(), 2u);
  EXPECT_EQ(Pop3Listener(result.config.listeners[1]).proxies.size(), 1u);
}

TEST(ConfigTest, NobodyIsAProxyForTheWholeInternet) {
  for (const std::string_view network : {"0.0.0.0/0", "::/0"}) {
    EXPECT_NE(FormatDiagnostics("f", Parse("[[listener]]\naddress = \"0.0.0.0:25\"\n"
                                           "proxy_protocol = [\"" +
                                           std::string(network) + "\"]\n")
                                         .diagnostics)
                  .find("is the whole Internet"),
              std::string::npos);
  }
}

constexpr std::string_view kTunnels = R"(
[[tunnel]]
address = "0.0.0.0:443"
name = "web"
connect = "unix:/run/web.sock"
alpn = ["h2", "http/1.1"]
send_proxy = "v2"
idle_timeout = "1h"
[[tunnel.server]]
names = ["WWW.example.net", "*.shop.example.net"]
connect = "127.0.0.1:8080"
certificate = "/a.pem"
private_key = "/a.key"
[[tunnel]]
address = "unix:/run/smtps.sock"
mode = "unwrap"
connect = "192.0.2.7:465"
server_name = "smtp.example.net"
)";

TEST(ConfigTest, ATunnelIsAListenerWithATarget) {
  const ConfigResult result = Parse(std::string(kTunnels));
  ASSERT_TRUE(result.ok()) << FormatDiagnostics("f", result.diagnostics);
  ASSERT_EQ(result.config.tunnels.size(), 2u);
  const TunnelConfig& web = result.config.tunnels[0];
  EXPECT_EQ(web.options.target.unix_path, "/run/web.sock");
  EXPECT_EQ(web.options.send_proxy, tunnel::SendProxy::kV2);
  EXPECT_EQ(web.options.idle_timeout, std::chrono::hours(1));
  EXPECT_EQ(web.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  ASSERT_EQ(web.servers.size(), 1u);
  EXPECT_EQ(web.servers[0].route.names,
            (std::vector<std::string>{"www.example.net", "*.shop.example.net"}));
  EXPECT_EQ(web.servers[0].certificate.certificate.path, "/a.pem");
  EXPECT_EQ(web.servers[0].certificate.certificate.line, 12u);
  EXPECT_EQ(result.config.tunnels[1].options.mode, tunnel::TunnelMode::kUnwrap);
  const std::vector<ListenerConfig> listeners = ListenersOf(result.config);
  ASSERT_EQ(listeners.size(), result.config.listeners.size() + 2);
  EXPECT_EQ(listeners.back().endpoint.unix_path, "/run/smtps.sock");
  EXPECT_TRUE(listeners.back().tunnel.has_value());
}

TEST(ConfigTest, ATunnelThatCouldNotWorkIsRefused) {
  const struct {
    std::string_view text, said;
  } cases[] = {
      {"connect = \"127.0.0.1:80\"", "[[tunnel]] has no address"},
      {"address = \"0.0.0.0:443\"", "[[tunnel]] has no connect"},
      {"address = \"x\"\nconnect = \"127.0.0.1:80\"", "is no address: write"},
      {"address = \"0.0.0.0:443\"\nconnect = \"host:80\"", "is no address: write"},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\nverify = false",
       "verify is for mode = \"unwrap\""},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\nmode = \"unwrap\"",
       "has no server_name"},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\nmode = \"unwrap\"\n"
       "verify = false\nclient_names = [\"x\"]",
       "client_names is for mode = \"wrap\""},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\nclient_names = [\"x\"]",
       "client_names needs client_certificates"},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\n"
       "client_certificates = \"require\"",
       "client_certificates needs authorities"},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\ncertificate = \"/a.pem\"",
       "private_key is missing"},
      {"address = \"0.0.0.0:443\"\nserver = 5", "tunnel.server: write [[tunnel.server]]"},
      {"address = \"0.0.0.0:443\"\nserver = [5]", "tunnel.server must hold tables"},
      {"address = \"0.0.0.0:443\"\n[[tunnel.server]]\nnames = [\"a.b\"]",
       "[[tunnel.server]] connect is missing"},
      {"address = \"0.0.0.0:443\"\n[[tunnel.server]]\nnames = [\"a b\"]\nconnect = \"[::1]:1\"",
       "is no name: write"},
      {"address = \"0.0.0.0:443\"\nconnect = \"127.0.0.1:80\"\nsend_proxy = \"v3\"",
       "must be one of \"none\", \"v1\", \"v2\""},
  };
  for (const auto& one : cases) {
    const ConfigResult result =
        Parse(std::string(kSmallest) + "[[tunnel]]\n" + std::string(one.text) + "\n");
    EXPECT_FALSE(result.ok()) << one.text;
    EXPECT_NE(FormatDiagnostics("f", result.diagnostics).find(one.said), std::string::npos)
        << one.text << "\n"
        << FormatDiagnostics("f", result.diagnostics);
  }
}

TEST(ConfigTest, TwoMayNotListenAtOneAddress) {
  const ConfigResult result = Parse(
      "[[listener]]\naddress = \"0.0.0.0:25\"\n[[tunnel]]\naddress = \"0.0.0.0:25\"\n"
      "connect = \"127.0.0.1:80\"\n");
  EXPECT_NE(FormatDiagnostics("f", result.diagnostics).find("is there twice"), std::string::npos);
}

TEST(ConfigTest, ASectionOfASectionIsNoneOfTheFile) {
  const ConfigResult result = Parse(std::string(kSmallest) + "[[\"tunnel.server\"]]\nnames = []\n");
  EXPECT_NE(FormatDiagnostics("f", result.diagnostics).find("unknown key"), std::string::npos);
}

}  // namespace
}  // namespace ringmail::server
