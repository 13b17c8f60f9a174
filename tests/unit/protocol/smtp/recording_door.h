// The door into the queue as a test sees it: it keeps what it was given and says what it was told
// to say.
//
// It takes the place of agent and storage when a test is linked, so that the room is held to what
// it hands over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/agent/mail_transaction.h"

namespace ringmail::smtp {

struct RecordedMessage {
  std::string reverse_path;
  message::MailParameters parameters;
  std::vector<message::Recipient> recipients;
  std::string content;
  std::vector<size_t> dot_lines;  // offsets in the content
  uint8_t flags = 0;
  std::string helo;
  std::string with_protocol;
  std::string account;
  IpAddress client;
  friend bool operator==(const RecordedMessage& a, const RecordedMessage& b) {
    return a.content == b.content && a.dot_lines == b.dot_lines && a.flags == b.flags;
  }
};

struct DoorRecord {
  std::vector<RecordedMessage> messages;  // committed
  uint32_t begun = 0, ended = 0;          // transactions
  bool keep = true;                       // false: nothing of messages is kept
  Status drain_fault;                     // what Drain answers
  uint64_t drain_every_bytes = UINT64_MAX;
  message::Reply commit_reply{.code = 250, .status = {2, 0, 0}, .text = "queued"};
};

// Of the test that runs; a new one forgets the last.
DoorRecord& NewRecord();
DoorRecord& Record();

// Addresses at "refused.example" are refused with 550 5.7.1, at "later.example" with 450 4.2.1.
std::unique_ptr<agent::MailDoor> MakeDoor(agent::MailLimits limits);

}  // namespace ringmail::smtp
