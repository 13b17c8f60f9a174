// The packed envelope: damaged octets are refused or are the one packed form of what they say, and
// views stay inside.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/message/envelope.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ringmail::message::EnvelopeView;
  const std::string_view packed(reinterpret_cast<const char*>(data), size);
  const auto view = EnvelopeView::Parse(packed);
  if (!view) return 0;
  Require(Within(view->reverse_path(), packed) && Within(view->envelope_id(), packed));
  EnvelopeView::RecipientView recipient;
  uint32_t count = 0;
  for (EnvelopeView::Cursor cursor = view->recipients(); cursor.Next(recipient); ++count) {
    Require(Within(recipient.path, packed) && Within(recipient.original_recipient, packed));
  }
  Require(count == view->recipient_count());
  std::string again;
  ringmail::message::PackEnvelope(view->Unpack(), again);
  Require(again == packed);
  return 0;
}
