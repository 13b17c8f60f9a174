// Reading what servers wrote into header sections: Received (RFC 5321 §4.4, RFC 5322 §3.6.7),
// Authentication-Results (RFC 8601), and the List fields (RFC 2369, RFC 2919, RFC 8058).
//
// Promise: pure; nothing here is to be trusted unless this host wrote it (RFC 8601 §5). Limits:
// those of the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/date.h"

namespace ringmail::message {

struct ParsedReceived {
  std::string from, from_comment;  // the comment is TCP-info: "(name [address])"
  std::string by, via, with, id, for_path;
  std::optional<DateTime> when;
};
ParsedReceived ParseReceived(std::string_view value);

struct AuthenticationProperty {
  std::string type, property, value;  // smtp . mailfrom = value
};
struct AuthenticationResult {
  std::string method;  // lower case: "dkim"
  uint32_t method_version = 1;
  std::string result;  // lower case: "pass"
  std::string reason, comment;
  std::vector<AuthenticationProperty> properties;
};
struct AuthenticationResults {
  std::string server;  // the authserv-id
  uint32_t version = 1;
  std::vector<AuthenticationResult> results;  // empty for "none"
};
// nullopt where the grammar of RFC 8601 §2.2 is not followed: a result that is half read is worse
// than none.
std::optional<AuthenticationResults> ParseAuthenticationResults(std::string_view value);

// List-Help, -Subscribe, -Unsubscribe, -Post, -Owner, -Archive: URLs in the order of preference
// (RFC 2369 §2). "NO" (§3.4) gives none, and `no`.
struct ListUrls {
  std::vector<std::string> urls;
  bool no = false;
};
ListUrls ParseListUrls(std::string_view value);

struct ListId {
  std::string name;  // the phrase, decoded
  std::string id;    // without its angle brackets
};
std::optional<ListId> ParseListId(std::string_view value);
// RFC 8058 §3.1: whether the value is "List-Unsubscribe=One-Click".
bool IsOneClick(std::string_view list_unsubscribe_post);

}  // namespace ringmail::message
