#include "ringmail/message/dsn.h"

#include <algorithm>
#include <optional>

#include "ringmail/codec/data_scan.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/path.h"
#include "ringmail/message/trace.h"
#include "ringmail/message/xtext.h"

namespace ringmail::message {
namespace {

constexpr size_t kColumnsMax = 76;
// A word longer than this is cut, for RFC 5321 §4.5.3.1.6 limits the line whatever stands in it.
constexpr size_t kWordBytesMax = 800;

// Text of a peer as one line: controls, and octets that are not UTF-8 or not allowed here, become
// "?".
std::string Clean(std::string_view text, Utf8 utf8) {
  const bool keep = utf8 == Utf8::kAllowed && codec::Utf8Valid(text);
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (static_cast<uint8_t>(c) >= 0x80) {
      out += keep ? c : '?';
    } else if (c == '\n' || c == '\t') {
      out += ' ';
    } else {
      out += c >= ' ' && c < 0x7F ? c : '?';
    }
  }
  return out;
}

// `text` in words of one space, folded: each line after the first begins with `indent`. `column` is
// where it starts.
void AppendFolded(std::string_view text, std::string_view indent, size_t column, std::string& out) {
  bool first = true;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    size_t bytes = std::min(text.find(' ', at), text.size()) - at;
    if (bytes > kWordBytesMax) {
      bytes = kWordBytesMax;
      while (bytes > kWordBytesMax - 3 && (static_cast<uint8_t>(text[at + bytes]) & 0xC0) == 0x80) {
        --bytes;
      }
    }
    if (!first && column + 1 + bytes > kColumnsMax) {
      out += "\r\n";
      out += indent;
      column = indent.size();
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += text.substr(at, bytes);
    column += bytes;
    at += bytes;
    first = false;
  }
}

void AppendField(std::string_view name, std::string_view value, std::string& out) {
  out += name;
  out += ": ";
  AppendFolded(value, "    ", name.size() + 2, out);
  out += "\r\n";
}

std::string Date(WallTime when) {
  std::string out;
  AppendDate(when, out);
  return out;
}

std::string_view ActionName(DsnAction action) {
  switch (action) {
    case DsnAction::kFailed:
      return "failed";
    case DsnAction::kDelayed:
      return "delayed";
    case DsnAction::kDelivered:
      return "delivered";
    case DsnAction::kRelayed:
      return "relayed";
    case DsnAction::kExpanded:
      return "expanded";
  }
  return "failed";
}

// RFC 3464 §2.3.4: Status is never absent.
EnhancedStatus StatusOf(const DsnRecipient& recipient) {
  if (recipient.status.present()) return recipient.status;
  if (recipient.diagnostic.status.present()) return recipient.diagnostic.status;
  switch (recipient.action) {
    case DsnAction::kFailed:
      return {5, 0, 0};
    case DsnAction::kDelayed:
      return {4, 0, 0};
    case DsnAction::kDelivered:
    case DsnAction::kRelayed:
    case DsnAction::kExpanded:
      return {2, 0, 0};
  }
  return {5, 0, 0};
}

// "type; address" as RFC 3464 §2.3.1 and RFC 6533 §3 write it.
std::string TypedAddress(std::string_view address, Utf8 utf8) {
  if (codec::IsAscii(address)) return "rfc822; " + Clean(address, utf8);
  if (!codec::Utf8Valid(address)) return "rfc822; " + Clean(address, Utf8::kRefused);
  if (utf8 == Utf8::kAllowed) return "utf-8; " + Clean(address, utf8);
  return "utf-8; " + EncodeUtf8Address(address);
}

bool IsAddressType(std::string_view type) {
  return !type.empty() && type.size() <= 64 && std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// RFC 3461 §6.3 (c): the ORCPT's own type, and its address decoded. nullopt where ORCPT is not what
// §4.2 allows: nothing is better than a forged field.
std::optional<std::string> OriginalRecipient(std::string_view orcpt, Utf8 utf8) {
  const size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos || !IsAddressType(orcpt.substr(0, semicolon))) {
    return std::nullopt;
  }
  const std::string type(orcpt.substr(0, semicolon));
  const std::string_view coded = orcpt.substr(semicolon + 1);
  if (coded.empty()) return std::nullopt;
  std::string lower = NormalizedDomain(type);
  if (lower == "utf-8") {
    // RFC 6533 §3: "\x{…}" in place of xtext.
    const std::optional<std::string> address = DecodeUtf8Address(coded);
    if (!address) return std::nullopt;
    return "utf-8; " +
           (utf8 == Utf8::kAllowed ? Clean(*address, utf8) : EncodeUtf8Address(*address));
  }
  const std::optional<std::string> address = DecodeXtext(coded);
  // RFC 3461 §4.2: what xtext hides is printable ASCII. If not, it stays hidden.
  const bool printable = address && std::all_of(address->begin(), address->end(),
                                                [](char c) { return c >= ' ' && c <= '~'; });
  if (!printable && !codec::IsAscii(coded)) return std::nullopt;
  return type + "; " + Clean(printable ? std::string_view(*address) : coded, Utf8::kRefused);
}

// What kind of report it is: the gravest action decides.
DsnAction Gravest(const DsnRequest& request) {
  DsnAction gravest = DsnAction::kExpanded;
  for (const DsnRecipient& recipient : request.recipients) {
    gravest = std::min(gravest, recipient.action);
  }
  return gravest;
}

std::string_view Subject(DsnAction gravest) {
  switch (gravest) {
    case DsnAction::kFailed:
      return "Undelivered mail returned to sender";
    case DsnAction::kDelayed:
      return "Delayed mail (still being tried)";
    case DsnAction::kDelivered:
    case DsnAction::kRelayed:
    case DsnAction::kExpanded:
      return "Successful mail delivery report";
  }
  return "Delivery report";
}

std::string_view Explanation(DsnAction action) {
  switch (action) {
    case DsnAction::kFailed:
      return "could not be delivered, and no further attempt will be made";
    case DsnAction::kDelayed:
      return "could not be delivered yet; it is still being tried, and you need do nothing";
    case DsnAction::kDelivered:
      return "was delivered";
    case DsnAction::kRelayed:
      return "was handed on to a server that does not report successful delivery";
    case DsnAction::kExpanded:
      return "was delivered to a list, which sends it on to its members";
  }
  return "was processed";
}

// Which octets the parts of this report may have.
struct Form {
  Utf8 utf8 = Utf8::kRefused;  // parts that we write
  bool global = false;         // RFC 6533 message/global-delivery-status
  std::string boundary;
};

void AppendHumanPart(const DsnRequest& request, const Form& form, std::string& out) {
  out += "Content-Description: Notification\r\nContent-Type: text/plain; charset=";
  out += form.global ? "utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" : "us-ascii\r\n\r\n";
  AppendFolded("This is the mail system at " + Clean(request.reporting_host, form.utf8) + ".", "",
               0, out);
  out += "\r\n";
  for (const DsnRecipient& recipient : request.recipients) {
    out += "\r\n";
    AppendFolded("Your message of " + Date(request.arrival) + " to <" +
                     Clean(recipient.path, form.utf8) + "> " +
                     std::string(Explanation(recipient.action)) + ".",
                 "", 0, out);
    out += "\r\n";
    if (recipient.action == DsnAction::kDelayed && recipient.will_retry_until != WallTime{}) {
      AppendFolded("It will be tried until " + Date(recipient.will_retry_until) + ".", "", 0, out);
      out += "\r\n";
    }
    if (recipient.diagnostic.code != 0) {
      std::string said = recipient.remote_host.empty()
                             ? std::string("The reason:")
                             : "The server " + Clean(recipient.remote_host, form.utf8) + " said:";
      AppendFolded(said, "", 0, out);
      out += "\r\n    ";
      AppendFolded(Clean(recipient.diagnostic.ToLine(), form.utf8), "    ", 4, out);
      out += "\r\n";
    }
  }
}

// RFC 3464 §2.2.
void AppendMessageFields(const DsnRequest& request, const Form& form, std::string& out) {
  if (!request.envelope_id.empty()) {
    const std::optional<std::string> id = DecodeXtext(request.envelope_id);
    // RFC 3461 §4.4: printable once decoded. If not, the sender knows it in its coded form too.
    const bool printable =
        id && std::all_of(id->begin(), id->end(), [](char c) { return c >= ' ' && c <= '~'; });
    AppendField("Original-Envelope-Id",
                Clean(printable ? std::string_view(*id) : request.envelope_id, Utf8::kRefused),
                out);
  }
  AppendField("Reporting-MTA", "dns; " + Clean(request.reporting_host, form.utf8), out);
  if (request.arrival != WallTime{}) AppendField("Arrival-Date", Date(request.arrival), out);
}

// RFC 3464 §2.3, in its order.
void AppendRecipientFields(const DsnRequest& request, const DsnRecipient& recipient,
                           const Form& form, std::string& out) {
  out += "\r\n";
  if (const auto original = OriginalRecipient(recipient.original_recipient, form.utf8)) {
    AppendField("Original-Recipient", *original, out);
  }
  AppendField("Final-Recipient", TypedAddress(recipient.path, form.utf8), out);
  AppendField("Action", ActionName(recipient.action), out);
  AppendField("Status", StatusOf(recipient).ToString(), out);
  if (!recipient.remote_host.empty()) {
    // RFC 3464 §2.3.5: a name of the domain name system, or of a kind that is said before it.
    const std::string host = Clean(recipient.remote_host, form.utf8);
    constexpr std::string_view kUnix = "unix:";
    AppendField("Remote-MTA",
                host.starts_with(kUnix) ? "x-unix; " + host.substr(kUnix.size()) : "dns; " + host,
                out);
  }
  if (recipient.diagnostic.code != 0 && !recipient.remote_host.empty()) {
    // RFC 3464 §2.3.6: a diagnostic of type "smtp" is what an SMTP server said; our own verdict is
    // no such.
    AppendField("Diagnostic-Code", "smtp; " + Clean(recipient.diagnostic.ToLine(), form.utf8), out);
  } else if (recipient.diagnostic.code != 0) {
    AppendField("Diagnostic-Code", "x-ringmail; " + Clean(recipient.diagnostic.ToLine(), form.utf8),
                out);
  }
  if (recipient.last_attempt != WallTime{}) {
    AppendField("Last-Attempt-Date", Date(recipient.last_attempt), out);
  }
  if (request.queue_id.valid()) AppendField("Final-Log-ID", request.queue_id.ToString(), out);
  // RFC 3464 §2.3.9: only for delayed.
  if (recipient.action == DsnAction::kDelayed && recipient.will_retry_until != WallTime{}) {
    AppendField("Will-Retry-Until", Date(recipient.will_retry_until), out);
  }
}

void AppendStatusPart(const DsnRequest& request, const Form& form, std::string& out) {
  out += "Content-Description: Delivery report\r\n";
  out += form.global ? "Content-Type: message/global-delivery-status\r\n"
                       "Content-Transfer-Encoding: 8bit\r\n\r\n"
                     : "Content-Type: message/delivery-status\r\n\r\n";
  AppendMessageFields(request, form, out);
  for (const DsnRecipient& recipient : request.recipients) {
    AppendRecipientFields(request, recipient, form, out);
  }
}

// The header section, without the empty line that ends it.
std::string_view HeaderSection(std::string_view content) {
  if (content.starts_with("\r\n")) return {};
  const size_t end = content.find("\r\n\r\n");
  return end == std::string_view::npos ? content : content.substr(0, end + 2);
}

uint8_t ContentFlags(std::string_view content) {
  codec::ContentScanner scanner;
  codec::DataScanner::Step step;
  while (!content.empty()) {
    scanner.Feed(content, step);
    content.remove_prefix(step.consumed);
  }
  return scanner.final_flags();
}

// RFC 2045 §6.7; CRLF stays a line's end, any other CR or LF is coded.
void AppendQuotedPrintable(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  size_t column = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at, 2) == "\r\n") {
      out += "\r\n";
      column = 0;
      ++at;
      continue;
    }
    const char c = text[at];
    const bool before_end = at + 1 == text.size() || text.substr(at + 1, 2) == "\r\n";
    const bool plain =
        (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !before_end);
    if (column + (plain ? 1 : 3) > kColumnsMax - 1) {
      out += "=\r\n";
      column = 0;
    }
    if (plain) {
      out += c;
      ++column;
      continue;
    }
    const auto octet = static_cast<uint8_t>(c);
    out += '=';
    out += kHex[octet >> 4];
    out += kHex[octet & 15];
    column += 3;
  }
}

