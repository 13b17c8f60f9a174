#include <netdb.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "io/kernel/shard.h"
#include "io/kernel/socket_address.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {
namespace {

// Shared by the caller, who may give up, and the look-up, which cannot be stopped.
struct Lookup {
  std::string name;
  int error = 0;
  std::vector<IpAddress> addresses;
  Event done;
};

void LookUp(void* context) {
  auto& lookup = *static_cast<Lookup*>(context);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  lookup.error = getaddrinfo(lookup.name.c_str(), nullptr, &hints, &found);
  if (lookup.error != 0) return;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    sockaddr_storage address{};
    std::copy_n(reinterpret_cast<const char*>(at->ai_addr), at->ai_addrlen,
                reinterpret_cast<char*>(&address));
    const Endpoint endpoint = FromSockaddr(address, at->ai_addrlen);
    if (endpoint.ip.family != IpAddress::Family::kNone) lookup.addresses.push_back(endpoint.ip);
  }
  freeaddrinfo(found);
}

// shared_ptr: whichever of the two ends last. Both are tasks of this shard; only `context` is lent
// to the pool.
Task<void> RunLookup(std::shared_ptr<Lookup> lookup) {
  co_await RunBlocking(&LookUp, lookup.get());
  lookup->done.Notify();
}

}  // namespace

Task<StatusOr<std::vector<IpAddress>>> ResolveHost(std::string name, MonotonicTime deadline) {
  if (const auto literal = IpAddress::Parse(name)) co_return std::vector<IpAddress>{*literal};
  if (name.empty() || name.find('\0') != std::string::npos) {
    co_return absl::NotFoundError("an empty or malformed host name");
  }
  auto lookup = std::make_shared<Lookup>();
  lookup->name = name;
  Shard::Here().background().Spawn(RunLookup(lookup));
  if (co_await lookup->done.Wait(deadline) == Wake::kTimedOut) {
    co_return absl::DeadlineExceededError(Absl("looking up " + name));
  }
  if (lookup->error == 0 && !lookup->addresses.empty()) co_return std::move(lookup->addresses);
  const std::string text =
      lookup->error == 0 ? name + ": no address" : name + ": " + gai_strerror(lookup->error);
  switch (lookup->error) {
    case 0:
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      co_return absl::NotFoundError(Absl(text));
    default:
      co_return absl::UnavailableError(Absl(text));
  }
}

}  // namespace ringmail::io
