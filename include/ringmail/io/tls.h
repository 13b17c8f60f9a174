// TLS on a stream (RFC 8446, RFC 5246): who we are and whom we trust, as one value, and what a
// handshake found out. The operation itself is Stream::StartTlsServer and StartTlsClient.
//
// Made by: TlsContext::MakeServer or MakeClient, from octets; nothing here reads files.
// Order: a context is complete when made and never changes; a reload makes a new one, and
//   connections keep theirs. StartTls once on a connected stream, implicit or after STARTTLS;
//   after kOk input(), Consume, Receive, Write, WriteReference, Flush and Close mean the plaintext
//   inside, with the same promises.
// Promise: nothing that came before the handshake is read as if it came after it (RFC 3207 §4.2,
//   CVE-2011-0411): StartTls answers kUnreadInput where input() is not empty, and what lies behind
//   it on the wire is taken for TLS. After a failure the stream is only good for Close: it does not
//   go on in the clear. TLS 1.2 and 1.3 only, AEAD cipher suites with forward secrecy only
//   (RFC 9325 §4.2), no early data, no renegotiation, no compression. close_notify is sent by
//   Close; a peer that ends without it has been cut off, perhaps by somebody else: kFailed with
//   kTlsTruncated, not kEnd (RFC 8446 §6.1).
// Shard: contexts and ticket keys are shared by all; the rest belongs to the stream's.
// Limits: kTlsHandshakesPerTurn steps of handshakes in one turn of a shard, the others wait in
//   order; RSA signatures are made on the blocking pool. An idle connection holds no buffer for
//   TLS. What was written is sealed kTlsSealAheadBytesMax at a time by Flush, and as a whole by
//   Receive.
// Errors: TlsResult::outcome for the handshake, StreamStatus after it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/io/stream.h"

namespace ringmail::io {

inline constexpr uint32_t kTlsHandshakesPerTurn = 4;
inline constexpr size_t kTlsSealAheadBytesMax = 256u << 10;
// Certificates and keys as PEM, all of one file.
inline constexpr size_t kTlsPemBytesMax = 1u << 20;

// Stream::error() after kFailed: the peer broke the protocol or said so by an alert; the peer ended
// without close_notify.
inline constexpr int kTlsBroken = EPROTO;
inline constexpr int kTlsTruncated = ENODATA;

enum class TlsVersion : uint8_t { k12, k13 };
std::string_view ToString(TlsVersion version);  // "TLSv1.3"

// A certificate with its chain, leaf first, and the leaf's private key.
struct TlsIdentity {
  std::string certificate_pem;
  std::string private_key_pem;
  std::string ocsp_response;  // DER (RFC 6960), stapled where a client asks; "": none
  // Whom it is shown to: names, and "*.example.org" for one label. Empty: its own names.
  std::vector<std::string> shown_for = {};
};

// What an identity says of itself.
struct TlsIdentityFacts {
  std::vector<std::string> names;  // DNS names, in lower case
  std::string key;                 // "ECDSA P-256", "RSA 2048", "Ed25519"
  WallTime not_before{}, not_after{};
  bool self_signed = false;
  size_t chain_length = 0;
};
// Errors: kInvalidArgument, whose message says what is wrong as the end of a sentence that begins
// with the file: "holds no certificate in PEM". kFailedPrecondition where both are good and do not
// belong together.
StatusOr<TlsIdentityFacts> ExamineTlsIdentity(const TlsIdentity& identity);

// How many certificates `pem` holds. Errors: as above.
StatusOr<size_t> ExamineTlsAuthorities(std::string_view pem);

// What session tickets (RFC 5077, RFC 8446 §4.6.1) are sealed with. One for all shards and all
// reloads, so that a client resumes wherever it lands. A key is used for one period and understood
// for one more; then it is gone, and with it what a thief could have read with it.
class TlsTicketKeys {
 public:
  static std::shared_ptr<TlsTicketKeys> Make(Nanoseconds period);
  virtual ~TlsTicketKeys() = default;
  TlsTicketKeys(const TlsTicketKeys&) = delete;
  TlsTicketKeys& operator=(const TlsTicketKeys&) = delete;

