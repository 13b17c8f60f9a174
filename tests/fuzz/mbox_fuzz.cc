// mbox from hostile octets: the same however it is cut, and what is written is read as it was.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/foreign/mbox.h"

namespace {

using ringmail::foreign::FromQuoting;
using ringmail::foreign::MboxMessage;
using ringmail::foreign::MboxReader;

std::vector<MboxMessage> ReadAll(std::string_view file, size_t cut, FromQuoting quoting) {
  MboxReader reader({.quoting = quoting, .message_bytes_max = 4096});
  std::vector<MboxMessage> messages;
  size_t fed = 0;
  for (;;) {
    switch (reader.Next()) {
      case MboxReader::Want::kMore:
        if (fed == file.size()) {
          reader.FeedEnd();
        } else {
          reader.Feed(file.substr(fed, cut));
          fed = std::min(fed + cut, file.size());
        }
        break;
      case MboxReader::Want::kProbe:
        reader.Probed(reader.probe_offset() > file.size()
                          ? ">"
                          : file.substr(static_cast<size_t>(reader.probe_offset()),
                                        ringmail::foreign::kMboxProbeBytes));
        break;
      case MboxReader::Want::kMessage:
        messages.push_back(reader.message());
        CHECK(messages.back().octets.size() <= 2 * 4096);
        break;
      case MboxReader::Want::kTooLong:
      case MboxReader::Want::kNotMbox:
        break;
      case MboxReader::Want::kEnd:
        return messages;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto quoting = static_cast<FromQuoting>(data[0] % 4);
  const size_t cut = size_t{data[1]} + 1;
  const std::string_view file(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto whole = ReadAll(file, file.size() + 1, quoting);
  const auto pieces = ReadAll(file, cut, quoting);
  CHECK_EQ(whole.size(), pieces.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    CHECK(whole[i].octets == pieces[i].octets);
    CHECK(whole[i].marks == pieces[i].marks);
    CHECK(whole[i].offset == pieces[i].offset);
  }
  // Again as mboxrd: the same messages, with an empty line between header and body where there was
  // none, and a line end at the end.
  std::string written;
  for (const MboxMessage& one : whole)
    written += FormatMboxMessage(one.octets, one.marks, FromQuoting::kMboxrd, {});
  const auto again = ReadAll(written, cut, FromQuoting::kMboxrd);
  CHECK_EQ(again.size(), whole.size());
  for (size_t i = 0; i < again.size(); ++i) {
    CHECK_EQ(again[i].marks.flags, whole[i].marks.flags);
    CHECK(again[i].marks.keywords == whole[i].marks.keywords);
  }
  return 0;
}
