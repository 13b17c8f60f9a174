// What include/ringmail/io/tls.h promises, held against each implementation of io: this file is
// linked with the kernel's and with the simulator's.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/support/io/tls_identities.h"
#include "tests/unit/io/run_on_shards.h"

namespace ringmail::io {
namespace {

using std::chrono::milliseconds;
using namespace testing_tls;

using Context = std::shared_ptr<const TlsContext>;

// A deadline that only a hanging test reaches.
MonotonicTime Soon() { return Now() + std::chrono::seconds(20); }

TlsIdentity Identity(std::string_view certificate, std::string_view key) {
  return {.certificate_pem = std::string(certificate), .private_key_pem = std::string(key)};
}
TlsIdentity Ecdsa() { return Identity(kEcdsaCertificate, kEcdsaKey); }
TlsIdentity Rsa() { return Identity(kRsaCertificate, kRsaKey); }
TlsIdentity Ed25519() { return Identity(kEd25519Certificate, kEd25519Key); }
TlsIdentity Wildcard() { return Identity(kWildcardCertificate, kWildcardKey); }

Context Server(TlsServerOptions options) {
  if (options.identities.empty()) options.identities.push_back(Ecdsa());
  auto context = TlsContext::MakeServer(options);
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}
Context Client(TlsClientOptions options) {
  if (options.authorities_pem.empty()) options.authorities_pem = kAuthority;
  auto context = TlsContext::MakeClient(options);
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}
TlsClientRequest ToMx() { return {.server_name = "mx.example.org"}; }

struct Pair {
  Stream client, server;
};
Task<Pair> MakePair() {
  auto listeners = OpenListeners({.endpoint = *Endpoint::Parse("127.0.0.1:0")}, 1);
  CHECK(listeners.ok());
  Listener& listener = listeners->front();
  ConnectResult connected = co_await Connect(listener.local(), {}, Soon());
  EXPECT_EQ(connected.status, StreamStatus::kOk) << connected.error;
  AcceptResult accepted = co_await listener.Accept();
  EXPECT_EQ(accepted.status, StreamStatus::kOk);
  co_return Pair{std::move(connected.stream), std::move(accepted.stream)};
}

struct Results {
  TlsResult client, server;
};

Task<void> ServerHandshake(Stream* stream, Context context, TlsResult* result) {
  *result = co_await stream->StartTlsServer(std::move(context), Soon());
}
Task<void> ClientHandshake(Stream* stream, Context context, TlsClientRequest request,
                           TlsResult* result) {
  *result = co_await stream->StartTlsClient(std::move(context), std::move(request), Soon());
}

Task<Results> Shake(Pair& pair, Context server, Context client, TlsClientRequest request) {
  Results results;
  Gate gate;
  gate.Spawn(ServerHandshake(&pair.server, std::move(server), &results.server));
  gate.Spawn(ClientHandshake(&pair.client, std::move(client), std::move(request), &results.client));
  co_await gate.Close();
  co_return results;
}

// Reads until `bytes` have come or the stream ends; how it ended is in `status`.
Task<std::string> ReadBytes(Stream& stream, size_t bytes, StreamStatus* status = nullptr) {
  std::string out;
  while (out.size() < bytes) {
    if (stream.input().empty()) {
      const StreamStatus received = co_await stream.Receive(Soon());
      if (status != nullptr) *status = received;
      if (received != StreamStatus::kOk) break;
    }
    const size_t count = std::min(bytes - out.size(), stream.input().size());
    out.append(stream.input().substr(0, count));
    stream.Consume(count);
  }
  co_return out;
}

Task<void> ReadAll(Stream* stream, std::string* out, StreamStatus* status) {
  *out = co_await ReadBytes(*stream, SIZE_MAX, status);
  co_await stream->Close(Soon());
}

// That `from` can say something to `to`, and is answered.
Task<void> Converse(Pair& pair) {
  pair.client.Write("question");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await ReadBytes(pair.server, 8), "question");
  pair.server.Write("answer");
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await ReadBytes(pair.client, 6), "answer");
}

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761u) >> 13);
  return text;
}

// --- What a handshake agrees on

struct Kind {
  TlsIdentity identity;
  TlsVersion version;
  std::string_view cipher;
};

