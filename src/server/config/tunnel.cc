#include "server/config/tunnel.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/config/certificate_loader.h"

namespace ringmail::server {
namespace {

// Where Debian and most others keep the authorities of the system.
constexpr std::string_view kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

bool HasTarget(const io::Endpoint& endpoint) {
  return !endpoint.unix_path.empty() || endpoint.ip.family != IpAddress::Family::kNone;
}

class TunnelLoader {
 public:
  TunnelLoader(ConfigResult& result, ReadFile read_file,
               std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now)
      : result_(result), ticket_keys_(std::move(ticket_keys)), loader_(result, read_file, now) {}

  void Load(TunnelConfig& tunnel) {
    tunnel.options.mode == tunnel::TunnelMode::kWrap ? LoadWrap(tunnel) : LoadUnwrap(tunnel);
  }

 private:
  void LoadWrap(TunnelConfig& tunnel);
  void LoadUnwrap(TunnelConfig& tunnel);
  void Judge(const TunnelConfig& tunnel, const Status& made);

  ConfigResult& result_;
  const std::shared_ptr<io::TlsTicketKeys> ticket_keys_;
  CertificateLoader loader_;
};

void TunnelLoader::Judge(const TunnelConfig& tunnel, const Status& made) {
  if (made.ok()) return;
  result_.diagnostics.push_back(
      {Diagnostic::Severity::kError, tunnel.line, tunnel.column,
       absl::StrCat("[[tunnel]] ", tunnel.options.name, ": ", made.message())});
}

void TunnelLoader::LoadWrap(TunnelConfig& tunnel) {
  if (!tunnel.certificate.certificate.path.empty()) {
    loader_.Load(tunnel.certificate, tunnel.identities);
  }
  for (TunnelServerConfig& server : tunnel.servers) {
    if (!server.certificate.certificate.path.empty()) {
      loader_.Load(server.certificate, server.identities);
    }
  }
  io::TlsServerOptions& options = tunnel.server;
  options.alpn = tunnel.alpn;
  options.version_min = tunnel.version_min;
  options.client_certificates = tunnel.client_certificates;
  options.client_authorities_pem = loader_.LoadAuthorities(tunnel.authorities);
  options.ticket_keys = ticket_keys_;
  if (!loader_.good()) return;
  Judge(tunnel, MakeTunnelContext(tunnel, result_.config.tls.options.identities));
  if (tunnel.options.tls == nullptr && !result_.config.acme.on && result_.ok()) {
    Judge(tunnel, absl::InvalidArgumentError("a server needs a certificate"));
  }
}

void TunnelLoader::LoadUnwrap(TunnelConfig& tunnel) {
  io::TlsClientOptions options;
  FileConfig authorities = tunnel.authorities;
  if (authorities.path.empty() && tunnel.options.trust == io::TlsTrust::kVerified) {
    authorities = {std::string(kSystemAuthorities), tunnel.line, tunnel.column};
  }
  options.authorities_pem = loader_.LoadAuthorities(authorities);
  options.alpn = tunnel.alpn;
  options.version_min = tunnel.version_min;
  if (!tunnel.certificate.certificate.path.empty()) {
    loader_.Load(tunnel.certificate, options.identity);
  }
  if (!loader_.good()) return;
  StatusOr<std::shared_ptr<const io::TlsContext>> context = io::TlsContext::MakeClient(options);
  Judge(tunnel, context.status());
  if (context.ok()) tunnel.options.tls = *std::move(context);
}

}  // namespace

Status MakeTunnelContext(TunnelConfig& tunnel, const std::vector<io::TlsIdentity>& of_tls) {
  const std::vector<io::TlsIdentity>& own =
      tunnel.certificate.certificate.path.empty() ? of_tls : tunnel.identities;
  io::TlsServerOptions options = tunnel.server;
  if (HasTarget(tunnel.options.target)) {
    options.identities = own;
    // Whoever names a server gets what that server has; this is for everybody else.
    for (io::TlsIdentity& one : options.identities) {
      if (!tunnel.servers.empty()) one.shown_for = {""};
    }
  } else {
    options.unknown_name = io::TlsUnknownName::kRefused;
  }
  tunnel.options.routes.clear();
  for (const TunnelServerConfig& server : tunnel.servers) {
    tunnel.options.routes.push_back(server.route);
    const bool named = !server.certificate.certificate.path.empty();
    for (const io::TlsIdentity& one : named ? server.identities : own) {
      options.identities.push_back(one);
      options.identities.back().shown_for = server.route.names;
    }
  }
  tunnel.options.tls = nullptr;
  if (options.identities.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(tunnel.options.tls, io::TlsContext::MakeServer(options));
  return absl::OkStatus();
}

void LoadTunnels(ConfigResult& result, ReadFile read_file,
                 std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now) {
  if (!result.ok()) return;
  TunnelLoader loader(result, read_file, std::move(ticket_keys), now);
  for (TunnelConfig& one : result.config.tunnels) loader.Load(one);
}

}  // namespace ringmail::server
