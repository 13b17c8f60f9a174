#include "protocol/pop3/commands.h"

#include <iterator>

#include "protocol/pop3/wire.h"

namespace ringmail::pop3 {
namespace {

constexpr CommandRow kCommands[] = {
    {"USER", "RFC 1939 7", kAuthorization, Argument::kRequired, RunUser, "USER name"},
    {"PASS", "RFC 1939 7", kAuthorization, Argument::kRequired, RunPass, "PASS password"},
    {"APOP", "RFC 1939 7", kAuthorization, Argument::kRequired, RunApop, "APOP name digest"},
    {"AUTH", "RFC 5034 4", kAuthorization, Argument::kRequired, RunAuth,
     "AUTH mechanism [initial-response]"},
    {"STLS", "RFC 2595 4", kAuthorization, Argument::kNone, RunStls, "STLS"},
    {"UTF8", "RFC 6856 2", kAuthorization, Argument::kNone, RunUtf8, "UTF8"},
    {"CAPA", "RFC 2449 5", kBoth, Argument::kNone, RunCapa, "CAPA"},
    {"LANG", "RFC 6856 3", kBoth, Argument::kOptional, RunLang, "LANG [range]"},
    {"STAT", "RFC 1939 5", kTransaction, Argument::kNone, RunStat, "STAT"},
    {"LIST", "RFC 1939 5", kTransaction, Argument::kOptional, RunList, "LIST [message]"},
    {"UIDL", "RFC 1939 7", kTransaction, Argument::kOptional, RunUidl, "UIDL [message]"},
    {"RETR", "RFC 1939 5", kTransaction, Argument::kRequired, RunRetr, "RETR message"},
    {"TOP", "RFC 1939 7", kTransaction, Argument::kRequired, RunTop, "TOP message lines"},
    {"DELE", "RFC 1939 5", kTransaction, Argument::kRequired, RunDele, "DELE message"},
    {"RSET", "RFC 1939 5", kTransaction, Argument::kNone, RunRset, "RSET"},
    {"NOOP", "RFC 1939 5", kTransaction, Argument::kNone, RunNoop, "NOOP"},
    {"QUIT", "RFC 1939 4, 6", kBoth, Argument::kNone, RunQuit, "QUIT"},
};
static_assert(std::size(kCommands) == kCommandCount);

}  // namespace

std::span<const CommandRow> CommandRows() { return kCommands; }

const CommandRow* FindCommand(std::string_view verb) {
  for (const CommandRow& row : kCommands) {
    if (EqualsIgnoringCase(row.verb, verb)) return &row;
  }
  return nullptr;
}

}  // namespace ringmail::pop3
