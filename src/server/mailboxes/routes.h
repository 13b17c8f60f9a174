// What the control interface answers about the mailboxes of an account. What imports and exports
// use, and any client of HTTP may: curl --unix-socket.
//
//   GET  /v1/accounts/ADDRESS/mailboxes               all, with subscriptions
//   POST /v1/accounts/ADDRESS/mailboxes?name=N&uid_validity=V&uid_next=U&role=R
//                                                     makes it, if it is not there, lets it go on
//                                                     there, if it can (ContinueUids); says what it
//                                                     is
//   POST /v1/accounts/ADDRESS/subscriptions?name=N
//   GET  /v1/accounts/ADDRESS/messages?mailbox=N&after=UID&limit=N      heads of frames, one a line
//   GET  /v1/accounts/ADDRESS/messages/UID?mailbox=N                    the message, raw
//   POST /v1/accounts/ADDRESS/messages?mailbox=N&date=S&flag=F&keyword=K
//                                                     the body is one message; flag and keyword any
//                                                     number of times; also lane, expect, token
//   GET  /v1/accounts/ADDRESS/export?mailbox=N&after=UID&limit=N        frames (frame.h)
//   POST /v1/accounts/ADDRESS/import?mailbox=N&lane=L&expect=T&token=T  the body is frames; one
//   with a
//                                                     UID is refused where that is used
//   GET  /v1/accounts/ADDRESS/import?lane=L                             where the lane is (lane.h)
//   POST /v1/accounts/ADDRESS/import/end?lane=L                         the lane goes
//
// Answers: 200 after it is durable. 400 the request; 404 no such account, mailbox or message; 409
//   the lane is elsewhere, or the name is taken; 503 not now.
// Shard: 0; the work is done on the account's.
#pragma once

#include <span>

#include "server/control/routes.h"
#include "server/control/target.h"

namespace ringmail::server {

// Whether the resource is one of these.
bool IsMailboxTarget(const RequestTarget& target);
io::Task<void> AnswerMailboxes(std::span<ShardServer* const> servers, const ControlRequest& request,
                               const RequestTarget& target, ControlResponse& response);

}  // namespace ringmail::server
