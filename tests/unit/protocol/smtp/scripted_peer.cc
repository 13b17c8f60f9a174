#include "tests/unit/protocol/smtp/scripted_peer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"

namespace ringmail::smtp {
namespace {

// One connection of the peer.
class Line {
 public:
  Line(ScriptedPeer& peer, io::Stream stream) : peer_(peer), stream_(std::move(stream)) {}

  io::Task<void> Run() {
    if (co_await Answer("(greeting)", "220 peer.example ESMTP\r\n")) {
      std::string command;
      while (co_await ReadUntil("\r\n", command)) {
        peer_.commands.push_back(command);
        if (!input_.empty() || !stream_.input().empty()) ++peer_.ahead;
        if (!co_await Serve(command)) break;
      }
    }
    co_await stream_.Close(io::Now() + std::chrono::seconds(1));
  }

 private:
  // False: the connection has ended.
  io::Task<bool> More() {
    if (stream_.input().empty() && co_await stream_.Receive(kNever) != io::StreamStatus::kOk)
      co_return false;
    input_ += stream_.input();
    stream_.Consume(stream_.input().size());
    co_return true;
  }

  io::Task<bool> ReadUntil(std::string_view end, std::string& out) {
    size_t at = 0;
    while ((at = input_.find(end)) == std::string::npos) {
      if (!co_await More()) co_return false;
    }
    out = input_.substr(0, at);
    input_.erase(0, at + end.size());
    co_return true;
  }

  std::string_view Find(std::string_view command, std::string_view otherwise) {
    for (ScriptedPeer::Rule& rule : peer_.rules) {
      if (!command.starts_with(rule.command) || rule.times < 0) continue;
      if (rule.skip > 0) {
        --rule.skip;
        continue;
      }
      if (rule.times == 1) rule.times = -1;
      if (rule.times > 1) --rule.times;
      return rule.reply;
    }
    return otherwise;
  }

  // False: the connection is over. `said` is what was answered.
  io::Task<bool> Answer(std::string_view command, std::string_view otherwise,
                        std::string* said = nullptr) {
    const std::string_view reply = Find(command, otherwise);
    if (said != nullptr) *said = reply;
    if (reply == kHangUp) co_return false;
    // Who has fallen silent once says nothing to what comes behind.
    silent_ = silent_ || reply == kSilence;
    if (!silent_) stream_.Write(reply);
    co_return true;
  }

  std::string Hello() const {
    std::string reply = "250-peer.example\r\n";
    for (const std::string& extension : peer_.extensions) reply += "250-" + extension + "\r\n";
    reply.erase(reply.rfind("250-") + 3, 1).insert(reply.rfind("250") + 3, " ");
    return reply;
  }

  io::Task<bool> Serve(const std::string& command) {
    if (command.starts_with("EHLO") || command.starts_with("LHLO"))
      co_return co_await Answer(command, Hello());
    if (command.starts_with("DATA")) co_return co_await Data();
    if (command.starts_with("BDAT")) co_return co_await Chunk(command);
    std::string said;
    const bool lost = command.starts_with("RCPT") && !mail_;
    const bool goes_on =
        co_await Answer(command, lost ? "503 5.5.1 MAIL first\r\n" : "250 2.0.0 ok\r\n", &said);
    if (command.starts_with("MAIL") || command.starts_with("RSET")) {
      accepted_ = 0;
      mail_ = command.starts_with("MAIL") && said.starts_with("250");
    }
    if (command.starts_with("RCPT") && said.starts_with("250")) ++accepted_;
    co_return goes_on && !command.starts_with("QUIT");
  }

  io::Task<bool> Data() {
    std::string said;
    const std::string_view usual =
        accepted_ > 0 ? "354 go on\r\n" : "554 5.5.1 no valid recipients\r\n";
    if (!co_await Answer("DATA", usual, &said)) co_return false;
    if (!said.starts_with("354")) co_return true;
    std::string content;
    input_.insert(0, "\r\n");
    if (!co_await ReadUntil("\r\n.\r\n", content)) co_return false;
    if (!content.empty()) content = content.substr(2) + "\r\n";
    peer_.messages.push_back(content);
    chunks_.clear();
    co_return co_await Answer(
        "(end)", accepted_ > 0 ? "250 2.0.0 taken\r\n" : "554 5.5.1 no valid recipients\r\n");
  }

  io::Task<bool> Chunk(const std::string& command) {
    if (peer_.no_bdat) co_return co_await Answer("BDAT", "500 5.5.1 unknown command\r\n");
    size_t bytes = 0;
    const char* number = command.data() + 5;
    std::from_chars(number, command.data() + command.size(), bytes);
    while (input_.size() < bytes) {
      if (!co_await More()) co_return false;
    }
    chunks_ += input_.substr(0, bytes);
    input_.erase(0, bytes);
    const bool last = command.ends_with("LAST");
    std::string said;
    const bool goes_on = co_await Answer(
        command, accepted_ > 0 ? "250 2.0.0 taken\r\n" : "554 5.5.1 no valid recipients\r\n",
        &said);
    if (last && said.starts_with("250")) peer_.messages.push_back(chunks_);
    if (last) chunks_.clear();
    co_return goes_on;
  }

