// A signature on its way: made on the blocking pool where it takes long (RSA, half a millisecond).
//
// Made by: the handshake that needs it, whose layer owns it until it is taken.
// Shard: Run on a thread of the pool, while the handshake waits; the rest on the shard.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/tls/boring.h"

namespace ringmail::io::tls {

struct SignWork {
  enum class State : uint8_t { kNone, kWanted, kMade, kFailed };

  static void Run(void* self);

  State state = State::kNone;
  EVP_PKEY* key = nullptr;  // the identity's, which the context keeps
  uint16_t algorithm = 0;
  std::string input;
  std::vector<uint8_t> signature;
};

// Leaves each signature to the layer's SignWork.
const SSL_PRIVATE_KEY_METHOD& PoolSigning();

}  // namespace ringmail::io::tls
