// What the server and ringmail-backend say to each other, over a Unix socket and standard input:
// frames of fields by name. Pure, fuzzed; in a library of its own, since ringmail-backend links
// neither codec nor credential.
//
//   frame    4 octets, most significant first: octets of what follows, kWireFrameBytesMax at most
//            1 octet kind, 8 octets number of the question, then fields:
//            2 octets of length and the name, 4 octets of length and the value
//
// The server asks (kFind, kVerify) and is answered by one frame of the same number. The first frame
// on standard input is kConfigure, and there is no other: the end of the input ends the process.
// Errors: kBroken: what follows cannot be told from what precedes, the connection is of no use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/backend/field.h"

namespace ringmail::backend {

inline constexpr size_t kWireFrameBytesMax = 1u << 20;
inline constexpr size_t kWireFieldsMax = 4096;

enum class WireKind : uint8_t {
  kConfigure = 1,
  kFind = 2,    // address, local_part, domain
  kVerify = 3,  // and password
  kFound = 4,   // fields.h; verify = "1"
  kUnknown = 5,
  kMatch = 6,
  kMismatch = 7,
  kUnavailable = 8,  // why
};

struct WireMessage {
  WireKind kind = WireKind::kUnavailable;
  uint64_t number = 0;
  std::vector<BackendField> fields;

  // The first of the name, "" without.
  std::string_view Get(std::string_view name) const;
  friend bool operator==(const WireMessage&, const WireMessage&) = default;
};

// REQUIRES: it fits kWireFrameBytesMax and kWireFieldsMax, names 65,535 octets (FitsWire).
std::string EncodeWire(const WireMessage& message);
bool FitsWire(const WireMessage& message);

enum class WireStatus : uint8_t { kMessage, kNeedMore, kBroken };
// Takes the first frame off `bytes`.
WireStatus DecodeWire(std::string_view& bytes, WireMessage& message);

}  // namespace ringmail::backend
