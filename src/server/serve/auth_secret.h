// 32 octets that nobody else knows, kept in DATA_DIR/auth_secret: what the salts are made of that
// unknown names are shown (credential::FakeScramKeys), and the keys of the tables of failures. Made
// at the first start. Who loses the file loses no password; unknown names get other salts.
#pragma once

#include <string>

#include "ringmail/base/status.h"
#include "ringmail/codec/digest.h"
#include "ringmail/io/task.h"

namespace ringmail::server {

inline constexpr size_t kAuthSecretBytes = 32;

// Errors: as io's. A file of another length was not finished, and is made anew.
io::Task<StatusOr<codec::Secret>> LoadAuthSecret(std::string data_dir);

}  // namespace ringmail::server
