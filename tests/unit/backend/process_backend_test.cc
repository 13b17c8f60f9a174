#include "ringmail/backend/process_backend.h"

#include <gtest/gtest.h>

#include "ringmail/backend/wire.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/timer.h"
#include "tests/sim/io/world.h"

namespace ringmail::backend {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kSocket[] = "/run/backend.sock";

// The other side: answers by the local part of what is asked.
struct Stage {
  std::vector<io::Listener> listeners;
  io::Gate gate;
  int accepted = 0;
  std::vector<io::Stream*> open;
  void (*play)(Stage& stage) = nullptr;
  bool done = false;

  static io::Task<void> Serve(Stage* self, io::Stream stream) {
    std::string received;
    self->open.push_back(&stream);
    while (co_await stream.Receive(kNever) == io::StreamStatus::kOk) {
      received += stream.input();
      stream.Consume(stream.input().size());
      std::string_view rest = received;
      WireMessage question, answer;
      if (DecodeWire(rest, question) != WireStatus::kMessage) continue;
      received.assign(std::string(rest));
      answer.number = question.number;
      const std::string_view user = question.Get("local_part");
      if (user == "silent") continue;
      if (user == "gone") break;
      if (user == "nonsense") stream.Write("this is no frame at all");
      if (user == "other") ++answer.number;
      answer.kind = user == "nobody" ? WireKind::kUnknown : WireKind::kFound;
      answer.fields = {{"password", "x"}, {"verify", "1"}};
      if (user == "broken") answer.fields = {{"quota", "much"}};
      if (user == "away")
        answer = {.kind = WireKind::kUnavailable,
                  .number = question.number,
                  .fields = {{"why", "it rains"}}};
      if (question.kind == WireKind::kVerify)
        answer.kind = question.Get("password") == "pencil" ? WireKind::kMatch : WireKind::kMismatch;
      stream.Write(EncodeWire(answer));
    }
    std::erase(self->open, &stream);
    co_await stream.Close(io::Now() + seconds(1));
  }
  static io::Task<void> Accept(Stage* self) {
    while (true) {
      io::AcceptResult accepted = co_await self->listeners.front().Accept();
      if (accepted.status != io::StreamStatus::kOk) break;
      ++self->accepted;
      self->gate.Spawn(Serve(self, std::move(accepted.stream)));
    }
  }
  void Listen() {
    listeners = *io::OpenListeners({.endpoint = {.unix_path = kSocket}}, 1);
    gate.Spawn(Accept(this));
  }
  void CloseAll() {
    for (io::Stream* const one : open) one->Cancel();
  }
};

io::Task<BackendAnswer> Find(AccountBackend& backend, std::string_view user) {
  co_return co_await backend.Find(BackendQuestion::Of(std::string(user) + "@example.org"),
                                  io::Now() + seconds(1));
}

using Play = io::Task<void> (*)(Stage& stage, AccountBackend& backend);

struct Played {
  Play play;
  bool ended = false;
  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<Played*>(context);
    Stage stage;
    stage.Listen();
    const auto backend =
        MakeProcessBackend({.socket = kSocket, .default_scheme = "PLAIN", .connections_max = 2});
    co_await self.play(stage, *backend);
    backend->Cancel();
    stage.listeners.front().Cancel();
    stage.CloseAll();
    co_await stage.gate.Close();
    self.ended = true;
  }
  explicit Played(Play what) : play(what) {
    sim::World world;
    sim::Node& node = world.AddNode({});
    node.Start(&Main, this);
    EXPECT_TRUE(world.RunUntil([&] { return !node.running(); }));
    EXPECT_TRUE(ended);
  }
};

