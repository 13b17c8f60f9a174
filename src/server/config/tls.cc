#include "server/config/tls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"

namespace ringmail::server {
namespace {

using Severity = Diagnostic::Severity;

// Authorities give certificates for some months, and clients renew them a month before the end.
constexpr std::chrono::hours kEndsSoon{14 * 24};
// An OCSP response is a signature, a certificate and some numbers.
constexpr size_t kOcspBytesMax = 64u << 10;

std::string Day(WallTime time) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixSeconds(UnixSeconds(time)),
                          absl::UTCTimeZone());
}

class Loader {
 public:
  Loader(ConfigResult& result, ReadFile read_file, WallTime now)
      : result_(result), read_file_(read_file), now_(now) {}

  bool good() const { return good_; }
  std::string Read(const FileConfig& file, size_t bytes_max);
  void Wrong(const FileConfig& file, std::string_view what, Severity severity = Severity::kError);
  void Load(const CertificateConfig& config, std::vector<io::TlsIdentity>& identities);
  void LoadAuthorities(io::TlsServerOptions& options);
  void LoadAcmeAuthorities();

 private:
  void WarnOfTime(const FileConfig& file, const io::TlsIdentityFacts& facts);

  ConfigResult& result_;
  const ReadFile read_file_;
  const WallTime now_;
  bool good_ = true;
};

void Loader::Wrong(const FileConfig& file, std::string_view what, Severity severity) {
  good_ = good_ && severity != Severity::kError;
  result_.diagnostics.push_back(
      {severity, file.line, file.column, absl::StrCat(file.path, " ", Absl(what))});
}

std::string Loader::Read(const FileConfig& file, size_t bytes_max) {
  if (file.path.empty()) return {};
  StatusOr<std::string> text = read_file_(file.path, bytes_max);
  if (text.ok()) return *std::move(text);
  Wrong(file, absl::StrCat("cannot be read: ", text.status().message()));
  return {};
}

void Loader::WarnOfTime(const FileConfig& file, const io::TlsIdentityFacts& facts) {
  if (now_ < facts.not_before) {
    Wrong(file, "is not valid before " + Day(facts.not_before), Severity::kWarning);
  } else if (now_ >= facts.not_after) {
    Wrong(file, "has expired on " + Day(facts.not_after), Severity::kWarning);
  } else if (now_ + kEndsSoon >= facts.not_after) {
    Wrong(file, "expires on " + Day(facts.not_after), Severity::kWarning);
  }
}

void Loader::Load(const CertificateConfig& config, std::vector<io::TlsIdentity>& identities) {
  const size_t before = result_.diagnostics.size();
  io::TlsIdentity identity;
  identity.certificate_pem = Read(config.certificate, io::kTlsPemBytesMax);
  identity.private_key_pem = Read(config.private_key, io::kTlsPemBytesMax);
  identity.ocsp_response = Read(config.ocsp_response, kOcspBytesMax);
  if (result_.diagnostics.size() > before) return;
  const StatusOr<io::TlsIdentityFacts> facts = io::ExamineTlsIdentity(identity);
  if (!facts.ok()) {
    // What is wrong with the key is said where the key is named.
    const bool key = absl::IsFailedPrecondition(facts.status()) ||
                     Std(facts.status().message()).find("key") != std::string_view::npos;
    Wrong(key ? config.private_key : config.certificate, Std(facts.status().message()));
    return;
  }
  WarnOfTime(config.certificate, *facts);
  identities.push_back(std::move(identity));
}

void Loader::LoadAuthorities(io::TlsServerOptions& options) {
  const FileConfig& file = result_.config.tls.client_authorities;
  options.client_authorities_pem = Read(file, io::kTlsPemBytesMax);
  if (options.client_authorities_pem.empty()) return;
  const StatusOr<size_t> count = io::ExamineTlsAuthorities(options.client_authorities_pem);
  if (!count.ok()) Wrong(file, Std(count.status().message()));
}

// Who vouches for the authority's own server.
void Loader::LoadAcmeAuthorities() {
  AcmeConfig& acme = result_.config.acme;
  FileConfig file = acme.authorities;
  if (file.line == 0) {
    // The default, of which the file says nothing.
    file.line = acme.line;
    file.column = acme.column;
  }
  const size_t before = result_.diagnostics.size();
  acme.authorities_pem = Read(file, io::kTlsPemBytesMax);
  if (result_.diagnostics.size() > before) return;
  const StatusOr<size_t> count = io::ExamineTlsAuthorities(acme.authorities_pem);
  if (!count.ok()) Wrong(file, Std(count.status().message()));
}

}  // namespace

void LoadTls(ConfigResult& result, ReadFile read_file,
             std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now) {
  TlsConfig& tls = result.config.tls;
  AcmeConfig& acme = result.config.acme;
  if ((tls.certificates.empty() && !acme.on) || !result.ok()) return;
  Loader loader(result, read_file, now);
  io::TlsServerOptions& options = tls.options;
  options.version_min = tls.version_min;
  options.client_certificates = tls.client_certificates;
  options.ticket_keys = std::move(ticket_keys);
  for (const CertificateConfig& one : tls.certificates) loader.Load(one, options.identities);
  loader.LoadAuthorities(options);
  if (acme.on) loader.LoadAcmeAuthorities();
  if (!loader.good()) return;
  const Status made = MakeContext(tls, options);
  if (!made.ok()) loader.Wrong(tls.certificates.front().certificate, Std(made.message()));
}

Status MakeContext(TlsConfig& tls, const io::TlsServerOptions& options) {
  tls.context = nullptr;
  if (options.identities.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(tls.context, io::TlsContext::MakeServer(options));
  return absl::OkStatus();
}

std::string DescribeCertificate(const io::TlsIdentityFacts& facts) {
  return absl::StrCat(facts.names.empty() ? "no name" : absl::StrJoin(facts.names, " "), ", ",
                      facts.key, ", until ", Day(facts.not_after),
                      facts.self_signed ? ", self-signed" : "");
}

}  // namespace ringmail::server
