// The client, and a next hop that answers correctly up to some reply and then sends the octets
// instead.
//
// What the client says of each recipient is held against a second, plain reading of both
// directions: the n-th reply is to the n-th thing that asks for one.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/session/stage.h"
#include "protocol/smtp/reply_wire.h"
#include "protocol/smtp/wire.h"
#include "ringmail/agent/transport.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/smtp_client.h"
#include "support/codec/data_scan_reference.h"

namespace ringmail::smtp {
namespace {

using agent::Outcome;

// Ten replies of ten minutes, three rounds, two messages, two connections.
constexpr Nanoseconds kConversationMax = std::chrono::hours(24);
constexpr uint32_t kParcels = 3;

// ── what is sent ──

struct Parcel {
  std::vector<std::string> to;
  std::string content;
  size_t piece_bytes = SIZE_MAX;
  bool untried = true;  // not asked to deliver it
  bool ambiguous = false;
  std::vector<agent::RecipientResult> results;
};

// Content in pieces, each of which is overwritten when the next is asked for.
class Pieces final : public storage::ContentSource {
 public:
  explicit Pieces(const Parcel& parcel) : parcel_(parcel) {}
  io::Task<StatusOr<storage::ContentPiece>> Next() override {
    std::fill(piece_.begin(), piece_.end(), '#');
    piece_ = parcel_.content.substr(at_, parcel_.piece_bytes);
    dots_.clear();
    for (size_t i = 0; i < piece_.size(); ++i) {
      if (piece_[i] == '.' && codec::ReferenceLineStart(parcel_.content, at_ + i))
        dots_.push_back(static_cast<uint32_t>(i));
    }
    at_ += piece_.size();
    co_return storage::ContentPiece{piece_, dots_};
  }
  void Rewind() override { at_ = 0; }

