// What the control interface says of the queue, for people to read. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmail::server {

struct TablePage {
  bool good = false;  // false: not the JSON of GET /v1/queue
  uint64_t messages = 0;
  std::string next;  // the id to go on after; "": that was all
};
// Writes the messages of one page as lines, after a line of titles where asked for.
TablePage WriteTable(std::string_view json, bool header, std::string& out);

// Writes one message with all its recipients. False: not the JSON of GET /v1/queue/ID.
bool WriteDetails(std::string_view json, std::string& out);

}  // namespace ringmail::server
