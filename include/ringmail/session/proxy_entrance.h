// Where connections that come through a proxy say whose they are, before anything else of them is
// heard: each listener that knows proxies has its service ask here.
//
// Made by: a service, one for all its listeners. Ends in: Stop, then destruction.
// Order: Expects, and where it says yes one Admit, before anything is read or written, TLS too.
// Promise: after kAdmitted the stream's peer() and local() are what the header says, or as they
//   were where it says nothing. Nothing behind the header has been taken. A connection from
//   elsewhere is never asked, so that nobody else can claim an address; one from a proxy never goes
//   on without a header.
// Shard: one.
// Limits: kProxyHeaderTimeout from the accept on; kProxyWaitingMax.
// Errors: a log line "proxy_refused", and the stream is only good for Abort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ringmail/base/ip_address.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/task.h"
#include "ringmail/session/proxy_header.h"

namespace ringmail::session {

// doc/proxy-protocol.txt §2 advises "at least 3 seconds", one lost segment's time.
inline constexpr Nanoseconds kProxyHeaderTimeout = std::chrono::seconds(5);
// Connections of one service of one shard that have not said it yet; the next are closed.
inline constexpr size_t kProxyWaitingMax = 4096;

// Whether `client` is one of the proxies.
bool IsProxy(std::span<const IpNetwork> proxies, const io::Endpoint& client);

class ProxyEntrance {
 public:
  ProxyEntrance() = default;
  ProxyEntrance(const ProxyEntrance&) = delete;
  ProxyEntrance& operator=(const ProxyEntrance&) = delete;
  // REQUIRES: no Admit is under way.
  ~ProxyEntrance();

  // Reads the header. False: the connection is not to go on. `listener` is for the log; `header`,
  // unless null, gets what was said.
  io::Task<bool> Admit(io::Stream& stream, std::string_view listener, ProxyHeader* header);
  // Ends every Admit, now and later, with false.
  void Stop();
  size_t waiting() const { return waiting_.size(); }

 private:
  std::vector<io::Stream*> waiting_;
  bool stopped_ = false;
};

}  // namespace ringmail::session
