// What the client and the server of an import read of each other and of the disk, from hostile
// octets: the journal, frames, lanes.
#include <cstdint>
#include <string_view>

#include "ringmail/base/check.h"
#include "server/exchange/journal.h"
#include "server/mailboxes/frame.h"
#include "server/mailboxes/lane.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ringmail::server::FrameReader;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ringmail::server::Journal journal;
  (void)journal.Read(text);
  CHECK(journal.valid_bytes() <= text.size());
  if (const auto lane = ringmail::server::ParseLane(text))
    CHECK(ringmail::server::ParseLane(FormatLane(*lane)) == lane);
  // Cut in two, the messages are the same.
  uint64_t octets[2] = {0, 0}, messages[2] = {0, 0};
  for (size_t run = 0; run < 2; ++run) {
    FrameReader reader;
    std::string_view pieces[2] = {text, {}};
    if (run == 1) pieces[1] = text.substr(size / 2), pieces[0] = text.substr(0, size / 2);
    for (std::string_view& piece : pieces) {
      for (bool more = true; more;) {
        switch (reader.Next(piece)) {
          case FrameReader::Event::kMore:
          case FrameReader::Event::kMalformed:
            more = false;
            break;
          case FrameReader::Event::kOctets:
            octets[run] += reader.octets().size();
            break;
          case FrameReader::Event::kMessage:
            ++messages[run];
            break;
          case FrameReader::Event::kHead:
            break;
        }
      }
    }
  }
  CHECK_EQ(octets[0], octets[1]);
  CHECK_EQ(messages[0], messages[1]);
  return 0;
}
