#include "ringmail/backend/wire.h"

#include "ringmail/base/check.h"

namespace ringmail::backend {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kHeadBytes = 9;  // kind and number

void Put(std::string& out, uint64_t value, unsigned octets) {
  for (unsigned i = octets; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

// REQUIRES: bytes.size() >= octets.
uint64_t Take(std::string_view& bytes, unsigned octets) {
  uint64_t value = 0;
  for (unsigned i = 0; i < octets; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_prefix(octets);
  return value;
}

bool TakeText(std::string_view& bytes, unsigned octets, std::string& out) {
  if (bytes.size() < octets) return false;
  const uint64_t size = Take(bytes, octets);
  if (size > bytes.size()) return false;
  out.assign(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return true;
}

size_t PayloadBytes(const WireMessage& message) {
  size_t bytes = kHeadBytes;
  for (const BackendField& one : message.fields) bytes += 6 + one.name.size() + one.value.size();
  return bytes;
}

}  // namespace

std::string_view WireMessage::Get(std::string_view name) const {
  for (const BackendField& one : fields) {
    if (one.name == name) return one.value;
  }
  return {};
}

bool FitsWire(const WireMessage& message) {
  if (message.fields.size() > kWireFieldsMax) return false;
  for (const BackendField& one : message.fields) {
    if (one.name.size() > 0xFFFF || one.value.size() > kWireFrameBytesMax) return false;
  }
  return PayloadBytes(message) <= kWireFrameBytesMax;
}

std::string EncodeWire(const WireMessage& message) {
  CHECK(FitsWire(message));
  std::string out;
  const size_t payload = PayloadBytes(message);
  out.reserve(kLengthBytes + payload);
  Put(out, payload, kLengthBytes);
  Put(out, static_cast<uint8_t>(message.kind), 1);
  Put(out, message.number, 8);
  for (const BackendField& one : message.fields) {
    Put(out, one.name.size(), 2);
    out += one.name;
    Put(out, one.value.size(), 4);
    out += one.value;
  }
  CHECK_EQ(out.size(), kLengthBytes + payload);
  return out;
}

WireStatus DecodeWire(std::string_view& bytes, WireMessage& message) {
  if (bytes.size() < kLengthBytes) return WireStatus::kNeedMore;
  std::string_view rest = bytes;
  const uint64_t size = Take(rest, kLengthBytes);
  if (size < kHeadBytes || size > kWireFrameBytesMax) return WireStatus::kBroken;
  if (rest.size() < size) return WireStatus::kNeedMore;
  std::string_view payload = rest.substr(0, size);
  rest.remove_prefix(size);
  const uint64_t kind = Take(payload, 1);
  if (kind < static_cast<uint8_t>(WireKind::kConfigure) ||
      kind > static_cast<uint8_t>(WireKind::kUnavailable)) {
    return WireStatus::kBroken;
  }
  message.kind = static_cast<WireKind>(kind);
  message.number = Take(payload, 8);
  message.fields.clear();
  while (!payload.empty()) {
    BackendField field;
    if (message.fields.size() == kWireFieldsMax || !TakeText(payload, 2, field.name) ||
        !TakeText(payload, 4, field.value)) {
      return WireStatus::kBroken;
    }
    message.fields.push_back(std::move(field));
  }
  bytes = rest;
  return WireStatus::kMessage;
}

}  // namespace ringmail::backend
