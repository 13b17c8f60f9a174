// What BoringSSL draws, drawn from the world: so that one seed is one run, TLS included.
//
// Debian's libraries call RAND_bytes through the dynamic linker, which finds this one first. ECDSA
// signatures draw by a way of their own that nothing reaches: a scenario that must repeat itself to
// the octet gives its servers Ed25519 keys.
#include <sys/random.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

extern "C" __attribute__((visibility("default"))) int RAND_bytes(uint8_t* out, size_t bytes) {
  while (bytes > 0) {
    uint64_t word = 0;
    if (ringmail::io::OnShard()) {
      word = ringmail::io::RandomUint64();
    } else {
      // A context that is made before there is a world.
      CHECK(getrandom(&word, sizeof word, 0) == sizeof word);
    }
    const size_t count = std::min(bytes, sizeof word);
    std::memcpy(out, &word, count);
    out += count;
    bytes -= count;
  }
  return 1;
}
