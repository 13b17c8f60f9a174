// Passwd-files of all three formats: whatever one holds, a fault has its line, and everybody who is
// found has a password that fits.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/backend/passwd_file.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::backend;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const PasswdFormat format :
       {PasswdFormat::kDovecot, PasswdFormat::kCourier, PasswdFormat::kPasswd}) {
    std::vector<std::string> warnings;
    const auto table = PasswdTable::Parse(text, format, "PLAIN", warnings);
    Require(warnings.size() <= kPasswdWarningsMax);
    if (!table.ok()) {
      Require(ringmail::Std(table.status().message()).starts_with("line "));
      continue;
    }
    Require(table->size() <= 1u + static_cast<size_t>(std::count(text.begin(), text.end(), '\n')));
    const std::string_view name = text.substr(0, text.find_first_of(":\t\n"));
    const BackendAccount* const found = table->Find(BackendQuestion::Of(name));
    if (found == nullptr) continue;
    Require(found->password.size() <= kBackendPasswordBytesMax + 7);
    Require(found->forward.size() <= kBackendForwardMax);
    Require(found->networks.size() <= kBackendNetworksMax);
  }
  return 0;
}
