#include "protocol/smtp/path_reply.h"

#include <algorithm>
#include <string>

#include "ringmail/base/check.h"

namespace ringmail::smtp {

using message::PathError;
using message::PathKind;

// RFC 3463 §3.2: X.1.7 is a bad sender's address, X.1.3 a bad recipient's.
std::string_view PathErrorReply(PathError error, PathKind kind) {
  const bool sender = kind == PathKind::kReverse;
  switch (error) {
    case PathError::kNone:
      break;
    case PathError::kSyntax:
      return sender ? "501 5.1.7 That is no address; say <local-part@domain>, or <> for none\r\n"
                    : "501 5.1.3 That is no address; say <local-part@domain>\r\n";
    case PathError::kLocalPartTooLong:
      return sender ? "501 5.1.7 The local part is over 64 octets\r\n"
                    : "501 5.1.3 The local part is over 64 octets\r\n";
    case PathError::kDomainTooLong:
      return sender ? "501 5.1.7 The domain is over 255 octets\r\n"
                    : "501 5.1.3 The domain is over 255 octets\r\n";
    case PathError::kPathTooLong:
      return sender ? "501 5.1.7 The path is over 256 octets\r\n"
                    : "501 5.1.3 The path is over 256 octets\r\n";
    case PathError::kNeedsSmtpUtf8:
      // RFC 6531 §3.5: 553 where the address needs SMTPUTF8 and MAIL did not ask for it.
      return "553 5.6.7 The address is not ASCII: MAIL needs the parameter SMTPUTF8\r\n";
    case PathError::kBadAddressLiteral:
      return sender ? "501 5.1.7 That address literal is none that is known\r\n"
                    : "501 5.1.3 That address literal is none that is known\r\n";
  }
  CHECK(false);
  return {};
}

message::Reply ParameterErrorReply(ParameterError error, std::string_view culprit, bool extended) {
  CHECK(error != ParameterError::kNone);
  // The client's words go back to it, without what could end a line or surprise a terminal.
  std::string shown(culprit.substr(0, 64));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < 33 || c > 126; }, '?');
  message::Reply reply{.code = 501, .status = {5, 5, 4}, .text = {}};
  switch (error) {
    case ParameterError::kNone:
      break;
    case ParameterError::kSyntax:
      reply.text = "This is no parameter: " + shown;
      break;
    case ParameterError::kNotOffered:
      // RFC 5321 §4.1.1.11: 555 for parameters that are not recognized.
      reply.code = 555;
      reply.text = extended ? "Parameter not recognized: " + shown
                            : "Parameters are for those who said EHLO";
      break;
    case ParameterError::kRepeated:
      reply.text = "Parameter given twice: " + shown;
      break;
    case ParameterError::kBadValue:
      reply.text = "Parameter with a wrong value: " + shown;
      break;
  }
  return reply;
}

}  // namespace ringmail::smtp
