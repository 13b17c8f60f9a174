#include "ringmail/message/envelope.h"

#include "ringmail/base/check.h"

namespace ringmail::message {
namespace {

// The packed form, version 1 (integers are little endian; varints are LEB128 in their shortest form
// only, so that one envelope has exactly one packed form):
//   octet   version
//   octet   bits 0-1 BodyType, bit 2 SMTPUTF8, bits 3-4 DsnReturn, others zero
//   8       arrival, nanoseconds of Unix time
//   varint  declared size
//   varint  length, and the reverse-path
//   varint  length, and the envelope id
//   varint  number of recipients; for each:
//     varint  path length * 32 + (16 if an ORCPT follows) + NOTIFY bits
//     path
//     varint  length, and the ORCPT, where there is one
constexpr uint8_t kVersion = 1;
constexpr uint8_t kBodyMask = 3;
constexpr uint8_t kUtf8Bit = 4;
constexpr int kReturnShift = 3;
constexpr uint8_t kReturnMask = 3;
constexpr uint8_t kNotifyMask = kNotifyNever | kNotifySuccess | kNotifyFailure | kNotifyDelay;
constexpr uint64_t kOriginalBit = 16;
constexpr int kPathShift = 5;
static_assert(kNotifyMask == 15);

void PutVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void PutText(std::string_view text, std::string& out) {
  PutVarint(text.size(), out);
  out += text;
}

bool GetOctet(std::string_view& in, uint8_t& value) {
  if (in.empty()) return false;
  value = static_cast<uint8_t>(in.front());
  in.remove_prefix(1);
  return true;
}

bool GetVarint(std::string_view& in, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t octet;
    if (!GetOctet(in, octet)) return false;
    const uint64_t bits = octet & 0x7Fu;
    if (shift == 63 && bits > 1) return false;
    value |= bits << shift;
    if ((octet & 0x80) == 0) return octet != 0 || shift == 0;  // the shortest form only
  }
  return false;
}

bool GetBytes(std::string_view& in, uint64_t size, std::string_view& out) {
  if (size > in.size()) return false;
  out = in.substr(0, static_cast<size_t>(size));
  in.remove_prefix(static_cast<size_t>(size));
  return true;
}

bool GetText(std::string_view& in, std::string_view& out) {
  uint64_t size;
  return GetVarint(in, size) && GetBytes(in, size, out);
}

bool GetRecipient(std::string_view& in, EnvelopeView::RecipientView& out) {
  uint64_t head;
  if (!GetVarint(in, head) || !GetBytes(in, head >> kPathShift, out.path)) return false;
  out.notify = static_cast<uint8_t>(head & kNotifyMask);
  out.original_recipient = {};
  if ((head & kOriginalBit) == 0) return true;
  return GetText(in, out.original_recipient) && !out.original_recipient.empty();
}

void PutRecipient(const Recipient& recipient, std::string& out) {
  CHECK_LE(recipient.notify, kNotifyMask);
  const bool original = !recipient.original_recipient.empty();
  PutVarint(uint64_t{recipient.path.size()} << kPathShift | (original ? kOriginalBit : 0) |
                recipient.notify,
            out);
  out += recipient.path;
  if (original) PutText(recipient.original_recipient, out);
}

}  // namespace

void PackEnvelope(const Envelope& envelope, std::string& out) {
  CHECK_LE(envelope.recipients.size(), kEnvelopeRecipientsMax);
  const size_t start = out.size();
  const MailParameters& parameters = envelope.parameters;
  out += static_cast<char>(kVersion);
  out += static_cast<char>(static_cast<unsigned>(parameters.body) |
                           (parameters.smtp_utf8 ? kUtf8Bit : 0u) |
                           static_cast<unsigned>(parameters.dsn_return) << kReturnShift);
  const auto arrival = static_cast<uint64_t>(envelope.arrival.time_since_epoch().count());
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(arrival >> shift & 255);
  PutVarint(parameters.declared_bytes, out);
  PutText(envelope.reverse_path, out);
  PutText(parameters.envelope_id, out);
  PutVarint(envelope.recipients.size(), out);
  for (const Recipient& recipient : envelope.recipients) PutRecipient(recipient, out);
  CHECK_LE(out.size() - start, kEnvelopeBytesMax);
}

