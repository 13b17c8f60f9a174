// The server, and a client that begins correctly and then sends the octets.
//
// What the server answered is held against a second, plain reading of the same octets: which line
// was a command, which octets were content, and what each reply says of them.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/session/stage.h"
#include "protocol/smtp/limits.h"
#include "protocol/smtp/replies.h"
#include "protocol/smtp/wire.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/smtp.h"
#include "support/codec/data_scan_reference.h"
#include "unit/protocol/smtp/recording_door.h"

namespace ringmail::smtp {
namespace {

constexpr uint64_t kMessageBytesMax = 2048;
constexpr uint32_t kRecipientsMax = 5;
constexpr Nanoseconds kConversationMax = std::chrono::hours(4);

// ── the way to a state ──

// What a correct client sends, and how many replies it then waits for.
struct Turn {
  std::string_view bytes;
  int replies;
};
constexpr Turn kEhlo{"EHLO c.example\r\n", 1};
constexpr Turn kMail{"MAIL FROM:<a@s.example>\r\n", 1};
constexpr Turn kRcpt{"RCPT TO:<b@r.example>\r\n", 1};
constexpr Turn kData{"DATA\r\n", 1};

const std::vector<std::vector<Turn>>& Ways() {
  static const std::vector<std::vector<Turn>> ways = {
      {},
      {{"HELO c.example\r\n", 1}},
      {kEhlo},
      {kEhlo, kMail},
      {kEhlo, kMail, kRcpt},
      {kEhlo, kMail, {"RCPT TO:<c@refused.example>\r\n", 1}},
      {kEhlo, kMail, kRcpt, {"RCPT TO:<c@later.example>\r\n", 1}, kRcpt, kRcpt, kRcpt, kRcpt},
      {kEhlo, kMail, kRcpt, kData},
      {kEhlo, kMail, kRcpt, kData, {"Subject: x\r\n\r\nbody\r\n", 0}},
      {kEhlo, kMail, kRcpt, kData, {"Subject: x\r\n\r\nbody\r", 0}},
      {kEhlo, kMail, kRcpt, {"BDAT 20\r\nhello", 0}},
      {kEhlo, kMail, kRcpt, {"BDAT 20 LAST\r\nhello", 0}},
      {kEhlo, kMail, kRcpt, {"BDAT 5\r\nhello", 1}},
      {kEhlo, kMail, {"BDAT 5\r\nhello", 1}},
      {kEhlo, kMail, kRcpt, {"RSET\r\n", 1}},
      {kEhlo, kMail, kRcpt, kData, {"x\r\n.\r\n", 1}},
      {kEhlo, {"MAIL FROM:<> BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=x+2B\r\n", 1}, kRcpt},
      {kEhlo, {"MAIL FROM:<a@s.example>\r\nRCPT TO:<b@r.example>\r\n", 0}},
      {kEhlo, {"X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n", 15}},
      {{"HELO c.example\r\n", 1}, kMail, kRcpt},
      {kEhlo, kMail, kRcpt, {"BDAT 4000000000\r\nhello", 0}},
      {kEhlo, {"QUI", 0}},
  };
  return ways;
}

// ── one conversation ──

struct Conversation {
  const Plan* plan;
  Cuts cuts;
  IpAddress server_ip;
  std::unique_ptr<agent::MailDoor> door;
  SmtpListenerOptions listener_options;
  std::vector<io::Listener> listeners;
  std::unique_ptr<SmtpService> service;
  std::string sent, answers;
  uint32_t begun = 0, ended = 0;
  std::vector<RecordedMessage> messages;
  bool client_done = false;
};

io::Task<void> ServerMain(void* context) {
  auto& conversation = *static_cast<Conversation*>(context);
  SmtpOptions options;
  options.hostname = "mx.example.org";
  options.idle_commands_max = 30;
  if ((conversation.plan->variant & 4) != 0) options.transactions_max = 2;
  conversation.service = SmtpService::Make(*conversation.door, options);
  conversation.service->Listen(std::move(conversation.listeners[0]), conversation.listener_options);
  while (co_await io::NextSignal(kNever) != io::Signal::kTerminate) {
  }
  co_await conversation.service->Stop(io::Now() + std::chrono::minutes(1));
  conversation.service.reset();
}

int CountReplies(std::string_view answers) {
  int count = 0;
  for (size_t at = 0, end = 0; (end = answers.find("\r\n", at)) != answers.npos; at = end + 2) {
    if (end - at >= 4 && answers[at + 3] == ' ') ++count;
  }
  return count;
}

io::Task<void> ClientMain(void* context) {
  auto& conversation = *static_cast<Conversation*>(context);
  const Plan& plan = *conversation.plan;
  io::ConnectResult connected = co_await io::Connect({.ip = conversation.server_ip, .port = 25}, {},
                                                     io::Now() + std::chrono::seconds(10));
  Require(connected.status == io::StreamStatus::kOk, "the server takes no connection");
  io::Stream stream = std::move(connected.stream);
  int replies = 1;
  for (const Turn& turn : Ways()[plan.state % Ways().size()]) {
    while (CountReplies(conversation.answers) < replies) {
      const io::StreamStatus status = co_await stream.Receive(io::Now() + std::chrono::minutes(1));
      Require(status == io::StreamStatus::kOk, "a correct client is not answered");
      conversation.answers += stream.input();
      stream.Consume(stream.input().size());
    }
    stream.Write(turn.bytes);
    conversation.sent += turn.bytes;
    replies += turn.replies;
  }
  // The last turn's replies are waited for unless the octets shall come with it.
  while ((plan.variant & 2) == 0 && CountReplies(conversation.answers) < replies) {
    if (co_await stream.Receive(io::Now() + std::chrono::minutes(1)) != io::StreamStatus::kOk)
      break;
    conversation.answers += stream.input();
    stream.Consume(stream.input().size());
  }
  conversation.sent += plan.bytes;
  if (co_await SendInPieces(stream, plan.bytes, conversation.cuts)) {
    co_await EndAs(plan.ending, stream, conversation.answers, kConversationMax / 2);
  } else {
    co_await EndAs(Ending::kStall, stream, conversation.answers, kConversationMax / 2);
  }
  conversation.client_done = true;
}

void Converse(Conversation& conversation) {
  NewRecord();
  sim::World world;
  world.network_options().receive_buffer_bytes = conversation.cuts.receive_bytes;
  sim::Node& server = world.AddNode({.name = "mx"});
  sim::Node& client = world.AddNode({.name = "client"});
  conversation.server_ip = server.ip();
  conversation.door =
      MakeDoor({.message_bytes_max = kMessageBytesMax, .recipients_max = kRecipientsMax});
  if ((conversation.plan->variant & 1) != 0) {
    conversation.listener_options.path_spacing = PathSpacing::kLegacyMailer;
    conversation.listener_options.helo_syntax = HeloSyntax::kWindowsHost;
  }
  if ((conversation.plan->variant & 8) != 0)
    Record().commit_reply = {.code = 451, .status = {4, 3, 0}, .text = "disk"};
  {
    sim::Node::MainThread main(server);
    auto opened = io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:25")}, 1);
    Require(opened.ok(), "no listener");
    conversation.listeners = *std::move(opened);
  }
  server.Start(&ServerMain, &conversation);
  client.Start(&ClientMain, &conversation);
  const auto over = [&] {
    return conversation.client_done && conversation.service->session_count() == 0;
  };
  Require(world.RunUntil(over, kConversationMax), "the conversation does not end");
  server.Send(io::Signal::kTerminate);
  const auto stopped = [&] { return !server.running() && !client.running(); };
  Require(world.RunUntil(stopped, std::chrono::minutes(2)), "the server does not stop");
  Require(Record().begun == Record().ended, "a transaction is left");
  conversation.messages = std::move(Record().messages);
}

// ── what was answered ──

struct Answer {
  int code = 0;
  std::string text;  // whole, with line ends
};

// `truncated`: the last may be cut, since the client did not wait for it.
std::vector<Answer> ReadAnswers(std::string_view text, bool truncated) {
  std::vector<Answer> answers;
  Answer answer;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    if (end == text.npos && truncated) return answers;
    Require(end != text.npos, "a reply is not whole");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    // RFC 5321 §4.5.3.1.5: 512 octets with CRLF.
    Require(line.size() >= 4 && line.size() <= 510, "a reply line is too short or too long");
    Require(line[3] == ' ' || line[3] == '-', "a reply line has no separator");
    int code = 0;
    for (const char c : line.substr(0, 3)) {
      Require(c >= '0' && c <= '9', "a reply code is no number");
      code = code * 10 + (c - '0');
    }
    Require(code >= 200 && code < 600, "a reply code is none");
    Require(answer.code == 0 || answer.code == code, "lines of a reply differ in their code");
    for (const char c : line) {
      Require(c >= ' ' && c < 0x7F, "a reply is not printable ASCII");
    }
    if (line.size() > 6 && line[4] >= '0' && line[4] <= '9' && line[5] == '.')
      Require(line[4] == line[0], "an enhanced status code is of another class");
    answer.code = code;
    answer.text += std::string(line) + "\r\n";
    if (line[3] == '-') continue;
    answers.push_back(std::exchange(answer, {}));
  }
  Require(answer.code == 0 || truncated, "a reply has no last line");
  return answers;
}

// The same octets, read a second time.
class Reading {
 public:
  Reading(const Conversation& conversation, const std::vector<Answer>& answers)
      : rest_(conversation.sent), messages_(conversation.messages), answers_(answers) {}

