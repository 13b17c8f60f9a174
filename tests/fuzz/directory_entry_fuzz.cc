// What the log says of the directory: records and the values in them. Whatever they hold, what is
// taken is written back as it was read, and a view never says what the entry does not.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/storage/directory.h"
#include "storage/format.h"

namespace ringmail::storage {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void ReadValue(std::string_view name, std::string_view value) {
  const auto entry = DecodeEntry(name, value);
  const auto view = AccountView::Parse(name, value);
  if (!entry) return;
  Require(CheckEntry(*entry).ok() && NameOf(*entry) == name);
  const auto again = DecodeEntry(name, EncodeEntry(*entry));
  Require(again && *again == *entry);
  const auto* account = std::get_if<AccountEntry>(&*entry);
  Require((account != nullptr) == view.has_value());
  if (account != nullptr)
    Require(view->id() == account->id && view->enabled() == account->enabled &&
            view->quota_bytes() == account->quota_bytes);
}

void ReadName(std::string_view text) {
  for (const auto& name : {DirectoryAddress(text), DirectoryAliasName(text)}) {
    if (!name) continue;
    Require(DirectoryAliasName(*name) == name);
    if (!name->starts_with('@')) Require(DirectoryAddress(WrittenAddress(*name)) == name);
  }
  if (const auto domain = DirectoryDomain(text)) Require(DirectoryDomain(*domain) == domain);
}

}  // namespace
}  // namespace ringmail::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringmail::storage;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto meta = DecodeDirectoryMeta(text)) {
    std::string again;
    EncodeDirectoryMeta(*meta, again);
    if (meta->state) {
      (void)DecodeDirectoryState(meta->value);
    } else {
      ReadValue(meta->name, meta->value);
    }
  }
  ReadValue("bob@example.org", text);
  ReadValue("example.org", text);
  ReadValue("@example.org", text);
  ReadName(text);
  return 0;
}
