// A password as it is kept: the one place where a new hash is made.
//
// Runs for milliseconds: on the blocking pool. Pure, but for what it is given.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/base/status.h"

namespace ringmail::server {

inline constexpr size_t kPasswordBytesMax = 512;

// Drawn by the shard: io alone draws.
using PasswordSalt = std::array<uint64_t, 2>;

// "{SHA512-CRYPT}$6$…". Errors: kInvalidArgument: the password is empty, too long, or holds NUL.
StatusOr<std::string> HashPassword(std::string_view password, const PasswordSalt& salt);

}  // namespace ringmail::server
