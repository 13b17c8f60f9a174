// Body parts and header forms of JMAP: RFC 8621 §4.1.
//
// Promise: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/message/part_view.h"

namespace ringmail::message {

// RFC 8621 §4.1.4, by its own algorithm.
struct JmapBodyLists {
  std::vector<PartIndex> text_body, html_body, attachments;
};
JmapBodyLists FindBodyLists(const MessageView& message);
bool HasAttachment(const MessageView& message);

// RFC 8621 §4.1.2: the forms of a field's raw value.
std::string JmapRaw(std::string_view value);   // §4.1.2.1, valid UTF-8
std::string JmapText(std::string_view value);  // §4.1.2.2, in normalization form C
struct JmapAddress {
  std::optional<std::string> name;
  std::string email;

  friend bool operator==(const JmapAddress&, const JmapAddress&) = default;
};
std::vector<JmapAddress> JmapAddresses(std::string_view value);  // §4.1.2.3
struct JmapGroup {
  std::optional<std::string> name;
  std::vector<JmapAddress> addresses;

  friend bool operator==(const JmapGroup&, const JmapGroup&) = default;
};
std::vector<JmapGroup> JmapGroupedAddresses(std::string_view value);             // §4.1.2.4
std::optional<std::vector<std::string>> JmapMessageIds(std::string_view value);  // §4.1.2.5
std::optional<std::string> JmapDate(std::string_view value);                     // §4.1.2.6
std::optional<std::vector<std::string>> JmapUrls(std::string_view value);        // §4.1.2.7

}  // namespace ringmail::message