Task<void> ShakesHands(void* context) {
  const Kind& kind = *static_cast<const Kind*>(context);
  Pair pair = co_await MakePair();
  Results results =
      co_await Shake(pair, Server({.identities = {kind.identity}}),
                     Client({.version_min = kind.version, .version_max = kind.version}), ToMx());
  for (const TlsResult& one : {results.client, results.server}) {
    EXPECT_TRUE(one.ok()) << ToString(one.outcome) << ": " << one.problem;
    EXPECT_EQ(one.version, kind.version);
    EXPECT_EQ(one.cipher, kind.cipher);
    EXPECT_EQ(one.cipher_bits, 128);
    EXPECT_EQ(one.group, "X25519");
    EXPECT_EQ(one.server_name, "mx.example.org");
    EXPECT_FALSE(one.resumed);
  }
  EXPECT_EQ(results.client.peer, TlsPeer::kTrusted) << results.client.peer_problem;
  EXPECT_EQ(results.client.peer_subject, "CN=mx.example.org");
  EXPECT_EQ(results.client.peer_names,
            (std::vector<std::string>{"mx.example.org", "mail.example.org"}));
  EXPECT_EQ(results.server.peer, TlsPeer::kNone);
  EXPECT_EQ(pair.client.TlsPeerChain().size(), 1u);
  EXPECT_TRUE(pair.server.TlsPeerChain().empty());
  co_await Converse(pair);
  for (const TlsBinding binding : {TlsBinding::kExporter, TlsBinding::kServerEndPoint}) {
    EXPECT_EQ(pair.client.TlsChannelBinding(binding), pair.server.TlsChannelBinding(binding));
  }
  EXPECT_EQ(pair.server.TlsChannelBinding(TlsBinding::kExporter).size(), 32u);
}

TEST(TlsContractTest, BothVersionsAndEveryKindOfKey) {
  for (const TlsVersion version : {TlsVersion::k12, TlsVersion::k13}) {
    const bool old = version == TlsVersion::k12;
    const std::string_view modern = "TLS_AES_128_GCM_SHA256";
    Kind kinds[] = {{Ecdsa(), version, old ? "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" : modern},
                    {Rsa(), version, old ? "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" : modern},
                    {Ed25519(), version, old ? "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" : modern}};
    for (Kind& kind : kinds) RunContract(1, &ShakesHands, &kind);
  }
}

Task<void> BindsChannels(void*) {
  Pair one = co_await MakePair(), other = co_await MakePair();
  const Context server = Server({}), client = Client({});
  EXPECT_TRUE((co_await Shake(one, server, client, ToMx())).server.ok());
  EXPECT_TRUE((co_await Shake(other, server, client, ToMx())).server.ok());
  EXPECT_NE(one.server.TlsChannelBinding(TlsBinding::kExporter),
            other.server.TlsChannelBinding(TlsBinding::kExporter));
  // SHA-256 of the certificate, which was signed with SHA-256.
  EXPECT_EQ(one.server.TlsChannelBinding(TlsBinding::kServerEndPoint).size(), 32u);
  EXPECT_EQ(one.server.TlsChannelBinding(TlsBinding::kServerEndPoint),
            other.server.TlsChannelBinding(TlsBinding::kServerEndPoint));
}
TEST(TlsContractTest, TheExporterIsTheConnectionsAndTheEndPointTheCertificates) {
  RunContract(1, &BindsChannels, nullptr);
}

Task<void> ChoosesByName(void*) {
  const Context server = Server({.identities = {Ecdsa(), Wildcard(), Rsa()}});
  const struct {
    std::string_view asked, shown;
  } kCases[] = {{"mail.example.org", "CN=mx.example.org"},
                {"MAIL.example.org", "CN=mx.example.org"},
                {"a.example.net", "CN=example.net"},
                {"example.net", "CN=example.net"},
                {"a.b.example.net", "CN=mx.example.org"},
                {"unknown.test", "CN=mx.example.org"},
                {"", "CN=mx.example.org"},
                {"192.0.2.1", "CN=mx.example.org"}};
  for (const auto& one : kCases) {
    Pair pair = co_await MakePair();
    Results results =
        co_await Shake(pair, server, Client({}),
                       {.server_name = std::string(one.asked), .trust = TlsTrust::kAnybody});
    EXPECT_TRUE(results.client.ok()) << one.asked << results.client.problem;
    EXPECT_EQ(results.client.peer_subject, one.shown) << one.asked;
    co_await Converse(pair);
  }
}
TEST(TlsContractTest, TheCertificateIsChosenByNameAndTheFirstIsForEverybodyElse) {
  RunContract(1, &ChoosesByName, nullptr);
}

