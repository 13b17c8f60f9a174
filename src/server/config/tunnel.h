// From the files that [[tunnel]] and [[tunnel.server]] name to what the tunnels need.
#pragma once

#include <memory>

#include "server/config/tls.h"

namespace ringmail::server {

// Makes `options.tls` and `options.routes` of each tunnel, or adds what is wrong, as LoadTls, which
// calls it. Blocks.
void LoadTunnels(ConfigResult& result, ReadFile read_file,
                 std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now);

}  // namespace ringmail::server