 private:
  const Parcel& parcel_;
  size_t at_ = 0;
  std::string piece_;
  std::vector<uint32_t> dots_;
};

std::vector<Parcel> MakeParcels(const Plan& plan) {
  static const std::string long_text = [] {
    std::string text;
    while (text.size() < 300'000) text += ".a line that begins with a dot\r\n";
    return text;
  }();
  std::vector<Parcel> parcels(kParcels);
  for (size_t i = 0; i < parcels.size(); ++i) {
    const size_t recipients = i == 0 ? 1 + plan.variant / 4 % 5 : 1 + i;
    for (size_t r = 0; r < recipients; ++r)
      parcels[i].to.push_back("r" + std::to_string(r) + "@p" + std::to_string(i) + ".example");
    parcels[i].content = "Subject: " + std::to_string(i) + "\r\n\r\n.dot\r\n..\r\nbody\r\n";
  }
  switch (plan.variant / 32 % 8) {
    case 0:
      parcels[0].content.clear();
      break;
    case 1:
      parcels[0].content += "no line end";
      break;
    case 2:
      parcels[0].piece_bytes = 7;
      break;
    case 3:
      parcels[0].content = long_text;
      parcels[0].piece_bytes = 64 << 10;
      break;
    default:
      break;
  }
  return parcels;
}

// ── one conversation ──

struct Conversation {
  const Plan* plan;
  Cuts cuts;
  std::vector<io::Listener> listeners;
  std::vector<Parcel> parcels;
  std::string greeting_refusal;  // where no session came about
  std::string asked, answered;   // all octets of the client, and of the peer
  bool client_done = false, peer_done = false;
};

constexpr std::string_view kOffers[] = {
    "250 peer.example\r\n",
    "250-peer.example\r\n250 PIPELINING\r\n",
    "250-peer.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 1000000\r\n",
    "250-peer.example\r\n250-CHUNKING\r\n250-DSN\r\n250 LIMITS RCPTMAX=2 MAILMAX=2\r\n",
};

// The next hop.
class Peer {
 public:
  Peer(Conversation& conversation, io::Stream stream)
      : conversation_(conversation), plan_(*conversation.plan), stream_(std::move(stream)) {}

  io::Task<void> Run() {
    bool goes_on = co_await Answer("220 peer.example\r\n");
    while (goes_on) {
      std::string line;
      if (!co_await Line(line)) break;
      goes_on = co_await Obey(line);
    }
    if (!injected_ || !over_) {
      co_await EndAs(Ending::kStall, stream_, conversation_.asked, kConversationMax / 2);
    }
  }

 private:
  // The next `bytes` of the client's octets have arrived. False: it is gone.
  io::Task<bool> Need(size_t bytes) {
    while (conversation_.asked.size() - at_ < bytes) {
      if (co_await stream_.Receive(io::Now() + kConversationMax / 2) != io::StreamStatus::kOk)
        co_return false;
      conversation_.asked += stream_.input();
      stream_.Consume(stream_.input().size());
    }
    co_return true;
  }
  io::Task<bool> Line(std::string& line) {
    size_t end = 0;
    while ((end = conversation_.asked.find("\r\n", at_)) == std::string::npos) {
      if (!co_await Need(conversation_.asked.size() - at_ + 1)) co_return false;
    }
    line = conversation_.asked.substr(at_, end - at_);
    at_ = end + 2;
    co_return true;
  }

  io::Task<bool> Obey(const std::string& line) {
    const std::string_view verb = std::string_view(line).substr(0, line.find(' '));
    if (verb == "EHLO") co_return co_await Answer(kOffers[plan_.variant % std::size(kOffers)]);
    if (verb == "QUIT") {
      static_cast<void>(co_await Answer("221 2.0.0 bye\r\n"));
      co_return false;
    }
    if (verb == "DATA") {
      if (!co_await Answer("354 go\r\n")) co_return false;
      while (true) {
        std::string content;
        if (!co_await Line(content)) co_return false;
        if (content == ".") break;
      }
      co_return co_await Answer("250 2.0.0 taken\r\n");
    }
    if (verb == "BDAT") {
      const size_t bytes = std::stoul(line.substr(5));
      if (!co_await Need(bytes)) co_return false;
      at_ += bytes;
    }
    co_return co_await Answer("250 2.0.0 ok\r\n");
  }

  // False: nothing more is to be said.
  io::Task<bool> Answer(std::string_view reply) {
    const unsigned slot = plan_.state & 15;
    const bool in_place = (plan_.state & 16) == 0, goes_on = (plan_.state & 32) != 0;
    const bool now = slot_ == slot;
    ++slot_;
    if (now) {
      injected_ = true;
      conversation_.answered += plan_.bytes;
      if (!co_await SendInPieces(stream_, plan_.bytes, conversation_.cuts)) co_return false;
      if (!goes_on) {
        over_ = true;
        co_await EndAs(plan_.ending, stream_, conversation_.asked, kConversationMax / 2);
        co_return false;
      }
    }
    if (!now || !in_place) {
      conversation_.answered += reply;
      stream_.Write(reply);
      if (co_await stream_.Flush(io::Now() + std::chrono::hours(1)) != io::StreamStatus::kOk)
        co_return false;
    }
    // Unasked: the reply to what the client has not yet said.
    if (slot_ == slot && (plan_.state & 64) != 0) co_return co_await Answer({});
    co_return true;
  }

  Conversation& conversation_;
  const Plan& plan_;
  io::Stream stream_;
  size_t at_ = 0;  // of `asked`
  unsigned slot_ = 0;
  bool injected_ = false, over_ = false;
};

io::Task<void> PeerMain(void* context) {
  auto& conversation = *static_cast<Conversation*>(context);
  io::AcceptResult accepted = co_await conversation.listeners[0].Accept();
  Require(accepted.status == io::StreamStatus::kOk, "nothing to accept");
  Peer peer(conversation, std::move(accepted.stream));
  co_await peer.Run();
  conversation.peer_done = true;
}

io::Task<void> Deliver(agent::TransportSession& session, Parcel& parcel) {
  message::Envelope envelope{.reverse_path = "a@sender.example", .arrival = io::WallNow()};
  std::vector<uint32_t> indexes;
  for (const std::string& path : parcel.to) {
    indexes.push_back(static_cast<uint32_t>(envelope.recipients.size()));
    envelope.recipients.push_back({.path = path});
  }
  std::string packed;
  message::PackEnvelope(envelope, packed);
  Pieces content(parcel);
  parcel.results.resize(parcel.to.size());
  agent::DeliveryAttempt attempt{.envelope = *message::EnvelopeView::Parse(packed),
                                 .recipients = indexes,
                                 .content = &content,
                                 .content_bytes = parcel.content.size(),
                                 .results = parcel.results};
  co_await session.Deliver(attempt);
  parcel.untried = false;
  parcel.ambiguous = attempt.ambiguous;
}

io::Task<void> ClientMain(void* context) {
  auto& conversation = *static_cast<Conversation*>(context);
  SmtpClientOptions options;
  options.hostname = "relay.example.org";
  auto transport = MakeSmtpTransport(options, nullptr);
  const agent::NextHop hop{.host = "peer.example", .port = 25};
  agent::SessionResult opened = co_await transport->Open(hop, io::Now() + std::chrono::hours(1));
  Require((opened.session == nullptr) == !opened.reply.completed(), "a session that is none");
  if (opened.session == nullptr) {
    Require(opened.reply.permanent() || opened.reply.transient(), "no reason to defer");
    conversation.greeting_refusal = opened.reply.ToLine();
  } else {
    for (Parcel& parcel : conversation.parcels) {
      if (!opened.session->usable()) break;
      Require(opened.session->recipients_max() > 0, "a peer that takes nobody");
      co_await Deliver(*opened.session, parcel);
      // Kept, and idle for a while.
      co_await io::SleepUntil(io::Now() + std::chrono::seconds(1));
    }
    co_await opened.session->Quit();
  }
  opened.session.reset();
  transport.reset();
  conversation.client_done = true;
}

void Converse(Conversation& conversation) {
  conversation.parcels = MakeParcels(*conversation.plan);
  sim::World world;
  world.network_options().receive_buffer_bytes = conversation.cuts.receive_bytes;
  sim::Node& peer = world.AddNode({.name = "peer"});
  sim::Node& client = world.AddNode({.name = "client"});
  world.SetHost("peer.example", std::vector<IpAddress>{peer.ip()});
  {
    sim::Node::MainThread main(peer);
    auto opened = io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:25")}, 1);
    Require(opened.ok(), "no listener");
    conversation.listeners = *std::move(opened);
  }
  peer.Start(&PeerMain, &conversation);
  client.Start(&ClientMain, &conversation);
  const auto over = [&] { return conversation.client_done && conversation.peer_done; };
  Require(world.RunUntil(over, kConversationMax), "the conversation does not end");
}

// ── what the client says of it ──

// The replies that a correct client reads in `text`, until something is none.
std::vector<uint16_t> ReadReplies(std::string_view text) {
  std::vector<uint16_t> codes;
  ReplyReader reader;
  for (size_t end = 0; (end = text.find("\r\n")) != text.npos; text.remove_prefix(end + 2)) {
    const std::string_view line = text.substr(0, end);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != line.npos ||
        line.size() > kReplyLineBytesMax)
      break;
    const ReplyReader::Verdict verdict = reader.Line(line);
    if (verdict == ReplyReader::Verdict::kBad) break;
    if (verdict == ReplyReader::Verdict::kDone) codes.push_back(reader.Take().code);
  }
  return codes;
}

// Both directions, read a second time: to whom the peer has said that it took what.
class Reading {
 public:
  Reading(std::string_view asked, std::string_view answered)
      : rest_(asked), codes_(ReadReplies(answered)) {}

