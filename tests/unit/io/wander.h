// Sessions that move from shard to shard while they echo: what the tests of io/move.h run.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/move.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/support/io/tls_identities.h"

namespace ringmail::io::wander {

inline constexpr uint16_t kPlace = 3;
inline constexpr uint16_t kNobodysPlace = 4;

// A deadline that only a hanging test reaches.
inline MonotonicTime Soon() { return Now() + std::chrono::seconds(60); }

// Octets that tell where they are.
inline std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761u) >> 13);
  return text;
}

enum class Crypto : uint8_t { kNone, kTls12, kTls13 };

struct Scene;

// How a session behaves.
enum class Habit : uint8_t {
  kEchoes,    // echoes some of its input, moves, echoes some more
  kRestless,  // moves fifty times, then reads to the end
};

struct Luggage : MovedState {
  Scene* scene = nullptr;
  Habit habit = Habit::kEchoes;
  uint32_t moves = 0;
  std::string binding;   // of TLS; empty without
  std::string received;  // by a restless one
};

// One run of several shards; shard 0 plays the scene, the others only take sessions in.
class Mailbox;
struct Scene {
  Task<void> (*play)(Scene& scene, Mailbox& here) = nullptr;
  Crypto crypto = Crypto::kNone;
  size_t bytes = 0;
  // Of all shards.
  std::atomic<uint64_t> moves{0}, refusals{0}, sessions_ended{0};
  std::atomic<int> last_status{-1};
  std::string received;  // by the last session that was restless
  // Shard 0's.
  std::vector<Mailbox*> mailboxes;
  Event changed;
};

// The service of one shard.
class Mailbox : public Arrivals {
 public:
  explicit Mailbox(Scene& scene) : Arrivals(kPlace), scene_(scene) {}

  bool Admits(const MovedConnection& connection, const MovedState& state) override {
    EXPECT_TRUE(connection.open());
    EXPECT_EQ(connection.tls(), scene_.crypto != Crypto::kNone);
    EXPECT_NE(connection.peer().port, 0);
    EXPECT_EQ(static_cast<const Luggage&>(state).scene, &scene_);
    return !stopping_;
  }
  void Arrive(Stream stream, std::unique_ptr<MovedState> state) override {
    auto luggage = std::unique_ptr<Luggage>(static_cast<Luggage*>(state.release()));
    ++luggage->moves;
    if (stream.tls()) {
      EXPECT_EQ(luggage->binding, stream.TlsChannelBinding(TlsBinding::kExporter));
    }
    gate_.Spawn(Wander(this, std::move(stream), std::move(luggage)));
  }

  void Begin(Stream stream, Habit habit) {
    auto luggage = std::make_unique<Luggage>();
    luggage->scene = &scene_;
    luggage->habit = habit;
    if (stream.tls()) luggage->binding = stream.TlsChannelBinding(TlsBinding::kExporter);
    gate_.Spawn(Wander(this, std::move(stream), std::move(luggage)));
  }

  void SetStopping() { stopping_ = true; }
  // What a service does when it stops.
  Task<void> Stop() {
    stopping_ = true;
    co_await gate_.Close();
  }
  Event& stop() { return stop_; }
  Scene& scene() { return scene_; }

 private:
  static Task<void> Wander(Mailbox* here, Stream stream, std::unique_ptr<Luggage> luggage);
  // False: it has gone on elsewhere.
  static Task<bool> MoveOn(Mailbox* here, Stream& stream, std::unique_ptr<Luggage>& luggage);

  Scene& scene_;
  Gate gate_;
  Event stop_;
  bool stopping_ = false;
};

inline Task<bool> Mailbox::MoveOn(Mailbox* here, Stream& stream,
                                  std::unique_ptr<Luggage>& luggage) {
  Scene& scene = here->scene_;
  const std::string unread(stream.input());
  const ShardIndex to(static_cast<uint16_t>((ThisShard().value + 1) % ShardCount()));
  MoveResult result = co_await MoveSession(stream, to, kPlace, std::move(luggage), Soon());
  if (result.outcome == MoveOutcome::kMoved) {
    EXPECT_FALSE(stream.open());
    EXPECT_EQ(result.state, nullptr);
    ++scene.moves;
    co_return false;
  }
  luggage.reset(static_cast<Luggage*>(result.state.release()));
  EXPECT_TRUE(stream.open());
  EXPECT_EQ(stream.input(), unread);
  if (result.outcome == MoveOutcome::kRefused) ++scene.refusals;
  co_return true;
}

inline Task<void> Mailbox::Wander(Mailbox* here, Stream stream, std::unique_ptr<Luggage> luggage) {
  Scene& scene = here->scene_;
  const bool restless = luggage->habit == Habit::kRestless;
  StreamStatus status = StreamStatus::kOk;
  while (status == StreamStatus::kOk) {
    if (!restless || luggage->moves >= 50) {
      if (stream.input().empty()) status = co_await stream.Receive(Soon());
      const size_t most = restless ? SIZE_MAX : 1 + (luggage->moves * 7919u) % 199;
      const std::string_view some = stream.input().substr(0, most);
      restless ? void(luggage->received.append(some)) : stream.Write(some);
      stream.Consume(some.size());
      if (restless || status != StreamStatus::kOk) continue;
    }
    if (!co_await MoveOn(here, stream, luggage)) co_return;
    if (here->stopping_) break;
  }
  scene.last_status = static_cast<int>(status);
  if (restless) scene.received = luggage->received;
  co_await stream.Close(Soon());
  ++scene.sessions_ended;
}

