// The envelope of RFC 5321 §2.3.1: reverse-path, forward-paths, and what MAIL and RCPT said beside
// them.
//
// Two forms of one thing. `Envelope` is built by hand and owns its strings. `EnvelopeView` reads
// the packed form, which is what the log stores and the queue holds in memory (a few bytes over the
// paths' own length per recipient); it borrows. Paths are stored without angle brackets, validated
// by message/path.h before they get here; the null reverse-path is "".
// Limits: the packed form is at most kEnvelopeBytesMax; recipients at most kEnvelopeRecipientsMax.
// Errors: EnvelopeView::Parse of damaged bytes gives nullopt, never reads out of bounds (fuzzed).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/time.h"

namespace ringmail::message {

inline constexpr size_t kEnvelopeRecipientsMax = 1'000'000;
inline constexpr size_t kEnvelopeBytesMax = 256u << 20;

// RFC 6152, RFC 3030: what BODY= said.
enum class BodyType : uint8_t { k7Bit, k8BitMime, kBinaryMime };

// RFC 3461 §4.3: RET=.
enum class DsnReturn : uint8_t { kUnspecified, kFull, kHeaders };

// RFC 3461 §4.1: NOTIFY=, a set of bits; 0 means the parameter was absent.
inline constexpr uint8_t kNotifyNever = 1;
inline constexpr uint8_t kNotifySuccess = 2;
inline constexpr uint8_t kNotifyFailure = 4;
inline constexpr uint8_t kNotifyDelay = 8;

struct Recipient {
  std::string path;                // RFC 5321 Mailbox or "postmaster"
  std::string original_recipient;  // RFC 3461 §4.2 ORCPT, still xtext: "rfc822;a@b", or ""
  uint8_t notify = 0;
};

struct MailParameters {
  BodyType body = BodyType::k7Bit;
  bool smtp_utf8 = false;  // RFC 6531 §3.4
  DsnReturn dsn_return = DsnReturn::kUnspecified;
  std::string envelope_id;      // RFC 3461 §4.4 ENVID, still xtext, or ""
  uint64_t declared_bytes = 0;  // RFC 1870 SIZE=, 0 when absent
};

struct Envelope {
  std::string reverse_path;
  MailParameters parameters;
  std::vector<Recipient> recipients;
  WallTime arrival{};
};

// Appends the packed form to `out`. REQUIRES: within the limits above.
void PackEnvelope(const Envelope& envelope, std::string& out);

class EnvelopeView {
 public:
  // Checks the whole of `packed` once; O(bytes), no allocation.
  static std::optional<EnvelopeView> Parse(std::string_view packed);

  struct RecipientView {
    std::string_view path;
    std::string_view original_recipient;
    uint8_t notify = 0;
  };

  std::string_view reverse_path() const { return reverse_path_; }
  std::string_view envelope_id() const { return envelope_id_; }
  BodyType body() const { return body_; }
  bool smtp_utf8() const { return smtp_utf8_; }
  DsnReturn dsn_return() const { return dsn_return_; }
  uint64_t declared_bytes() const { return declared_bytes_; }
  WallTime arrival() const { return arrival_; }
  uint32_t recipient_count() const { return recipient_count_; }

  // In order, without allocation: for (auto cursor = view.recipients(); cursor.Next(recipient);) …
  class Cursor {
   public:
    bool Next(RecipientView& out);

   private:
    friend class EnvelopeView;
    std::string_view rest_;
    uint32_t left_ = 0;
  };
  Cursor recipients() const;
  // O(index). REQUIRES: index < recipient_count().
  RecipientView recipient(uint32_t index) const;
  Envelope Unpack() const;

 private:
  std::string_view reverse_path_, envelope_id_, recipients_;
  WallTime arrival_{};
  uint64_t declared_bytes_ = 0;
  uint32_t recipient_count_ = 0;
  BodyType body_ = BodyType::k7Bit;
  DsnReturn dsn_return_ = DsnReturn::kUnspecified;
  bool smtp_utf8_ = false;
};

}  // namespace ringmail::message
