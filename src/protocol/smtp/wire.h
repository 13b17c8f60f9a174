// A command line's words as typed values (RFC 5321 §4.1.1). Pure, zero-copy, fuzzed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ringmail/message/envelope.h"
#include "ringmail/message/path.h"
#include "ringmail/protocol/smtp.h"

namespace ringmail::smtp {

// "verb argument" without CRLF. Trailing spaces are dropped (RFC 5321 §4.1.1: "tolerate trailing
// white space").
struct CommandWords {
  std::string_view verb;
  std::string_view argument;  // without the space before it; empty when there is none
};
CommandWords SplitCommand(std::string_view line);

// What is wrong with the parameters of MAIL or RCPT.
enum class ParameterError : uint8_t {
  kNone,
  kSyntax,      // not "keyword" or "keyword=value"
  kNotOffered,  // no extension that we offer defines it here
  kRepeated,
  kBadValue,
};

// What MAIL may say: what the envelope keeps, and what only the session is told.
struct MailArguments : message::MailParameters {
  // AUTH= was there (RFC 4954 §5): well-formed, and not looked at any further.
  bool submitter_given = false;
};

// "FROM:<path> [parameters]" (RFC 5321 §4.1.1.2).
struct MailCommand {
  bool keyword_found = false;  // "FROM:" was there
  message::ParsedPath path;
  MailArguments parameters;
  ParameterError error = ParameterError::kNone;
  std::string_view culprit;  // the parameter that `error` is about
  bool has_parameters = false;
};
MailCommand ParseMail(std::string_view argument, PathSpacing spacing);

struct RcptParameters {
  std::string_view original_recipient;  // RFC 3461 §4.2, as written
  uint8_t notify = 0;
};

// "TO:<path> [parameters]" (RFC 5321 §4.1.1.3).
struct RcptCommand {
  bool keyword_found = false;
  message::ParsedPath path;
  RcptParameters parameters;
  ParameterError error = ParameterError::kNone;
  std::string_view culprit;
  bool has_parameters = false;
};
RcptCommand ParseRcpt(std::string_view argument, PathSpacing spacing, message::Utf8 utf8);

// "octets [LAST]" (RFC 3030 §2).
struct BdatCommand {
  std::optional<uint64_t> bytes;  // absent: no number that we can follow
  bool last = false;
  bool well_formed = false;  // nothing else was there
};
BdatCommand ParseBdat(std::string_view argument);

// Up to kSizeDigitsMax digits that fit 64 bits.
std::optional<uint64_t> ParseNumber(std::string_view text);
// RFC 3461 §4: xtext, at most `bytes_max` octets, whose encoded octets are printable.
bool ValidXtext(std::string_view text, size_t bytes_max);
bool HasOctetOver127(std::string_view text);
// ASCII only.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace ringmail::smtp