  // Returns how many messages were said to be accepted.
  size_t Run() {
    Require(answers_[0].code == 220, "no greeting");
    for (at_ = 1; at_ < answers_.size(); ++at_) {
      const Answer& answer = answers_[at_];
      if (answer.code == 421) {
        RequireLast();
        break;
      }
      One(answer);
    }
    return accepted_;
  }

 private:
  bool last() const { return at_ + 1 == answers_.size(); }
  void RequireLast() const { Require(last(), "the session went on after its end"); }
  void Forget() {
    mail_ = chunks_ = binary_ = false;
    recipients_ = 0;
    content_.clear();
  }

  void One(const Answer& answer) {
    const size_t end = rest_.find('\n');
    if (end == rest_.npos) {
      Require(rest_.size() > kCommandLineBytesMax && answer.code == 500, "an answer to nothing");
      rest_ = {};
      return;
    }
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    const bool crlf = line.ends_with('\r');
    if (crlf) line.remove_suffix(1);
    const bool goes_on = std::exchange(after_bare_, !crlf);
    if (!crlf || goes_on || line.size() > kCommandLineBytesMax - 2 ||
        line.find_first_of(std::string_view("\r\0", 2)) != line.npos) {
      Require(answer.code == 500, "a line that is none was taken for a command");
      return;
    }
    // RFC 5321 §4.1.1: white space at the end is tolerated.
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    const size_t space = std::min(line.find(' '), line.size());
    const size_t argument = std::min(line.find_first_not_of(' ', space), line.size());
    Command(line.substr(0, space), line.substr(argument), answer);
  }

