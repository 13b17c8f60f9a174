// From the files that [tls] and [[certificate]] name to what the listeners show.
#pragma once

#include <memory>
#include <string>

#include "ringmail/base/status.h"
#include "server/config/config.h"

namespace ringmail::server {

// Reads and judges every file, adds what is wrong at the place where the file is named, and makes
// result.config.tls.context where nothing is. A certificate that has expired, or soon will, is a
// warning: mail that comes encrypted under an old name is better than mail that does not come.
// May block: the main thread or the blocking pool. `now` is for the warnings.
using ReadFile = StatusOr<std::string> (*)(const std::string& path, size_t bytes_max);
void LoadTls(ConfigResult& result, ReadFile read_file,
             std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now);

// The context of what `options` says, into tls.context; null where there is no certificate.
Status MakeContext(TlsConfig& tls, const io::TlsServerOptions& options);

// What `ringmail check` shows of one certificate: "mx.example.org, ECDSA P-256, until 2026-03-01".
std::string DescribeCertificate(const io::TlsIdentityFacts& facts);

}  // namespace ringmail::server
