// What a new store holds at first: the domain, and its postmaster (RFC 5321 §4.5.1).
//
// Main thread, before any server: takes the lock of the data directory, which it makes.
#pragma once

#include <string>

#include "ringmail/base/status.h"
#include "server/config/config.h"

namespace ringmail::server {

struct FirstAccount {
  std::string address;
  // Drawn here, and shown to nobody else; "": the address was there already, and stays as it was.
  std::string password;
};

// Errors: kAlreadyExists: a server runs on it. What was not made may be tried again.
StatusOr<FirstAccount> MakeFirstAccount(const Config& config, const std::string& domain);

}  // namespace ringmail::server
