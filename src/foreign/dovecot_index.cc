// dovecot.index and its log, as mail-index.h, mail-index-private.h and mail-transaction-log.h of
// Dovecot describe them.
#include <algorithm>
#include <array>

#include "ringmail/foreign/sdbox.h"

namespace ringmail::foreign {
namespace {

// struct mail_index_header.
constexpr size_t kIndexHeaderBytesMin = 120;
constexpr uint8_t kIndexMajor = 7, kLogMajor = 1, kLittleEndian = 1;
constexpr size_t kBaseBytesAt = 2, kHeaderBytesAt = 4, kRecordBytesAt = 8, kCompatAt = 12,
                 kIndexIdAt = 16, kUidValidityAt = 24, kNextUidAt = 28, kCountAt = 32,
                 kLogSequenceAt = 60, kLogHeadAt = 68;
// struct mail_index_ext_header, without its name.
constexpr size_t kExtensionHeaderBytes = 16;
// struct mail_transaction_log_header.
constexpr size_t kLogHeaderBytesMin = 24;

// enum mail_transaction_type.
constexpr uint32_t kTypeMask = 0x0FFFFFFF;
constexpr uint32_t kExpungeProtection = 0xCD90;
constexpr uint32_t kExpunge = 0x1, kAppend = 0x2, kFlagUpdate = 0x4, kHeaderUpdate = 0x20,
                   kKeywordUpdate = 0x400, kKeywordReset = 0x800, kExpungeGuid = 0x2000,
                   kBoundary = 0x80000;

// What the bits of mail-types.h are here, in their order.
constexpr std::array<uint8_t, 5> kFlagOfBit = {kAnswered, kFlagged, kDeleted, kSeen, kDraft};
uint8_t FlagsOf(uint8_t bits) {
  uint8_t flags = 0;
  for (size_t i = 0; i < kFlagOfBit.size(); ++i) {
    if ((bits >> i & 1) != 0) flags |= kFlagOfBit[i];
  }
  return flags;
}

// REQUIRES: the octets are there.
uint16_t Get16(std::string_view data, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(data[at]) | static_cast<uint8_t>(data[at + 1])
                                                                    << 8);
}
uint32_t Get32(std::string_view data, size_t at) {
  return Get16(data, at) | uint32_t{Get16(data, at + 2)} << 16;
}

// mail_index_offset_to_uint32: the size of a record of the log, which counts once all four octets
// are written. 0: they are not.
uint32_t GetSize(std::string_view data, size_t at) {
  uint32_t size = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto octet = static_cast<uint8_t>(data[at + i]);
    if ((octet & 0x80) == 0) return 0;
    size = size << 7 | (octet & 0x7F);
  }
  return size << 2;
}

