#include "ringmail/message/path.h"

#include <algorithm>

#include "ringmail/base/ip_address.h"
#include "ringmail/codec/utf8.h"

namespace ringmail::message {
namespace {

constexpr size_t kLabelBytesMax = 63;  // RFC 1035 §2.3.4
constexpr std::string_view kPostmaster = "postmaster";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetDig(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c); }
bool IsNonAscii(char c) { return static_cast<uint8_t>(c) >= 0x80; }

// RFC 5321 §4.1.2 Atom by RFC 5322 §3.2.3; UTF8-non-ascii by RFC 6531 §3.3.
bool IsAtext(char c) {
  return IsLetDig(c) || IsNonAscii(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return Lower(x) == Lower(y); });
}

// Each of these reads one production at `at` and returns where it ends, or `at` where it is not
// there.

// Dot-string = Atom *("." Atom)
size_t ReadDotString(std::string_view text, size_t at) {
  size_t end = at;
  while (true) {
    const size_t atom = end;
    while (end < text.size() && IsAtext(text[end])) ++end;
    if (end == atom) return at;
    if (end == text.size() || text[end] != '.') return end;
    ++end;
  }
}

// Quoted-string = DQUOTE *QcontentSMTP DQUOTE
size_t ReadQuotedString(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && text[end] != '"') {
    const bool pair = text[end] == '\\';
    if (pair && ++end == text.size()) return at;
    // quoted-pairSMTP = %d92 %d32-126, and no more with RFC 6531; qtextSMTP = %d32-33 / %d35-91 /
    // %d93-126, and UTF8-non-ascii.
    const char c = text[end];
    if (IsNonAscii(c) ? pair : (c < ' ' || c == 0x7F)) return at;
    ++end;
  }
  return end == text.size() ? at : end + 1;
}

size_t ReadLocalPart(std::string_view text, size_t at) {
  if (at == text.size()) return at;
  return text[at] == '"' ? ReadQuotedString(text, at) : ReadDotString(text, at);
}

// Domain = sub-domain *("." sub-domain); sub-domain = Let-dig [Ldh-str], or a U-label (RFC 6531
// §3.3).
size_t ReadDomain(std::string_view text, size_t at) {
  size_t end = at;
  while (true) {
    const size_t label = end;
    bool ascii = true;
    while (end < text.size() &&
           (IsLetDig(text[end]) || text[end] == '-' || IsNonAscii(text[end]))) {
      ascii = ascii && !IsNonAscii(text[end]);
      ++end;
    }
    if (end == label || text[label] == '-' || text[end - 1] == '-') return at;
    // A U-label is limited in the form that DNS sees, not in this one.
    if (ascii && end - label > kLabelBytesMax) return at;
    if (end == text.size() || text[end] != '.') return end;
    ++end;
  }
}

// Up to and with the "]": what is between is judged by ValidAddressLiteral.
size_t ReadAddressLiteral(std::string_view text, size_t at) {
  size_t end = at + 1;
  // dcontent = %d33-90 / %d94-126
  while (end < text.size() && text[end] > ' ' && text[end] < 0x7F && text[end] != '[' &&
         text[end] != '\\' && text[end] != ']') {
    ++end;
  }
  return end < text.size() && text[end] == ']' ? end + 1 : at;
}

// [ A-d-l ":" ] of a path: RFC 5321 §4.1.2 "MUST BE accepted, SHOULD NOT be generated, and SHOULD
// be ignored".
size_t ReadSourceRoute(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && text[end] == '@') {
    const size_t domain = end + 1;
    end = ReadDomain(text, domain);
    if (end == domain || end == text.size()) return at;
    if (text[end] == ':') return end + 1;
    if (text[end] != ',') return at;
    ++end;
  }
  return at;
}

struct MailboxResult {
  PathError error = PathError::kNone;
  Mailbox mailbox;
  size_t end = 0;
};

MailboxResult ReadMailbox(std::string_view text, size_t at) {
  MailboxResult result;
  const size_t local_end = ReadLocalPart(text, at);
  if (local_end == at || local_end == text.size() || text[local_end] != '@') {
    result.error = PathError::kSyntax;
    return result;
  }
  const size_t domain = local_end + 1;
  const bool literal = domain < text.size() && text[domain] == '[';
  result.end = literal ? ReadAddressLiteral(text, domain) : ReadDomain(text, domain);
  if (result.end == domain) {
    result.error = PathError::kSyntax;
    return result;
  }
  result.mailbox = {.local_part = text.substr(at, local_end - at),
                    .domain = text.substr(domain, result.end - domain)};
  if (literal && !ValidAddressLiteral(result.mailbox.domain)) {
    result.error = PathError::kBadAddressLiteral;
  }
  return result;
}

PathError JudgeLengths(const Mailbox& mailbox) {
  if (mailbox.local_part.size() > kLocalPartBytesMax) return PathError::kLocalPartTooLong;
  if (mailbox.domain.size() > kDomainBytesMax) return PathError::kDomainTooLong;
  return PathError::kNone;
}

PathError JudgeUtf8(std::string_view text, Utf8 utf8) {
  if (codec::IsAscii(text)) return PathError::kNone;
  if (!codec::Utf8Valid(text)) return PathError::kSyntax;
  // RFC 6531 §3.5: without SMTPUTF8 such an address is refused.
  return utf8 == Utf8::kAllowed ? PathError::kNone : PathError::kNeedsSmtpUtf8;
}

ParsedPath Failed(PathError error) { return {.error = error}; }

