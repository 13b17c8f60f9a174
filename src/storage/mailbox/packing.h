// Values packed one after the other: varints (LEB128) and texts with their length. The reader
// believes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::storage {

inline void PackVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

inline void PackText(std::string_view text, std::string& out) {
  PackVarint(text.size(), out);
  out += text;
}

// After anything that is not there every value is 0 or "", and ok() is false.
class Unpacker {
 public:
  explicit Unpacker(std::string_view in) : in_(in) {}

  bool ok() const { return ok_; }
  // All was read, and all was good.
  bool done() const { return ok_ && in_.empty(); }
  void Fail() {
    ok_ = false;
    in_ = {};
  }

  uint64_t Varint(uint64_t max) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const auto octet = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      if (shift == 63 && octet > 1) break;
      value |= uint64_t{octet & 0x7Fu} << shift;
      if ((octet & 0x80) != 0) continue;
      if (value <= max) return value;
      break;
    }
    Fail();
    return 0;
  }
  // A number of things of which each takes an octet at least.
  size_t Count(size_t max) {
    const auto count = static_cast<size_t>(Varint(max));
    if (count <= in_.size()) return count;
    Fail();
    return 0;
  }
  std::string_view Text(size_t max) {
    const size_t size = Count(max);
    const std::string_view text = in_.substr(0, size);
    in_.remove_prefix(size);
    return text;
  }
  std::string_view Bytes(size_t count) {
    if (count > in_.size()) {
      Fail();
      return {};
    }
    const std::string_view bytes = in_.substr(0, count);
    in_.remove_prefix(count);
    return bytes;
  }

 private:
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace ringmail::storage