Task<void> PrefersEcdsa(void*) {
  for (const auto& identities : {std::vector{Rsa(), Ecdsa()}, std::vector{Ecdsa(), Rsa()}}) {
    Pair pair = co_await MakePair();
    Results results = co_await Shake(pair, Server({.identities = identities}),
                                     Client({.version_max = TlsVersion::k12}), ToMx());
    EXPECT_EQ(results.server.cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  }
}
TEST(TlsContractTest, OfTwoCertificatesForAHostTheCheaperOneIsShown) {
  RunContract(1, &PrefersEcdsa, nullptr);
}

Task<void> AgreesOnProtocol(void*) {
  const Context server = Server({.alpn = {"imap", "pop3"}});
  Pair pair = co_await MakePair();
  Results results = co_await Shake(pair, server, Client({.alpn = {"pop3", "imap"}}), ToMx());
  EXPECT_EQ(results.server.alpn, "imap") << "the server's preference";
  EXPECT_EQ(results.client.alpn, "imap");
  pair = co_await MakePair();
  results = co_await Shake(pair, server, Client({.alpn = {"h2"}}), ToMx());
  EXPECT_EQ(results.server.outcome, TlsOutcome::kFailed);
  EXPECT_EQ(results.client.outcome, TlsOutcome::kFailed);
  EXPECT_EQ(results.client.problem, "TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
  pair = co_await MakePair();
  results = co_await Shake(pair, server, Client({}), ToMx());
  EXPECT_TRUE(results.server.ok());
  EXPECT_EQ(results.server.alpn, "");
}
TEST(TlsContractTest, WhoWantsAnotherProtocolIsSentAway) {
  RunContract(1, &AgreesOnProtocol, nullptr);
}

// --- Trust

Task<void> JudgesServers(void*) {
  const Context server = Server({});
  const Context expired = Server({.identities = {Identity(kExpiredCertificate, kExpiredKey)}});
  const Context stranger = Server({.identities = {Identity(kStrangerCertificate, kStrangerKey)}});
  const struct {
    const Context& server;
    std::string name;
    std::string problem;
  } kCases[] = {{server, "mx.example.com", "the certificate is not for mx.example.com"},
                {expired, "old.example.org", "certificate has expired"},
                {stranger, "stranger", "self signed certificate"}};
  for (const auto& one : kCases) {
    Pair pair = co_await MakePair();
    Results results = co_await Shake(pair, one.server, Client({}), {.server_name = one.name});
    EXPECT_EQ(results.client.outcome, TlsOutcome::kFailed);
    EXPECT_EQ(results.client.problem, one.problem);
    EXPECT_NE(results.server.outcome, TlsOutcome::kOk) << "the client has sent an alert";
    EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kFailed)
        << "nothing goes on in the clear";
    // Opportunistic: encrypted all the same, and the fault is known.
    pair = co_await MakePair();
    results = co_await Shake(pair, one.server, Client({}),
                             {.server_name = one.name, .trust = TlsTrust::kAnybody});
    EXPECT_TRUE(results.client.ok());
    EXPECT_EQ(results.client.peer, TlsPeer::kUntrusted);
    EXPECT_EQ(results.client.peer_problem, one.problem);
    co_await Converse(pair);
  }
}
TEST(TlsContractTest, AServerWithTheWrongCertificateIsRefusedUnlessAnybodyWillDo) {
  RunContract(1, &JudgesServers, nullptr);
}

struct ClientCase {
  TlsClientCertificates asked;
  std::vector<TlsIdentity> identity;
  bool accepted;
  TlsPeer peer;
};

Task<void> AsksClients(void* context) {
  const ClientCase& one = *static_cast<const ClientCase*>(context);
  const Context server = Server({.client_certificates = one.asked,
                                 .client_authorities_pem = std::string(kAuthority),
                                 .ticket_keys = TlsTicketKeys::Make(std::chrono::hours(1))});
  const Context client = Client({.identity = one.identity});
  std::string session;
  // The second time it resumes, and the verdict is the same.
  for (const bool again : {false, true}) {
    Pair pair = co_await MakePair();
    TlsClientRequest request = ToMx();
    request.session = session;
    request.keep_session = true;
    Results results = co_await Shake(pair, server, client, request);
    EXPECT_EQ(results.server.ok(), one.accepted) << results.server.problem;
    EXPECT_EQ(results.server.resumed, again && one.accepted);
    if (!one.accepted) {
      // RFC 8446 §4.4.2.4: the client was done before it was refused, and hears of it now.
      EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kFailed);
      EXPECT_EQ(pair.client.error(), kTlsBroken);
      continue;
    }
    EXPECT_EQ(results.server.peer, one.peer) << results.server.peer_problem;
    if (one.peer == TlsPeer::kTrusted) {
      EXPECT_EQ(results.server.peer_names, std::vector<std::string>{"someone@example.org"});
      EXPECT_EQ(results.server.peer_mailbox, "someone@example.org");
      EXPECT_EQ(pair.server.TlsPeerChain().size(), 1u);
    } else {
      EXPECT_EQ(results.server.peer_mailbox, "");
    }
    co_await Converse(pair);
    session = pair.client.TakeTlsSession();
    EXPECT_FALSE(session.empty());
  }
}

TEST(TlsContractTest, ClientsAreAskedForCertificatesAsConfigured) {
  using Asked = TlsClientCertificates;
  const std::vector<TlsIdentity> none, known = {Identity(kClientCertificate, kClientKey)},
                                       stranger = {Identity(kStrangerCertificate, kStrangerKey)};
  ClientCase cases[] = {{Asked::kIgnored, known, true, TlsPeer::kNone},
                        {Asked::kRequested, none, true, TlsPeer::kNone},
                        {Asked::kRequested, known, true, TlsPeer::kTrusted},
                        {Asked::kRequested, stranger, true, TlsPeer::kUntrusted},
                        {Asked::kRequired, none, false, TlsPeer::kNone},
                        {Asked::kRequired, stranger, false, TlsPeer::kNone},
                        {Asked::kRequired, known, true, TlsPeer::kTrusted}};
  for (ClientCase& one : cases) RunContract(1, &AsksClients, &one);
}

