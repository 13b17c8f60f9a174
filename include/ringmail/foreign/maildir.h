// Maildir and Maildir++ as Courier and Dovecot write them: names of files, and the small files
// beside them. What is in a message's file is the message.
//
// Promise: what Format… writes, Parse… reads as it was. Hostile input costs no more than its size.
// Shard: pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/foreign/marks.h"

namespace ringmail::foreign {

// Keywords a to z of one Maildir, as dovecot-keywords has them; "" is none.
inline constexpr size_t kMaildirKeywordsMax = 26;
using MaildirKeywords = std::array<std::string, kMaildirKeywordsMax>;

// "1204680122.M1P2.host,S=1234,W=1270:2,FS": unique up to the ':', flags after ":2,".
struct MaildirFile {
  std::string_view unique;        // stays as long as the message; "" is no file of a message
  std::string_view flags;         // as written
  std::optional<uint64_t> bytes;  // S=, which lets quotas go without stat
};
MaildirFile ParseMaildirFile(std::string_view name);
// T is \Deleted, R \Answered, P the keyword $Forwarded; a to z are `keywords`. Others are left out.
void AddMaildirFlags(std::string_view flags, const MaildirKeywords& keywords, Marks& marks);
// In alphabetical order, as the format asks. Keywords that have no letter yet get one; those for
// which no letter is left are counted in `lost`.
std::string FormatMaildirFlags(const Marks& marks, MaildirKeywords& keywords, uint32_t& lost);

MaildirKeywords ParseMaildirKeywords(std::string_view text);
std::string FormatMaildirKeywords(const MaildirKeywords& keywords);

// dovecot-uidlist, versions 1 and 3 (read), 3 (written); Courier's courierimapuiddb is as version
// 1.
struct UidList {
  uint32_t uid_validity = 0, uid_next = 0;
  std::vector<std::pair<uint32_t, std::string>> uids;  // ascending; the unique part of the name
};
// Errors: the first line that is not as it must be. What was read until then is in `list`.
std::optional<Fault> ParseUidList(std::string_view text, UidList& list);
std::string FormatUidList(const UidList& list);

// "subscriptions" of Dovecot, of either version, and "courierimapsubscribed": our names. Lines that
// are no name are left out. `separator` parts the levels of version 1.
std::vector<std::string> ParseSubscriptions(std::string_view text, char separator);
// Version 1 with '.'.
std::string FormatSubscriptions(const std::vector<std::string>& names);

// ".Sent.2024" is "Sent/2024". nullopt: no folder of Maildir++.
std::optional<std::string> NameOfFolder(std::string_view folder);
std::string FolderOfName(std::string_view name);

}  // namespace ringmail::foreign