// Snum = 1*3DIGIT, at most 255; leading zeros are in the grammar.
bool ValidIpv4Literal(std::string_view text) {
  size_t at = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (at == text.size() || text[at] != '.') return false;
      ++at;
    }
    const size_t first = at;
    int value = 0;
    while (at < text.size() && IsDigit(text[at]) && at - first < 3) {
      value = value * 10 + (text[at] - '0');
      ++at;
    }
    if (at == first || value > 255) return false;
  }
  return at == text.size();
}

// RFC 5321 §4.1.3: as RFC 4291, but "::" stands for at least two groups of zeros.
bool ValidIpv6Literal(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view last = text.substr(colon + 1);
  std::string_view head = text;
  size_t groups = 0;
  if (last.find('.') != std::string_view::npos) {
    if (!ValidIpv4Literal(last)) return false;
    head = text.substr(0, colon + 1);
    groups = 2;
  }
  for (size_t at = 0; at < head.size();) {
    const size_t next = std::min(head.find(':', at), head.size());
    if (next > at) ++groups;
    at = next + 1;
  }
  if (text.find("::") != std::string_view::npos && groups > 6) return false;
  // The dotted part is judged above, zeros and all; the rest does not depend on its value.
  if (groups >= 2 && head.size() < text.size()) {
    return IpAddress::Parse(std::string(head) + "1.2.3.4").has_value();
  }
  return IpAddress::Parse(text).has_value();
}

}  // namespace

ParsedPath ParsePath(std::string_view input, PathKind kind, Utf8 utf8) {
  if (input.empty() || input.front() != '<') return Failed(PathError::kSyntax);
  ParsedPath path;
  if (input.size() > 1 && input[1] == '>') {
    // RFC 5321 §4.1.1.2: the null reverse-path. A forward-path is never null.
    if (kind != PathKind::kReverse) return Failed(PathError::kSyntax);
    path.null = true;
    path.consumed_bytes = 2;
    return path;
  }
  const std::string_view body = input.substr(1);
  // RFC 5321 §4.1.1.3: "<Postmaster>" without a domain, whatever the case.
  if (kind == PathKind::kForward && body.size() > kPostmaster.size() &&
      body[kPostmaster.size()] == '>' &&
      EqualsIgnoringCase(body.substr(0, kPostmaster.size()), kPostmaster)) {
    path.mailbox.local_part = path.text = body.substr(0, kPostmaster.size());
    path.consumed_bytes = kPostmaster.size() + 2;
    return path;
  }
  const size_t start = ReadSourceRoute(body, 0);
  const MailboxResult result = ReadMailbox(body, start);
  if (result.error == PathError::kSyntax) return Failed(PathError::kSyntax);
  if (result.end == body.size() || body[result.end] != '>') return Failed(PathError::kSyntax);
  if (result.error != PathError::kNone) return Failed(result.error);
  const PathError encoding = JudgeUtf8(body.substr(0, result.end), utf8);
  if (encoding != PathError::kNone) return Failed(encoding);
  const PathError length = JudgeLengths(result.mailbox);
  if (length != PathError::kNone) return Failed(length);
  path.consumed_bytes = result.end + 2;
  if (path.consumed_bytes > kPathBytesMax) return Failed(PathError::kPathTooLong);
  path.mailbox = result.mailbox;
  path.text = body.substr(start, result.end - start);
  return path;
}

std::optional<Mailbox> ParseMailbox(std::string_view input, Utf8 utf8) {
  const MailboxResult result = ReadMailbox(input, 0);
  if (result.error != PathError::kNone || result.end != input.size()) return std::nullopt;
  if (JudgeUtf8(input, utf8) != PathError::kNone) return std::nullopt;
  if (JudgeLengths(result.mailbox) != PathError::kNone) return std::nullopt;
  // With its brackets it must be a path.
  if (input.size() + 2 > kPathBytesMax) return std::nullopt;
  return result.mailbox;
}

bool ValidDomain(std::string_view domain, Utf8 utf8) {
  return !domain.empty() && domain.size() <= kDomainBytesMax &&
         ReadDomain(domain, 0) == domain.size() && JudgeUtf8(domain, utf8) == PathError::kNone;
}

bool ValidAddressLiteral(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '[' || literal.back() != ']') return false;
  const std::string_view inner = literal.substr(1, literal.size() - 2);
  constexpr std::string_view kIpv6Tag = "IPv6:";
  if (EqualsIgnoringCase(inner.substr(0, kIpv6Tag.size()), kIpv6Tag)) {
    return ValidIpv6Literal(inner.substr(kIpv6Tag.size()));
  }
  // General-address-literal: RFC 5321 §4.1.3 wants a tag that a standards-track RFC has defined,
  // and none has but IPv6.
  return ValidIpv4Literal(inner);
}

std::string NormalizedDomain(std::string_view domain) {
  std::string out(domain);
  std::transform(out.begin(), out.end(), out.begin(), Lower);
  return out;
}

bool SameDomain(std::string_view a, std::string_view b) { return EqualsIgnoringCase(a, b); }

bool IsPostmaster(std::string_view local_part) {
  if (local_part.empty() || local_part.front() != '"') {
    return EqualsIgnoringCase(local_part, kPostmaster);
  }
  // RFC 5321 §4.1.2: quoted or not, it is the same local part.
  size_t matched = 0;
  for (size_t at = 1; at + 1 < local_part.size(); ++at) {
    if (local_part[at] == '\\') ++at;
    if (matched == kPostmaster.size() || Lower(local_part[at]) != kPostmaster[matched])
      return false;
    ++matched;
  }
  return matched == kPostmaster.size() && local_part.back() == '"';
}

}  // namespace ringmail::message