// --- Octets

Task<void> CarriesMuch(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  const std::string big = Pattern(3'000'000), small = Pattern(700);
  std::string expected, received;
  for (int i = 0; i < 20; ++i) {
    pair.client.Write("begin ");
    pair.client.WriteReference(small);
    pair.client.WriteReference(small);
    pair.client.Write(" end");
    expected += "begin " + small + small + " end";
  }
  pair.client.WriteReference(big);
  pair.client.Write("last");
  expected += big + "last";
  EXPECT_EQ(pair.client.output_bytes(), expected.size()) << "nothing is sealed before it is sent";
  StreamStatus status = StreamStatus::kOk;
  Gate gate;
  gate.Spawn(ReadAll(&pair.server, &received, &status));
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.output_bytes(), 0u);
  pair.client.Write("after");
  co_await pair.client.Close(Soon());
  co_await gate.Close();
  EXPECT_TRUE(received == expected + "after") << received.size();
  EXPECT_EQ(status, StreamStatus::kEnd) << "close_notify came";
}
TEST(TlsContractTest, WhatWasWrittenArrivesInOrderHoweverItWasWritten) {
  RunContract(1, &CarriesMuch, nullptr);
}

Task<void> HoldsBack(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  const std::string big = Pattern(30'000'000);
  pair.client.WriteReference(big);
  EXPECT_EQ(co_await pair.client.Flush(Now() + milliseconds(100)), StreamStatus::kTimedOut);
  EXPECT_GT(pair.client.output_bytes(), 0u);
  std::string received;
  StreamStatus status = StreamStatus::kOk;
  Gate gate;
  gate.Spawn(ReadAll(&pair.server, &received, &status));
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  co_await pair.client.Close(Soon());
  co_await gate.Close();
  EXPECT_TRUE(received == big);
}
TEST(TlsContractTest, APeerThatDoesNotReadHoldsTheWriterBackAndLosesNothing) {
  RunContract(1, &HoldsBack, nullptr);
}

Task<void> TimesOut(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  EXPECT_EQ(co_await pair.server.Receive(Now() + milliseconds(10)), StreamStatus::kTimedOut);
  EXPECT_EQ(co_await pair.server.Receive(Now()), StreamStatus::kTimedOut);
  co_await Converse(pair);
}
TEST(TlsContractTest, AStreamThatTimedOutIsStillUsable) { RunContract(1, &TimesOut, nullptr); }

Task<void> Answers(Stream* stream) {
  EXPECT_EQ(co_await stream->Receive(Soon()), StreamStatus::kOk);
  stream->Write(stream->input());
  stream->Consume(stream->input().size());
  // The wait sends what was written.
  EXPECT_EQ(co_await stream->Receive(Soon()), StreamStatus::kEnd);
  EXPECT_EQ(co_await stream->Receive(Soon()), StreamStatus::kEnd);
  stream->Write(" and more");
  co_await stream->Close(Soon());
}

Task<void> AwaitsAnswer(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  Gate gate;
  gate.Spawn(Answers(&pair.server));
  pair.client.Write("question");
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.input(), "question");
  pair.client.Consume(4);
  EXPECT_EQ(pair.client.input(), "tion");
  pair.client.Consume(4);
  co_await pair.client.Close(Soon());
  co_await gate.Close();
}
TEST(TlsContractTest, AConversationThatReadsSendsWhatItWroteBefore) {
  RunContract(1, &AwaitsAnswer, nullptr);
}

Task<void> EndsWithout(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  co_await Converse(pair);
  // No close_notify, as of somebody who cuts the connection.
  pair.client.Abort();
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kFailed);
  EXPECT_EQ(pair.server.error(), kTlsTruncated);
}
TEST(TlsContractTest, AnEndWithoutCloseNotifyIsNoEnd) { RunContract(1, &EndsWithout, nullptr); }

Task<void> WaitForInput(Stream* stream, StreamStatus* status) {
  *status = co_await stream->Receive(Soon());
}

Task<void> Cancels(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  StreamStatus status = StreamStatus::kOk;
  Gate gate;
  gate.Spawn(WaitForInput(&pair.server, &status));
  co_await Yield();
  pair.server.Cancel();
  EXPECT_EQ(status, StreamStatus::kOk) << "the waiter resumes later, never inside Cancel";
  co_await gate.Close();
  EXPECT_EQ(status, StreamStatus::kCancelled);
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kCancelled);
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kCancelled);
  pair.server.Write("421 stopping");
  std::string received;
  Gate reader;
  reader.Spawn(ReadAll(&pair.client, &received, &status));
  co_await pair.server.Close(Soon());
  co_await reader.Close();
  EXPECT_EQ(received, "421 stopping");
  EXPECT_EQ(status, StreamStatus::kEnd);
}
TEST(TlsContractTest, CancelEndsEveryWaitAndCloseStillSaysWhy) {
  RunContract(1, &Cancels, nullptr);
}

