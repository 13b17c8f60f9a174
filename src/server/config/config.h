// The configuration as values: what the file says, or the default where it says nothing. Plain,
// comparable, no parser in sight.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/agent/authenticator.h"
#include "ringmail/agent/delivery.h"
#include "ringmail/agent/mail_transaction.h"
#include "ringmail/agent/transfer.h"
#include "ringmail/base/log.h"
#include "ringmail/io/endpoint.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/tls.h"
#include "ringmail/protocol/acme.h"
#include "ringmail/protocol/pop3.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/protocol/smtp_client.h"
#include "ringmail/protocol/tunnel.h"
#include "ringmail/storage/store.h"
#include "server/config/backend.h"

namespace ringmail::server {

struct ListenerConfig {
  io::Endpoint endpoint;
  // Of a Unix socket's file; the group "" is the process's.
  uint32_t socket_mode = 0600;
  std::string socket_group;
  smtp::SmtpListenerOptions options;  // protocol, name, tls and auth are every room's
  bool auth_set = false;  // the file has the key; otherwise the default of its protocol holds
  // Where [[listener]] begins.
  uint32_t line = 0, column = 0;
  uint32_t tls_line = 0, tls_column = 0;  // where the key stands; 0: nowhere, the default holds
  // Of a [[tunnel]] (ListenersOf): nothing else but endpoint and options.name means anything then.
  std::optional<tunnel::TunnelOptions> tunnel = {};
};

io::ListenOptions ListenOptionsOf(const ListenerConfig& listener);

// Where a file is named.
struct FileConfig {
  std::string path;
  uint32_t line = 0, column = 0;
};

// [tls] itself, or one [[certificate]].
struct CertificateConfig {
  FileConfig certificate, private_key, ocsp_response;
};

// [[tunnel.server]]: who asks for one of these names.
struct TunnelServerConfig {
  tunnel::TunnelRoute route;
  CertificateConfig certificate;            // without: that of its tunnel
  std::vector<io::TlsIdentity> identities;  // what the files hold, read by LoadTunnels
};

// [[tunnel]]. `options.tls` and `options.routes` are made by LoadTunnels (tunnel.h).
struct TunnelConfig {
  io::Endpoint endpoint;
  tunnel::TunnelOptions options;
  CertificateConfig certificate;  // of kWrap, without: those of [tls]; of kUnwrap: our own
  // Who vouches for clients (kWrap) or for the target (kUnwrap).
  FileConfig authorities;
  io::TlsClientCertificates client_certificates = io::TlsClientCertificates::kIgnored;
  io::TlsVersion version_min = io::TlsVersion::k12;
  std::vector<std::string> alpn;
  std::vector<TunnelServerConfig> servers;
  // Of kWrap, read by LoadTunnels: what the files hold, and how it is shown.
  std::vector<io::TlsIdentity> identities;
  io::TlsServerOptions server;
  uint32_t line = 0, column = 0;
};

struct TlsConfig {
  // That of [tls] first, which is shown to whoever asks for no name of the others.
  std::vector<CertificateConfig> certificates;
  io::TlsVersion version_min = io::TlsVersion::k12;
  io::TlsClientCertificates client_certificates = io::TlsClientCertificates::kIgnored;
  FileConfig client_authorities;
  std::chrono::seconds ticket_period{12 * 3600};
  // What the files hold, read by LoadTls (tls.h).
  io::TlsServerOptions options;
  // What challenges of [acme] are answered with; null: there are none.
  std::shared_ptr<const std::vector<acme::ChallengeAnswer>> answers;
  // Made of the files by LoadTls, and of what [acme] brought by the server (certificate_keeper.h);
  // null: there is no certificate.
  std::shared_ptr<const io::TlsContext> context;
};

// [acme]: certificates that an authority gives and renews by itself.
struct AcmeConfig {
  bool on = false;  // the table is there
  uint32_t line = 0, column = 0;
  std::string directory_url = "https://acme-v02.api.letsencrypt.org/directory";
  std::vector<std::string> contacts;  // as URLs, "mailto:admin@example.org"
  bool terms_agreed = false;
  std::vector<std::string> names;  // ParseConfig fills in the hostname where there is none
  acme::ChallengeKind challenge = acme::ChallengeKind::kHttp01;
  // Who vouches for the authority's own server.
  FileConfig authorities{.path = "/etc/ssl/certs/ca-certificates.crt"};
  std::string authorities_pem;  // read by LoadTls
};

// [token]: bearer tokens (RFC 7628).
struct TokenConfig {
  bool on = false;  // the table is there
  uint32_t line = 0, column = 0;
  credential::TokenPolicy policy;
  // One of these, or policy.keys. The files are read by LoadTokenKeys (token.h).
  FileConfig key_set;
  agent::TokenServerOptions server;  // a URL "": there is none
  FileConfig client_secret;
  // Who vouches for that server.
  FileConfig authorities{.path = "/etc/ssl/certs/ca-certificates.crt"};
};

struct LogConfig {
  std::string path;  // "" is standard error
  LogLevel level = LogLevel::kInfo;
};

struct Config {
  std::string hostname;
  std::string data_dir = "/var/lib/ringmail";
  std::string control_socket;  // ReadConfig fills in DATA_DIR/control.sock
  std::string user;            // to become after the ports are bound; "" stays who it is
  uint16_t shards = 0;         // 0: one for each CPU this process may use
  std::chrono::seconds shutdown_timeout{30};
  std::vector<ListenerConfig> listeners;
  std::vector<TunnelConfig> tunnels;
  agent::RelayPolicy relay;
  storage::DirectoryOptions directory;
  // In the order of the file, which is the order in which they are asked.
  std::vector<BackendConfig> backends;
  agent::DeliveryOptions delivery;
  agent::Disclosure disclosure = agent::Disclosure::kNobody;
  agent::MailLimits mail;
  agent::SubmissionPolicy submission;
  agent::TransferOptions transfer;
  smtp::SmtpOptions smtp;
  smtp::SmtpClientOptions client;
  pop3::Pop3Options pop3;
  TlsConfig tls;
  AcmeConfig acme;
  // `tokens` and `token_server` are made of `token` by LoadTokenKeys.
  agent::AuthenticatorOptions authentication;
  TokenConfig token;
  LogConfig log;
  storage::StoreOptions
      store;  // quota_bytes and content_cache_bytes of the whole process: PerShard divides them
};

// One fault or warning, at its place.
struct Diagnostic {
  enum class Severity : uint8_t { kError, kWarning };
  Severity severity = Severity::kError;
  uint32_t line = 0;  // 0: of the file as a whole
  uint32_t column = 0;
  std::string text;
};

struct ConfigResult {
  Config config;                        // good only without errors
  std::vector<Diagnostic> diagnostics;  // in the order of the file
  bool ok() const;
};

// `text` as TOML. Every fault is found, not just the first. `default_hostname` stands where the
// file names none.
ConfigResult ParseConfig(std::string_view text, std::string_view default_hostname);

// "FILE:12:3: error: unknown key ...", one line each.
std::string FormatDiagnostics(std::string_view file, const std::vector<Diagnostic>& diagnostics);

// Whatever listens: every [[listener]], and every [[tunnel]] as one.
std::vector<ListenerConfig> ListenersOf(const Config& config);
// What one shard of `shard_count` gets of the store's options.
storage::StoreOptions PerShard(const Config& config, uint16_t shard_count);
// What the rooms take, with the hostname filled in.
agent::MailDoor::Options DoorOptions(const Config& config);
smtp::SmtpOptions ServerOptions(const Config& config);
smtp::SmtpClientOptions ClientOptions(const Config& config);
pop3::Pop3Options Pop3ServerOptions(const Config& config);
acme::ResponderOptions ResponderOptionsOf(const Config& config);
acme::ResponderListenerOptions ResponderListener(const ListenerConfig& config);
pop3::Pop3ListenerOptions Pop3Listener(const ListenerConfig& config);
// `server_secret` is io's (serve/auth_secret.h).
agent::AuthenticatorOptions AuthenticatorOptionsOf(const Config& config,
                                                   const codec::Secret& server_secret);

// What differs and cannot change without a restart: names of keys.
std::vector<std::string> NeedsRestart(const Config& running, const Config& wanted);

}  // namespace ringmail::server
