#include "message/media_type.h"

#include <array>
#include <bit>

#include "message/lexer.h"
#include "ringmail/base/check.h"

namespace ringmail::message {
namespace {

struct TypeRow {
  std::string_view name;
  MediaType type;
};
constexpr TypeRow kTypes[] = {
    {"text", MediaType::kText},
    {"image", MediaType::kImage},
    {"audio", MediaType::kAudio},
    {"video", MediaType::kVideo},
    {"application", MediaType::kApplication},
    {"multipart", MediaType::kMultipart},
    {"message", MediaType::kMessage},
};

struct SubtypeRow {
  MediaType type;
  std::string_view name;
  MediaSubtype subtype;
};
constexpr SubtypeRow kSubtypes[] = {
    {MediaType::kText, "plain", MediaSubtype::kPlain},
    {MediaType::kText, "html", MediaSubtype::kHtml},
    {MediaType::kText, "enriched", MediaSubtype::kEnriched},
    {MediaType::kText, "rfc822-headers", MediaSubtype::kRfc822Headers},
    {MediaType::kMultipart, "mixed", MediaSubtype::kMixed},
    {MediaType::kMultipart, "alternative", MediaSubtype::kAlternative},
    {MediaType::kMultipart, "digest", MediaSubtype::kDigest},
    {MediaType::kMultipart, "parallel", MediaSubtype::kParallel},
    {MediaType::kMultipart, "related", MediaSubtype::kRelated},
    {MediaType::kMultipart, "report", MediaSubtype::kReport},
    {MediaType::kMultipart, "signed", MediaSubtype::kSigned},
    {MediaType::kMultipart, "encrypted", MediaSubtype::kEncrypted},
    {MediaType::kMultipart, "form-data", MediaSubtype::kFormData},
    {MediaType::kMessage, "rfc822", MediaSubtype::kRfc822},
    {MediaType::kMessage, "news", MediaSubtype::kRfc822},
    {MediaType::kMessage, "partial", MediaSubtype::kPartial},
    {MediaType::kMessage, "external-body", MediaSubtype::kExternalBody},
    {MediaType::kMessage, "delivery-status", MediaSubtype::kDeliveryStatus},
    {MediaType::kMessage, "disposition-notification", MediaSubtype::kDispositionNotification},
    {MediaType::kMessage, "global", MediaSubtype::kGlobal},
    {MediaType::kMessage, "global-headers", MediaSubtype::kGlobalHeaders},
    {MediaType::kMessage, "global-delivery-status", MediaSubtype::kGlobalDeliveryStatus},
    {MediaType::kMessage, "global-disposition-notification",
     MediaSubtype::kGlobalDispositionNotification},
    {MediaType::kMessage, "feedback-report", MediaSubtype::kFeedbackReport},
};

constexpr std::array<std::string_view, kDepartureCount> kDepartures = {
    "missing final boundary",
    "missing boundary parameter",
    "boundary never seen",
    "boundary too long",
    "text after boundary",
    "duplicate field",
    "header not ended",
    "header cut",
    "junk before header",
    "space before colon",
    "invalid content type",
    "unknown transfer encoding",
    "encoded composite",
    "missing MIME-Version",
    "8-bit octets in 7-bit encoding",
    "bare LF",
    "bare CR",
    "NUL",
    "line too long",
    "8-bit header",
    "empty multipart",
    "not divided",
};
static_assert(!kDepartures.back().empty());

}  // namespace

MediaType FindMediaType(std::string_view type) {
  for (const TypeRow& row : kTypes) {
    if (SameAscii(row.name, type)) return row.type;
  }
  return MediaType::kOther;
}

MediaSubtype FindMediaSubtype(MediaType type, std::string_view subtype) {
  for (const SubtypeRow& row : kSubtypes) {
    if (row.type == type && SameAscii(row.name, subtype)) return row.subtype;
  }
  return MediaSubtype::kOther;
}

std::string_view DepartureName(uint32_t bit) {
  CHECK(std::has_single_bit(bit));
  const auto index = static_cast<size_t>(std::countr_zero(bit));
  CHECK_LT(index, kDepartureCount);
  return kDepartures[index];
}

}  // namespace ringmail::message
