// A golden conversation: what a person reads in a .dialog file, as steps. README.md has the format;
// run.py reads it too.
//
// Pure. Errors: a message that names file and line.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"

namespace ringmail::dialog {

using Variables = std::map<std::string, std::string>;

struct Step {
  enum class Kind : uint8_t {
    kSend,        // text: octets, as they go out
    kPause,       // what follows is sent by itself
    kLine,        // text: the pattern of the next line
    kLines,       // text: the pattern of any number of lines
    kClosed,      // the server closes
    kQuiet,       // time: nothing arrives
    kWait,        // time: passes
    kPatience,    // time: how long the server may take, from here on
    kShutdown,    // our side is done
    kClose,       // the connection is dropped
    kConnection,  // text: goes on with this connection, made where it is new
    kExpect,      // key, text: what the server must have done
  };
  Kind kind;
  int line = 0;  // in the file
  std::string key;
  std::string text;
  Nanoseconds time{0};
};

struct Setting {
  std::string key, value;
  int line = 0;
};

struct Dialog {
  std::string name;  // for messages: the file
  std::string title;
  std::vector<Setting> config;
  std::vector<Step> steps;
};

StatusOr<Dialog> Parse(std::string_view file, std::string_view text);

// The octets of a C line: escapes and {N*text} and {variable} replaced.
StatusOr<std::string> Expand(std::string_view text, const Variables& variables);
// Whether `line` (without CRLF) is what the pattern of an S line says. A malformed pattern matches
// nothing and is an error.
StatusOr<bool> Matches(std::string_view pattern, std::string_view line, const Variables& variables);

}  // namespace ringmail::dialog
