#include "ringmail/codec/transfer_encoding.h"

#include <array>

#include "ringmail/codec/ascii.h"

namespace ringmail::codec {
namespace {

struct Name {
  std::string_view name;
  TransferEncoding encoding;
};
// The first name of each is the one that is written.
constexpr std::array<Name, 10> kNames = {{
    {"7bit", TransferEncoding::k7Bit},
    {"8bit", TransferEncoding::k8Bit},
    {"binary", TransferEncoding::kBinary},
    {"quoted-printable", TransferEncoding::kQuotedPrintable},
    {"base64", TransferEncoding::kBase64},
    {"x-uuencode", TransferEncoding::kUuencode},
    {"x-uue", TransferEncoding::kUuencode},
    {"uuencode", TransferEncoding::kUuencode},
    {"x-uu", TransferEncoding::kUuencode},
    {"uue", TransferEncoding::kUuencode},
}};

}  // namespace

TransferEncoding ParseTransferEncoding(std::string_view name) {
  for (const Name& known : kNames) {
    if (AsciiEqualNoCase(known.name, name)) return known.encoding;
  }
  return TransferEncoding::kUnknown;
}

std::string_view TransferEncodingName(TransferEncoding encoding) {
  for (const Name& known : kNames) {
    if (known.encoding == encoding) return known.name;
  }
  return "x-unknown";
}

bool IsIdentityEncoding(TransferEncoding encoding) {
  return encoding == TransferEncoding::k7Bit || encoding == TransferEncoding::k8Bit ||
         encoding == TransferEncoding::kBinary;
}

bool AllowedForComposite(TransferEncoding encoding) { return IsIdentityEncoding(encoding); }

}  // namespace ringmail::codec