  void Command(std::string_view verb, std::string_view argument, const Answer& answer) {
    const auto is = [verb](std::string_view name) { return EqualsIgnoringCase(verb, name); };
    const bool done = answer.code < 300;
    if (answer.text == kPipelinedPast) {
      RequireLast();
      Require(is("DATA") || is("EHLO"), "another command was taken for the last of a group");
    } else if (is("HELO") || is("EHLO")) {
      if (!done) return;
      hello_ = true;
      extended_ = is("EHLO");
      Forget();
    } else if (is("MAIL")) {
      if (!done) return;
      Require(hello_ && !mail_, "MAIL was taken out of order");
      mail_ = true;
      for (size_t i = 0; i + 10 <= argument.size(); ++i)
        binary_ = binary_ || EqualsIgnoringCase(argument.substr(i, 10), "BINARYMIME");
    } else if (is("RCPT")) {
      if (!done) return;
      Require(mail_ && !chunks_, "RCPT was taken out of order");
      Require(++recipients_ <= kRecipientsMax, "more recipients than the limit");
    } else if (is("DATA")) {
      if (answer.code == 354)
        Content();
      else
        Require(!done, "DATA was taken without content");
    } else if (is("BDAT")) {
      Chunk(argument, answer);
    } else if (is("RSET")) {
      if (done) Forget();
    } else if (is("QUIT")) {
      if (done) RequireLast();
      Require(!done || answer.code == 221, "QUIT has another reply");
    } else {
      const int expected = is("NOOP") ? 250 : is("VRFY") ? 252 : is("HELP") ? 214 : 0;
      Require(!done || answer.code == expected, "a command has another's reply");
    }
    Require(answer.code != 354 || is("DATA"), "354 without DATA");
  }

