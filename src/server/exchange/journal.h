// The journal of an import: which messages of the source are in the account, so that a second run
// brings none twice and forgets none.
//
// A batch is written down before it is sent, and again when its answer is here. One that has no
// answer is settled by asking where its lane is (server/mailboxes/lane.h). Text, a record a line,
// with a checksum; a last line that was not finished does not count. Pure.
//
//   ringmail-import 1 JOB ACCOUNT SOURCE CRC
//   begun LANE EXPECT TOKEN MAILBOX ITEM:BYTES:DATE... CRC
//   ended LANE TOKEN UID... CRC            0: the server did not take it
//   none LANE TOKEN NEXT CRC               the batch never came; the lane is at NEXT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ringmail/foreign/marks.h"

namespace ringmail::server {

struct JournalItem {
  std::string id;  // stays with the message in its source
  uint64_t bytes = 0;
  int64_t date_seconds = 0;
  friend bool operator==(const JournalItem&, const JournalItem&) = default;
};

struct JournalBatch {
  uint32_t lane = 0;
  std::string expect, token;
  std::string mailbox;
  std::vector<JournalItem> items;
};

struct JournalHead {
  std::string job, account, source;
  friend bool operator==(const JournalHead&, const JournalHead&) = default;
};

std::string FormatJournalHead(const JournalHead& head);
std::string FormatBegun(const JournalBatch& batch);
std::string FormatEnded(const JournalBatch& batch, const std::vector<uint32_t>& uids);
std::string FormatNone(const JournalBatch& batch, std::string_view next);

// What the lines say, together with those that are added as they are written.
class Journal {
 public:
  struct Lane {
    std::string token;
    std::optional<JournalBatch> open;  // begun, and not settled
  };

  // Errors: a line in the middle that is not as it was written, or no journal at all.
  std::optional<foreign::Fault> Read(std::string_view text);
  // Up to where the lines are whole: what is written next belongs there.
  uint64_t valid_bytes() const { return valid_bytes_; }

  const JournalHead& head() const { return head_; }
  bool Has(std::string_view mailbox, std::string_view id) const;
  size_t done() const { return done_.size(); }
  uint64_t batches() const { return batches_; }
  std::map<uint32_t, Lane>& lanes() { return lanes_; }

  void Begun(JournalBatch batch);
  void Ended(uint32_t lane, const std::vector<uint32_t>& uids);
  void None(uint32_t lane, std::string_view next);

 private:
  bool Apply(const std::vector<std::string>& words);
  bool ApplyBegun(const std::vector<std::string>& words);

  JournalHead head_;
  std::unordered_set<std::string> done_;
  std::map<uint32_t, Lane> lanes_;
  uint64_t batches_ = 0, valid_bytes_ = 0;
};

// Which of the items of a batch that came through are there: `found` are the messages of the
// mailbox since it began, in order. A UID for each item; 0: it is not there.
struct FoundMessage {
  uint32_t uid = 0;
  uint64_t bytes = 0;
  int64_t date_seconds = 0;
};
std::vector<uint32_t> MatchItems(const std::vector<JournalItem>& items,
                                 const std::vector<FoundMessage>& found);

}  // namespace ringmail::server
