#include "server/config/tls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/certificate_loader.h"
#include "server/config/tunnel.h"

namespace ringmail::server {
namespace {

// Who vouches for the authority's own server.
std::string LoadAcmeAuthorities(const AcmeConfig& acme, CertificateLoader& loader) {
  FileConfig file = acme.authorities;
  if (file.line == 0) {
    // The default, of which the file says nothing.
    file.line = acme.line;
    file.column = acme.column;
  }
  return loader.LoadAuthorities(file);
}

void LoadServerTls(ConfigResult& result, ReadFile read_file,
                   std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now) {
  TlsConfig& tls = result.config.tls;
  AcmeConfig& acme = result.config.acme;
  if ((tls.certificates.empty() && !acme.on) || !result.ok()) return;
  CertificateLoader loader(result, read_file, now);
  io::TlsServerOptions& options = tls.options;
  options.version_min = tls.version_min;
  options.client_certificates = tls.client_certificates;
  options.ticket_keys = std::move(ticket_keys);
  for (const CertificateConfig& one : tls.certificates) loader.Load(one, options.identities);
  options.client_authorities_pem = loader.LoadAuthorities(tls.client_authorities);
  if (acme.on) acme.authorities_pem = LoadAcmeAuthorities(acme, loader);
  if (!loader.good()) return;
  const Status made = MakeContext(tls, options);
  if (!made.ok()) loader.Wrong(tls.certificates.front().certificate, Std(made.message()));
}

}  // namespace

Status MakeContext(TlsConfig& tls, const io::TlsServerOptions& options) {
  tls.context = nullptr;
  if (options.identities.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(tls.context, io::TlsContext::MakeServer(options));
  return absl::OkStatus();
}

void LoadTls(ConfigResult& result, ReadFile read_file,
             std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now) {
  LoadServerTls(result, read_file, ticket_keys, now);
  LoadTunnels(result, read_file, std::move(ticket_keys), now);
}

std::string DescribeCertificate(const io::TlsIdentityFacts& facts) {
  return absl::StrCat(facts.names.empty() ? "no name" : absl::StrJoin(facts.names, " "), ", ",
                      facts.key, ", until ", Day(facts.not_after),
                      facts.self_signed ? ", self-signed" : "");
}

}  // namespace ringmail::server