 protected:
  TlsTicketKeys() = default;
};

enum class TlsClientCertificates : uint8_t {
  kIgnored,    // not asked for
  kRequested,  // whether one came, and whether it is good, is in TlsResult
  kRequired,   // a handshake without a good one fails
};

// A client that names nobody, or somebody whom no identity is for.
enum class TlsUnknownName : uint8_t {
  kFirst,    // is shown the first identity
  kRefused,  // unrecognized_name (RFC 6066 §3), and the handshake fails
};

struct TlsServerOptions {
  // By SNI (RFC 6066 §3): those whose names fit, exactly before "*."; otherwise the first. Of two
  // that fit as well, ECDSA where the client can.
  std::vector<TlsIdentity> identities;
  // What answers an authority that asks, by SNI and the ALPN protocol "acme-tls/1" alone, whether a
  // name is ours (RFC 8737 §3). Such a handshake ends in kEnd: nothing is spoken behind it.
  std::vector<TlsIdentity> challenges;
  TlsUnknownName unknown_name = TlsUnknownName::kFirst;
  // Protocols by preference (RFC 7301); empty: what a client offers is ignored.
  std::vector<std::string> alpn;
  TlsVersion version_min = TlsVersion::k12;
  TlsVersion version_max = TlsVersion::k13;
  TlsClientCertificates client_certificates = TlsClientCertificates::kIgnored;
  std::string client_authorities_pem;          // who may vouch for clients
  std::shared_ptr<TlsTicketKeys> ticket_keys;  // null: no resumption
};

enum class TlsTrust : uint8_t {
  kAnybody,  // encryption only: whom we speak to is reported, not enforced (RFC 7435)
  kVerified  // the chain leads to an authority and the name fits, or the handshake fails
};

struct TlsClientOptions {
  std::string authorities_pem;  // who may vouch for servers; "": nobody
  std::vector<std::string> alpn;
  TlsVersion version_min = TlsVersion::k12;
  TlsVersion version_max = TlsVersion::k13;
  std::vector<TlsIdentity> identity;  // none, or one: what we prove ourselves with
};

// shared_ptr: one context serves all shards, and lives as long as the last connection that uses it.
class TlsContext {
 public:
  static StatusOr<std::shared_ptr<const TlsContext>> MakeServer(const TlsServerOptions& options);
  static StatusOr<std::shared_ptr<const TlsContext>> MakeClient(const TlsClientOptions& options);
  virtual ~TlsContext() = default;
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 protected:
  TlsContext() = default;
};

// What differs between connections of one client context.
struct TlsClientRequest {
  std::string server_name;  // sent as SNI where it is a DNS name, and held against the certificate
  TlsTrust trust = TlsTrust::kVerified;
  // From TakeTlsSession of an earlier connection to the same server under the same policy; "":
  // none.
  std::string session;
  // Whether TakeTlsSession will be asked: a session is a kilobyte and more.
  bool keep_session = false;
};

enum class TlsOutcome : uint8_t {
  kOk,
  kUnreadInput,  // input() was not empty: nothing was read or sent, the stream is as it was
  kFailed,       // the handshake: `problem` says why
  kEnd,          // the peer went away in the middle of it
  kTimedOut,
  kCancelled,
  kLost,  // reset or another network error: error() says which
};
std::string_view ToString(TlsOutcome outcome);

enum class TlsPeer : uint8_t {
  kNone,       // showed no certificate
  kUntrusted,  // `peer_problem` says why
  kTrusted,    // an authority vouches for it and, for a server, the name fits
};

struct TlsResult {
  TlsOutcome outcome = TlsOutcome::kFailed;
  std::string problem;  // "" unless kFailed
  TlsVersion version = TlsVersion::k12;
  std::string_view cipher;  // its registered name, "TLS_AES_128_GCM_SHA256"; lives for ever
  std::string_view group;   // of the key exchange, "X25519"; lives for ever
  uint16_t cipher_bits = 0;
  bool resumed = false;
  std::string server_name;  // by SNI; "" where none was sent
  std::string alpn;         // agreed on; "" none
  TlsPeer peer = TlsPeer::kNone;
  std::string peer_problem;
  // Of a certificate that was shown: its subject as one line, its DNS names and mail addresses.
  std::string peer_subject;
  std::vector<std::string> peer_names;
  // Of a certificate that is kTrusted: the first of its mail addresses (rfc822Name, RFC 5280
  // §4.2.1.6); "" where it has none.
  std::string peer_mailbox;

  bool ok() const { return outcome == TlsOutcome::kOk; }
};

enum class TlsBinding : uint8_t {
  kExporter,        // tls-exporter (RFC 9266)
  kServerEndPoint,  // tls-server-end-point (RFC 5929 §4)
};

}  // namespace ringmail::io
