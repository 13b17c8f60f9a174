// ringmail init: a configuration that works for one domain, a certificate to begin with, the
// account of its postmaster, and the DNS records to publish.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ip_address.h"

namespace ringmail::server {

int InitCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors);

// What a new server is to be.
struct InitPlan {
  std::string domain;     // normalized
  std::string hostname;   // normalized
  std::string directory;  // of the configuration and the certificate
  std::string data_dir;
  std::string certificate, private_key;  // paths
  std::vector<IpAddress> addresses;      // where the host is reached; empty: not said
  uint16_t port_offset = 0;
  bool acme = false;
  std::string contact;  // of the ACME account; "": none

  std::string config_path() const { return directory + "/ringmail.toml"; }
};

// The configuration, as ParseConfig takes it. Pure.
std::string InitConfiguration(const InitPlan& plan);
// The records (RFC 1035 §5.1), only of what this server does. `key_digest` is the SHA-256 of the
// certificate's SubjectPublicKeyInfo, in hexadecimal. Pure.
std::string InitRecords(const InitPlan& plan, std::string_view key_digest);

}  // namespace ringmail::server