Task<void> Aborts(void*) {
  Pair pair = co_await MakePair();
  EXPECT_TRUE((co_await Shake(pair, Server({}), Client({}), ToMx())).client.ok());
  StreamStatus status = StreamStatus::kOk;
  Gate gate;
  gate.Spawn(WaitForInput(&pair.server, &status));
  co_await Yield();
  pair.server.Abort();
  co_await gate.Close();
  EXPECT_EQ(status, StreamStatus::kCancelled);
  EXPECT_FALSE(pair.server.open());
}
TEST(TlsContractTest, AbortWhileAnotherTaskWaitsEndsItsWait) { RunContract(1, &Aborts, nullptr); }

// --- Handshakes that go wrong

// Carries octets from one stream to the other, `count` at a time; `spoil` changes the one at that
// place, and behind `stop_after` there is an end.
struct Direction {
  Stream& from;
  Stream& to;
  size_t count;
  size_t stop_after = SIZE_MAX;
  size_t spoil = SIZE_MAX;
  size_t at = 0;
};
// False: it is over.
Task<bool> Carry(Direction& direction) {
  Stream& from = direction.from;
  const StreamStatus status = co_await from.Receive(Now() + milliseconds(2));
  if (status == StreamStatus::kTimedOut) co_return true;
  if (status != StreamStatus::kOk) co_return false;
  while (!from.input().empty()) {
    const size_t count =
        std::min({direction.count, from.input().size(), direction.stop_after - direction.at});
    if (count == 0) co_return false;
    std::string piece(from.input().substr(0, count));
    if (direction.spoil >= direction.at && direction.spoil < direction.at + count) {
      piece[direction.spoil - direction.at] ^= 1;
    }
    from.Consume(count);
    direction.to.Write(piece);
    direction.at += count;
    if (co_await direction.to.Flush(Soon()) != StreamStatus::kOk) co_return false;
  }
  co_return true;
}
Task<void> Relay(Stream* client, Stream* server, size_t count, size_t stop_after, size_t spoil) {
  Direction there{*client, *server, count, stop_after, spoil};
  Direction back{*server, *client, count};
  while (co_await Carry(there) && co_await Carry(back)) {
  }
  client->Abort();
  server->Abort();
}

struct Middle {
  size_t count = 1;
  size_t stop_after = SIZE_MAX;  // of the client's octets
  size_t spoil = SIZE_MAX;
  Results results;
};

Task<void> ShakesThroughRelay(void* context) {
  Middle& middle = *static_cast<Middle*>(context);
  Pair left = co_await MakePair(), right = co_await MakePair();
  Gate relays;
  relays.Spawn(Relay(&left.server, &right.client, middle.count, middle.stop_after, middle.spoil));
  {
    Pair ends{std::move(left.client), std::move(right.server)};
    middle.results = co_await Shake(ends, Server({.identities = {Rsa()}}), Client({}), ToMx());
    if (middle.results.server.ok() && middle.results.client.ok()) co_await Converse(ends);
  }
  co_await relays.Close();
}

TEST(TlsContractTest, AHandshakeInSegmentsOfOneOctetSucceeds) {
  Middle middle;
  RunContract(1, &ShakesThroughRelay, &middle);
  EXPECT_TRUE(middle.results.client.ok()) << middle.results.client.problem;
  EXPECT_TRUE(middle.results.server.ok()) << middle.results.server.problem;
}

TEST(TlsContractTest, APeerThatGoesAwayInTheMiddleEndsTheHandshake) {
  for (const size_t stop : {1u, 5u, 100u, 250u}) {
    Middle middle{.count = 50, .stop_after = stop, .results = {}};
    RunContract(1, &ShakesThroughRelay, &middle);
    EXPECT_TRUE(middle.results.server.outcome == TlsOutcome::kEnd ||
                middle.results.server.outcome == TlsOutcome::kLost)
        << stop << ToString(middle.results.server.outcome);
    // In TLS 1.3 the client may be done before its last octets are lost.
    EXPECT_TRUE(stop == 250 || !middle.results.client.ok());
  }
}

TEST(TlsContractTest, AnOctetThatWasChangedOnTheWayIsNoticed) {
  // In the record's header, the message's, the random, a key share.
  for (const size_t place : {0u, 5u, 20u, 180u}) {
    Middle middle{.count = 1000, .spoil = place, .results = {}};
    RunContract(1, &ShakesThroughRelay, &middle);
    EXPECT_FALSE(middle.results.server.ok() && middle.results.client.ok()) << place;
  }
}

