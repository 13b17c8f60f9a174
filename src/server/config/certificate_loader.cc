#include "server/config/certificate_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace ringmail::server {
namespace {

using Severity = Diagnostic::Severity;

// Authorities give certificates for some months, and clients renew them a month before the end.
constexpr std::chrono::hours kEndsSoon{14 * 24};
// An OCSP response is a signature, a certificate and some numbers.
constexpr size_t kOcspBytesMax = 64u << 10;

}  // namespace

std::string Day(WallTime time) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixSeconds(UnixSeconds(time)),
                          absl::UTCTimeZone());
}

void CertificateLoader::Wrong(const FileConfig& file, std::string_view what, Severity severity) {
  good_ = good_ && severity != Severity::kError;
  result_.diagnostics.push_back(
      {severity, file.line, file.column, absl::StrCat(file.path, " ", Absl(what))});
}

std::string CertificateLoader::Read(const FileConfig& file, size_t bytes_max) {
  if (file.path.empty()) return {};
  StatusOr<std::string> text = read_file_(file.path, bytes_max);
  if (text.ok()) return *std::move(text);
  Wrong(file, absl::StrCat("cannot be read: ", text.status().message()));
  return {};
}

void CertificateLoader::WarnOfTime(const FileConfig& file, const io::TlsIdentityFacts& facts) {
  if (now_ < facts.not_before) {
    Wrong(file, "is not valid before " + Day(facts.not_before), Severity::kWarning);
  } else if (now_ >= facts.not_after) {
    Wrong(file, "has expired on " + Day(facts.not_after), Severity::kWarning);
  } else if (now_ + kEndsSoon >= facts.not_after) {
    Wrong(file, "expires on " + Day(facts.not_after), Severity::kWarning);
  }
}

void CertificateLoader::Load(const CertificateConfig& config,
                             std::vector<io::TlsIdentity>& identities) {
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

std::string CertificateLoader::LoadAuthorities(const FileConfig& file) {
  std::string pem = Read(file, io::kTlsPemBytesMax);
  if (pem.empty()) return pem;
  const StatusOr<size_t> count = io::ExamineTlsAuthorities(pem);
  if (count.ok()) return pem;
  Wrong(file, Std(count.status().message()));
  return {};
}

}  // namespace ringmail::server
