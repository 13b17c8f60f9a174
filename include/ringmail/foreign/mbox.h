// mbox (RFC 4155 and its elders): messages one after the other in a file, each behind a "From "
// line; flags, keywords and UIDs in header fields of the message, as UW-IMAP, Dovecot and Python
// write them.
//
// Made by: whoever reads a file. Order of MboxReader: Next says what it wants: Feed with the octets
//   that follow, or FeedEnd; Probed with what stands at an offset; or it has a message.
// Promise: the same however the octets are cut. Memory: one message, kMboxLineBytesMax, and what
//   was fed.
// Limits: MboxOptions::message_bytes_max; a longer message is passed over, and said so.
// Errors: kNotMbox, once, before any message.
// Shard: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/foreign/line_ends.h"
#include "ringmail/foreign/marks.h"

namespace ringmail::foreign {

// How a line of a message that begins with "From " was kept from being taken for a separator.
enum class FromQuoting : uint8_t {
  // As mboxcl2 where Content-Length leads to the next message, else as mboxrd.
  kDetect,
  kMboxrd,   // ">" before "From ", ">From ", ">>From "…
  kMboxo,    // ">" before "From " alone
  kMboxcl2,  // nothing: Content-Length says where the message ends
};

struct MboxOptions {
  FromQuoting quoting = FromQuoting::kDetect;
  uint64_t message_bytes_max = 512u << 20;
};

// A line that is longer goes on as if it were cut; separators and header fields that matter are
// short.
inline constexpr size_t kMboxLineBytesMax = 64u << 10;
// What Probed needs to see.
inline constexpr size_t kMboxProbeBytes = 32;

struct MboxMessage {
  uint64_t offset = 0;  // of its separator
  Marks marks;
  // Of X-IMAPbase or X-IMAP, which the first message may have; 0: none. The last UID given.
  uint32_t uid_validity = 0, uid_last = 0;
  // No message, but what UW-IMAP keeps about the mailbox.
  bool internal_data = false;
  // Without the fields that are about the mailbox (Status, X-Status, X-Keywords, X-UID, X-IMAP,
  // X-IMAPbase, Content-Length), with CRLF.
  std::string octets;
};

class MboxReader {
 public:
  enum class Want : uint8_t { kMore, kProbe, kMessage, kTooLong, kNotMbox, kEnd };

  explicit MboxReader(MboxOptions options) : options_(options) {}

  void Feed(std::string_view octets);
  void FeedEnd() { ended_ = true; }
  // Of kMore, kMessage, kTooLong and kNotMbox: call it again. After kEnd it stays there.
  Want Next();

  // Of kProbe: up to kMboxProbeBytes octets from here, fewer at the end of the file.
  uint64_t probe_offset() const { return probe_offset_; }
  void Probed(std::string_view octets);
  // Of kMessage, until the next Next; of kTooLong: the offset alone.
  MboxMessage& message() { return message_; }

 private:
  enum class State : uint8_t { kStart, kHeader, kProbing, kBody, kCounted, kEnded };
  enum class Line : uint8_t { kWhole, kPart, kNone };

  Line TakeLine(std::string_view& line);
  void Begin(std::string_view separator, uint64_t offset);
  void HeaderLine(std::string_view line);
  void TakeField(std::string_view name, std::string_view value);
  // True: the message is over.
  bool BodyLine(std::string_view line, bool whole);
  void Append(std::string_view octets);
  Want Finish();

  const MboxOptions options_;
  State state_ = State::kStart;
  std::string input_;    // not yet taken
  size_t at_ = 0;        // in input_
  uint64_t offset_ = 0;  // in the file, of input_[at_]
  bool ended_ = false;
  bool after_part_ = false;  // the next line goes on with the one before
  std::string held_empty_;   // an empty line that may be the separator's
  bool dropping_field_ = false;
  bool header_over_ = false;
  bool too_long_ = false;
  bool first_ = true;
  bool next_begun_ = false;  // the separator of the next message was taken
  std::string next_separator_;
  uint64_t next_offset_ = 0;
  std::optional<uint64_t> content_length_;
  uint64_t counted_left_ = 0;
  uint64_t probe_offset_ = 0;
  bool probe_says_ = false, probed_ = false;
  ToCrlf crlf_;
  MboxMessage message_;
};

// One message as it stands in a file, separator and empty line included, with LF. Fields about the
// mailbox that `octets` itself has are left out: they would be believed.
// `uid_validity` not 0: of the first message, with the last UID given and all keywords of the
// mailbox, without which Dovecot believes none.
struct MboxPlace {
  uint32_t uid_validity = 0, uid_last = 0;
  std::vector<std::string> keywords;
};
std::string FormatMboxMessage(std::string_view octets, const Marks& marks, FromQuoting quoting,
                              const MboxPlace& place);

// "From a@b Thu Nov 21 13:20:54 1996", as RFC 4155 has it; nullopt: no such line. The date is empty
// where the line has none that can be read.
struct MboxSeparator {
  std::string_view sender;
  std::optional<int64_t> date_seconds;
};
std::optional<MboxSeparator> ParseMboxSeparator(std::string_view line);

}  // namespace ringmail::foreign
