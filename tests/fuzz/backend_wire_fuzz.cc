// The words between the server and ringmail-backend, and what fields and templates make of them:
// what is read is written the same, and nothing of a value becomes part of a filter.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/backend/fields.h"
#include "ringmail/backend/templates.h"
#include "ringmail/backend/wire.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::backend;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string_view rest = bytes;
  WireMessage message;
  while (true) {
    const std::string_view before = rest;
    if (DecodeWire(rest, message) != WireStatus::kMessage) break;
    Require(FitsWire(message));
    Require(EncodeWire(message) == before.substr(0, before.size() - rest.size()));
    (void)AccountOfFields(message.fields, "PLAIN");
  }
  (void)NumberSqlParameters(bytes);
  std::string wrong;
  (void)FillLdapTemplate(bytes, {}, LdapEscape::kFilter, wrong);
  const TemplateParts parts = {.address = bytes, .local_part = bytes, .domain = bytes};
  const std::string filter = FillLdapTemplate("{local_part}", parts, LdapEscape::kFilter, wrong);
  Require(filter.find_first_of("*()") == filter.npos && filter.size() >= bytes.size());
  return 0;
}