  ScriptedPeer& peer_;
  io::Stream stream_;
  std::string input_, chunks_;
  size_t accepted_ = 0;
  bool mail_ = false, silent_ = false;
};

io::Task<void> ServeConnection(ScriptedPeer* peer, io::Stream stream) {
  Line line(*peer, std::move(stream));
  co_await line.Run();
}

}  // namespace

bool ScriptedPeer::Heard(std::string_view start) const { return Count(start) > 0; }

size_t ScriptedPeer::Count(std::string_view start) const {
  return static_cast<size_t>(
      std::count_if(commands.begin(), commands.end(),
                    [start](const std::string& command) { return command.starts_with(start); }));
}

io::Task<StatusOr<storage::ContentPiece>> PieceContent::Next() {
  std::fill(piece_.begin(), piece_.end(), '#');
  if (at_ >= unreadable_from) co_return absl::DataLossError("log 0 segment 1 offset 2");
  const size_t count = std::min(piece_bytes_, bytes_.size() - at_);
  piece_ = std::string(std::string_view(bytes_).substr(at_, count));
  dots_.clear();
  for (size_t i = 0; i < count; ++i) {
    const size_t place = at_ + i;
    const bool line_start =
        place == 0 || (place >= 2 && bytes_[place - 1] == '\n' && bytes_[place - 2] == '\r');
    if (line_start && bytes_[place] == '.') dots_.push_back(static_cast<uint32_t>(i));
  }
  at_ += count;
  co_return storage::ContentPiece{piece_, dots_};
}

Carriage::Carriage(Nanoseconds latency)
    : world({.network = {.latency = latency}}),
      host(world.AddNode({.name = "peer"})),
      client(world.AddNode({.name = "client"})) {
  options.hostname = "relay.example.org";
  world.SetHost("peer.example", std::vector<IpAddress>{host.ip()});
}

Carriage::~Carriage() {
  if (client.running()) client.Kill();
  if (host.running()) host.Kill();
}

bool Carriage::Run(Body body) {
  body_ = body;
  done_ = false;
  if (listening && !host.running()) host.Start(&PeerMain, this);
  client.Start(&ClientMain, this);
  return world.RunUntil([this] { return done_ && !client.running(); }, std::chrono::hours(24));
}

io::Task<void> Carriage::PeerMain(void* context) {
  auto& carriage = *static_cast<Carriage*>(context);
  auto listeners = io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:25")}, 1);
  CHECK(listeners.ok());
  io::Gate gate;
  while (true) {
    io::AcceptResult accepted = co_await listeners->front().Accept();
    if (accepted.status != io::StreamStatus::kOk) break;
    ++carriage.peer.connections;
    gate.Spawn(ServeConnection(&carriage.peer, std::move(accepted.stream)));
  }
  co_await gate.Close();
}

io::Task<void> Carriage::ClientMain(void* context) {
  auto& carriage = *static_cast<Carriage*>(context);
  carriage.transport = MakeSmtpTransport(carriage.options, nullptr);
  co_await carriage.body_(carriage);
  carriage.transport.reset();
  carriage.done_ = true;
}

io::Task<agent::SessionResult> Carriage::Open() {
  const agent::NextHop hop{.host = "peer.example", .port = 25, .protocol = protocol};
  co_return co_await transport->Open(hop, io::Now() + std::chrono::hours(1));
}

io::Task<std::unique_ptr<agent::TransportSession>> Carriage::OpenSession() {
  agent::SessionResult result = co_await Open();
  CHECK(result.session != nullptr);
  co_return std::move(result.session);
}

io::Task<void> Carriage::Deliver(agent::TransportSession& session, Parcel& parcel) {
  message::Envelope envelope{.reverse_path = parcel.from,
                             .parameters = parcel.parameters,
                             .recipients = parcel.to,
                             .arrival = io::WallNow()};
  std::string packed;
  message::PackEnvelope(envelope, packed);
  PieceContent content(parcel.content, parcel.piece_bytes);
  content.unreadable_from = parcel.unreadable_from;
  std::vector<uint32_t> indexes;
  for (uint32_t i = 0; i < parcel.to.size(); ++i) indexes.push_back(i);
  parcel.results.assign(parcel.to.size(), {});
  agent::DeliveryAttempt attempt{.id = {},
                                 .envelope = *message::EnvelopeView::Parse(packed),
                                 .recipients = indexes,
                                 .content = &content,
                                 .content_bytes = parcel.content.size() + parcel.missing_bytes,
                                 .content_flags = parcel.flags,
                                 .results = parcel.results};
  const MonotonicTime start = io::Now();
  co_await session.Deliver(attempt);
  parcel.took = io::Now() - start;
  parcel.ambiguous = attempt.ambiguous;
}

io::Task<void> Carriage::Send(Parcel& parcel) {
  std::unique_ptr<agent::TransportSession> session = co_await OpenSession();
  co_await Deliver(*session, parcel);
  co_await session->Quit();
}

std::vector<message::Recipient> Recipients(std::vector<std::string> paths) {
  std::vector<message::Recipient> recipients;
  for (std::string& path : paths) recipients.push_back({.path = std::move(path)});
  return recipients;
}

}  // namespace ringmail::smtp
