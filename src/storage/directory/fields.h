// The fields of an encoded entry: kind, version of the encoding, then numbers and octets, each
// behind its tag. Pure; reads arbitrary bytes without fear.
//
// The low bit of a tag says which it is: 0 a number, 1 octets. A tag that is not known here was
// written by a later version: the entry then is not understood, and nobody guesses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::storage {

inline constexpr uint8_t kEntryEncoding = 1;

// In every entry.
inline constexpr uint8_t kTagCreated = 1 << 1;
inline constexpr uint8_t kTagComment = 2 << 1 | 1;
// Of accounts.
inline constexpr uint8_t kTagAccountId = 3 << 1;
inline constexpr uint8_t kTagDisplayName = 4 << 1 | 1;
inline constexpr uint8_t kTagDisabled = 5 << 1;
inline constexpr uint8_t kTagQuotaBytes = 6 << 1;
inline constexpr uint8_t kTagQuotaMessages = 7 << 1;
inline constexpr uint8_t kTagCredential = 8 << 1 | 1;  // fields of its own
inline constexpr uint8_t kTagBackend = 13 << 1 | 1;
// Of aliases and moved addresses.
inline constexpr uint8_t kTagTarget = 9 << 1 | 1;
// Of credentials.
inline constexpr uint8_t kTagKind = 10 << 1;
inline constexpr uint8_t kTagName = 11 << 1 | 1;
inline constexpr uint8_t kTagSecret = 12 << 1 | 1;
// Of what the server keeps for itself.
inline constexpr uint8_t kTagKept = 13 << 1 | 1;

struct Field {
  uint8_t tag = 0;
  uint64_t number = 0;
  std::string_view octets;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}
  // False at the end, and where what follows is no field: bad() tells.
  bool Next(Field& field) {
    if (rest_.empty() || bad_) return false;
    field.tag = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    uint64_t number;
    bad_ = !Number(number);
    if (bad_) return false;
    field.number = number;
    field.octets = {};
    if ((field.tag & 1) == 0) return true;
    bad_ = number > rest_.size();
    if (bad_) return false;
    field.octets = rest_.substr(0, number);
    rest_.remove_prefix(number);
    return true;
  }
  bool bad() const { return bad_; }

 private:
  bool Number(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 63 && !rest_.empty(); shift += 7) {
      const auto octet = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{octet & 0x7Fu} << shift;
      if ((octet & 0x80) == 0) return true;
    }
    return false;
  }

  std::string_view rest_;
  bool bad_ = false;
};

class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}
  // Nothing is written of what is 0 or empty.
  void Number(uint8_t tag, uint64_t value) {
    if (value == 0) return;
    out_ += static_cast<char>(tag);
    Varint(value);
  }
  void Octets(uint8_t tag, std::string_view octets) {
    if (!octets.empty()) Always(tag, octets);
  }
  void Always(uint8_t tag, std::string_view octets) {
    out_ += static_cast<char>(tag);
    Varint(octets.size());
    out_ += octets;
  }

 private:
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      out_ += static_cast<char>(value | 0x80);
      value >>= 7;
    }
    out_ += static_cast<char>(value);
  }

  std::string& out_;
};

}  // namespace ringmail::storage