Task<void> RefusesEarlyInput(void*) {
  Pair pair = co_await MakePair();
  // CVE-2011-0411: a command in the segment of STARTTLS.
  pair.client.Write("STARTTLS\r\nMAIL FROM:<evil@example.com>\r\n");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
  pair.server.Consume(10);
  TlsResult result = co_await pair.server.StartTlsServer(Server({}), Soon());
  EXPECT_EQ(result.outcome, TlsOutcome::kUnreadInput);
  EXPECT_FALSE(pair.server.tls());
  EXPECT_EQ(pair.server.input().substr(0, 4), "MAIL") << "the stream is as it was";
  pair.server.Consume(pair.server.input().size());
  // And one that comes later is taken for TLS, which it is not.
  pair.client.Write("MAIL FROM:<evil@example.com>\r\n");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  result = co_await pair.server.StartTlsServer(Server({}), Soon());
  EXPECT_EQ(result.outcome, TlsOutcome::kFailed);
  EXPECT_EQ(result.problem, "WRONG_VERSION_NUMBER");
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kFailed);
  EXPECT_EQ(pair.server.error(), kTlsBroken);
  EXPECT_TRUE(pair.server.input().empty());
  pair.server.Write("250 OK\r\n");
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kFailed);
  co_await pair.server.Close(Now() + milliseconds(20));
  const std::string heard = co_await ReadBytes(pair.client, SIZE_MAX);
  EXPECT_EQ(heard.find("250"), std::string::npos) << "nothing goes on in the clear";
}
TEST(TlsContractTest, WhatCameBeforeTheHandshakeIsNotBelievedAfterIt) {
  RunContract(1, &RefusesEarlyInput, nullptr);
}

Task<void> RefusesHttp(void*) {
  Pair pair = co_await MakePair();
  pair.client.Write("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  const TlsResult result = co_await pair.server.StartTlsServer(Server({}), Soon());
  EXPECT_EQ(result.problem, "HTTP_REQUEST");
}
TEST(TlsContractTest, ABrowserOnTheWrongPortIsRecognized) { RunContract(1, &RefusesHttp, nullptr); }

Task<void> TimesOutInHandshake(void*) {
  Pair pair = co_await MakePair();
  TlsResult result = co_await pair.server.StartTlsServer(Server({}), Now() + milliseconds(10));
  EXPECT_EQ(result.outcome, TlsOutcome::kTimedOut);
  EXPECT_TRUE(pair.server.tls());
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kFailed);
  pair = co_await MakePair();
  result = co_await pair.client.StartTlsClient(Client({}), ToMx(), Now() + milliseconds(10));
  EXPECT_EQ(result.outcome, TlsOutcome::kTimedOut);
}
TEST(TlsContractTest, AHandshakeHasADeadline) { RunContract(1, &TimesOutInHandshake, nullptr); }

// At every point of it: `turns` after it began.
struct Interrupt {
  int turns;
  bool abort;
};
Task<void> ServerHandshakeAndClose(Stream* stream, Context context, TlsResult* result) {
  *result = co_await stream->StartTlsServer(std::move(context), Soon());
  if (!stream->open()) co_return;
  EXPECT_TRUE(result->ok() || co_await stream->Receive(Soon()) == StreamStatus::kCancelled);
  co_await stream->Close(Now() + milliseconds(5));
}
Task<void> InterruptsHandshake(void* context) {
  const Interrupt& interrupt = *static_cast<const Interrupt*>(context);
  Pair pair = co_await MakePair();
  Results results;
  Gate gate;
  gate.Spawn(
      ServerHandshakeAndClose(&pair.server, Server({.identities = {Rsa()}}), &results.server));
  gate.Spawn(ClientHandshake(&pair.client, Client({}), ToMx(), &results.client));
  for (int i = 0; i < interrupt.turns; ++i) {
    co_await (i % 2 == 0 ? SleepUntil(Now() + std::chrono::microseconds(100 * i))
                         : SleepUntil(Now()));
  }
  if (interrupt.abort) {
    pair.server.Abort();
  } else {
    pair.server.Cancel();
  }
  co_await gate.Close();
  EXPECT_TRUE(results.server.ok() || results.server.outcome == TlsOutcome::kCancelled)
      << ToString(results.server.outcome);
}
TEST(TlsContractTest, AHandshakeMayBeCancelledAndAbortedAtAnyPoint) {
  for (int turns = 0; turns < 12; ++turns) {
    for (const bool abort : {false, true}) {
      Interrupt interrupt{turns, abort};
      RunContract(1, &InterruptsHandshake, &interrupt);
    }
  }
}

Task<void> ShakesManyHands(void*) {
  constexpr size_t kCount = 60;
  const Context server = Server({}), client = Client({});
  std::vector<Pair> pairs;
  std::vector<Results> results(kCount);
  for (size_t i = 0; i < kCount; ++i) pairs.push_back(co_await MakePair());
  Gate gate;
  for (size_t i = 0; i < kCount; ++i) {
    gate.Spawn(ServerHandshake(&pairs[i].server, server, &results[i].server));
    gate.Spawn(ClientHandshake(&pairs[i].client, client, ToMx(), &results[i].client));
  }
  co_await gate.Close();
  for (const Results& one : results) EXPECT_TRUE(one.server.ok() && one.client.ok());
}
TEST(TlsContractTest, ManyHandshakesAtOnceAllSucceed) { RunContract(1, &ShakesManyHands, nullptr); }

// --- Resumption

