// Messages on their way into a mailbox: one request of the control interface, as the account's
// shard sees it.
//
// Made by: the route, on the account's shard. Order: Begin; Feed any number of times; Finish. Ends
//   in: destruction, there.
// Promise: after Finish says OK all messages are on stable storage, in the order of the body, and
//   the lane is at the request's token; otherwise none is and it is not, except that a message that
//   the account refused is left out, and named.
// Shard: the account's.
// Limits: kAppendMessagesMax messages, of which the last begins within kAppendBytesMax octets.
// Errors: kNotFound: no such mailbox; kInvalidArgument: the body, or too much of it; kAborted: the
//   lane is elsewhere, or a batch is under way in it; others as Account::Apply. Quotas do not count
//   here: who imports is the operator.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringmail/codec/data_scan.h"
#include "ringmail/storage/account.h"
#include "ringmail/storage/queue.h"
#include "server/mailboxes/frame.h"
#include "server/mailboxes/lane.h"

namespace ringmail::server {

inline constexpr size_t kAppendMessagesMax = 1000;
inline constexpr uint64_t kAppendBytesMax = 8u << 20;

struct AppendRequest {
  AccountId account;
  std::string mailbox;  // its name
  // "": none, and a request that is made twice appends twice.
  std::string lane, expect, token;
  // kFrames: frame.h; kMessage: the body is one message, with these marks.
  enum class Body : uint8_t { kFrames, kMessage };
  Body body = Body::kFrames;
  foreign::Marks marks;
};

class Appending {
 public:
  Appending(storage::Queue& queue, storage::Accounts& accounts, LaneSet& lanes,
            AppendRequest request)
      : queue_(queue), accounts_(accounts), lanes_(lanes), request_(std::move(request)) {}
  Appending(const Appending&) = delete;
  Appending& operator=(const Appending&) = delete;
  ~Appending();

  io::Task<Status> Begin();
  io::Task<Status> Feed(std::string_view piece);
  // The answer's JSON into `answer`.
  io::Task<Status> Finish(std::string& answer);

 private:
  io::Task<Status> BeginLane();
  Status BeginMessage(const foreign::Marks& marks);
  io::Task<Status> FeedMessage(std::string_view octets);
  Status EndMessage();

  storage::Queue& queue_;
  storage::Accounts& accounts_;
  LaneSet& lanes_;
  const AppendRequest request_;
  bool in_lane_ = false;
  storage::AccountRef account_;
  FrameReader frames_;
  codec::ContentScanner scanner_;
  uint64_t bytes_ = 0;
  storage::AccountTransaction transaction_;
  std::vector<storage::Account::NewContent> contents_;
};

// "ok", or why a change was not made.
std::string_view ToString(storage::ChangeStatus status);

}  // namespace ringmail::server
