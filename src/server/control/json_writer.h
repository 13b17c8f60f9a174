// Writes JSON (RFC 8259) into a string, commas and escapes included. Pure.
//
// JsonWriter json(out); json.BeginObject(); json.Key("id").String("0000000001a2");
// json.Key("recipients").BeginArray(); json.EndArray(); json.EndObject();
// Order: what JSON's grammar allows; anything else is a CHECK.
// Limits: kJsonDepthMax levels. Octets that are no UTF-8 become U+FFFD: a peer's words are shown,
//   and never make the text invalid.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::server {

inline constexpr uint32_t kJsonDepthMax = 60;

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& BeginObject() { return Begin('{'); }
  JsonWriter& EndObject() { return End('}'); }
  JsonWriter& BeginArray() { return Begin('['); }
  JsonWriter& EndArray() { return End(']'); }
  JsonWriter& Key(std::string_view name);
  JsonWriter& String(std::string_view text);
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& Number(T value) {
    BeforeValue();
    out_ += std::to_string(value);
    return *this;
  }
  JsonWriter& Number(double value);
  template <std::same_as<bool> T>
  JsonWriter& Bool(T value) {
    return Raw(value ? "true" : "false");
  }
  JsonWriter& Null() { return Raw("null"); }
  // `json` is a whole value already written.
  JsonWriter& Raw(std::string_view json);

 private:
  JsonWriter& Begin(char bracket);
  JsonWriter& End(char bracket);
  void BeforeValue();
  void Quote(std::string_view text);

  std::string& out_;
  uint64_t objects_ = 0;  // bit i: level i is an object
  uint64_t filled_ = 0;   // bit i: level i has an element
  uint32_t depth_ = 0;
  bool after_key_ = false;
};

}  // namespace ringmail::server
