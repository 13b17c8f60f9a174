// What the control interface answers about mailboxes, as its client reads it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/status.h"
#include "server/control/client.h"
#include "server/mailboxes/lane.h"

namespace ringmail::server {

// OK for a 200. Otherwise what the server says is wrong: kInvalidArgument for 400, kNotFound for
// 404, kAborted for 409, kUnavailable for the rest; kFailedPrecondition: no server answers.
Status JudgeAnswer(const StatusOr<ControlReply>& reply);

// nullopt: not such an answer.
std::optional<LaneState> ParseLaneAnswer(const std::string& body);

struct BatchAnswer {
  std::vector<uint32_t> uids;       // 0: it was not taken
  std::vector<std::string> errors;  // as many
};
std::optional<BatchAnswer> ParseBatchAnswer(const std::string& body);

struct MailboxAnswer {
  std::string name;
  uint32_t uid_validity = 0, uid_next = 0;
  uint64_t messages = 0;
  std::vector<std::string> keywords;
  bool created = false;
};
// Of POST mailboxes.
std::optional<MailboxAnswer> ParseMailboxAnswer(const std::string& body);

struct MailboxesAnswer {
  std::vector<MailboxAnswer> mailboxes;
  std::vector<std::string> subscriptions;
};
// Of GET mailboxes.
std::optional<MailboxesAnswer> ParseMailboxesAnswer(const std::string& body);

}  // namespace ringmail::server
