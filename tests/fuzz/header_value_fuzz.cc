// Values of header fields, reports and flowed text: whatever they are, what is read of them is
// valid UTF-8 without line ends, and what is written of that is read as the same. The first octet
// chooses the parser.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/codec/utf8.h"
#include "ringmail/message/charset.h"
#include "ringmail/message/field.h"
#include "ringmail/message/flowed.h"
#include "ringmail/message/header_builder.h"
#include "ringmail/message/header_text.h"
#include "ringmail/message/identifier.h"
#include "ringmail/message/jmap_body.h"
#include "ringmail/message/parameter.h"
#include "ringmail/message/preview.h"
#include "ringmail/message/report.h"
#include "ringmail/message/trace_field.h"

namespace {

using namespace ringmail::message;  // NOLINT: the whole room is under test

void Require(bool condition) {
  if (!condition) std::abort();
}

void RequireText(std::string_view text) {
  Require(ringmail::codec::Utf8Valid(text));
  Require(text.find_first_of("\r\n") == std::string_view::npos);
}

// The value of the one field that was written.
std::string Value(const std::string& text) {
  std::vector<Field> fields;
  Require(IndexFields(text, 0, fields) == text.size() && fields.size() == 1);
  size_t line = 0;
  for (const char c : text) {
    line = c == '\n' ? 0 : line + 1;
    Require(line <= 999);
  }
  return std::string(ViewField(fields[0], text, 0).value);
}

void FuzzText(std::string_view value) {
  const std::string text = DecodeText(value);
  RequireText(text);
  std::string out;
  HeaderBuilder(HeaderCharset::kAscii, out).Text("Subject", text);
  Require(ringmail::codec::IsAscii(out));
  const std::string again = DecodeText(Value(out));
  out.clear();
  HeaderBuilder(HeaderCharset::kAscii, out).Text("Subject", again);
  Require(DecodeText(Value(out)) == again);
}

void FuzzAddresses(std::string_view value) {
  for (const JmapGroup& group : JmapGroupedAddresses(value)) {
    if (group.name) RequireText(*group.name);
    for (const JmapAddress& address : group.addresses) RequireText(address.email);
  }
  std::vector<Address> addresses = ParseAddressList(value);
  if (addresses.size() > 1000) return;
  for (Address& address : addresses) address.name = DecodeText(address.name);
  std::string out;
  HeaderBuilder(HeaderCharset::kUtf8, out).Addresses("To", addresses);
  const std::vector<Address> read = ParseAddressList(Value(out));
  size_t given = 0, kept = 0;
  for (const Address& address : addresses) given += address.kind == AddressKind::kMailbox;
  for (const Address& address : read) kept += address.kind == AddressKind::kMailbox;
  Require(given == kept);
}

void FuzzParameters(std::string_view value) {
  const ContentType type = ParseContentType(value);
  for (const Parameter& parameter : type.parameters) RequireText(parameter.value);
  Require(ParseContentDisposition(value).file_name().find_first_of("/\\") == std::string::npos);
  std::string out;
  HeaderBuilder(HeaderCharset::kAscii, out).Parameters("Content-Type", "a/b", type.parameters);
  Value(out);
}

void FuzzOthers(std::string_view value) {
  for (const std::string& id : ParseMessageIds(value)) {
    Require(id.find_first_of("\r\n") == std::string::npos && !id.empty());
  }
  if (const auto date = ParseDate(value)) {
    std::string out;
    HeaderBuilder(HeaderCharset::kAscii, out).Date("Date", *date);
    Require(ParseDate(Value(out)) == date);
  }
  ParseReceived(value);
  if (const auto results = ParseAuthenticationResults(value)) Require(!results->server.empty());
  for (const std::string& url : ParseListUrls(value).urls) {
    Require(url.find_first_of(" \r\n") == std::string::npos);
  }
  ParseListId(value);
  Require(ringmail::codec::Utf8Valid(HtmlText(RepairUtf8(value))));
}

// The label up to the first line end, then the text.
void FuzzCharset(std::string_view value) {
  const size_t end = std::min(value.find('\n'), value.size());
  Require(ringmail::codec::Utf8Valid(
      DecodeCharset(value.substr(0, end), value.substr(std::min(end + 1, value.size())))));
}

// Bodies that are fields, or lines with a meaning.
void FuzzBody(std::string_view value) {
  if (const auto status = ParseDeliveryStatus(value)) {
    Require(!status->recipients.empty());
    for (const RecipientStatus& recipient : status->recipients) {
      RequireText(recipient.final_recipient.value);
      RequireText(recipient.diagnostic.value);
      for (const ReportField& other : recipient.others) RequireText(other.value);
    }
  }
  if (const auto notification = ParseDispositionNotification(value)) {
    RequireText(notification->final_recipient.value);
    RequireText(notification->disposition.word);
  }
  for (const bool delsp : {false, true}) {
    std::vector<FlowedParagraph> paragraphs = Unflow(value, {.delsp = delsp});
    for (FlowedParagraph& paragraph : paragraphs) {
      std::erase(paragraph.text, '\r');
      while (paragraph.text != kSignatureSeparator && paragraph.text.ends_with(' ')) {
        paragraph.text.pop_back();
      }
    }
    Require(Unflow(Flow(paragraphs), {}) == paragraphs);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view value(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] >= 0xF0) {
    FuzzBody(value);
    return 0;
  }
  switch (data[0] % 5) {
    case 0:
      FuzzText(value);
      break;
    case 1:
      FuzzAddresses(value);
      break;
    case 2:
      FuzzParameters(value);
      break;
    case 3:
      FuzzOthers(value);
      break;
    default:
      FuzzCharset(value);
      break;
  }
  return 0;
}
