#include "server/commands/queue_table.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "server/commands/shown.h"

namespace ringmail::server {
namespace {

using simdjson::dom::element;

std::string_view Text(const element& object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

uint64_t Count(const element& object, std::string_view key) {
  uint64_t count = 0;
  return object[key].get(count) == simdjson::SUCCESS ? count : 0;
}

// A peer's words must not steer a terminal. What the server says itself goes the same way: it may
// not be our server that listens there.
std::string ShownText(const element& object, std::string_view key) {
  return Shown(Text(object, key));
}

std::string Path(std::string_view path) { return path.empty() ? "<>" : Shown(path); }

void WriteRow(const element& message, std::string& out) {
  const std::string next = ShownText(message, "next_attempt");
  out += fmt::format("{}  {:<7}  {}  {:>9}  {:>3}  {:<20}  {}\n", ShownText(message, "id"),
                     ShownText(message, "state"), ShownText(message, "arrival"),
                     Count(message, "bytes"), Count(message, "attempts"), next.empty() ? "-" : next,
                     Path(Text(message, "from")));
  simdjson::dom::array recipients;
  if (message["recipients"].get(recipients) != simdjson::SUCCESS) return;
  uint64_t shown = 0;
  for (const element one : recipients) {
    out += fmt::format("{:14}to {}", "", Path(Text(one, "address")));
    if (const std::string_view reply = Text(one, "reply"); !reply.empty()) {
      const std::string_view host = Text(one, "host");
      out += fmt::format(" ({}{}{})", Shown(host), host.empty() ? "" : ": ", Shown(reply));
    }
    out += '\n';
    ++shown;
  }
  const uint64_t pending = Count(message, "pending_count");
  if (pending > shown) out += fmt::format("{:14}and {} more\n", "", pending - shown);
}

}  // namespace

TablePage WriteTable(std::string_view json, bool header, std::string& out) {
  TablePage page;
  simdjson::dom::parser parser;
  element root;
  simdjson::dom::array messages;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return page;
  if (root["messages"].get(messages) != simdjson::SUCCESS) return page;
  for (const element message : messages) {
    if (header && page.messages == 0) {
      out += fmt::format("{:<12}  {:<7}  {:<20}  {:>9}  {:>3}  {:<20}  {}\n", "ID", "STATE",
                         "ARRIVAL", "BYTES", "TRY", "NEXT", "FROM");
    }
    WriteRow(message, out);
    ++page.messages;
  }
  page.next = Text(root, "next");
  page.good = true;
  return page;
}

bool WriteDetails(std::string_view json, std::string& out) {
  simdjson::dom::parser parser;
  element message;
  simdjson::dom::array recipients;
  if (parser.parse(json.data(), json.size()).get(message) != simdjson::SUCCESS) return false;
  if (message["recipients"].get(recipients) != simdjson::SUCCESS) return false;
  out += fmt::format(
      "id            {}\nstate         {}\nfrom          {}\narrival       {}\nbytes         {}\n",
      ShownText(message, "id"), ShownText(message, "state"), Path(Text(message, "from")),
      ShownText(message, "arrival"), Count(message, "bytes"));
  const std::string next = ShownText(message, "next_attempt");
  out += fmt::format("attempts      {}\nnext attempt  {}\nrecipients    {}, {} pending\n",
                     Count(message, "attempts"), next.empty() ? "-" : next,
                     Count(message, "recipient_count"), Count(message, "pending_count"));
  for (const element one : recipients) {
    out += fmt::format("  {}  {}\n", ShownText(one, "state"), Path(Text(one, "address")));
    const std::string_view reply = Text(one, "reply"), host = Text(one, "host");
    if (!reply.empty())
      out += fmt::format("    {}{}{}\n", Shown(host), host.empty() ? "" : ": ", Shown(reply));
  }
  return true;
}

}  // namespace ringmail::server
