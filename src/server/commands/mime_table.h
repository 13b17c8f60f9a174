// The structure of a message, as ringmail mime shows it. Pure.
#pragma once

#include <string>

#include "ringmail/message/part_view.h"

namespace ringmail::server {

// A line for each part, indented by its depth: section, type, encoding, sizes, file name; and one
// for each departure.
void WriteMimeTable(const message::MessageView& message, std::string& out);
// One JSON object in one line: {"message":N, "bytes", "verdict", "parts":[{"section", "type",
// "parameters", "disposition", "file_name", "encoding", "charset", "header", "body", "lines",
// "decoded_bytes", "departures"}]}; "header" and "body" are {"offset", "bytes"} in the message.
void WriteMimeJson(const message::MessageView& message, uint64_t number, std::string& out);
// A line for each departure of each part: "FILE: message N, part 1.2 at OFFSET: what". Returns how
// many.
uint64_t WriteMimeDepartures(const message::MessageView& message, std::string_view where,
                             std::string& out);

}  // namespace ringmail::server
