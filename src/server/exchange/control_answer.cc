#include "server/exchange/control_answer.h"

#include <simdjson.h>

namespace ringmail::server {
namespace {

bool Number32(simdjson::dom::element element, std::string_view key, uint32_t& value) {
  uint64_t wide = 0;
  if (element[key].get(wide) != simdjson::SUCCESS || wide > UINT32_MAX) return false;
  value = static_cast<uint32_t>(wide);
  return true;
}

bool ReadMailbox(simdjson::dom::element element, MailboxAnswer& mailbox) {
  std::string_view name;
  if (element["name"].get(name) != simdjson::SUCCESS) return false;
  mailbox.name = name;
  simdjson::dom::array keywords;
  if (element["keywords"].get(keywords) != simdjson::SUCCESS) return false;
  for (const simdjson::dom::element one : keywords) {
    if (one.get(name) != simdjson::SUCCESS) return false;
    mailbox.keywords.emplace_back(name);
  }
  return Number32(element, "uid_validity", mailbox.uid_validity) &&
         Number32(element, "uid_next", mailbox.uid_next) &&
         element["messages"].get(mailbox.messages) == simdjson::SUCCESS;
}

}  // namespace

Status JudgeAnswer(const StatusOr<ControlReply>& reply) {
  if (!reply.ok()) {
    if (absl::IsNotFound(reply.status()))
      return absl::FailedPreconditionError(reply.status().message());
    return reply.status();
  }
  if (reply->status == 200) return absl::OkStatus();
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view what = reply->body;
  if (parser.parse(reply->body).get(root) == simdjson::SUCCESS) (void)root["error"].get(what);
  switch (reply->status) {
    case 400:
      return absl::InvalidArgumentError(Absl(what));
    case 404:
      return absl::NotFoundError(Absl(what));
    case 409:
      return absl::AbortedError(Absl(what));
    default:
      return absl::UnavailableError(Absl(what));
  }
}

std::optional<LaneState> ParseLaneAnswer(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view token;
  LaneState state;
  if (parser.parse(body).get(root) != simdjson::SUCCESS ||
      root["token"].get(token) != simdjson::SUCCESS || !Number32(root, "mailbox", state.mailbox) ||
      !Number32(root, "uid_next", state.uid_next))
    return std::nullopt;
  state.token = token;
  return state;
}

std::optional<BatchAnswer> ParseBatchAnswer(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::array messages;
  if (parser.parse(body)["messages"].get(messages) != simdjson::SUCCESS) return std::nullopt;
  BatchAnswer answer;
  for (const simdjson::dom::element one : messages) {
    uint32_t uid = 0;
    std::string_view error;
    if (!Number32(one, "uid", uid) && one["error"].get(error) != simdjson::SUCCESS)
      return std::nullopt;
    answer.uids.push_back(uid);
    answer.errors.emplace_back(error);
  }
  return answer;
}

std::optional<MailboxAnswer> ParseMailboxAnswer(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root, mailbox;
  MailboxAnswer answer;
  if (parser.parse(body).get(root) != simdjson::SUCCESS ||
      root["mailbox"].get(mailbox) != simdjson::SUCCESS || !ReadMailbox(mailbox, answer) ||
      root["created"].get(answer.created) != simdjson::SUCCESS)
    return std::nullopt;
  return answer;
}

std::optional<MailboxesAnswer> ParseMailboxesAnswer(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array mailboxes, subscriptions;
  if (parser.parse(body).get(root) != simdjson::SUCCESS ||
      root["mailboxes"].get(mailboxes) != simdjson::SUCCESS ||
      root["subscriptions"].get(subscriptions) != simdjson::SUCCESS)
    return std::nullopt;
  MailboxesAnswer answer;
  for (const simdjson::dom::element one : mailboxes) {
    if (!ReadMailbox(one, answer.mailboxes.emplace_back())) return std::nullopt;
  }
  for (const simdjson::dom::element one : subscriptions) {
    std::string_view name;
    if (one.get(name) != simdjson::SUCCESS) return std::nullopt;
    answer.subscriptions.emplace_back(name);
  }
  return answer;
}

}  // namespace ringmail::server