// What is returned of the original, and under which name.
struct Returned {
  std::string_view text;
  bool whole = false;
  bool eight_bit = false;
  bool coded = false;  // quoted-printable, for what may not travel as it is
};

Returned ChooseReturned(const DsnRequest& request) {
  constexpr uint8_t kUnfit =
      codec::kDataBareCr | codec::kDataBareLf | codec::kDataNul | codec::kDataLineTooLong;
  Returned returned{.text = request.original};
  uint8_t flags = ContentFlags(returned.text);
  // RFC 3461 §4.3: RET=FULL concerns failures only. RFC 2046 §5.2.1: message/rfc822 may not be
  // coded, so of what does not fit a line-oriented transport only the header section is returned.
  returned.whole = request.original_is_whole && request.returns != DsnReturn::kHeaders &&
                   Gravest(request) == DsnAction::kFailed && (flags & kUnfit) == 0;
  if (!returned.whole) {
    returned.text = HeaderSection(request.original);
    flags = ContentFlags(returned.text);
  }
  returned.coded = (flags & kUnfit) != 0;
  returned.eight_bit = (flags & codec::kData8Bit) != 0 && !returned.coded;
  return returned;
}

void AppendReturnedPart(const DsnRequest& request, const Returned& returned, std::string& out) {
  out += "Content-Description: ";
  out += returned.whole ? "Undelivered message\r\n" : "Message headers\r\n";
  // RFC 6533 §5: the global forms hold what SMTPUTF8 allowed in header fields.
  const bool global = request.smtp_utf8 && (returned.eight_bit || returned.coded);
  out += "Content-Type: ";
  if (returned.whole) {
    out += global ? "message/global\r\n" : "message/rfc822\r\n";
  } else {
    out += global ? "message/global-headers\r\n" : "text/rfc822-headers\r\n";
  }
  if (returned.coded) out += "Content-Transfer-Encoding: quoted-printable\r\n";
  if (returned.eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n";
  if (returned.coded) {
    AppendQuotedPrintable(returned.text, out);
  } else {
    out += returned.text;
  }
}

bool NeedsUtf8(const DsnRequest& request) {
  return std::any_of(request.recipients.begin(), request.recipients.end(),
                     [](const DsnRecipient& recipient) {
                       return !codec::IsAscii(recipient.path) ||
                              !codec::IsAscii(recipient.original_recipient) ||
                              !codec::IsAscii(recipient.remote_host) ||
                              !codec::IsAscii(recipient.diagnostic.text);
                     }) ||
         !codec::IsAscii(request.reporting_host);
}

// RFC 2046 §5.1.1: a boundary that no part contains, neither the original nor what we wrote with a
// peer's words in it. It is made from ids, so that the same report is the same octets.
std::string ChooseBoundary(const DsnRequest& request, std::string_view ours,
                           std::string_view original) {
  const std::string stem = "=_" + request.own_id.ToString() + "_" + request.queue_id.ToString();
  std::string boundary = stem;
  for (uint64_t i = 0; ours.find(boundary) != std::string_view::npos ||
                       original.find(boundary) != std::string_view::npos;
       ++i) {
    boundary = stem + "_" + std::to_string(i);
  }
  return boundary;
}

void AppendHeader(const DsnRequest& request, const Form& form, bool eight_bit, std::string& out) {
  const std::string host = Clean(request.reporting_host, form.utf8);
  AppendField("From", "Mail Delivery System <MAILER-DAEMON@" + host + ">", out);
  // Without SMTPUTF8 such an address cannot stand here, and nothing longer than a path is one; the
  // envelope has it.
  const bool writable =
      !request.to.empty() && request.to.size() <= kPathBytesMax &&
      (request.smtp_utf8 ? codec::Utf8Valid(request.to) : codec::IsAscii(request.to));
  out += "To: ";
  out += writable
             ? "<" + Clean(request.to, request.smtp_utf8 ? Utf8::kAllowed : Utf8::kRefused) + ">"
             : std::string("undisclosed-recipients:;");
  out += "\r\n";
  AppendField("Subject", Subject(Gravest(request)), out);
  AppendField("Date", Date(request.now), out);
  AppendField("Message-ID", "<" + request.own_id.ToString() + "@" + host + ">", out);
  // RFC 3834 §5, so that no one answers a report automatically.
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  out += "Content-Type: multipart/report; report-type=";
  out += form.global ? "global-delivery-status" : "delivery-status";
  out += ";\r\n    boundary=\"" + form.boundary + "\"\r\n";
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
}

}  // namespace

std::string WriteDsn(const DsnRequest& request) {
  Form form;
  form.global = request.smtp_utf8 && NeedsUtf8(request);
  form.utf8 = form.global ? Utf8::kAllowed : Utf8::kRefused;
  const Returned returned = ChooseReturned(request);
  std::string human, status;
  AppendHumanPart(request, form, human);
  AppendStatusPart(request, form, status);
  form.boundary = ChooseBoundary(request, human + status, returned.text);
  const std::string delimiter = "\r\n--" + form.boundary;
  std::string out;
  out.reserve(2048 + human.size() + status.size() + returned.text.size());
  AppendHeader(request, form, form.global || returned.eight_bit, out);
  // RFC 6522 §3: the three parts in this order; the third may be absent.
  out += "\r\nThis is a delivery status notification in MIME form.\r\n";
  out += delimiter + "\r\n" + human;
  out += delimiter + "\r\n" + status;
  if (!returned.text.empty()) {
    out += delimiter + "\r\n";
    AppendReturnedPart(request, returned, out);
  }
  out += delimiter + "--\r\n";
  return out;
}

}  // namespace ringmail::message
