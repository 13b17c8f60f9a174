// RFC 5321 §4.1.2 paths and mailboxes, RFC 6531 §3.3 with UTF-8: reading and judging them. Pure,
// zero-copy, fuzzed.
//
// Strict by the grammar of §4.1.2; source routes are read and ignored (RFC 5321 appendix C).
// Limits (RFC 5321 §4.5.3.1): local part 64 octets, domain 255, path 256 with its brackets and
// punctuation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmail::message {

inline constexpr size_t kLocalPartBytesMax = 64;  // RFC 5321 §4.5.3.1.1
inline constexpr size_t kDomainBytesMax = 255;    // RFC 5321 §4.5.3.1.2
inline constexpr size_t kPathBytesMax = 256;      // RFC 5321 §4.5.3.1.3

enum class Utf8 : uint8_t { kRefused, kAllowed };  // kAllowed: SMTPUTF8 was asked for

enum class PathError : uint8_t {
  kNone,
  kSyntax,  // 501 5.1.3 (recipient) or 501 5.1.7 (sender)
  kLocalPartTooLong,
  kDomainTooLong,
  kPathTooLong,
  kNeedsSmtpUtf8,  // 553 5.6.7
  kBadAddressLiteral,
};

// Views into what was parsed.
struct Mailbox {
  std::string_view local_part;  // as written, quotes and all
  std::string_view domain;  // domain or address literal with brackets; empty only for <postmaster>
  bool quoted() const { return !local_part.empty() && local_part.front() == '"'; }
};

struct ParsedPath {
  PathError error = PathError::kNone;
  bool null = false;  // "<>"
  Mailbox mailbox;
  std::string_view text;      // local-part@domain without brackets or source route; "" for null
  size_t consumed_bytes = 0;  // where the path ended in the input, '>' included
};

enum class PathKind : uint8_t {
  kReverse,  // allows <>
  kForward,  // allows <postmaster> (RFC 5321 §4.1.1.3), any case
};

// Parses a path in angle brackets at the start of `input`.
ParsedPath ParsePath(std::string_view input, PathKind kind, Utf8 utf8);

// Parses "local@domain" with nothing around it (VRFY, command line, configuration).
std::optional<Mailbox> ParseMailbox(std::string_view input, Utf8 utf8);

// A host name or domain: LDH labels or U-labels, no trailing dot (RFC 5321 §4.1.2 Domain).
bool ValidDomain(std::string_view domain, Utf8 utf8);
// "[192.0.2.1]", "[IPv6:…]" or a General-address-literal of known form.
bool ValidAddressLiteral(std::string_view literal);

// ASCII lower case copy of a domain, the form used for look-ups and comparison.
std::string NormalizedDomain(std::string_view domain);
// Case-insensitive for ASCII, as DNS names compare.
bool SameDomain(std::string_view a, std::string_view b);
// local part of `path` compares as "postmaster" (RFC 5321 §4.5.1), any case.
bool IsPostmaster(std::string_view local_part);

}  // namespace ringmail::message
