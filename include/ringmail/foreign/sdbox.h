// Dovecot's sdbox: one file u.UID a message, and the index that holds flags, keywords and
// UIDVALIDITY. Read only.
//
// Promise: what is damaged is named, never read as another message. A log costs the number of its
//   records times the messages that each one changes.
// Shard: pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/foreign/marks.h"

namespace ringmail::foreign {

// "u.17" is 17; 0: no file of a message.
uint32_t ParseSdboxFile(std::string_view name);

struct SdboxMessage {
  std::string_view octets;  // in the file; lines end as they were kept
  std::string_view guid;
  std::optional<int64_t> received_seconds;
};
// Errors: what is no sdbox of version 2, cut off, compressed, or keeps attachments elsewhere.
std::optional<Fault> ParseSdbox(std::string_view file, SdboxMessage& message);

// dovecot.index and dovecot.index.log, versions 7 and 1 (Dovecot 2.0 on), in little-endian order.
class DovecotIndex {
 public:
  struct Message {
    uint8_t flags = 0;            // kSeen…
    std::set<uint32_t> keywords;  // index into keywords()
  };

  // dovecot.index. Once, before any log.
  std::optional<Fault> ReadIndex(std::string_view file);
  // dovecot.index.log.2, then dovecot.index.log: what happened after the index was written. A log
  // that does not follow is left out, and said so.
  std::optional<Fault> ReadLog(std::string_view file);

  uint32_t uid_validity() const { return uid_validity_; }
  uint32_t uid_next() const { return uid_next_; }
  const std::vector<std::string>& keywords() const { return keywords_; }
  const std::map<uint32_t, Message>& messages() const { return messages_; }
  // Whether `uid` was there once, and left: its file is what an expunge has not removed yet.
  bool Expunged(uint32_t uid) const { return uid < uid_next_ && !messages_.contains(uid); }
  void AddMarks(uint32_t uid, Marks& marks) const;

 private:
  std::optional<Fault> ReadExtensions(std::string_view header, size_t begin);
  std::optional<Fault> ReadKeywordNames(std::string_view data, size_t at);
  std::optional<Fault> ReadRecords(std::string_view file, size_t header_bytes, size_t record_bytes);
  std::optional<Fault> Replay(uint32_t type, std::string_view data, size_t at);
  std::optional<Fault> ReplayKeyword(std::string_view data, size_t at);
  std::optional<Fault> ReplayHeader(std::string_view data, size_t at);
  uint32_t KeywordIndex(std::string_view name);
  void Expunge(uint32_t first, uint32_t last);

  bool known_ = false;  // which index the logs must be of
  uint32_t index_id_ = 0;
  uint32_t log_sequence_ = 0, log_offset_ = 0;  // up to where it is known
  uint32_t uid_validity_ = 0, uid_next_ = 1;
  std::vector<std::string> keywords_;
  uint32_t keyword_offset_ = 0, keyword_bytes_ = 0;  // in a record of the index
  std::map<uint32_t, Message> messages_;
};

}  // namespace ringmail::foreign
