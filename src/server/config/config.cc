#include "server/config/config.h"

#include <algorithm>

namespace ringmail::server {

bool ConfigResult::ok() const {
  return std::none_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& one) {
    return one.severity == Diagnostic::Severity::kError;
  });
}

std::string FormatDiagnostics(std::string_view file, const std::vector<Diagnostic>& diagnostics) {
  std::string out;
  for (const Diagnostic& one : diagnostics) {
    out += file;
    if (one.line != 0) out += ":" + std::to_string(one.line) + ":" + std::to_string(one.column);
    out += one.severity == Diagnostic::Severity::kError ? ": error: " : ": warning: ";
    out += one.text;
    out += '\n';
  }
  return out;
}

storage::StoreOptions PerShard(const Config& config, uint16_t shard_count) {
  storage::StoreOptions options = config.store;
  options.quota_bytes /= shard_count;
  options.content_cache_bytes /= shard_count;
  options.directory = config.directory;
  return options;
}

agent::MailDoor::Options DoorOptions(const Config& config) {
  return {.hostname = config.hostname,
          .relay = config.relay,
          .limits = config.mail,
          .submission = config.submission,
          .disclosure = config.disclosure};
}

smtp::SmtpOptions ServerOptions(const Config& config) {
  smtp::SmtpOptions options = config.smtp;
  options.hostname = config.hostname;
  // Who may relay is known: the limit against strangers would only break the site's own mail.
  options.trusted_networks = config.relay.networks;
  options.tls = config.tls.context;
  return options;
}

smtp::SmtpClientOptions ClientOptions(const Config& config) {
  smtp::SmtpClientOptions options = config.client;
  options.hostname = config.hostname;
  return options;
}

io::ListenOptions ListenOptionsOf(const ListenerConfig& listener) {
  return {.endpoint = listener.endpoint,
          .unix_mode = listener.socket_mode,
          .unix_group = listener.socket_group};
}

std::vector<ListenerConfig> ListenersOf(const Config& config) {
  std::vector<ListenerConfig> listeners = config.listeners;
  for (const TunnelConfig& one : config.tunnels) {
    ListenerConfig listener;
    listener.endpoint = one.endpoint;
    listener.options.name = one.options.name;
    listener.tunnel = one.options;
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

pop3::Pop3Options Pop3ServerOptions(const Config& config) {
  pop3::Pop3Options options = config.pop3;
  options.hostname = config.hostname;
  // [limits] is for connections of every protocol.
  options.sessions_max = config.smtp.sessions_max;
  options.sessions_per_network_max = config.smtp.sessions_per_network_max;
  options.network_bits_v4 = config.smtp.network_bits_v4;
  options.network_bits_v6 = config.smtp.network_bits_v6;
  options.trusted_networks = config.relay.networks;
  options.tls = config.tls.context;
  return options;
}

acme::ResponderOptions ResponderOptionsOf(const Config& config) {
  return {.answers = config.tls.answers, .tls = config.tls.context};
}

acme::ResponderListenerOptions ResponderListener(const ListenerConfig& config) {
  return {.tls = config.options.tls == smtp::ListenerTls::kImplicit ? acme::ResponderTls::kImplicit
                                                                    : acme::ResponderTls::kNone,
          .proxies = config.options.proxies};
}

pop3::Pop3ListenerOptions Pop3Listener(const ListenerConfig& config) {
  pop3::Pop3ListenerOptions options;
  options.name = config.options.name;
  options.proxies = config.options.proxies;
  options.plaintext = config.options.auth == smtp::ListenerAuth::kAlways
                          ? session::SaslPlaintext::kAlways
                          : session::SaslPlaintext::kEncryptedOnly;
  switch (config.options.tls) {
    case smtp::ListenerTls::kNone:
      options.tls = pop3::ListenerTls::kNone;
      break;
    case smtp::ListenerTls::kStartTls:
      options.tls = pop3::ListenerTls::kStartTls;
      break;
    case smtp::ListenerTls::kImplicit:
      options.tls = pop3::ListenerTls::kImplicit;
      break;
  }
  return options;
}

agent::AuthenticatorOptions AuthenticatorOptionsOf(const Config& config,
                                                   const codec::Secret& server_secret) {
  agent::AuthenticatorOptions options = config.authentication;
  options.hostname = config.hostname;
  options.server_secret = server_secret;
  return options;
}

std::vector<std::string> NeedsRestart(const Config& running, const Config& wanted) {
  std::vector<std::string> keys;
  const auto differs = [&keys](std::string_view name, bool different) {
    if (different) keys.emplace_back(name);
  };
  differs("data_dir", running.data_dir != wanted.data_dir);
  differs("control_socket", running.control_socket != wanted.control_socket);
  differs("user", running.user != wanted.user);
  differs("shards", running.shards != wanted.shards);
  const auto told = [](const Config& config) {
    std::string all;
    for (const BackendConfig& one : config.backends) {
      all +=
          backend::EncodeWire(BackendProcessConfig(config, one)) + one.file + one.query +
          one.default_scheme + one.program +
          std::to_string(static_cast<int>(one.format) * 1000 + static_cast<int>(one.connections));
    }
    return all;
  };
  const bool same_options = std::equal(
      running.backends.begin(), running.backends.end(), wanted.backends.begin(),
      wanted.backends.end(),
      [](const BackendConfig& a, const BackendConfig& b) { return a.options == b.options; });
  differs("[[backend]]", !same_options || told(running) != told(wanted));
  differs("[tls] ticket_period", running.tls.ticket_period != wanted.tls.ticket_period);
  differs("[log] path", running.log.path != wanted.log.path);
  const storage::StoreOptions &a = running.store, &b = wanted.store;
  differs("[store]", a.segment_bytes != b.segment_bytes || a.quota_bytes != b.quota_bytes ||
                         a.reserve_bytes != b.reserve_bytes ||
                         a.content_cache_bytes != b.content_cache_bytes);
  // The store bounds content by the size it was opened with.
  differs("[limits] message_size", a.message_bytes_max < b.message_bytes_max);
  const smtp::SmtpClientOptions &c = running.client, &d = wanted.client;
  differs("[destination] source_address, pipelining, chunking and timeouts",
          c.source != d.source || c.pipelining != d.pipelining || c.chunking != d.chunking ||
              !(c.timeouts == d.timeouts));
  differs("[authentication] entries",
          running.authentication.limiter.entries_max != wanted.authentication.limiter.entries_max);
  differs("hostname (for the client's EHLO)", running.hostname != wanted.hostname);
  return keys;
}

}  // namespace ringmail::server
