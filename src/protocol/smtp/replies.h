// The replies that never change, whole lines with CRLF, enhanced status codes included (RFC 2034,
// RFC 3463).
#pragma once

#include <string_view>

namespace ringmail::smtp {

inline constexpr std::string_view kOk = "250 2.0.0 OK\r\n";
inline constexpr std::string_view kBye = "221 2.0.0 Goodbye\r\n";
inline constexpr std::string_view kSendContent =
    "354 Send the message; a line with only a dot ends it\r\n";
inline constexpr std::string_view kVerifyLater = "252 2.0.0 Not verified; RCPT will tell\r\n";

// RFC 5321 §4.2.4: 500 for what is not known at all.
inline constexpr std::string_view kUnknownCommand =
    "500 5.5.1 Command not recognized; HELP lists those that are\r\n";
inline constexpr std::string_view kLineTooLong =
    "500 5.5.2 Line too long\r\n";  // RFC 5321 §4.5.3.1.9
inline constexpr std::string_view kLineBareNewline =
    "500 5.5.2 Lines end in CR LF, neither stands alone (try telnet, or nc -C)\r\n";
inline constexpr std::string_view kLineNul = "500 5.5.2 A command has no NUL\r\n";
inline constexpr std::string_view kNoArgument = "501 5.5.4 This command takes no argument\r\n";
inline constexpr std::string_view kNotExpanded = "502 5.5.1 Members of lists are not disclosed\r\n";
inline constexpr std::string_view kPipelinedPast =
    "503 5.5.1 You must wait for the reply to this command before sending more; closing\r\n";

inline constexpr std::string_view kTlsReady = "220 2.0.0 Begin TLS\r\n";
inline constexpr std::string_view kTlsAlready = "503 5.5.1 TLS has begun already\r\n";
inline constexpr std::string_view kTlsNotOffered = "502 5.5.1 TLS is not offered here\r\n";

// RFC 4954 §4 and §6.
inline constexpr std::string_view kAuthDone = "235 2.7.0 Authenticated\r\n";
inline constexpr std::string_view kAuthRequired = "530 5.7.0 Authentication required\r\n";
inline constexpr std::string_view kTlsRequired = "530 5.7.0 Say STARTTLS first\r\n";  // RFC 3207 §4
inline constexpr std::string_view kAuthNotOffered = "502 5.5.1 AUTH is not offered here\r\n";
inline constexpr std::string_view kAuthNeedsEhlo = "503 5.5.1 AUTH is for those who said EHLO\r\n";
inline constexpr std::string_view kAuthAlready = "503 5.5.1 You have authenticated already\r\n";
inline constexpr std::string_view kAuthSyntax =
    "501 5.5.4 Say AUTH mechanism [initial-response]\r\n";
inline constexpr std::string_view kAuthMechanism =
    "504 5.5.4 This mechanism is not offered; EHLO lists those that are\r\n";
inline constexpr std::string_view kAuthEncoding = "501 5.5.2 A response is base64\r\n";
inline constexpr std::string_view kAuthMalformed =
    "501 5.5.2 The response is not what the mechanism says\r\n";
inline constexpr std::string_view kAuthTooLong =
    "500 5.5.6 The line of the authentication exchange is too long\r\n";
inline constexpr std::string_view kAuthCancelled = "501 5.7.0 Authentication cancelled\r\n";
inline constexpr std::string_view kAuthRefused = "535 5.7.8 The name or the password is wrong\r\n";
inline constexpr std::string_view kAuthUnavailable =
    "454 4.7.0 It cannot be checked now; try again later\r\n";
inline constexpr std::string_view kAuthNeedsTls =
    "538 5.7.11 Authentication needs encryption: say STARTTLS first\r\n";

inline constexpr std::string_view kHelloSyntax =
    "501 5.5.4 Say your host name, or your address in brackets\r\n";
inline constexpr std::string_view kVrfySyntax = "501 5.5.4 Say VRFY and an address\r\n";
inline constexpr std::string_view kExpnSyntax = "501 5.5.4 Say EXPN and a list\r\n";

inline constexpr std::string_view kMailSyntax =
    "501 5.5.4 Say MAIL FROM:<address>, without a space after the colon\r\n";
inline constexpr std::string_view kRcptSyntax =
    "501 5.5.4 Say RCPT TO:<address>, without a space after the colon\r\n";
inline constexpr std::string_view kParametersNeedEhlo =
    "555 5.5.4 Parameters are for those who said EHLO\r\n";
inline constexpr std::string_view kNullBinary = "501 5.5.4 BODY=BINARYMIME needs BDAT\r\n";

inline constexpr std::string_view kRecipientFirst = "503 5.5.1 Say RCPT TO first\r\n";
inline constexpr std::string_view kNoRecipients = "554 5.5.1 No recipient was accepted\r\n";
inline constexpr std::string_view kDataForBinary =
    "503 5.5.1 BODY=BINARYMIME comes by BDAT, not by DATA\r\n";

inline constexpr std::string_view kBdatSyntax = "501 5.5.4 Say BDAT octets [LAST]\r\n";
inline constexpr std::string_view kBdatSyntaxClosing =
    "501 5.5.4 Say BDAT octets [LAST]; closing, since it is unknown how many follow\r\n";
inline constexpr std::string_view kBdatNeedsEhlo = "503 5.5.1 BDAT is for those who said EHLO\r\n";
inline constexpr std::string_view kBdatFailed =
    "503 5.5.1 The content was refused already: begin again with MAIL\r\n";
inline constexpr std::string_view kMailFirst = "503 5.5.1 Say MAIL FROM first\r\n";

inline constexpr std::string_view kContentBareNewline =
    "554 5.6.11 The message has a CR or LF that stands alone; lines must end in CR LF\r\n";
inline constexpr std::string_view kContentNul =
    "554 5.6.11 The message has a NUL octet and was not sent as BINARYMIME\r\n";
inline constexpr std::string_view kTooLarge = "552 5.3.4 The message is too large\r\n";
inline constexpr std::string_view kNoSpace =
    "452 4.3.1 No space at the moment; try again later\r\n";
inline constexpr std::string_view kStoreFailed =
    "451 4.3.0 The message could not be kept; try again later\r\n";

}  // namespace ringmail::smtp
