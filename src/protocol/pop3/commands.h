// The table of commands: what each is called, where it is defined, when it may be used, what it
// does.
//
// Metric labels and the fuzzers' dictionary derive from it; a new verb is a row and a file
// cmd_<verb>.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ringmail/io/task.h"

namespace ringmail::pop3 {

class Session;

// Where a session stands (RFC 1939 §3), as bits. UPDATE is within QUIT.
using States = uint8_t;
inline constexpr States kAuthorization = 1;
inline constexpr States kTransaction = 2;
inline constexpr States kBoth = kAuthorization | kTransaction;

enum class Argument : uint8_t { kNone, kOptional, kRequired };

struct CommandRow {
  std::string_view verb;  // upper case
  std::string_view rfc;
  States states;
  Argument argument;
  // `argument` stays where it is until the verb reads another line.
  io::Task<void> (*run)(Session& session, std::string_view argument);
  std::string_view syntax;
};

std::span<const CommandRow> CommandRows();
inline constexpr size_t kCommandCount = 17;

// The row of `verb`, any case, or null.
const CommandRow* FindCommand(std::string_view verb);
inline size_t CommandIndex(const CommandRow& row) {
  return static_cast<size_t>(&row - CommandRows().data());
}

// One per file.
io::Task<void> RunUser(Session& session, std::string_view argument);
io::Task<void> RunPass(Session& session, std::string_view argument);
io::Task<void> RunApop(Session& session, std::string_view argument);
io::Task<void> RunAuth(Session& session, std::string_view argument);
io::Task<void> RunStls(Session& session, std::string_view argument);
io::Task<void> RunUtf8(Session& session, std::string_view argument);
io::Task<void> RunCapa(Session& session, std::string_view argument);
io::Task<void> RunLang(Session& session, std::string_view argument);
io::Task<void> RunStat(Session& session, std::string_view argument);
io::Task<void> RunList(Session& session, std::string_view argument);
io::Task<void> RunUidl(Session& session, std::string_view argument);
io::Task<void> RunRetr(Session& session, std::string_view argument);
io::Task<void> RunTop(Session& session, std::string_view argument);
io::Task<void> RunDele(Session& session, std::string_view argument);
io::Task<void> RunRset(Session& session, std::string_view argument);
io::Task<void> RunNoop(Session& session, std::string_view argument);
io::Task<void> RunQuit(Session& session, std::string_view argument);

}  // namespace ringmail::pop3