  // The content that the peer answered for each path.
  std::map<std::string, std::string> Run() {
    static_cast<void>(Code());  // greeting
    for (size_t end = 0; (end = rest_.find("\r\n")) != rest_.npos;) {
      const std::string_view line = rest_.substr(0, end);
      Require(line.size() <= 510 && line.find_first_of(std::string_view("\r\n\0", 3)) == line.npos,
              "a command is no line");
      rest_.remove_prefix(end + 2);
      if (!Command(line)) break;
    }
    return std::move(taken_);
  }

 private:
  uint16_t Code() { return next_ < codes_.size() ? codes_[next_++] : 0; }
  static bool Done(uint16_t code) { return code >= 200 && code < 300; }

  bool Command(std::string_view line) {
    const std::string_view verb = line.substr(0, line.find(' '));
    if (verb == "DATA") {
      const uint16_t code = Code();
      // A transaction that nobody is left in says goodbye with RSET or QUIT instead of content.
      if (code != 354) return true;
      const codec::ReferenceScan scan = codec::ReferenceDataScan(rest_);
      if (!scan.end) return false;
      rest_.remove_prefix(scan.consumed);
      content_ = scan.content;
      End(Code());
      return true;
    }
    if (verb == "BDAT") {
      const size_t bytes = std::stoul(std::string(line.substr(5)));
      if (bytes > rest_.size()) return false;
      content_ += rest_.substr(0, bytes);
      rest_.remove_prefix(bytes);
      const uint16_t code = Code();
      if (line.ends_with(" LAST")) {
        End(code);
      } else if (!Done(code)) {
        chunks_good_ = false;
      }
      return true;
    }
    const bool done = Done(Code());
    if (verb == "MAIL") {
      Begin();
      mail_ = done;
    } else if (verb == "RCPT") {
      const size_t from = line.find('<'), to = line.rfind('>');
      Require(from != line.npos && to != line.npos, "RCPT without a path");
      if (done && mail_) accepted_.emplace_back(line.substr(from + 1, to - from - 1));
    } else {
      Require(verb == "EHLO" || verb == "HELO" || verb == "RSET" || verb == "QUIT",
              "a command that no client of ours knows");
      if (verb == "RSET") Begin();
    }
    return true;
  }
  void Begin() {
    mail_ = false;
    chunks_good_ = true;
    accepted_.clear();
    content_.clear();
  }
  void End(uint16_t code) {
    if (mail_ && chunks_good_ && Done(code)) {
      for (const std::string& path : accepted_) {
        Require(taken_.emplace(path, content_).second, "one message was given twice");
      }
    }
    Begin();
  }

