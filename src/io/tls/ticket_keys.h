// Session tickets: a 16-octet name of the key, a nonce, and the session sealed with
// AES-256-GCM-SIV.
//
// Shard: shared by all. A lock, which STYLE allows in io alone, is held while two pointers are
//   copied, once or twice in a handshake.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "io/tls/boring.h"
#include "ringmail/io/tls.h"

namespace ringmail::io::tls {

class TicketKeys final : public TlsTicketKeys {
 public:
  explicit TicketKeys(Nanoseconds period) : period_(period) {}

  static size_t overhead();
  // Octets written to `out`; nullopt: no room, which is our fault.
  std::optional<size_t> Seal(MonotonicTime now, std::span<uint8_t> out,
                             std::span<const uint8_t> session);
  // nullopt: not one of ours, or too old, or tampered with.
  std::optional<size_t> Open(MonotonicTime now, std::span<uint8_t> out,
                             std::span<const uint8_t> ticket);
  Nanoseconds period() const { return period_; }

 private:
  static constexpr size_t kNameBytes = 16;
  static constexpr size_t kNonceBytes = 12;
  struct Key {
    std::array<uint8_t, kNameBytes> name;
    bssl::ScopedEVP_AEAD_CTX aead;
  };
  using SharedKey = std::shared_ptr<const Key>;  // one shard may still use it when another rotates
  struct Pair {
    SharedKey current, previous;
  };
  static SharedKey MakeKey();
  Pair Rotated(MonotonicTime now);

  const Nanoseconds period_;
  std::mutex mutex_;
  Pair keys_;
  MonotonicTime next_rotation_{};
};

const SSL_TICKET_AEAD_METHOD& TicketMethod();

}  // namespace ringmail::io::tls
