// Accounts that ringmail-backend asks for (src/backend_process): PostgreSQL, LDAP, PAM. This side
// of its socket.
//
// A question has a connection for itself, of connections_max; others wait in order. One whose
// deadline passes ends its connection. A connection that the process has let go of meanwhile is
// made anew, once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ringmail/backend/account_backend.h"

namespace ringmail::backend {

struct ProcessOptions {
  std::string socket;
  std::string default_scheme;
  uint32_t connections_max = 4;  // of a shard
};

std::unique_ptr<AccountBackend> MakeProcessBackend(ProcessOptions options);

}  // namespace ringmail::backend
