// Digests and what is made of them: MD4 (RFC 1320), MD5 (RFC 1321), SHA-1 and SHA-2 (RFC 6234),
// HMAC (RFC 2104), PBKDF2 (RFC 8018 §5.2), and comparison and wiping of secrets. Through BoringSSL.
//
// Order: a Digester takes Feed any number of times, then Finish once.
// Promise: the same octets however they are cut. Values are octets, not hexadecimal. What holds a
//   secret is wiped when it goes: Secret, DigestValue, and the states within.
// Shard: pure. Pbkdf2 takes long by design (4,096 iterations: 1 to 2 ms): on a shard it is called
//   through io's blocking pool.
// Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace ringmail::codec {

// MD4 and MD5 are here for protocols and stored passwords that need them; nothing new uses them.
enum class DigestKind : uint8_t { kMd4, kMd5, kSha1, kSha256, kSha384, kSha512 };

inline constexpr size_t kDigestBytesMax = 64;

constexpr size_t DigestBytes(DigestKind kind) {
  switch (kind) {
    case DigestKind::kMd4:
    case DigestKind::kMd5:
      return 16;
    case DigestKind::kSha1:
      return 20;
    case DigestKind::kSha256:
      return 32;
    case DigestKind::kSha384:
      return 48;
    case DigestKind::kSha512:
      return 64;
  }
  return 0;
}

// Overwrites memory in a way that no compiler leaves out.
void Wipe(void* octets, size_t count);
// The whole buffer of a string, which is empty afterwards.
void Wipe(std::string& text);

// Whether both hold the same octets, in a time that depends on their lengths alone.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

// A string that is wiped when it goes, or gets another value.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view octets) : octets_(octets) {}
  // Takes the octets over; where the string kept them within itself, they are wiped there.
  explicit Secret(std::string&& octets) : octets_(std::move(octets)) { Wipe(octets); }
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : octets_(std::move(other.octets_)) { Wipe(other.octets_); }
  Secret& operator=(const Secret& other) {
    if (this != &other) Set(other.octets_);
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      Wipe(octets_);
      octets_ = std::move(other.octets_);
      Wipe(other.octets_);
    }
    return *this;
  }
  ~Secret() { Wipe(octets_); }

  void Set(std::string_view octets) {
    std::string copy(octets);
    Wipe(octets_);
    octets_.swap(copy);
    Wipe(copy);
  }
  std::string_view view() const { return octets_; }
  bool empty() const { return octets_.empty(); }
  friend bool operator==(const Secret& a, const Secret& b) {
    return ConstantTimeEqual(a.view(), b.view());
  }

 private:
  std::string octets_;
};

// Wiped when it goes, since it may be a key.
struct DigestValue {
  std::array<char, kDigestBytesMax> octets{};
  uint8_t size = 0;

  DigestValue() = default;
  DigestValue(const DigestValue&) = default;
  DigestValue& operator=(const DigestValue&) = default;
  ~DigestValue() { Wipe(octets.data(), octets.size()); }
  std::string_view view() const { return {octets.data(), size}; }
};

class Digester {
 public:
  explicit Digester(DigestKind kind);
  Digester(const Digester&) = default;
  Digester& operator=(const Digester&) = default;
  ~Digester() { Wipe(state_.data(), state_.size()); }

  void Feed(std::string_view octets);
  // REQUIRES: not called before.
  DigestValue Finish();
  DigestKind kind() const { return kind_; }

 private:
  // As large as BoringSSL's largest state.
  static constexpr size_t kStateBytes = 224;
  alignas(16) std::array<unsigned char, kStateBytes> state_{};
  DigestKind kind_;
  bool finished_ = false;
};

// The digest of the pieces one after the other.
DigestValue Digest(DigestKind kind, std::initializer_list<std::string_view> pieces);
// RFC 2104, of the pieces one after the other. A key may have any length, none too.
DigestValue Hmac(DigestKind kind, std::string_view key,
                 std::initializer_list<std::string_view> pieces);

// RFC 8018 §5.2 with HMAC of `kind`: `out_bytes` octets. REQUIRES: iterations > 0, out_bytes > 0.
Secret Pbkdf2(DigestKind kind, std::string_view password, std::string_view salt,
              uint32_t iterations, size_t out_bytes);

// What HMAC-MD5 (RFC 2104 §4) keeps of a key: the states of MD5 after the outer and after the inner
// pad, 16 octets each, words in little-endian order. It proves a CRAM-MD5 response without the
// password.
using HmacMd5Contexts = std::array<char, 32>;
HmacMd5Contexts MakeHmacMd5Contexts(std::string_view key);
DigestValue HmacMd5(const HmacMd5Contexts& contexts, std::string_view text);

// SipHash-2-4: for tables whose keys a peer chooses.
uint64_t KeyedHash(const std::array<uint64_t, 2>& key, std::string_view octets);

}  // namespace ringmail::codec