// Reads what comes back of `bytes` octets, which it sends a window ahead.
inline Task<void> SendAndCompare(Stream* stream, size_t bytes, size_t* compared) {
  const std::string pattern = Pattern(bytes);
  size_t sent = 0;
  size_t& got = *compared;
  while (got < bytes) {
    while (sent < bytes && sent - got < 20'000) {
      const size_t chunk = std::min(bytes - sent, 1 + (sent * 31) % 3000);
      stream->Write(std::string_view(pattern).substr(sent, chunk));
      sent += chunk;
    }
    if (stream->input().empty() && co_await stream->Receive(Soon()) != StreamStatus::kOk) break;
    const std::string_view input = stream->input();
    if (std::string_view(pattern).substr(got, input.size()) != input) {
      ADD_FAILURE() << "wrong octets behind " << got;
      break;
    }
    got += input.size();
    stream->Consume(input.size());
  }
  co_await stream->Close(Soon());
}

struct Pair {
  Stream client, server;
};

inline Task<void> ShakeAsServer(Stream* stream, TlsVersion version) {
  TlsServerOptions options;
  options.identities = {{.certificate_pem = std::string(testing_tls::kEd25519Certificate),
                         .private_key_pem = std::string(testing_tls::kEd25519Key)}};
  options.version_min = options.version_max = version;
  options.ticket_keys = TlsTicketKeys::Make(std::chrono::hours(1));
  // The session's contexts go with it, whatever happens here.
  const TlsResult result =
      co_await stream->StartTlsServer(*TlsContext::MakeServer(options), Soon());
  EXPECT_TRUE(result.ok()) << result.problem;
}

inline Task<Pair> Connected(Crypto crypto) {
  auto listeners = OpenListeners({.endpoint = *Endpoint::Parse("127.0.0.1:0")}, 1);
  CHECK(listeners.ok());
  Listener& listener = listeners->front();
  ConnectResult connected = co_await Connect(listener.local(), {}, Soon());
  CHECK(connected.status == StreamStatus::kOk);
  AcceptResult accepted = co_await listener.Accept();
  CHECK(accepted.status == StreamStatus::kOk);
  Pair pair{std::move(connected.stream), std::move(accepted.stream)};
  if (crypto != Crypto::kNone) {
    Gate gate;
    gate.Spawn(
        ShakeAsServer(&pair.server, crypto == Crypto::kTls12 ? TlsVersion::k12 : TlsVersion::k13));
    const TlsResult result = co_await pair.client.StartTlsClient(
        *TlsContext::MakeClient({}), {.trust = TlsTrust::kAnybody}, Soon());
    EXPECT_TRUE(result.ok()) << result.problem;
    co_await gate.Close();
  }
  co_return pair;
}

// --- The shards

inline void Opened(ShardMessage& message) {
  auto& scene = *message.Pointer<Scene>(0);
  scene.mailboxes[message.words[1]] = message.Pointer<Mailbox>(2);
  scene.changed.Notify();
}
inline void StopAsked(ShardMessage& message) { message.Pointer<Mailbox>(0)->stop().Notify(); }

// Shard `index` stops taking sessions in, and ends.
inline Task<void> StopShard(Scene& scene, uint16_t index) {
  ShardMessage message;
  message.run = &StopAsked;
  message.SetPointer(0, std::exchange(scene.mailboxes[index], nullptr));
  co_await Post(ShardIndex(index), message);
}

inline Task<void> Main(void* context) {
  Scene& scene = *static_cast<Scene*>(context);
  const uint16_t here = ThisShard().value;
  Mailbox mailbox(scene);
  if (here > 0) {
    ShardMessage message;
    message.run = &Opened;
    message.SetPointer(0, &scene);
    message.words[1] = here;
    message.SetPointer(2, &mailbox);
    co_await Post(ShardIndex(0), message);
    (void)co_await mailbox.stop().Wait(kNever);
    co_await mailbox.Stop();
    co_return;
  }
  scene.mailboxes.resize(ShardCount());
  scene.mailboxes[0] = &mailbox;
  while (std::count(scene.mailboxes.begin(), scene.mailboxes.end(), nullptr) > 0) {
    (void)co_await scene.changed.Wait(kNever);
  }
  co_await scene.play(scene, mailbox);
  for (uint16_t i = 1; i < ShardCount(); ++i) {
    if (scene.mailboxes[i] != nullptr) co_await StopShard(scene, i);
  }
  co_await mailbox.Stop();
  std::fill(scene.mailboxes.begin(), scene.mailboxes.end(), nullptr);
}

}  // namespace ringmail::io::wander
