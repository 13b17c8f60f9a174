// What the control interface answers about the directory.
//
//   GET  /v1/domains
//   POST /v1/domains/NAME/add|delete                 {"comment": …}
//   GET  /v1/accounts?domain=D                       all of them, streamed
//   GET  /v1/accounts/ADDRESS
//   POST /v1/accounts/ADDRESS/add|set                {"password": …, "name": …, "comment": …,
//                                                     "enabled": …, "quota_bytes": …,
//                                                     "quota_messages": …}
//   POST /v1/accounts/ADDRESS/passwd                 {"password": …, "app": NAME, "revoke": true}
//   POST /v1/accounts/ADDRESS/app-password           {"name": …}; the answer's "password" was
//   drawn,
//                                                    and is shown nowhere else, ever
//   POST /v1/accounts/ADDRESS/delete
//   GET  /v1/aliases?domain=D
//   POST /v1/aliases/NAME/add                        {"targets": […], "moved": true, "comment": …}
//   POST /v1/aliases/NAME/delete                     {"targets": […]}; none: all of it
//   GET  /v1/lookup/ADDRESS                          what the directory says of a recipient
//   GET  /v1/directory                               the text file, with the hashes
//   POST /v1/directory/import?prune=true&erase_mail=true&dry_run=true   the text file
//   POST /v1/directory/accept
// Shard: 0. Hashes are shown by GET /v1/directory alone; no other password is shown, none is
// logged.
#pragma once

#include "server/control/routes.h"
#include "server/control/target.h"

namespace ringmail::server {

// Whether the resource is one of these.
bool IsDirectoryTarget(const RequestTarget& target);
io::Task<void> AnswerDirectory(ShardServer& server, const ControlRequest& request,
                               const RequestTarget& target, ControlResponse& response);

}  // namespace ringmail::server
