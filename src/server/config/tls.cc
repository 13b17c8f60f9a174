#include "server/config/tls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/certificate_loader.h"
#include "server/config/tunnel.h"

namespace ringmail::server {
namespace {

void LoadServerTls(ConfigResult& result, ReadFile read_file,
                   std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now) {
  TlsConfig& tls = result.config.tls;
  if (tls.certificates.empty() || !result.ok()) return;
  CertificateLoader loader(result, read_file, now);
  io::TlsServerOptions options;
  options.version_min = tls.version_min;
  options.client_certificates = tls.client_certificates;
  options.ticket_keys = std::move(ticket_keys);
  for (const CertificateConfig& one : tls.certificates) loader.Load(one, options.identities);
  options.client_authorities_pem = loader.LoadAuthorities(tls.client_authorities);
  if (!loader.good()) return;
  StatusOr<std::shared_ptr<const io::TlsContext>> context = io::TlsContext::MakeServer(options);
  if (context.ok()) {
    tls.context = *std::move(context);
  } else {
    loader.Wrong(tls.certificates.front().certificate, Std(context.status().message()));
  }
}

}  // namespace

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
