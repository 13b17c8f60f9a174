#include "ringmail/foreign/sdbox.h"

#include <algorithm>
#include <charconv>

namespace ringmail::foreign {
namespace {

// dbox-file.h of Dovecot: DBOX_MAGIC_PRE, DBOX_MAGIC_POST, struct dbox_message_header.
constexpr std::string_view kMagicPre = "\001\002", kMagicPost = "\n\001\003\n";
constexpr size_t kSizeOffset = 13, kSizeDigits = 16, kHeaderBytesMin = 30;

template <typename T>
bool Parse(std::string_view text, int base, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

// "2 M1e C4bd9d1e8": version, octets of a message's header, time of creation.
bool ReadFileHeader(std::string_view line, size_t& header_bytes) {
  if (!line.starts_with("2 ")) return false;
  header_bytes = 0;
  for (line.remove_prefix(2); !line.empty();) {
    const size_t end = std::min(line.find(' '), line.size());
    if (line.front() == 'M' && !Parse(line.substr(1, end - 1), 16, header_bytes)) return false;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return header_bytes >= kHeaderBytesMin && header_bytes <= 4096;
}

// What Dovecot's plugin writes, none of which can begin a message.
bool Compressed(std::string_view octets) {
  for (const std::string_view magic : {std::string_view("\x1F\x8B"), std::string_view("BZh9"),
                                       std::string_view("\x28\xB5\x2F\xFD"),
                                       std::string_view("\xFD"
                                                        "7zXZ"),
                                       std::string_view("Dovecot-LZ4")}) {
    if (octets.starts_with(magic)) return true;
  }
  return false;
}

}  // namespace

uint32_t ParseSdboxFile(std::string_view name) {
  uint32_t uid = 0;
  if (!name.starts_with("u.") || name.size() < 3 || name[2] == '0' ||
      !Parse(name.substr(2), 10, uid))
    return 0;
  return uid;
}

std::optional<Fault> ParseSdbox(std::string_view file, SdboxMessage& message) {
  const size_t line_end = file.substr(0, 256).find('\n');
  size_t header_bytes = 0;
  if (line_end == file.npos || !ReadFileHeader(file.substr(0, line_end), header_bytes))
    return Fault{0, "no header of a dbox file of version 2"};
  const size_t header_at = line_end + 1;
  const std::string_view header = file.substr(header_at, header_bytes);
  if (header.size() < header_bytes) return Fault{file.size(), "cut off in the message's header"};
  if (!header.starts_with(kMagicPre) || header[2] != 'N' || header.back() != '\n')
    return Fault{header_at, "no header of a message"};
  uint64_t bytes = 0;
  if (!Parse(header.substr(kSizeOffset, kSizeDigits), 16, bytes))
    return Fault{header_at + kSizeOffset, "the message's size is no hexadecimal number"};
  const size_t body_at = header_at + header_bytes;
  const std::string_view rest = file.substr(body_at);
  if (rest.size() < bytes) return Fault{file.size(), "cut off in the message"};
  message.octets = rest.substr(0, bytes);
  if (Compressed(message.octets))
    return Fault{body_at, "the message is compressed: let Dovecot write it uncompressed first"};
  std::string_view metadata = rest.substr(bytes);
  if (!metadata.starts_with(kMagicPost))
    return Fault{body_at + bytes, "no metadata behind the message"};
  metadata.remove_prefix(kMagicPost.size());
  while (!metadata.empty() && metadata.front() != '\n') {
    const size_t end = metadata.find('\n');
    const uint64_t at = file.size() - metadata.size();
    if (end == metadata.npos) return Fault{at, "cut off in the metadata"};
    const std::string_view value = metadata.substr(1, end - 1);
    if (metadata.front() == 'G') message.guid = value;
    if (metadata.front() == 'X')
      return Fault{at, "its attachments are in other files: let Dovecot write them into it first"};
    int64_t seconds = 0;
    if (metadata.front() == 'R' && Parse(value, 16, seconds)) message.received_seconds = seconds;
    metadata.remove_prefix(end + 1);
  }
  if (metadata.empty()) return Fault{file.size(), "cut off in the metadata"};
  return std::nullopt;
}

}  // namespace ringmail::foreign