struct Shared {
  Context server, client;
  std::string session;
  Event ready;
  TlsVersion version = TlsVersion::k13;
  static void Ready(ShardMessage& message) { message.Pointer<Shared>(0)->ready.Notify(); }
};

Task<void> ResumesElsewhere(void* context) {
  Shared& shared = *static_cast<Shared*>(context);
  if (ThisShard() == ShardIndex(1)) {
    EXPECT_EQ(co_await shared.ready.Wait(Soon()), Wake::kNotified);
  } else {
    shared.session.clear();
  }
  Pair pair = co_await MakePair();
  TlsClientRequest request = ToMx();
  request.session = shared.session;
  request.keep_session = true;
  Results results = co_await Shake(pair, shared.server, shared.client, request);
  EXPECT_TRUE(results.client.ok()) << results.client.problem;
  EXPECT_EQ(results.client.resumed, ThisShard() == ShardIndex(1));
  EXPECT_EQ(results.server.resumed, ThisShard() == ShardIndex(1));
  EXPECT_EQ(results.client.peer, TlsPeer::kTrusted);
  co_await Converse(pair);
  if (ThisShard() == ShardIndex(0)) {
    shared.session = pair.client.TakeTlsSession();
    ShardMessage message{.run = &Shared::Ready};
    message.SetPointer(0, &shared);
    co_await Post(ShardIndex(1), message);
  }
}

TEST(TlsContractTest, ASessionIsResumedOnAnotherShardAndAfterAReload) {
  for (const TlsVersion version : {TlsVersion::k12, TlsVersion::k13}) {
    const auto keys = TlsTicketKeys::Make(std::chrono::hours(1));
    Shared shared{.server = Server({.version_max = version, .ticket_keys = keys}),
                  .client = Client({}),
                  .session = {}};
    RunContract(2, &ResumesElsewhere, &shared);
  }
}

// However slow the machine is: of the period that must not be over there is plenty, and what comes
// later than it should is too late all the more.
struct Rotation {
  Nanoseconds period;
  Nanoseconds wait;
  bool resumed;
};
Task<void> ResumesLater(void* context) {
  const Rotation& rotation = *static_cast<const Rotation*>(context);
  const auto keys = TlsTicketKeys::Make(rotation.period);
  const Context client = Client({});
  std::string session;
  for (const bool again : {false, true}) {
    Pair pair = co_await MakePair();
    TlsClientRequest request = ToMx();
    request.session = session;
    request.keep_session = true;
    // A context of its own each time, as after a reload.
    Results results = co_await Shake(pair, Server({.ticket_keys = keys}), client, request);
    EXPECT_TRUE(results.client.ok());
    EXPECT_EQ(results.server.resumed, again && rotation.resumed);
    co_await Converse(pair);
    session = pair.client.TakeTlsSession();
    if (!again) co_await SleepUntil(Now() + rotation.wait);
  }
}
TEST(TlsContractTest, ATicketIsGoodForOnePeriodAfterItsKeysAndThenOnlyCostsItsGain) {
  Rotation soon{std::chrono::hours(1), milliseconds(1), true};
  Rotation late{milliseconds(10), milliseconds(100), false};
  RunContract(1, &ResumesLater, &soon);
  RunContract(1, &ResumesLater, &late);
}

Task<void> IgnoresBadTickets(void*) {
  const Context client = Client({});
  const Context server = Server({.ticket_keys = TlsTicketKeys::Make(std::chrono::hours(1))});
  for (const std::string& session : {std::string("garbage"), std::string(5000, '\x30')}) {
    Pair pair = co_await MakePair();
    TlsClientRequest request = ToMx();
    request.session = session;
    Results results = co_await Shake(pair, server, client, request);
    EXPECT_TRUE(results.client.ok());
    EXPECT_FALSE(results.client.resumed);
  }
}
TEST(TlsContractTest, ASessionThatCannotBeReadIsAsNone) {
  RunContract(1, &IgnoresBadTickets, nullptr);
}

// --- Certificates

TEST(TlsIdentityTest, WhatIsWrongWithACertificateIsSaid) {
  const auto problem = [](std::string_view certificate, std::string_view key) {
    return std::string(Std(ExamineTlsIdentity(Identity(certificate, key)).status().message()));
  };
  EXPECT_EQ(problem("", kEcdsaKey), "holds no certificate in PEM");
  EXPECT_EQ(problem(kEcdsaKey, kEcdsaKey), "holds no certificate in PEM");
  EXPECT_EQ(problem(kEcdsaCertificate, ""), "holds no private key in PEM");
  EXPECT_EQ(problem(kEcdsaCertificate, kEcdsaCertificate), "holds no private key in PEM");
  EXPECT_EQ(problem(kEcdsaCertificate, kWildcardKey),
            "is not the key of the certificate: the first certificate of a file must be the "
            "server's");
  EXPECT_EQ(problem(kEcdsaCertificate, kRsaKey).substr(0, 10), "is not the");
  EXPECT_EQ(problem(kEcdsaCertificate, kEncryptedKey),
            "holds a private key that is encrypted: a server cannot be asked for a password");
  EXPECT_EQ(problem(kWeakCertificate, kWeakKey), "holds an RSA key of less than 2048 bits");
  EXPECT_EQ(problem("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", kEcdsaKey)
                .substr(0, 51),
            "holds a certificate (number 1) that cannot be read ");
  const std::string half(kEcdsaCertificate.substr(0, 200));
  EXPECT_EQ(problem(half, kEcdsaKey).substr(0, 28), "holds PEM that cannot be rea");
}

