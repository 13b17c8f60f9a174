// Delivery status notifications: whatever peers said, the report has CRLF lines within the limit,
// its own fields once, and its parts where its boundary says. The input is cut into the peers'
// words at octets 0xFE.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/codec/data_scan.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/message/dsn.h"

namespace {

using ringmail::message::DsnAction;
using ringmail::message::DsnRequest;
using ringmail::message::DsnReturn;

void Require(bool condition) {
  if (!condition) std::abort();
}

uint8_t Flags(std::string_view text) {
  ringmail::codec::ContentScanner scanner;
  ringmail::codec::DataScanner::Step step;
  while (!text.empty()) {
    scanner.Feed(text, step);
    text.remove_prefix(step.consumed);
  }
  return scanner.final_flags();
}

size_t Count(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; ++at) ++count;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const unsigned choice = data[0];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::array<std::string_view, 7> words;
  for (std::string_view& word : words) {
    const size_t end = rest.find('\xFE');
    word = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  const auto& [path, orcpt, envelope_id, remote_host, diagnostic, to, original] = words;
  DsnRequest request{.reporting_host = "mx.example.org",
                     .queue_id = ringmail::QueueId(1),
                     .own_id = ringmail::QueueId(2),
                     .to = to,
                     .envelope_id = envelope_id,
                     .smtp_utf8 = (choice & 1) != 0,
                     .returns = (choice & 2) != 0 ? DsnReturn::kHeaders : DsnReturn::kFull,
                     .original = original,
                     .original_is_whole = (choice & 4) != 0};
  request.recipients.push_back({.path = path,
                                .original_recipient = orcpt,
                                .action = static_cast<DsnAction>((choice >> 3) % 5),
                                .remote_host = remote_host,
                                .diagnostic = {.code = 550, .text = std::string(diagnostic)}});
  const std::string report = ringmail::message::WriteDsn(request);
  Require(report == ringmail::message::WriteDsn(request));
  const uint8_t flags = Flags(report);
  Require((flags & ~ringmail::codec::kData8Bit) == 0);
  if (!request.smtp_utf8 && ringmail::codec::IsAscii(original)) Require(flags == 0);
  const size_t start = report.find("boundary=\"") + 10;
  const std::string boundary = report.substr(start, report.find('"', start) - start);
  const size_t delimiters = Count(report, "\r\n--" + boundary);
  Require(delimiters == 3 || delimiters == 4);
  Require(Count(report, "\r\n--" + boundary + "--\r\n") == 1);
  Require(report.ends_with("\r\n--" + boundary + "--\r\n"));
  const size_t status =
      report.find("\r\n--" + boundary + "\r\nContent-Description: Delivery report\r\n") + 2;
  const std::string_view fields =
      std::string_view(report).substr(status, report.find("\r\n--" + boundary, status) - status);
  Require(Count(fields, "\r\nAction: ") == 1 && Count(fields, "\r\nStatus: ") == 1 &&
          Count(fields, "\r\nFinal-Recipient: ") == 1);
  return 0;
}
