// Who comes in, where they are brought, what the target is told of them, reload and the end.
#include "protocol/tunnel/service.h"

#include <string>
#include <vector>

#include "protocol/tunnel/limits.h"
#include "ringmail/session/proxy_header.h"
#include "tests/unit/protocol/tunnel/tunnel_world.h"

namespace ringmail::tunnel {
namespace {

using testing_tls::kClientCertificate;
using testing_tls::kClientKey;

io::TlsIdentity ForExampleNet() {
  return {.certificate_pem = std::string(testing_tls::kWildcardCertificate),
          .private_key_pem = std::string(testing_tls::kWildcardKey),
          .ocsp_response = {},
          .shown_for = {"*.example.net"}};
}

class TunnelServiceTest : public TunnelWorld {
 protected:
  void SetUp() override { Wrap(); }
  void AskForCertificates(io::TlsClientCertificates how) {
    options_.tls = Server({.client_certificates = how,
                           .client_authorities_pem = std::string(testing_tls::kAuthority)});
  }
  void ShowCertificate() {
    client_tls_ = Client({.identity = {Identity(kClientCertificate, kClientKey)}});
  }
  // One connection from its beginning to its end.
  void Talk(End& client, End& target, std::string name = "mx.example.org") {
    StartTunnel();
    StartTarget({&target});
    StartClient(&client, std::move(name));
    RunToEnd({&client, &target});
  }
  // Those that do not reach the target.
  void Fail(End& client, std::string name = "mx.example.org") {
    StartTunnel();
    StartClient(&client, std::move(name));
    RunToEnd({&client});
  }
};

// --- By name

TEST_F(TunnelServiceTest, ANameHasItsCertificateAndItsTarget) {
  options_.target.port = 81;  // nobody is there
  options_.routes = {
      {.names = {"*.example.net"}, .target = {.ip = target_.ip(), .port = 80, .unix_path = {}}}};
  options_.tls = Server({.identities = {Mx(), ForExampleNet()}});
  End client{.says = "q"}, target{.says = "a"};
  Talk(client, target, "a.example.net");
  ASSERT_TRUE(client.tls.ok()) << client.tls.problem;
  EXPECT_EQ(client.tls.peer_names.front(), "*.example.net");
  EXPECT_EQ(client.heard, "a");
  EXPECT_NE(Log().find("name=a.example.net"), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, AnotherNameHasTheDefaultOfBoth) {
  options_.routes = {
      {.names = {"*.example.net"}, .target = {.ip = target_.ip(), .port = 81, .unix_path = {}}}};
  options_.tls = Server({.identities = {Mx(), ForExampleNet()}});
  End client{.says = "q"}, target{.says = "a"};
  Talk(client, target);
  EXPECT_EQ(client.heard, "a");
}

TEST_F(TunnelServiceTest, WithoutADefaultAnUnknownNameIsRefusedByAnAlert) {
  options_.target = {};
  options_.routes = {
      {.names = {"*.example.net"}, .target = {.ip = target_.ip(), .port = 80, .unix_path = {}}}};
  options_.tls =
      Server({.identities = {ForExampleNet()}, .unknown_name = io::TlsUnknownName::kRefused});
  End client;
  Fail(client);
  EXPECT_FALSE(client.tls.ok());
  EXPECT_NE(client.tls.problem.find("UNRECOGNIZED_NAME"), std::string::npos) << client.tls.problem;
  EXPECT_EQ(Count("ringmail_tunnel_connections_failed_total{reason=\"tls\"}"), 1u);
}

TEST_F(TunnelServiceTest, AProtocolInCommonIsAgreedOn) {
  options_.tls = Server({.alpn = {"h2", "http/1.1"}});
  client_tls_ = Client({.alpn = {"http/1.1"}});
  End client, target;
  Talk(client, target);
  EXPECT_EQ(client.tls.alpn, "http/1.1");
}

TEST_F(TunnelServiceTest, WithoutAProtocolInCommonNobodyComesIn) {
  options_.tls = Server({.alpn = {"h2"}});
  client_tls_ = Client({.alpn = {"imap"}});
  End client;
  Fail(client);
  EXPECT_FALSE(client.tls.ok());
}

// --- By certificate

TEST_F(TunnelServiceTest, ACertificateThatIsRequiredMustBeThere) {
  AskForCertificates(io::TlsClientCertificates::kRequired);
  // In TLS 1.3 the client has finished before it is judged.
  End client;
  Fail(client);
  EXPECT_NE(client.status, io::StreamStatus::kEnd);
  EXPECT_NE(Log().find("no TLS with the client"), std::string::npos) << Log();
  EXPECT_EQ(Log().find(" target="), std::string::npos) << "it never heard of this client";
}

TEST_F(TunnelServiceTest, OnlyWhoHasAPermittedNameComesIn) {
  AskForCertificates(io::TlsClientCertificates::kRequired);
  ShowCertificate();
  options_.client_names = {"someone@example.org"};
  End client{.says = "q"}, target{.says = "a"};
  Talk(client, target);
  EXPECT_EQ(client.heard, "a");
  EXPECT_NE(Log().find("certificate=\"CN=client\""), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, WhoseNameIsNotPermittedIsNotBroughtToTheTarget) {
  AskForCertificates(io::TlsClientCertificates::kRequired);
  ShowCertificate();
  options_.client_names = {"else@example.org"};
  End client{.says = "q"};
  Fail(client);
  EXPECT_NE(client.status, io::StreamStatus::kEnd);
  EXPECT_NE(Log().find("the client's certificate is for nobody permitted"), std::string::npos);
  EXPECT_EQ(Count("ringmail_tunnel_connections_failed_total{reason=\"client\"}"), 1u);
}

TEST_F(TunnelServiceTest, ATargetWhoseCertificateIsForAnotherIsNotSpokenTo) {
  Unwrap();
  client_tls_ = nullptr;
  options_.server_name = "other.example.org";
  End client{.says = "secret"}, target;
  StartTunnel();
  StartTarget({&target});
  StartClient(&client);
  RunToEnd({&client, &target});
  EXPECT_EQ(target.heard, "");
  EXPECT_NE(Log().find("the certificate is not for other.example.org"), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, ATargetMayBeShownACertificate) {
  Unwrap();
  client_tls_ = nullptr;
  options_.tls = Client({.identity = {Identity(kClientCertificate, kClientKey)}});
  target_tls_ = Server({.client_certificates = io::TlsClientCertificates::kRequired,
                        .client_authorities_pem = std::string(testing_tls::kAuthority)});
  End client{.says = "q"}, target{.says = "a"};
  Talk(client, target);
  EXPECT_EQ(target.tls.peer, io::TlsPeer::kTrusted);
  EXPECT_EQ(target.tls.server_name, "mx.example.org");
  EXPECT_EQ(client.heard, "a");
}

// --- PROXY headers

TEST_F(TunnelServiceTest, TheTargetIsToldInOneLineWhoIsThere) {
  options_.send_proxy = SendProxy::kV1;
  End client{.says = "q"}, target{.says = "a"};
  Talk(client, target);
  EXPECT_TRUE(target.heard.starts_with("PROXY TCP4 10.0.0.")) << target.heard;
  EXPECT_TRUE(target.heard.ends_with(" 443\r\nq")) << target.heard;
}

TEST_F(TunnelServiceTest, TheTargetIsToldWhoWasAskedForHowAndByWhom) {
  options_.tls = Server({.alpn = {"imap"},
                         .client_certificates = io::TlsClientCertificates::kRequested,
                         .client_authorities_pem = std::string(testing_tls::kAuthority)});
  client_tls_ = Client({.alpn = {"imap"}, .identity = {Identity(kClientCertificate, kClientKey)}});
  options_.send_proxy = SendProxy::kV2;
  End client{.says = "q"}, target{.says = "a"};
  Talk(client, target);
  const auto read = session::ReadProxyHeader(target.heard);
  ASSERT_EQ(read.state, session::ProxyRead::kDone) << read.problem;
  EXPECT_EQ(target.heard.substr(read.bytes), "q");
  EXPECT_EQ(read.header.destination.port, 443);
  EXPECT_EQ(read.header.authority, "mx.example.org");
  EXPECT_EQ(read.header.alpn, "imap");
  EXPECT_TRUE(read.header.tls.tls && read.header.tls.verified);
  EXPECT_EQ(read.header.tls.name, "client");
  EXPECT_EQ(read.header.tls.version, "TLSv1.3");
}

TEST_F(TunnelServiceTest, WhatAProxySaidIsPassedOn) {
  options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  options_.send_proxy = SendProxy::kV2;
  // Together with the beginning of TLS, as a proxy sends it.
  End client{.says = "q", .header = "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"};
  End target{.says = "a"};
  Talk(client, target);
  const auto read = session::ReadProxyHeader(target.heard);
  ASSERT_EQ(read.state, session::ProxyRead::kDone) << read.problem;
  EXPECT_EQ(read.header.source.ToString(), "192.0.2.1:1");
  EXPECT_EQ(read.header.destination.ToString(), "198.51.100.2:2");
  EXPECT_EQ(client.heard, "a");
  EXPECT_NE(Log().find("client=192.0.2.1:1 "), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, WhatAPlainClientsProxySaidOfItsTlsIsPassedOn) {
  Unwrap();
  client_tls_ = nullptr;
  options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  session::ProxyHeader header{.source = *io::Endpoint::Parse("192.0.2.1:1"),
                              .destination = *io::Endpoint::Parse("192.0.2.2:2"),
                              .authority = "www.example.org",
                              .alpn = {},
                              .unique_id = "id",
                              .tls = {.tls = true, .version = "TLSv1.2"}};
  End client{.says = "q", .header = session::WriteProxyV2(header) + "at once, "};
  End target{.says = "a"};
  Talk(client, target);
  EXPECT_EQ(target.heard, "at once, q");
  EXPECT_EQ(client.heard, "a");
}

TEST_F(TunnelServiceTest, AProxyWithoutAHeaderIsCutOff) {
  options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  End client;
  Fail(client);
  EXPECT_FALSE(client.tls.ok());
  EXPECT_NE(Log().find("proxy_refused"), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, AHeaderFromElsewhereIsNoHeader) {
  options_.proxies = {*IpNetwork::Parse("192.0.2.0/24")};
  End client{.header = "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"};
  Fail(client);
  EXPECT_FALSE(client.tls.ok());
  EXPECT_EQ(Log().find("192.0.2.1"), std::string::npos) << Log();
}

// --- Targets, limits, the end

TEST_F(TunnelServiceTest, ATargetThatRefusesCutsTheClientOff) {
  options_.target.port = 81;
  End client{.says = "q"};
  Fail(client);
  EXPECT_EQ(client.status, io::StreamStatus::kFailed) << "no close_notify: nothing was answered";
  EXPECT_NE(Log().find("the target cannot be reached: Connection refused"), std::string::npos)
      << Log();
  EXPECT_EQ(Count("ringmail_tunnel_connections_failed_total{reason=\"connect\"}"), 1u);
}

TEST_F(TunnelServiceTest, ATargetThatIsSilentIsGivenUpInTime) {
  target_.SetPort(80, sim::PortState::kFull);
  options_.connect_timeout = seconds(7);
  End client{.says = "q"};
  StartTunnel();
  StartClient(&client);
  RunToEnd({&client}, seconds(9));
  EXPECT_NE(Log().find("the target cannot be reached: timed out"), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, AClientThatSaysNothingHasTheTimeOfAHandshake) {
  client_tls_ = nullptr;
  options_.handshake_timeout = seconds(9);
  End client{.ends_output = false};
  StartTunnel();
  StartClient(&client);
  world_.RunFor(seconds(8));
  EXPECT_EQ(service_->connection_count(), 1u);
  RunToEnd({&client}, seconds(5));
  EXPECT_NE(Log().find("no TLS with the client: timed out"), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, OneConnectionMoreThanThereMayBeIsClosed) {
  options_.connections_max = 2;
  End a{.ends_output = false}, b{.ends_output = false}, c, ta{.ends_output = false},
      tb{.ends_output = false};
  StartTunnel();
  StartTarget({&ta, &tb});
  StartClient(&a);
  StartClient(&b);
  world_.RunFor(seconds(1));
  EXPECT_EQ(service_->connection_count(), 2u);
  StartClient(&c);
  world_.RunFor(seconds(1));
  EXPECT_TRUE(c.done);
  EXPECT_FALSE(c.tls.ok());
  EXPECT_EQ(service_->connection_count(), 2u);
  EXPECT_NE(Log().find("turned_away"), std::string::npos);
  EXPECT_EQ(Count("ringmail_tunnel_connections_refused_total{reason=\"tunnel\"}"), 1u);
}

TEST_F(TunnelServiceTest, ANetworkHasAShareOfThem) {
  options_.connections_per_network_max = 1;
  options_.proxies = {*IpNetwork::Parse("10.0.0.0/8")};
  const std::string header = "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n";
  End a{.ends_output = false, .header = header}, b{.header = header},
      c{.ends_output = false, .header = "PROXY TCP4 192.0.2.9 198.51.100.2 1 2\r\n"},
      ta{.ends_output = false}, tc{.ends_output = false};
  StartTunnel();
  StartTarget({&ta, &tc});
  StartClient(&a);
  world_.RunFor(seconds(1));
  StartClient(&b);
  StartClient(&c);
  world_.RunFor(seconds(1));
  EXPECT_FALSE(b.tls.ok());
  EXPECT_TRUE(c.tls.ok());
  EXPECT_EQ(Count("ringmail_tunnel_connections_refused_total{reason=\"network\"}"), 1u);
}

TEST_F(TunnelServiceTest, AReloadIsForWhoComesNextAndDisturbsNobody) {
  End a{.says = "x", .times = 20, .pause = seconds(1)}, b{.says = "q"};
  End ta{.says = "a", .says_first = false}, tb{.says = "b"};
  StartTunnel();
  StartTarget({&ta, &tb});
  StartClient(&a);
  world_.RunFor(seconds(5));
  options_.send_proxy = SendProxy::kV1;
  tunnel_.Send(io::Signal::kReload);
  world_.RunFor(seconds(1));
  StartClient(&b);
  RunToEnd({&a, &b});
  EXPECT_EQ(ta.heard, std::string(20, 'x'));
  EXPECT_TRUE(tb.heard.starts_with("PROXY TCP4 ")) << tb.heard;
}

TEST_F(TunnelServiceTest, AStopWaitsForWhatMovesAndCutsTheRest) {
  End busy{.says = std::string(1000, 'x'), .times = 50, .pause = milliseconds(200)};
  End still{.ends_output = false};
  End tb{.says = "done", .says_first = false}, ts{.ends_output = false};
  StartTunnel();
  StartTarget({&tb, &ts});
  StartClient(&busy);
  world_.RunFor(seconds(2));
  StartClient(&still);
  world_.RunFor(seconds(3));
  tunnel_.Send(io::Signal::kTerminate);
  world_.RunFor(seconds(2));
  EXPECT_TRUE(still.done);
  EXPECT_FALSE(busy.done);
  ASSERT_TRUE(world_.RunUntil([this] { return stopped_; }));
  EXPECT_LT(stopped_at_ - stopping_at_, seconds(15));
  world_.RunFor(seconds(1));
  EXPECT_EQ(tb.heard.size(), 50'000u);
  EXPECT_EQ(busy.heard, "done");
}

TEST_F(TunnelServiceTest, AtItsDeadlineAStopCutsEverybody) {
  grace_ = seconds(3);
  End busy{.says = "x", .times = 500, .pause = milliseconds(200)};
  End target{.says = "done", .says_first = false};
  StartTunnel();
  StartTarget({&target});
  StartClient(&busy);
  world_.RunFor(seconds(5));
  tunnel_.Send(io::Signal::kTerminate);
  ASSERT_TRUE(world_.RunUntil([this] { return stopped_; }));
  EXPECT_LE(stopped_at_ - stopping_at_, seconds(4));
  EXPECT_NE(Log().find("end=stopped"), std::string::npos) << Log();
}

TEST_F(TunnelServiceTest, ATunnelIsFoundByItsAddressAlone) {
  StartTunnel();
  world_.RunFor(seconds(1));
  EXPECT_FALSE(service_->Unlisten({.ip = tunnel_.ip(), .port = 444}));
  EXPECT_FALSE(service_->Configure({.ip = tunnel_.ip(), .port = 444}, options_));
}

TEST(TunnelLimits, AreShownEachByItsOwnName) {
  ASSERT_FALSE(TunnelLimits().empty());
  for (const FixedLimit& one : TunnelLimits()) {
    EXPECT_TRUE(one.name.starts_with("tunnel ")) << one.name;
    EXPECT_GT(one.value, 0u);
  }
  EXPECT_EQ(TunnelLimits().front().value, kRelayOutputBytesMax);
}

}  // namespace
}  // namespace ringmail::tunnel