  void Content() {
    Require(mail_ && recipients_ > 0 && !chunks_, "DATA was taken out of order");
    const codec::ReferenceScan scan = codec::ReferenceDataScan(rest_);
    if (!scan.end || last()) {
      Require(last() || answers_[at_ + 1].code == 421, "content was answered before its end");
      rest_ = {};
      return;
    }
    const Answer& answer = answers_[++at_];
    rest_.remove_prefix(scan.consumed);
    if (answer.code == 421) {
      RequireLast();
      return;
    }
    content_ = scan.content;
    Judge(answer, scan.flags);
    Forget();
  }

  void Chunk(std::string_view argument, const Answer& answer) {
    const size_t space = std::min(argument.find(' '), argument.size());
    const std::string_view number = argument.substr(0, space);
    std::string_view word = argument.substr(space);
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    size_t bytes = 0;
    bool good = !number.empty() && number.size() <= 20;
    for (const char c : number) {
      good = good && c >= '0' && c <= '9';
      // Whatever is larger than the input is as good as endless.
      bytes = std::min<size_t>(bytes * 10 + static_cast<size_t>(c - '0'), size_t{1} << 40);
    }
    if (!good) {
      Require(answer.code >= 500, "BDAT without a number was taken");
      if (!argument.empty()) RequireLast();
      return;
    }
    if (bytes > rest_.size()) {
      Require(answer.code >= 400, "a chunk was taken before its end");
      RequireLast();
      return;
    }
    const std::string_view octets = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    if (answer.code >= 300) {
      // A syntax error outside of a transaction changes nothing, and any other refusal ends it.
      Forget();
      return;
    }
    Require(extended_ && mail_ && recipients_ > 0, "BDAT was taken out of order");
    chunks_ = true;
    content_ += octets;
    if (word.empty()) return;
    Require(EqualsIgnoringCase(word, "LAST"), "BDAT with another word was taken");
    Judge(answer, codec::ReferenceContentScan(content_).flags);
    Forget();
  }

  // The end of content has this answer.
  void Judge(const Answer& answer, uint8_t flags) {
    if (answer.code >= 300) return;
    Require(answer.code == 250, "content has another reply");
    Require(accepted_ < messages_.size(), "content was accepted that the door did not take");
    const RecordedMessage& message = messages_[accepted_++];
    Require(message.content == content_, "the content is not what was sent");
    Require(message.recipients.size() == recipients_, "the recipients are not those accepted");
    constexpr uint8_t kForbidden = codec::kDataBareCr | codec::kDataBareLf | codec::kDataNul;
    Require(binary_ || (flags & kForbidden) == 0, "content means two things");
  }

  std::string_view rest_;
  const std::vector<RecordedMessage>& messages_;
  const std::vector<Answer>& answers_;
  size_t at_ = 0, accepted_ = 0;
  std::string content_;
  uint32_t recipients_ = 0;
  bool hello_ = false, extended_ = false, mail_ = false, chunks_ = false, binary_ = false;
  bool after_bare_ = false;
};

std::vector<Answer> Judge(const Conversation& conversation) {
  const Ending ending = conversation.plan->ending;
  const bool heard_out = ending == Ending::kHalfClose || ending == Ending::kStall;
  std::vector<Answer> answers = ReadAnswers(conversation.answers, !heard_out);
  if (answers.empty()) {
    Require(!heard_out, "no greeting");
    return answers;
  }
  const size_t accepted = Reading(conversation, answers).Run();
  Require(!heard_out || accepted == conversation.messages.size(),
          "the door took what was not answered");
  return answers;
}

// The same octets cut in two ways have the same answers, until one of them shows that the client
// did not wait where it must.
void Compare(const std::vector<Answer>& a, const std::vector<Answer>& b) {
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const Answer none;
    const Answer& one = i < a.size() ? a[i] : none;
    const Answer& other = i < b.size() ? b[i] : none;
    if (one.text == kPipelinedPast || other.text == kPipelinedPast) return;
    // Which fault of a broken line is named first may depend on the cut, and no more.
    Require(one.code == other.code && (one.code == 500 || one.text == other.text),
            "another cut has another answer");
  }
}

}  // namespace

void RunServerSide(const Plan& plan) {
  Conversation cut{.plan = &plan, .cuts = plan.cuts};
  Converse(cut);
  const std::vector<Answer> answers = Judge(cut);
  if (plan.ending == Ending::kClose || plan.ending == Ending::kReset) return;
  Conversation whole{.plan = &plan, .cuts = kWhole};
  Converse(whole);
  Compare(answers, Judge(whole));
}

}  // namespace ringmail::smtp