std::optional<EnvelopeView> EnvelopeView::Parse(std::string_view packed) {
  if (packed.size() > kEnvelopeBytesMax) return std::nullopt;
  EnvelopeView view;
  uint8_t version, bits;
  if (!GetOctet(packed, version) || version != kVersion) return std::nullopt;
  if (!GetOctet(packed, bits)) return std::nullopt;
  const unsigned body = bits & kBodyMask;
  const unsigned returns = bits >> kReturnShift & kReturnMask;
  if (body > static_cast<unsigned>(BodyType::kBinaryMime)) return std::nullopt;
  if (returns > static_cast<unsigned>(DsnReturn::kHeaders)) return std::nullopt;
  if (bits >> (kReturnShift + 2) != 0) return std::nullopt;
  view.body_ = static_cast<BodyType>(body);
  view.dsn_return_ = static_cast<DsnReturn>(returns);
  view.smtp_utf8_ = (bits & kUtf8Bit) != 0;
  uint64_t arrival = 0;
  for (int shift = 0; shift < 64; shift += 8) {
    uint8_t octet;
    if (!GetOctet(packed, octet)) return std::nullopt;
    arrival |= uint64_t{octet} << shift;
  }
  view.arrival_ = WallTime(Nanoseconds(static_cast<int64_t>(arrival)));
  if (!GetVarint(packed, view.declared_bytes_)) return std::nullopt;
  if (!GetText(packed, view.reverse_path_)) return std::nullopt;
  if (!GetText(packed, view.envelope_id_)) return std::nullopt;
  uint64_t count;
  if (!GetVarint(packed, count) || count > kEnvelopeRecipientsMax) return std::nullopt;
  view.recipient_count_ = static_cast<uint32_t>(count);
  view.recipients_ = packed;
  RecipientView recipient;
  for (uint64_t i = 0; i < count; ++i) {
    if (!GetRecipient(packed, recipient)) return std::nullopt;
  }
  if (!packed.empty()) return std::nullopt;
  return view;
}

bool EnvelopeView::Cursor::Next(RecipientView& out) {
  if (left_ == 0) return false;
  --left_;
  // Parse has read the same bytes before.
  CHECK(GetRecipient(rest_, out));
  return true;
}

EnvelopeView::Cursor EnvelopeView::recipients() const {
  Cursor cursor;
  cursor.rest_ = recipients_;
  cursor.left_ = recipient_count_;
  return cursor;
}

EnvelopeView::RecipientView EnvelopeView::recipient(uint32_t index) const {
  CHECK_LT(index, recipient_count_);
  Cursor cursor = recipients();
  RecipientView out;
  for (uint32_t i = 0; i <= index; ++i) CHECK(cursor.Next(out));
  return out;
}

Envelope EnvelopeView::Unpack() const {
  Envelope envelope;
  envelope.reverse_path = reverse_path_;
  envelope.parameters = {.body = body_,
                         .smtp_utf8 = smtp_utf8_,
                         .dsn_return = dsn_return_,
                         .envelope_id = std::string(envelope_id_),
                         .declared_bytes = declared_bytes_};
  envelope.arrival = arrival_;
  envelope.recipients.reserve(recipient_count_);
  RecipientView recipient;
  for (Cursor cursor = recipients(); cursor.Next(recipient);) {
    envelope.recipients.push_back({.path = std::string(recipient.path),
                                   .original_recipient = std::string(recipient.original_recipient),
                                   .notify = recipient.notify});
  }
  return envelope;
}

}  // namespace ringmail::message
