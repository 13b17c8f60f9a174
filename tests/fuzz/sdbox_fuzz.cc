// Dovecot's files from hostile octets: a message, an index, and its log.
#include <cstdint>
#include <string_view>

#include "ringmail/base/check.h"
#include "ringmail/foreign/sdbox.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  ringmail::foreign::SdboxMessage message;
  if (!ParseSdbox(text, message)) CHECK(message.octets.size() < text.size());
  // The first two octets say where the index ends and its log begins.
  const size_t at = (size_t{data[0]} << 8 | data[1]) % (text.size() + 1);
  ringmail::foreign::DovecotIndex index;
  const bool read = at == 0 || !index.ReadIndex(text.substr(0, at));
  if (read) (void)index.ReadLog(text.substr(at));
  for (const auto& [uid, one] : index.messages()) {
    CHECK(uid != 0);
    ringmail::foreign::Marks marks;
    index.AddMarks(uid, marks);
    CHECK(!index.Expunged(uid));
  }
  return 0;
}