TEST(ProcessBackend, QuestionsAreAnsweredOnOneConnection) {
  Played([](Stage& stage, AccountBackend& backend) -> io::Task<void> {
    const BackendAnswer bob = co_await Find(backend, "bob");
    EXPECT_EQ(bob.kind, BackendAnswer::Kind::kFound);
    EXPECT_EQ(bob.account.password, "{PLAIN}x");
    EXPECT_TRUE(bob.account.verify);
    EXPECT_EQ((co_await Find(backend, "nobody")).kind, BackendAnswer::Kind::kUnknown);
    const BackendAnswer away = co_await Find(backend, "away");
    EXPECT_EQ(away.kind, BackendAnswer::Kind::kUnavailable);
    EXPECT_EQ(away.why, "it rains");
    EXPECT_EQ((co_await Find(backend, "broken")).kind, BackendAnswer::Kind::kUnavailable);
    const BackendQuestion question = BackendQuestion::Of("bob@example.org");
    const auto right = co_await backend.Verify(question, codec::Secret(std::string_view("pencil")),
                                               io::Now() + seconds(1));
    EXPECT_EQ(right.kind, BackendVerdict::Kind::kMatch);
    const auto wrong = co_await backend.Verify(question, codec::Secret(std::string_view("x")),
                                               io::Now() + seconds(1));
    EXPECT_EQ(wrong.kind, BackendVerdict::Kind::kMismatch);
    EXPECT_EQ(stage.accepted, 1);
  });
}

TEST(ProcessBackend, NobodyWaitsBeyondTheDeadline) {
  Played([](Stage& stage, AccountBackend& backend) -> io::Task<void> {
    const MonotonicTime began = io::Now();
    const BackendAnswer answer = co_await Find(backend, "silent");
    EXPECT_EQ(answer.kind, BackendAnswer::Kind::kUnavailable);
    EXPECT_EQ(answer.why, "no answer before the deadline");
    EXPECT_GE(io::Now() - began, seconds(1));
    EXPECT_LE(io::Now() - began, milliseconds(1010));
    // What would come late is no answer to the next question.
    EXPECT_EQ((co_await Find(backend, "bob")).kind, BackendAnswer::Kind::kFound);
    EXPECT_EQ(stage.accepted, 2);
  });
}

TEST(ProcessBackend, NonsenseAndAnswersToOthersAreNoAnswers) {
  Played([](Stage& stage, AccountBackend& backend) -> io::Task<void> {
    for (const std::string_view user : {"nonsense", "other", "gone"}) {
      EXPECT_EQ((co_await Find(backend, user)).kind, BackendAnswer::Kind::kUnavailable) << user;
      EXPECT_EQ((co_await Find(backend, "bob")).kind, BackendAnswer::Kind::kFound) << user;
    }
  });
}

TEST(ProcessBackend, AConnectionThatWasLetGoIsMadeAnew) {
  Played([](Stage& stage, AccountBackend& backend) -> io::Task<void> {
    EXPECT_EQ((co_await Find(backend, "bob")).kind, BackendAnswer::Kind::kFound);
    stage.CloseAll();
    co_await io::SleepUntil(io::Now() + milliseconds(10));
    EXPECT_EQ((co_await Find(backend, "bob")).kind, BackendAnswer::Kind::kFound);
    EXPECT_EQ(stage.accepted, 2);
  });
}

io::Task<void> Keep(AccountBackend* backend, std::string user, int* ended) {
  EXPECT_EQ((co_await Find(*backend, user)).kind, BackendAnswer::Kind::kUnavailable);
  ++*ended;
}

TEST(ProcessBackend, OthersWaitForAConnectionAndCancelEndsThemAll) {
  Played([](Stage& stage, AccountBackend& backend) -> io::Task<void> {
    io::Gate gate;
    int ended = 0;
    for (int i = 0; i < 5; ++i) gate.Spawn(Keep(&backend, "silent", &ended));
    co_await io::SleepUntil(io::Now() + milliseconds(100));
    EXPECT_EQ(stage.accepted, 2);
    EXPECT_EQ(ended, 0);
    const MonotonicTime began = io::Now();
    backend.Cancel();
    co_await gate.Close();
    EXPECT_EQ(ended, 5);
    EXPECT_LE(io::Now() - began, milliseconds(100));
  });
}

TEST(ProcessBackend, AProcessThatIsNotThereIsToldAtOnce) {
  Played([](Stage& stage, AccountBackend& backend) -> io::Task<void> {
    const auto lost = MakeProcessBackend({.socket = "/run/none.sock", .default_scheme = {}});
    const BackendAnswer answer = co_await Find(*lost, "bob");
    EXPECT_EQ(answer.kind, BackendAnswer::Kind::kUnavailable);
    EXPECT_EQ(answer.why, "/run/none.sock: No such file or directory");
  });
}

}  // namespace
}  // namespace ringmail::backend