constexpr size_t Aligned(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

std::optional<Fault> DovecotIndex::ReadIndex(std::string_view file) {
  if (file.size() < kIndexHeaderBytesMin) return Fault{0, "too short for an index"};
  if (static_cast<uint8_t>(file[0]) != kIndexMajor) return Fault{0, "an index of another version"};
  if ((static_cast<uint8_t>(file[kCompatAt]) & kLittleEndian) == 0)
    return Fault{kCompatAt, "an index in big-endian order"};
  const size_t base = Get16(file, kBaseBytesAt);
  const size_t header_bytes = Get32(file, kHeaderBytesAt);
  const size_t record_bytes = Get32(file, kRecordBytesAt);
  if (base < kIndexHeaderBytesMin || base > header_bytes || header_bytes > file.size())
    return Fault{kHeaderBytesAt, "its header goes past its end"};
  if (record_bytes < 5) return Fault{kRecordBytesAt, "its records are too short"};
  if (auto fault = ReadExtensions(file.substr(0, header_bytes), Aligned(base, 8))) return fault;
  if (keyword_offset_ + uint64_t{keyword_bytes_} > record_bytes)
    return Fault{kRecordBytesAt, "its keywords go past a record"};
  if (auto fault = ReadRecords(file, header_bytes, record_bytes)) return fault;
  known_ = true;
  index_id_ = Get32(file, kIndexIdAt);
  uid_validity_ = Get32(file, kUidValidityAt);
  uid_next_ = std::max(uid_next_, Get32(file, kNextUidAt));
  log_sequence_ = Get32(file, kLogSequenceAt);
  log_offset_ = Get32(file, kLogHeadAt);
  return std::nullopt;
}

std::optional<Fault> DovecotIndex::ReadExtensions(std::string_view header, size_t begin) {
  for (size_t at = begin; at + kExtensionHeaderBytes <= header.size();) {
    const size_t data_bytes = Get32(header, at);
    const size_t name_bytes = Get16(header, at + 14);
    const size_t data_at = at + Aligned(kExtensionHeaderBytes + name_bytes, 8);
    if (data_at > header.size() || data_bytes > header.size() - data_at)
      return Fault{at, "an extension goes past the header"};
    if (header.substr(at + kExtensionHeaderBytes, name_bytes) == "keywords") {
      keyword_offset_ = Get16(header, at + 8);
      keyword_bytes_ = Get16(header, at + 10);
      if (auto fault = ReadKeywordNames(header.substr(data_at, data_bytes), data_at)) return fault;
    }
    at = data_at + Aligned(data_bytes, 8);
  }
  return std::nullopt;
}

// struct mail_index_keyword_header: how many, where each name begins, the names with NUL.
std::optional<Fault> DovecotIndex::ReadKeywordNames(std::string_view data, size_t at) {
  if (data.size() < 4) return std::nullopt;
  const size_t count = Get32(data, 0);
  if (count > (data.size() - 4) / 8) return Fault{at, "more keywords than the header holds"};
  const std::string_view names = data.substr(4 + 8 * count);
  for (size_t i = 0; i < count; ++i) {
    const size_t name_at = Get32(data, 4 + 8 * i + 4);
    const size_t end = name_at < names.size() ? names.find('\0', name_at) : names.npos;
    if (end == names.npos) return Fault{at + 8 + 8 * i, "the name of a keyword is not there"};
    keywords_.emplace_back(names.substr(name_at, end - name_at));
  }
  return std::nullopt;
}

std::optional<Fault> DovecotIndex::ReadRecords(std::string_view file, size_t header_bytes,
                                               size_t record_bytes) {
  const size_t count = Get32(file, kCountAt);
  if (count > (file.size() - header_bytes) / record_bytes)
    return Fault{kCountAt, "it is cut off: records are missing"};
  for (size_t i = 0; i < count; ++i) {
    const size_t at = header_bytes + i * record_bytes;
    const uint32_t uid = Get32(file, at);
    if (uid == 0 || uid == UINT32_MAX || (!messages_.empty() && uid <= messages_.rbegin()->first))
      return Fault{at, "a record whose UID is not larger than the one before"};
    Message& message = messages_.emplace_hint(messages_.end(), uid, Message{})->second;
    message.flags = FlagsOf(static_cast<uint8_t>(file[at + 4]));
    uid_next_ = uid + 1;
    for (uint32_t bit = 0; bit < keyword_bytes_ * 8 && bit < keywords_.size(); ++bit) {
      const auto octet = static_cast<uint8_t>(file[at + keyword_offset_ + bit / 8]);
      if ((octet >> bit % 8 & 1) != 0) message.keywords.insert(bit);
    }
  }
  return std::nullopt;
}

std::optional<Fault> DovecotIndex::ReadLog(std::string_view file) {
  if (file.size() < kLogHeaderBytesMin) return Fault{0, "too short for a log of an index"};
  if (static_cast<uint8_t>(file[0]) != kLogMajor) return Fault{0, "a log of another version"};
  const size_t header_bytes = Get16(file, 2);
  if (header_bytes < kLogHeaderBytesMin || header_bytes > file.size())
    return Fault{2, "its header goes past its end"};
  const uint32_t id = Get32(file, 4), sequence = Get32(file, 8);
  if (known_ && id != index_id_) return Fault{4, "the log of another index"};
  if (known_ && sequence < log_sequence_) return std::nullopt;  // the index has all of it
  size_t at = header_bytes;
  if (known_ && sequence == log_sequence_) {
    at = std::max<size_t>(at, log_offset_);
  } else if (Get32(file, 12) != log_sequence_) {
    return Fault{12, "what happened between the index and this log is missing"};
  }
  known_ = true;
  index_id_ = id;
  log_sequence_ = sequence;
  while (at + 8 <= file.size()) {
    const uint32_t size = GetSize(file, at);
    const uint32_t type = Get32(file, at + 4) & kTypeMask;
    if (size == 0) break;  // not finished
    if (size < 8) return Fault{at, "a record shorter than its header"};
    if (size > file.size() - at) break;
    const std::string_view data = file.substr(at + 8, size - 8);
    // What follows counts all together, once all of it is there.
    if (type == kBoundary && data.size() >= 4 && Get32(data, 0) > file.size() - at) break;
    if (auto fault = Replay(type, data, at + 8)) return fault;
    at += size;
  }
  log_offset_ = static_cast<uint32_t>(std::min<size_t>(at, UINT32_MAX));
  return std::nullopt;
}

void DovecotIndex::Expunge(uint32_t first, uint32_t last) {
  if (first > last) return;
  messages_.erase(messages_.lower_bound(first), messages_.upper_bound(last));
}

std::optional<Fault> DovecotIndex::Replay(uint32_t type, std::string_view data, size_t at) {
  // An expunge that is asked for, and one that was made, are one to who reads the mailbox.
  if (type == (kExpunge | kExpungeProtection)) {
    for (size_t i = 0; i + 8 <= data.size(); i += 8) Expunge(Get32(data, i), Get32(data, i + 4));
  } else if (type == (kExpungeGuid | kExpungeProtection)) {
    for (size_t i = 0; i + 20 <= data.size(); i += 20) Expunge(Get32(data, i), Get32(data, i));
  } else if (type == kAppend) {
    for (size_t i = 0; i + 8 <= data.size(); i += 8) {
      const uint32_t uid = Get32(data, i);
      if (uid == 0 || uid == UINT32_MAX) return Fault{at + i, "a message without a UID"};
      messages_[uid].flags = FlagsOf(static_cast<uint8_t>(data[i + 4]));
      uid_next_ = std::max(uid_next_, uid + 1);
    }
  } else if (type == kFlagUpdate) {
    for (size_t i = 0; i + 12 <= data.size(); i += 12) {
      const uint32_t last = Get32(data, i + 4);
      const uint8_t add = FlagsOf(static_cast<uint8_t>(data[i + 8]));
      const uint8_t remove = FlagsOf(static_cast<uint8_t>(data[i + 9]));
      for (auto one = messages_.lower_bound(Get32(data, i));
           one != messages_.end() && one->first <= last; ++one)
        one->second.flags = static_cast<uint8_t>((one->second.flags & ~remove) | add);
    }
  } else if (type == kKeywordUpdate) {
    return ReplayKeyword(data, at);
  } else if (type == kKeywordReset) {
    for (size_t i = 0; i + 8 <= data.size(); i += 8) {
      const uint32_t last = Get32(data, i + 4);
      for (auto one = messages_.lower_bound(Get32(data, i));
           one != messages_.end() && one->first <= last; ++one)
        one->second.keywords.clear();
    }
  } else if (type == kHeaderUpdate) {
    return ReplayHeader(data, at);
  }
  return std::nullopt;
}

uint32_t DovecotIndex::KeywordIndex(std::string_view name) {
  const auto found = std::find(keywords_.begin(), keywords_.end(), name);
  if (found == keywords_.end()) {
    keywords_.emplace_back(name);
    return static_cast<uint32_t>(keywords_.size() - 1);
  }
  return static_cast<uint32_t>(found - keywords_.begin());
}

// struct mail_transaction_keyword_update: what to do, the name, then ranges of UIDs.
std::optional<Fault> DovecotIndex::ReplayKeyword(std::string_view data, size_t at) {
  if (data.size() < 4) return Fault{at, "a keyword's record is cut off"};
  const auto how = static_cast<uint8_t>(data[0]);
  const size_t name_bytes = Get16(data, 2);
  const size_t uids_at = Aligned(4 + name_bytes, 4);
  if (name_bytes == 0 || uids_at > data.size()) return Fault{at, "a keyword's record is cut off"};
  if (how > 2) return Fault{at, "a keyword's record says nothing that can be done"};
  const uint32_t keyword = KeywordIndex(data.substr(4, name_bytes));
  for (size_t i = uids_at; i + 8 <= data.size(); i += 8) {
    const uint32_t last = Get32(data, i + 4);
    for (auto one = messages_.lower_bound(Get32(data, i));
         one != messages_.end() && one->first <= last; ++one) {
      std::set<uint32_t>& keywords = one->second.keywords;
      // MODIFY_ADD, MODIFY_REMOVE, MODIFY_REPLACE.
      if (how == 2) keywords.clear();
      if (how == 1) {
        keywords.erase(keyword);
      } else {
        keywords.insert(keyword);
      }
    }
  }
  return std::nullopt;
}

// struct mail_transaction_header_update: octets of the index's header.
std::optional<Fault> DovecotIndex::ReplayHeader(std::string_view data, size_t at) {
  for (size_t i = 0; i + 4 <= data.size();) {
    const size_t offset = Get16(data, i), size = Get16(data, i + 2);
    if (size > data.size() - i - 4) return Fault{at + i, "a change of the header is cut off"};
    const std::string_view octets = data.substr(i + 4, size);
    const auto field = [&](size_t field_at, uint32_t& value) {
      if (offset <= field_at && field_at + 4 <= offset + size)
        value = Get32(octets, field_at - offset);
    };
    uint32_t next = 0;
    field(kUidValidityAt, uid_validity_);
    field(kNextUidAt, next);
    uid_next_ = std::max(uid_next_, next);
    i = Aligned(i + 4 + size, 4);
  }
  return std::nullopt;
}

void DovecotIndex::AddMarks(uint32_t uid, Marks& marks) const {
  const auto found = messages_.find(uid);
  if (found == messages_.end()) return;
  marks.flags |= found->second.flags;
  for (const uint32_t keyword : found->second.keywords) {
    if (ValidKeyword(keywords_[keyword])) marks.keywords.push_back(keywords_[keyword]);
  }
}

}  // namespace ringmail::foreign
