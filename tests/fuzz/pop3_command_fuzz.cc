// POP3: words of commands, the cut of TOP, and a whole session with a house in memory, however the
// octets are cut.
//
// The first octets choose the cuts and the house's mood. Whatever is said: replies are whole lines
// that begin with +OK, -ERR or "+ ", or belong to a reply of many lines; nothing is deleted unless
// a QUIT was said within TRANSACTION; each session ends, and gives its maildrop back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/pop3/commands.h"
#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"
#include "support/io/still_io.h"
#include "tests/support/pop3/house.h"

namespace ringmail::pop3 {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

bool Inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void ParseLine(std::string_view line) {
  const CommandWords words = SplitCommand(line);
  Require(Inside(words.verb, line) && Inside(words.argument, line));
  const CommandRow* row = FindCommand(words.verb);
  if (row != nullptr) Require(EqualsIgnoringCase(row->verb, words.verb));
  if (const auto two = SplitTwo(words.argument)) {
    Require(Inside(two->first, line) && Inside(two->second, line));
    Require(!two->first.empty() && !two->second.empty());
  }
  if (const auto apop = ParseApop(words.argument)) Require(apop->second.size() == 32);
  if (const auto number = ParseNumber(words.argument)) Require(words.argument.size() <= 10);
}

// The cut of a message is the same whole and in pieces.
void CutMessage(std::string_view message, uint8_t choice) {
  const uint32_t lines = choice & 7;
  MessageCut whole(lines);
  const size_t count = whole.Feed(message);
  MessageCut pieces(lines);
  size_t sum = 0, header = 0;
  const size_t step = choice / 8u + 1;
  for (size_t at = 0; at < message.size() && !pieces.done(); at += step) {
    const std::string_view piece = message.substr(at, step);
    const size_t took = pieces.Feed(piece);
    Require(took <= piece.size() && pieces.header_bytes() <= took);
    Require(took == piece.size() || pieces.done());
    sum += took;
    header += pieces.header_bytes();
  }
  Require(sum == count && header == whole.header_bytes());
  Require(pieces.in_header() == whole.in_header() && pieces.done() == whole.done());
}

void RunSession(std::string_view choice, std::string_view input) {
  io::ResetStillIo();
  const auto mood = static_cast<uint8_t>(choice[0]);
  std::vector<io::Happening> script;
  if ((mood & 1) != 0) script.push_back({.bytes = "USER ann\r\nPASS secret word\r\n"});
  size_t turn = 0;
  std::string_view rest = input;
  while (!rest.empty() && script.size() < 4096) {
    const auto octet = static_cast<uint8_t>(choice[1 + turn++ % (choice.size() - 1)]);
    size_t count = octet / 2u + 1;
    if ((octet & 1) != 0) {
      const size_t line_end = rest.find("\r\n");
      count = line_end == std::string_view::npos ? rest.size() : line_end + 2;
    }
    script.push_back({.bytes = std::string(rest.substr(0, count))});
    rest.remove_prefix(script.back().bytes.size());
  }
  House house;
  house.piece_bytes = mood / 16u + 1;
  if ((mood & 2) != 0) house.update_fails = absl::UnavailableError("mood");
  if ((mood & 4) != 0) house.fails_after_pieces = mood / 16u;
  for (const char* letter : {"A: 1\r\n\r\n.\r\n..x\r\n", "S: \xc3\xbc\r\n\r\n\xc3\xbc", ""})
    house.Deliver("ann", letter);
  Pop3Options options;
  options.hostname = "pop.example.org";
  if ((mood & 8) != 0) options.utf8_header = Utf8Header::kRefused;
  const std::unique_ptr<Maildrops> maildrops = house.MakeMaildrops();
  const auto shared =
      std::unique_ptr<Shared>(new Shared{.maildrops = *maildrops, .authenticator = house});
  Settings settings(options);
  io::Connection connection(std::move(script));
  auto baggage = std::make_unique<Baggage>();
  Pop3ListenerOptions listener;
  listener.plaintext = session::SaslPlaintext::kAlways;
  baggage->listener = std::make_shared<const Pop3ListenerOptions>(listener);
  baggage->timestamp = std::make_unique<std::string>("<1@pop.example.org>");
  {
    Session session(*shared, settings, std::move(baggage), io::Stream(&connection));
    io::RunStill(session.Run());
  }
  Require(connection.closed);
  Require(settings.sessions == 0);
  Require(static_cast<bool>(shared->locks.Take(house.resident("ann").id)));
  const Pop3Metrics& metrics = shared->metrics;
  const uint32_t left = house.messages("ann");
  Require(left + metrics.messages_deleted.value() == 3);
  // The row of QUIT is the last one.
  if (left != 3) Require(metrics.commands.back().value() == 1 && house.updates == 1);
  std::string said;
  for (const std::string& one : connection.turns) said += one;
  Require(said.starts_with("+OK "));
  if (metrics.ends_damage.value() == 0) Require(said.ends_with("\r\n"));
}

}  // namespace
}  // namespace ringmail::pop3

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kChoiceBytes = 4;
  if (size < kChoiceBytes || size > 16 << 10) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(kChoiceBytes);
  ringmail::pop3::ParseLine(text.substr(0, text.find('\r')));
  ringmail::pop3::CutMessage(text, data[1]);
  ringmail::pop3::RunSession(input.substr(0, kChoiceBytes), text);
  return 0;
}
