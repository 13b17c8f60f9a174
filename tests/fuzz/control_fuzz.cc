// The control interface's own languages: targets of requests, the JSON that the server writes and
// the JSON that the commands read. What a peer said is shown, and steers neither a parser nor a
// terminal.
#include <simdjson.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/utf8.h"
#include "server/commands/queue_table.h"
#include "server/control/json_writer.h"
#include "server/control/target.h"

namespace ringmail::server {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void ReadTarget(std::string_view text) {
  const auto target = ParseTarget(text);
  if (!target) return;
  std::string again;
  for (const std::string& segment : target->segments) again += "/" + PercentEncode(segment);
  if (again.empty()) again = "/";
  char separator = '?';
  for (const auto& [name, value] : target->query) {
    again += separator + PercentEncode(name) + "=" + PercentEncode(value);
    separator = '&';
    Require(target->Find(name) != nullptr);
  }
  const auto second = ParseTarget(again);
  Require(second && second->segments == target->segments && second->query == target->query);
}

void WriteJson(std::string_view text) {
  std::string json;
  JsonWriter writer(json);
  writer.BeginObject().Key(text).BeginArray().String(text).Number(text.size()).EndArray();
  writer.EndObject();
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  Require(parser.parse(json.data(), json.size()).get(root) == simdjson::SUCCESS);
  simdjson::dom::object object;
  Require(root.get(object) == simdjson::SUCCESS && object.size() == 1);
  for (const auto field : object) {
    simdjson::dom::array array;
    std::string_view value;
    Require(field.value.get(array) == simdjson::SUCCESS && array.size() == 2);
    Require(array.at(0).get(value) == simdjson::SUCCESS && value == field.key);
    if (codec::Utf8Valid(text)) Require(value == text);
  }
}

// Nothing that a terminal takes for an order: ECMA-48 has C0, DEL, and C1 as two octets of UTF-8.
void RequireShowable(std::string_view out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const auto octet = static_cast<uint8_t>(out[i]);
    Require((octet >= 0x20 && octet != 0x7F) || octet == '\n');
    if (octet == 0xC2 && i + 1 < out.size()) Require(static_cast<uint8_t>(out[i + 1]) >= 0xA0);
  }
}

void ReadJson(std::string_view text) {
  std::string table, details;
  const TablePage page = WriteTable(text, /*header=*/true, table);
  if (!page.good) Require(table.empty() && page.messages == 0);
  (void)WriteDetails(text, details);
  RequireShowable(table);
  RequireShowable(details);
}

}  // namespace
}  // namespace ringmail::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16 << 10) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ringmail::server::ReadTarget(text);
  ringmail::server::WriteJson(text);
  ringmail::server::ReadJson(text);
  return 0;
}
