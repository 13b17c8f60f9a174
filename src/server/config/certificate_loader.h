// Reads and judges the files of certificates that the configuration names; what is wrong becomes a
// diagnostic at the place where the file is named.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/config/tls.h"

namespace ringmail::server {

class CertificateLoader {
 public:
  CertificateLoader(ConfigResult& result, ReadFile read_file, WallTime now)
      : result_(result), read_file_(read_file), now_(now) {}

  // Nothing was wrong so far.
  bool good() const { return good_; }
  void Wrong(const FileConfig& file, std::string_view what,
             Diagnostic::Severity severity = Diagnostic::Severity::kError);
  // Adds what `config` names, if it is good.
  void Load(const CertificateConfig& config, std::vector<io::TlsIdentity>& identities);
  // "" where no file is named, or it is no good.
  std::string LoadAuthorities(const FileConfig& file);

 private:
  std::string Read(const FileConfig& file, size_t bytes_max);
  void WarnOfTime(const FileConfig& file, const io::TlsIdentityFacts& facts);

  ConfigResult& result_;
  const ReadFile read_file_;
  const WallTime now_;
  bool good_ = true;
};

// As dates are shown: "2026-03-01".
std::string Day(WallTime time);

}  // namespace ringmail::server
