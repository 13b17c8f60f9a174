#include "io/tls/ticket_keys.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "io/tls/context.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"

namespace ringmail::io::tls {
namespace {

// Misuse-resistant, so that a nonce drawn twice in a very long time gives nothing away (RFC 8452).
const EVP_AEAD* Aead() { return EVP_aead_aes_256_gcm_siv(); }

TicketKeys& KeysOf(SSL* ssl) { return *ContextOf(*ssl).ticket_keys(); }

size_t MaxOverhead(SSL*) { return TicketKeys::overhead(); }

int SealTicket(SSL* ssl, uint8_t* out, size_t* out_bytes, size_t out_bytes_max, const uint8_t* in,
               size_t in_bytes) {
  const std::optional<size_t> bytes = KeysOf(ssl).Seal(Now(), {out, out_bytes_max}, {in, in_bytes});
  *out_bytes = bytes.value_or(0);
  return bytes.has_value() ? 1 : 0;
}

ssl_ticket_aead_result_t OpenTicket(SSL* ssl, uint8_t* out, size_t* out_bytes, size_t out_bytes_max,
                                    const uint8_t* in, size_t in_bytes) {
  const std::optional<size_t> bytes = KeysOf(ssl).Open(Now(), {out, out_bytes_max}, {in, in_bytes});
  if (!bytes) return ssl_ticket_aead_ignore_ticket;
  *out_bytes = *bytes;
  return ssl_ticket_aead_success;
}

}  // namespace

const SSL_TICKET_AEAD_METHOD& TicketMethod() {
  static constexpr SSL_TICKET_AEAD_METHOD kMethod = {MaxOverhead, SealTicket, OpenTicket};
  return kMethod;
}

size_t TicketKeys::overhead() { return kNameBytes + kNonceBytes + EVP_AEAD_max_overhead(Aead()); }

TicketKeys::SharedKey TicketKeys::MakeKey() {
  auto key = std::make_shared<Key>();
  uint8_t secret[32];
  CHECK_EQ(EVP_AEAD_key_length(Aead()), sizeof secret);
  CHECK_EQ(EVP_AEAD_nonce_length(Aead()), kNonceBytes);
  RAND_bytes(key->name.data(), key->name.size());
  RAND_bytes(secret, sizeof secret);
  CHECK(EVP_AEAD_CTX_init(key->aead.get(), Aead(), secret, sizeof secret,
                          EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr) == 1);
  OPENSSL_cleanse(secret, sizeof secret);
  return key;
}

TicketKeys::Pair TicketKeys::Rotated(MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  if (keys_.current == nullptr || now >= next_rotation_) {
    // After a quiet time longer than a period, the key before is too old as well.
    const bool stale = now >= next_rotation_ + period_;
    keys_.previous = stale ? nullptr : std::move(keys_.current);
    keys_.current = MakeKey();
    next_rotation_ = now + period_;
  }
  return keys_;
}

std::optional<size_t> TicketKeys::Seal(MonotonicTime now, std::span<uint8_t> out,
                                       std::span<const uint8_t> session) {
  const SharedKey key = Rotated(now).current;
  if (out.size() < session.size() + overhead()) return std::nullopt;
  // `session` may lie where `out` begins: sealed behind the prefix first, from a copy's distance.
  uint8_t nonce[kNonceBytes];
  RAND_bytes(nonce, sizeof nonce);
  uint8_t* sealed = out.data() + kNameBytes + kNonceBytes;
  std::memmove(sealed, session.data(), session.size());
  size_t bytes = 0;
  if (EVP_AEAD_CTX_seal(key->aead.get(), sealed, &bytes, out.size() - kNameBytes - kNonceBytes,
                        nonce, sizeof nonce, sealed, session.size(), key->name.data(),
                        key->name.size()) != 1)
    return std::nullopt;
  std::copy(key->name.begin(), key->name.end(), out.begin());
  std::copy(std::begin(nonce), std::end(nonce), out.begin() + kNameBytes);
  return kNameBytes + kNonceBytes + bytes;
}

std::optional<size_t> TicketKeys::Open(MonotonicTime now, std::span<uint8_t> out,
                                       std::span<const uint8_t> ticket) {
  if (ticket.size() < overhead()) return std::nullopt;
  const Pair keys = Rotated(now);
  for (const SharedKey& key : {keys.current, keys.previous}) {
    if (key == nullptr || !std::equal(key->name.begin(), key->name.end(), ticket.begin())) continue;
    const auto nonce = ticket.subspan(kNameBytes, kNonceBytes);
    const auto sealed = ticket.subspan(kNameBytes + kNonceBytes);
    // Apart from `out`, which may be the same memory from its beginning.
    std::string copy(reinterpret_cast<const char*>(sealed.data()), sealed.size());
    size_t bytes = 0;
    const int opened = EVP_AEAD_CTX_open(key->aead.get(), out.data(), &bytes, out.size(),
                                         nonce.data(), nonce.size(), Octets(copy), copy.size(),
                                         key->name.data(), key->name.size());
    ERR_clear_error();
    if (opened != 1) return std::nullopt;
    return bytes;
  }
  return std::nullopt;
}

}  // namespace ringmail::io::tls

namespace ringmail::io {

std::shared_ptr<TlsTicketKeys> TlsTicketKeys::Make(Nanoseconds period) {
  CHECK(period > Nanoseconds(0));
  return std::make_shared<tls::TicketKeys>(period);
}

}  // namespace ringmail::io
