// The messages of a mailbox on their way out, as frames or one by one: one request of the control
// interface, as the account's shard sees it.
//
// Made by: the route, on the account's shard. Order: Begin; Next until it says that was all. Ends
//   in: destruction, there.
// Promise: the mailbox as it stood at Begin. A message that was expunged since, or cannot be read,
//   is a head with its error.
// Shard: the account's.
// Errors: of Begin, kNotFound: no such mailbox or message. Of Next: a message could not be read
//   to its end, after its head was given: the answer cannot go on.
#pragma once

#include <memory>
#include <string>

#include "ringmail/storage/message_source.h"
#include "ringmail/storage/store.h"
#include "server/mailboxes/frame.h"

namespace ringmail::server {

inline constexpr size_t kReadingPieceBytes = 256u << 10;

struct ReadRequest {
  enum class What : uint8_t { kFrames, kHeads, kMessage };
  AccountId account;
  std::string mailbox;
  What what = What::kFrames;
  uint32_t after = 0;  // messages with larger UIDs; of kMessage: the UID itself
  uint64_t limit = UINT64_MAX;
};

class Reading {
 public:
  Reading(storage::ShardStore& store, storage::Accounts& accounts, ReadRequest request)
      : store_(store), accounts_(accounts), request_(std::move(request)) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  io::Task<Status> Begin();
  // Appends some kReadingPieceBytes to `out`; false: that was all.
  io::Task<StatusOr<bool>> Next(std::string& out);

 private:
  FrameHead HeadOf(const storage::MessageEntry& entry) const;
  io::Task<Status> BeginMessage(std::string& out);

  storage::ShardStore& store_;
  storage::Accounts& accounts_;
  const ReadRequest request_;
  storage::AccountRef account_;
  storage::MailboxView view_;
  uint32_t place_ = 0;
  uint64_t given_ = 0;
  std::unique_ptr<storage::MessageSource> source_;  // of the message that is being given
  uint64_t left_ = 0;
};

}  // namespace ringmail::server