  std::string_view rest_;
  const std::vector<uint16_t> codes_;
  size_t next_ = 0;
  bool mail_ = false, chunks_good_ = true;
  std::vector<std::string> accepted_;
  std::string content_;
  std::map<std::string, std::string> taken_;
};

void Judge(const Conversation& conversation, Ending ending) {
  // A peer that closes at once does not read what came after: then nobody can say which command its
  // early words were taken for.
  const bool heard_all = ending != Ending::kClose && ending != Ending::kReset;
  const auto taken = Reading(conversation.asked, conversation.answered).Run();
  for (const Parcel& parcel : conversation.parcels) {
    if (parcel.untried) continue;
    Require(parcel.results.size() == parcel.to.size(), "not one outcome for each recipient");
    for (size_t i = 0; i < parcel.to.size(); ++i) {
      const agent::RecipientResult& result = parcel.results[i];
      for (const char c : result.reply.text)
        Require(static_cast<uint8_t>(c) >= ' ' || c == '\n', "a control character is remembered");
      switch (result.outcome) {
        case Outcome::kUntried:
          break;
        case Outcome::kDelivered: {
          Require(result.reply.completed(), "delivered without 2yz");
          Require(!parcel.ambiguous, "delivered, and nobody knows");
          if (!heard_all) break;
          const auto found = taken.find(parcel.to[i]);
          Require(found != taken.end(), "delivered, and the peer never said so");
          std::string content = found->second;
          // DATA cannot say that the last line has no end.
          if (content.size() == parcel.content.size() + 2 && content.ends_with("\r\n"))
            content.resize(content.size() - 2);
          Require(content == parcel.content, "the peer took another content");
          break;
        }
        case Outcome::kDeferred:
          Require(result.reply.transient(), "deferred without 4yz");
          break;
        case Outcome::kFailed:
          Require(result.reply.permanent(), "failed without 5yz");
          break;
      }
    }
  }
}

// Whether the peer says more than it is asked for.
bool SaysMore(const Plan& plan) {
  if ((plan.state & (16 | 64)) != 0) return true;
  ReplyReader reader;
  std::string_view text = plan.bytes;
  for (size_t end = 0; (end = text.find("\r\n")) != text.npos;) {
    const ReplyReader::Verdict verdict = reader.Line(text.substr(0, end));
    text.remove_prefix(end + 2);
    if (verdict == ReplyReader::Verdict::kBad) return false;
    if (verdict == ReplyReader::Verdict::kDone) return !text.empty();
  }
  return false;
}

// Somebody was not tried: the session had ended, or ended there.
bool EndedEarly(const Parcel& parcel) {
  return parcel.untried ||
         std::any_of(parcel.results.begin(), parcel.results.end(),
                     [](const auto& result) { return result.outcome == Outcome::kUntried; });
}

bool Same(const Parcel& a, const Parcel& b) {
  if (a.untried != b.untried || a.ambiguous != b.ambiguous) return false;
  return std::equal(a.results.begin(), a.results.end(), b.results.begin(), b.results.end(),
                    [](const auto& one, const auto& other) {
                      return one.outcome == other.outcome && one.reply == other.reply;
                    });
}

bool Same(const Conversation& a, const Conversation& b) {
  if (a.greeting_refusal != b.greeting_refusal) return false;
  for (size_t i = 0; i < a.parcels.size(); ++i) {
    if (Same(a.parcels[i], b.parcels[i])) continue;
    // Replies that wait unasked after a round end the session. Whether they have come by then is
    // the cut's, and so is all that one client still says and the other does not.
    return SaysMore(*a.plan) && (EndedEarly(a.parcels[i]) || EndedEarly(b.parcels[i]));
  }
  return true;
}

}  // namespace

void RunClientSide(const Plan& plan) {
  Conversation cut{.plan = &plan, .cuts = plan.cuts};
  Converse(cut);
  Judge(cut, plan.ending);
  // A reset takes what was not yet read with it, whenever that is.
  if (plan.ending == Ending::kReset || plan.ending == Ending::kClose) return;
  Conversation whole{.plan = &plan, .cuts = kWhole};
  Converse(whole);
  Judge(whole, plan.ending);
  Require(Same(cut, whole), "another cut has another outcome");
}

}  // namespace ringmail::smtp
