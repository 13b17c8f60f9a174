// From the files that [[tunnel]] and [[tunnel.server]] name to what the tunnels need.
#pragma once

#include <memory>
#include <vector>

#include "server/config/tls.h"

namespace ringmail::server {

// Makes `options.tls` and `options.routes` of each tunnel, or adds what is wrong, as LoadTls, which
// calls it. Blocks.
void LoadTunnels(ConfigResult& result, ReadFile read_file,
                 std::shared_ptr<io::TlsTicketKeys> ticket_keys, WallTime now);

// The context and the routes of a tunnel that wraps. `of_tls` is shown where it names no
// certificate of its own; no context where there is nothing to show (an authority has not spoken
// yet).
Status MakeTunnelContext(TunnelConfig& tunnel, const std::vector<io::TlsIdentity>& of_tls);

}  // namespace ringmail::server
