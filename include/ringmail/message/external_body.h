// message/external-body (RFC 2046 §5.2.3, RFC 2017): where the body is, and the phantom header
// section that says what it is. The tree keeps such a part undivided, as RFC 9051 counts it.
//
// Promise: pure; text is valid UTF-8 without controls. Nothing is fetched, and nothing a sender
// says here is to be fetched without asking the reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ringmail/message/part_view.h"

namespace ringmail::message {

// Of the phantom header section; what is beyond is not read.
inline constexpr uint32_t kPhantomBytesMax = 64u << 10;

struct ExternalBody {
  std::string access_type;  // lower case: "ftp", "anon-ftp", "tftp", "local-file", "mail-server"
  std::string name, site, directory, mode;  // §5.2.3.3 to §5.2.3.5
  std::string server, subject;              // §5.2.3.6
  std::string url;                          // RFC 2017, without the blanks of its folding
  std::optional<DateTime> expiration;
  std::optional<uint64_t> size;
  bool writable = false;  // permission=read-write

  // The phantom: its fields, with offsets into the content, and what they say. Content-ID is
  // required (§5.2.3), and "" where it is not there.
  std::vector<Field> fields;
  ContentType type;
  codec::TransferEncoding encoding = codec::TransferEncoding::k7Bit;
  std::string content_id;
  Extent body;  // the phantom body: the command of mail-server, otherwise to be ignored
};
// nullopt where the part is of another type, or has no access-type, which §5.2.3 requires.
std::optional<ExternalBody> ReadExternalBody(const MessageView& message, PartIndex part);

}  // namespace ringmail::message
