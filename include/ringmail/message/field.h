// The header section of a message or a part (RFC 5322 §2.2) as an index over its octets: which
// fields there are and where, nothing decoded and nothing copied.
//
// Made by: TreeBuilder for every part of a message, IndexFields for a header section by itself
// (delivery-status groups, RFC 3464 §2.1). Promise: each octet of the section belongs to at most
// one field; fields are in the order of the text. Shard: pure. Limits: a field name is at most
// kFieldNameBytesMax octets; what is longer is no field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringmail::message {

// RFC 5322 §2.1.1: a line has at most 998 octets, and a name must stand on one.
inline constexpr size_t kFieldNameBytesMax = 997;

// Field names that something here knows; matching ignores case (RFC 5322 §1.2.2). Those up to
// kLastSingle may occur only once (RFC 5322 §3.6, RFC 2045 §3, RFC 2183 §2).
enum class FieldName : uint8_t {
  kDate,
  kFrom,
  kSender,
  kReplyTo,
  kTo,
  kCc,
  kBcc,
  kMessageId,
  kInReplyTo,
  kReferences,
  kSubject,
  kMimeVersion,
  kContentType,
  kContentTransferEncoding,
  kContentId,
  kContentDescription,
  kContentDisposition,
  kContentMd5,
  kContentLanguage,
  kContentLocation,
  kReturnPath,
  kLastSingle = kReturnPath,
  kComments,
  kKeywords,
  kReceived,
  kResentDate,
  kResentFrom,
  kResentSender,
  kResentReplyTo,
  kResentTo,
  kResentCc,
  kResentBcc,
  kResentMessageId,
  kAuthenticationResults,
  kListId,
  kListHelp,
  kListSubscribe,
  kListUnsubscribe,
  kListUnsubscribePost,
  kListPost,
  kListOwner,
  kListArchive,
  kDkimSignature,
  kArcSeal,
  kArcMessageSignature,
  kArcAuthenticationResults,
  kReceivedSpf,
  kDeliveredTo,
  kAutoSubmitted,
  kPrecedence,
  kDispositionNotificationTo,
  kDispositionNotificationOptions,
  kOriginalRecipient,
  kOriginalMessageId,
  kImportance,
  kPriority,
  kXPriority,
  kSensitivity,
  kUserAgent,
  kXMailer,
  kContentDuration,
  kContentFeatures,
  kErrorsTo,
  kReturnReceiptTo,
  kCount,
  kOther = kCount,
};

// "Message-ID" as RFC 5322 writes it; "" for kOther.
std::string_view FieldNameText(FieldName name);
FieldName FindFieldName(std::string_view text);
// ASCII, any case.
bool SameFieldName(std::string_view a, std::string_view b);

struct Field {
  uint32_t offset = 0;      // of the name's first octet, in the content
  uint32_t bytes = 0;       // with the line end of its last line
  uint16_t name_bytes = 0;  // without white space before the colon (RFC 5322 §4.5)
  uint16_t value = 0;       // where the value begins: after the colon, relative to offset
  FieldName name = FieldName::kOther;

  uint32_t end() const { return offset + bytes; }
};
inline constexpr uint32_t kNoField = UINT32_MAX;

// A field with its text. `value` is raw: folded, encoded, without the last line's end.
struct FieldView {
  FieldName id = FieldName::kOther;
  std::string_view name, value;
};

// What one line of a header section is.
enum class HeaderLine : uint8_t {
  kField,
  kContinuation,  // begins with white space
  kEmpty,         // ends the section
  kNotHeader,     // anything else
};
// REQUIRES: `line` is not empty; a line with its end, or at least its first kFieldNameBytesMax + 3
// octets. For kField, sets the last three members of `field`.
HeaderLine ClassifyHeaderLine(std::string_view line, Field& field);

// The fields of `text`, appended to `fields` with offsets counted from `base`. Returns how much of
// `text` the section is, its empty line included. Lines end in CRLF or LF.
size_t IndexFields(std::string_view text, uint32_t base, std::vector<Field>& fields);

// REQUIRES: `section` is the text at content offset `base`, and `field` lies within it.
FieldView ViewField(const Field& field, std::string_view section, uint32_t base);

}  // namespace ringmail::message
