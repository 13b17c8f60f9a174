// What an authentication exchange asks whoever knows the accounts, and what it is told.
//
// Made by: session/sasl.h; answered by a directory. Shard: values; the secrets in them are wiped
//   when they go.
// Promise asked of who answers: a name that nobody has takes as long as one that somebody has
//   (VerifyNothing for kPassword; for keys, no keys: the exchange makes them up).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/codec/digest.h"
#include "ringmail/credential/scram_keys.h"

namespace ringmail::credential {

enum class CredentialKind : uint8_t {
  kPassword,   // is `password` that of authentication_id?
  kScramKeys,  // what is kept for authentication_id?
  kCramMd5,    // likewise
  kToken,      // whose is `token`?
  kIdentity,   // which account has the certificate's name authentication_id?
};

struct CredentialQuestion {
  CredentialKind kind = CredentialKind::kPassword;
  std::string authentication_id;   // prepared (SASLprep); of kToken what the client says, or ""
  std::string authorization_id;    // "": the same
  codec::Secret password;          // prepared
  codec::Secret password_as_sent;  // hashes of servers that did not prepare are of this
  codec::DigestKind scram_kind = codec::DigestKind::kSha256;
  codec::Secret token;
};

enum class CredentialVerdict : uint8_t {
  kRefused,      // wrong, or no such account
  kAccepted,     // of kScramKeys and kCramMd5: here is what is kept
  kUnavailable,  // cannot be told at present: 454
};

struct CredentialAnswer {
  CredentialVerdict verdict = CredentialVerdict::kRefused;
  std::string account;  // of kAccepted: for whom the session acts then
  // Several where an account has app passwords: of one salt and one count of iterations.
  std::vector<ScramKeys> scram_keys;
  std::vector<codec::HmacMd5Contexts> cram_md5;
  // Of a refused token, RFC 7628 §3.2.2; "" is left out.
  std::string oauth_status = "invalid_token", oauth_scope, oauth_configuration_url;
};

}  // namespace ringmail::credential
