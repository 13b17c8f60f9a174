// Every key of the configuration file in one table: its type, its range, what it means, and what
// happens at the limit.
//
// The parser, `ringmail limits` and the tests read this table; there is no other list of keys.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "server/config/config.h"

namespace ringmail::server {

enum class KeyType : uint8_t {
  kText,      // a string
  kTextList,  // an array of strings; the setter is called once for each
  kCount,     // an integer
  kRatio,     // a number with a fraction
  kBytes,     // "50MiB"
  kSeconds,   // "5m"
  kBoolean,
};

// One value, of the key's type: `number` holds counts, bytes and seconds.
struct Value {
  std::string text;
  uint64_t number = 0;
  double ratio = 0;
  bool boolean = false;
};

// Where a setter puts it.
struct Target {
  Config& config;
  ListenerConfig* listener = nullptr;  // the [[listener]], [[route]] or [[certificate]] being read
  agent::Route* route = nullptr;
  CertificateConfig* certificate = nullptr;  // of whatever names one
  TunnelConfig* tunnel = nullptr;
  TunnelServerConfig* tunnel_server = nullptr;
  BackendConfig* backend = nullptr;
};

struct Key {
  std::string_view name;
  KeyType type = KeyType::kText;
  uint64_t min = 0;
  uint64_t max = std::numeric_limits<uint64_t>::max();
  // "" or what is wrong with the value, as the end of a sentence that begins with the key.
  std::string (*set)(const Value& value, Target& target) = nullptr;
  // For keys that are limits: how much, the RFC that asks for it, and what happens there.
  uint64_t (*now)(const Config& config) = nullptr;
  std::string_view rfc = {};
  std::string_view reached = {};
  // Less than this is allowed but worth a warning: an RFC asks for it.
  uint64_t advised_min = 0;
};

struct Section {
  std::string_view name;  // "" is the top of the file, "a.b" lies in [[a]]
  bool array = false;     // [[name]]
  std::span<const Key> keys;
};

std::span<const Section> Sections();

// One of the networks whose hosts speak for others by the PROXY protocol: "", or what is wrong.
std::string SetProxy(const std::string& text, std::vector<IpNetwork>& out);

// Names that the design gives to later versions: said as such, not as unknown.
struct LaterKey {
  std::string_view section;
  std::string_view name;
  std::string_view what;
};
std::span<const LaterKey> LaterKeys();

}  // namespace ringmail::server