TEST(TlsIdentityTest, WhatACertificateSaysIsKnown) {
  const auto facts = ExamineTlsIdentity(
      Identity(std::string(kWildcardCertificate) + std::string(kAuthority), kWildcardKey));
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->names, (std::vector<std::string>{"*.example.net", "example.net"}));
  EXPECT_EQ(facts->key, "ECDSA P-256");
  EXPECT_EQ(facts->chain_length, 2u);
  EXPECT_FALSE(facts->self_signed);
  EXPECT_EQ(UnixSeconds(facts->not_before), 1'577'836'800);
  EXPECT_EQ(UnixSeconds(facts->not_after), 4'733'510'400);
  EXPECT_EQ(ExamineTlsIdentity(Rsa())->key, "RSA 2048");
  EXPECT_EQ(ExamineTlsIdentity(Ed25519())->key, "Ed25519");
  EXPECT_TRUE(ExamineTlsIdentity(Identity(kStrangerCertificate, kStrangerKey))->self_signed);
  EXPECT_EQ(*ExamineTlsAuthorities(kAuthority), 1u);
}

// --- Halves, names, and what a proxy put in front

Task<void> EndsHalf(void*) {
  Pair pair = co_await MakePair();
  const Results results = co_await Shake(pair, Server({}), Client({}), ToMx());
  EXPECT_TRUE(results.client.ok() && results.server.ok());
  pair.client.Write("question");
  pair.client.EndOutput();
  pair.client.Write("goes nowhere");
  StreamStatus status = StreamStatus::kOk;
  EXPECT_EQ(co_await ReadBytes(pair.server, SIZE_MAX, &status), "question");
  EXPECT_EQ(status, StreamStatus::kEnd);
  const std::string answer = Pattern(300'000);
  pair.server.Write(answer);
  Gate gate;
  gate.Spawn(pair.server.Close(Soon()));
  EXPECT_TRUE(co_await ReadBytes(pair.client, SIZE_MAX, &status) == answer);
  EXPECT_EQ(status, StreamStatus::kEnd);
  co_await pair.client.Close(Soon());
  co_await gate.Close();
}

TEST(TlsContractTest, AnEndOfTheOutputIsNoneOfTheInput) { RunContract(1, &EndsHalf, nullptr); }

Task<void> BeginsBehindAHeader(void*) {
  Pair pair = co_await MakePair();
  Results results;
  Gate gate;
  pair.client.Write("header");
  gate.Spawn(ClientHandshake(&pair.client, Client({}), ToMx(), &results.client));
  // Both have come together.
  while (pair.server.input().size() <= 6) {
    EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
    if (pair.server.input() == "header") break;
  }
  pair.server.Consume(6);
  results.server = co_await pair.server.StartImplicitTls(Server({}), Soon());
  co_await gate.Close();
  EXPECT_TRUE(results.client.ok()) << results.client.problem;
  EXPECT_TRUE(results.server.ok()) << results.server.problem;
  co_await Converse(pair);
}

TEST(TlsContractTest, TlsMayBeginBehindWhatAProxySaid) {
  RunContract(1, &BeginsBehindAHeader, nullptr);
}

Task<void> RefusesUnknownNames(void*) {
  TlsServerOptions options{.identities = {Wildcard()}, .unknown_name = TlsUnknownName::kRefused};
  options.identities.front().shown_for = {"*.example.net", "other.example.com"};
  const Context server = Server(options);
  struct {
    std::string name;
    bool known;
  } const cases[] = {{"a.example.net", true},
                     {"A.Example.NET", true},
                     {"example.net", false},  // the certificate's, and not what it is shown for
                     {"mx.example.org", false},
                     {"", false}};
  for (const auto& one : cases) {
    Pair pair = co_await MakePair();
    const Results results = co_await Shake(pair, server, Client({}),
                                           {.server_name = one.name, .trust = TlsTrust::kAnybody});
    EXPECT_EQ(results.server.ok(), one.known) << one.name;
    EXPECT_EQ(results.client.ok(), one.known) << one.name;
    if (!one.known) {
      EXPECT_NE(results.client.problem.find("UNRECOGNIZED_NAME"), std::string::npos)
          << results.client.problem;
    }
  }
}

TEST(TlsContractTest, AnUnknownNameIsRefusedWhereItIsToBe) {
  RunContract(1, &RefusesUnknownNames, nullptr);
}

}  // namespace
}  // namespace ringmail::io
