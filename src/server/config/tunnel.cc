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
  void Keep(TunnelConfig& tunnel, StatusOr<std::shared_ptr<const io::TlsContext>> context);

  ConfigResult& result_;
  const std::shared_ptr<io::TlsTicketKeys> ticket_keys_;
  CertificateLoader loader_;
};

void TunnelLoader::Keep(TunnelConfig& tunnel,
                        StatusOr<std::shared_ptr<const io::TlsContext>> context) {
  if (!loader_.good()) return;
  if (context.ok()) {
    tunnel.options.tls = *std::move(context);
    return;
  }
  result_.diagnostics.push_back(
      {Diagnostic::Severity::kError, tunnel.line, tunnel.column,
       absl::StrCat("[[tunnel]] ", tunnel.options.name, ": ", context.status().message())});
}

void TunnelLoader::LoadWrap(TunnelConfig& tunnel) {
  io::TlsServerOptions options;
  std::vector<io::TlsIdentity> own;
  if (!tunnel.certificate.certificate.path.empty()) {
    loader_.Load(tunnel.certificate, own);
  } else {
    for (const CertificateConfig& one : result_.config.tls.certificates) loader_.Load(one, own);
  }
  const bool rest = HasTarget(tunnel.options.target);
  if (!rest) options.unknown_name = io::TlsUnknownName::kRefused;
  for (io::TlsIdentity& one : own) {
    if (!rest) break;
    options.identities.push_back(one);
    // Whoever names a server gets what that server has; this is for everybody else.
    if (!tunnel.servers.empty()) options.identities.back().shown_for = {""};
  }
  tunnel.options.routes.clear();
  for (const TunnelServerConfig& server : tunnel.servers) {
    tunnel.options.routes.push_back(server.route);
    std::vector<io::TlsIdentity> identities;
    if (server.certificate.certificate.path.empty()) {
      identities = own;
    } else {
      loader_.Load(server.certificate, identities);
    }
    for (io::TlsIdentity& one : identities) {
      one.shown_for = server.route.names;
      options.identities.push_back(std::move(one));
    }
  }
  options.alpn = tunnel.alpn;
  options.version_min = tunnel.version_min;
  options.client_certificates = tunnel.client_certificates;
  options.client_authorities_pem = loader_.LoadAuthorities(tunnel.authorities);
  options.ticket_keys = ticket_keys_;
  Keep(tunnel, io::TlsContext::MakeServer(options));
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
  Keep(tunnel, io::TlsContext::MakeClient(options));
}

}  // namespace

void LoadTunnels(ConfigResult& result, ReadFile read_file,
                 std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now) {
  if (!result.ok()) return;
  TunnelLoader loader(result, read_file, std::move(ticket_keys), now);
  for (TunnelConfig& one : result.config.tunnels) loader.Load(one);
}

}  // namespace ringmail::server
