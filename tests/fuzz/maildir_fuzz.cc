// The small files of a Maildir from hostile octets, and names of mailboxes: what is written is read
// as it was.
#include <cstdint>
#include <string_view>

#include "ringmail/base/check.h"
#include "ringmail/foreign/mailbox_name.h"
#include "ringmail/foreign/maildir.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace foreign = ringmail::foreign;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  foreign::UidList list;
  if (!foreign::ParseUidList(text, list)) {
    foreign::UidList again;
    if (list.uid_validity != 0) {
      CHECK(!foreign::ParseUidList(foreign::FormatUidList(list), again));
      CHECK(again.uids == list.uids);
    }
  }
  const auto keywords = foreign::ParseMaildirKeywords(text);
  CHECK(foreign::ParseMaildirKeywords(foreign::FormatMaildirKeywords(keywords)) == keywords);
  const foreign::MaildirFile file = foreign::ParseMaildirFile(text);
  foreign::Marks marks, again;
  foreign::AddMaildirFlags(file.flags, keywords, marks);
  auto same = keywords;
  uint32_t lost = 0;
  foreign::AddMaildirFlags(foreign::FormatMaildirFlags(marks, same, lost), same, again);
  CHECK_EQ(again.flags, marks.flags);
  CHECK_EQ(lost, 0u);
  for (const char separator : {'.', '/'}) {
    const auto name = foreign::NameFromPath(text, separator);
    if (!name) continue;
    std::string path;
    for (const std::string& level : foreign::LevelsOfName(*name, separator))
      path += (path.empty() ? "" : std::string(1, separator)) + level;
    // A level that is no modified UTF-7 stands for itself, and may have another form.
    CHECK(foreign::NameFromPath(path, separator).has_value());
  }
  (void)foreign::ParseSubscriptions(text, '.');
  return 0;
}
