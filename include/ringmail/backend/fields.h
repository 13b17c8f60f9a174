// What a row of a data base or an entry of LDAP says of an account: fields by name, and what they
// mean. Pure, fuzzed.
//
//   password        a stored password (credential/password.h); without a scheme, default_scheme
//   quota           octets: "1073741824", or with a unit "10GiB", "10G"
//   quota_messages  a number
//   enabled         "1", "true", "yes", "t", "y"; anything else is no
//   forward         addresses, by comma or white space; any number of such fields
//   allow_nets      networks, by comma or white space
// Names in any case; others are ignored.
// Errors: kInvalidArgument: a value that cannot be read. The account is then unavailable, not
//   without quota.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ringmail/backend/account_backend.h"
#include "ringmail/backend/field.h"
#include "ringmail/base/status.h"

namespace ringmail::backend {

StatusOr<BackendAccount> AccountOfFields(std::span<const BackendField> fields,
                                         std::string_view default_scheme);

// "10GiB", "10G", "1024", octets; nullopt: not one, or over 2^62.
std::optional<uint64_t> ReadQuota(std::string_view text);
// A stored password without "{SCHEME}" gets the default one; what crypt(3) or argon2 wrote ("$…")
// says its own.
std::string WithScheme(std::string_view stored, std::string_view default_scheme);
// Networks by comma or white space; false: one is none.
bool ReadNetworks(std::string_view text, BackendAccount& account);

}  // namespace ringmail::backend
