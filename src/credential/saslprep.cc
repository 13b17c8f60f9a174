#include "ringmail/credential/saslprep.h"

#include <unicode/usprep.h>
#include <unicode/ustring.h>

#include <memory>
#include <vector>

#include "ringmail/codec/digest.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::credential {
namespace {

// UTF-16, wiped when it goes: it may hold a password.
class Utf16 {
 public:
  explicit Utf16(size_t units) : units_(units) {}
  Utf16(const Utf16&) = delete;
  Utf16& operator=(const Utf16&) = delete;
  ~Utf16() { codec::Wipe(units_.data(), units_.size() * sizeof(UChar)); }
  UChar* data() { return units_.data(); }
  int32_t capacity() const { return static_cast<int32_t>(units_.size()); }

 private:
  std::vector<UChar> units_;
};

struct CloseProfile {
  void operator()(UStringPrepProfile* profile) const { usprep_close(profile); }
};

// RFC 4013 §2.3 with RFC 3454 §C.2.1: printable ASCII stays as it is, controls are prohibited.
std::optional<std::string> PrepareAscii(std::string_view text) {
  for (const char octet : text) {
    if (octet < 0x20 || octet == 0x7f) return std::nullopt;
  }
  return std::string(text);
}

}  // namespace

std::optional<std::string> Saslprep(std::string_view text, SaslprepUse use) {
  if (text.size() > kSaslprepBytesMax) return std::nullopt;
  if (codec::IsAscii(text)) return PrepareAscii(text);
  if (!codec::Utf8Valid(text)) return std::nullopt;

  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UStringPrepProfile, CloseProfile> profile(
      usprep_openByType(USPREP_RFC4013_SASLPREP, &error));
  if (U_FAILURE(error)) return std::nullopt;
  Utf16 source(text.size() + 1);
  int32_t source_units = 0;
  u_strFromUTF8(source.data(), source.capacity(), &source_units, text.data(),
                static_cast<int32_t>(text.size()), &error);
  // NFKC makes at most 18 characters of one (U+FDFA), in UTF-16.
  Utf16 prepared(18 * text.size() + 1);
  const int32_t units = usprep_prepare(
      profile.get(), source.data(), source_units, prepared.data(), prepared.capacity(),
      use == SaslprepUse::kQuery ? USPREP_ALLOW_UNASSIGNED : USPREP_DEFAULT, nullptr, &error);
  if (U_FAILURE(error)) return std::nullopt;
  std::string out(static_cast<size_t>(units) * 3 + 1, '\0');
  int32_t octets = 0;
  u_strToUTF8(out.data(), static_cast<int32_t>(out.size()), &octets, prepared.data(), units,
              &error);
  if (U_FAILURE(error)) return std::nullopt;
  out.resize(static_cast<size_t>(octets));
  return out;
}

}  // namespace ringmail::credential
