// What include/ringmail/io promises, held against each implementation: this file is linked with the
// kernel's and with the simulator's.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "ringmail/io/blocking.h"
#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"
#include "tests/unit/io/run_on_shards.h"

namespace ringmail::io {
namespace {

using std::chrono::milliseconds;

// A deadline that only a hanging test reaches.
MonotonicTime Soon() { return Now() + std::chrono::seconds(20); }

Listener Listen(const Endpoint& endpoint) {
  auto listeners = OpenListeners({.endpoint = endpoint}, 1);
  EXPECT_TRUE(listeners.ok()) << listeners.status();
  return std::move(listeners->front());
}
Listener ListenOnLoopback() { return Listen(*Endpoint::Parse("127.0.0.1:0")); }

struct Pair {
  Stream client, server;
};
Task<Pair> MakePair(Listener& listener) {
  ConnectResult connected = co_await Connect(listener.local(), {}, Soon());
  EXPECT_EQ(connected.status, StreamStatus::kOk) << connected.error;
  AcceptResult accepted = co_await listener.Accept();
  EXPECT_EQ(accepted.status, StreamStatus::kOk);
  co_return Pair{std::move(connected.stream), std::move(accepted.stream)};
}

// Octets that tell where they are.
std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761u) >> 13);
  return text;
}

Task<void> ReadUntilEnd(Stream* stream, std::string* out, size_t consume_max) {
  while (co_await stream->Receive(Soon()) == StreamStatus::kOk) {
    while (!stream->input().empty()) {
      const size_t count = std::min(consume_max, stream->input().size());
      out->append(stream->input().substr(0, count));
      stream->Consume(count);
    }
  }
  co_await stream->Close(Soon());
}

Task<void> SendsAndReceives(void* context) {
  const auto& endpoint = *static_cast<const Endpoint*>(context);
  Listener listener = Listen(endpoint);
  Pair pair = co_await MakePair(listener);
  Gate gate;
  std::string received;
  gate.Spawn(ReadUntilEnd(&pair.server, &received, 1000));
  const std::string sent = Pattern(300'000);
  pair.client.Write(std::string_view(sent).substr(0, 10));
  pair.client.Write(std::string_view(sent).substr(10));
  EXPECT_EQ(pair.client.output_bytes(), sent.size());
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.output_bytes(), 0u);
  // Close says that our side is done, and waits for the other.
  co_await pair.client.Close(Soon());
  EXPECT_FALSE(pair.client.open());
  co_await gate.Close();
  EXPECT_EQ(received, sent);
}

TEST(IoContractTest, BytesArriveInOrderAndThenTheEnd) {
  Endpoint endpoint = *Endpoint::Parse("127.0.0.1:0");
  RunContract(1, &SendsAndReceives, &endpoint);
}

TEST(IoContractTest, AUnixSocketIsAStreamToo) {
  Endpoint endpoint;
  endpoint.unix_path = testing::TempDir() + "ringmail-contract.sock";
  RunContract(1, &SendsAndReceives, &endpoint);
}

Task<void> Answers(Stream* stream) {
  EXPECT_EQ(co_await stream->Receive(Soon()), StreamStatus::kOk);
  stream->Write(stream->input());
  stream->Consume(stream->input().size());
  // The wait sends what was written.
  EXPECT_EQ(co_await stream->Receive(Soon()), StreamStatus::kEnd);
  stream->Write(" and more");
  co_await stream->Close(Soon());
}

Task<void> AwaitsAnswer(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  EXPECT_EQ(pair.client.peer(), listener.local());
  EXPECT_EQ(pair.client.local(), pair.server.peer());
  Gate gate;
  gate.Spawn(Answers(&pair.server));
  pair.client.Write("question");
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.input(), "question");
  pair.client.Consume(4);
  EXPECT_EQ(pair.client.input(), "tion");
  pair.client.Consume(4);
  co_await pair.client.Close(Soon());
  co_await gate.Close();
}

TEST(IoContractTest, AConversationThatReadsSendsWhatItWroteBefore) {
  RunContract(1, &AwaitsAnswer, nullptr);
}

Task<void> TimesOut(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  const MonotonicTime start = Now();
  EXPECT_EQ(co_await pair.client.Receive(start + milliseconds(20)), StreamStatus::kTimedOut);
  EXPECT_GE(Now(), start + milliseconds(20));
  EXPECT_EQ(co_await pair.client.Receive(start), StreamStatus::kTimedOut);
  pair.server.Write("late");
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.input(), "late");
}

TEST(IoContractTest, AStreamThatTimedOutIsStillUsable) { RunContract(1, &TimesOut, nullptr); }

Task<void> WaitForInput(Stream* stream, StreamStatus* status) {
  *status = co_await stream->Receive(Soon());
}

Task<void> Cancels(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  StreamStatus status = StreamStatus::kOk;
  Gate gate;
  gate.Spawn(WaitForInput(&pair.client, &status));
  co_await Yield();
  pair.client.Cancel();
  pair.client.Cancel();
  EXPECT_EQ(status, StreamStatus::kOk) << "the waiter resumes later, never inside Cancel";
  co_await gate.Close();
  EXPECT_EQ(status, StreamStatus::kCancelled);
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kCancelled);
  // Close is no wait of the conversation's: what was written meanwhile still goes out.
  pair.client.Write("421 stopping");
  co_await pair.client.Close(Now() + milliseconds(20));
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.server.input(), "421 stopping");
}

TEST(IoContractTest, CancelEndsThisWaitAndEveryLaterOne) { RunContract(1, &Cancels, nullptr); }

Task<void> PushesBack(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  std::vector<std::string> pieces;
  std::string all;
  for (int i = 0; i < 300; ++i) {
    pieces.push_back(Pattern(100'000 + static_cast<size_t>(i)));
    all += pieces.back() + ",";
  }
  for (const std::string& piece : pieces) {
    pair.client.WriteReference(piece);
    pair.client.Write(",");
  }
  // 30 MB are more than any socket holds.
  EXPECT_EQ(co_await pair.client.Flush(Now() + milliseconds(100)), StreamStatus::kTimedOut);
  EXPECT_GT(pair.client.output_bytes(), 0u);
  std::string received;
  Gate gate;
  gate.Spawn(ReadUntilEnd(&pair.server, &received, 1u << 20));
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  co_await pair.client.Close(Soon());
  co_await gate.Close();
  EXPECT_TRUE(received == all);
}

TEST(IoContractTest, APeerThatDoesNotReadHoldsTheWriterBackAndLosesNothing) {
  RunContract(1, &PushesBack, nullptr);
}

Task<void> LosesPeer(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  pair.server.Write("last words");
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kOk);
  pair.server.Abort();
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kOk);
  EXPECT_EQ(pair.client.input(), "last words");
  pair.client.Consume(pair.client.input().size());
  EXPECT_EQ(co_await pair.client.Receive(Soon()), StreamStatus::kEnd);
  // Writing to a peer that is gone fails once its answer has come.
  StreamStatus status = StreamStatus::kOk;
  for (int i = 0; i < 100 && status == StreamStatus::kOk; ++i) {
    pair.client.Write("x");
    status = co_await pair.client.Flush(Soon());
    co_await SleepUntil(Now() + milliseconds(1));
  }
  EXPECT_EQ(status, StreamStatus::kFailed);
  EXPECT_NE(pair.client.error(), 0);
}

TEST(IoContractTest, WhatAPeerSentBeforeItWentIsReadFirst) { RunContract(1, &LosesPeer, nullptr); }

Task<void> AcceptOne(Listener* listener, StreamStatus* status) {
  *status = (co_await listener->Accept()).status;
}

Task<void> CancelsListener(void*) {
  Listener listener = ListenOnLoopback();
  const Endpoint local = listener.local();
  EXPECT_NE(local.port, 0);
  EXPECT_EQ(OpenListeners({.endpoint = local}, 1).status().code(),
            absl::StatusCode::kAlreadyExists);
  StreamStatus status = StreamStatus::kOk;
  Gate gate;
  gate.Spawn(AcceptOne(&listener, &status));
  co_await Yield();
  listener.Cancel();
  co_await gate.Close();
  EXPECT_EQ(status, StreamStatus::kCancelled);
  EXPECT_EQ((co_await listener.Accept()).status, StreamStatus::kCancelled);
  listener = Listener();
  // The socket closes in the background.
  ConnectResult refused = co_await Connect(local, {}, Soon());
  for (int i = 0; i < 1000 && refused.status == StreamStatus::kOk; ++i) {
    co_await SleepUntil(Now() + milliseconds(1));
    refused = co_await Connect(local, {}, Soon());
  }
  EXPECT_EQ(refused.status, StreamStatus::kFailed);
  EXPECT_EQ(refused.error, ECONNREFUSED);
}

TEST(IoContractTest, AListenerThatIsCancelledAcceptsNobodyAnyMore) {
  RunContract(1, &CancelsListener, nullptr);
}

Task<void> Files(void*) {
  const std::string folder = co_await MakeFolder();
  const std::string path = folder + "/log";
  EXPECT_EQ((co_await File::Open(path, OpenMode::kRead, Access::kBuffered)).status().code(),
            absl::StatusCode::kNotFound);
  {
    auto file = co_await File::Open(path, OpenMode::kCreate, Access::kDirect);
    EXPECT_TRUE(file.ok()) << file.status();
    DmaBuffer buffer(2 * kBlockBytes);
    const std::string pattern = Pattern(buffer.size());
    std::copy(pattern.begin(), pattern.end(), buffer.data());
    EXPECT_TRUE((co_await file->Write(kBlockBytes, {buffer.data(), buffer.size()},
                                      Durability::kDurable, &buffer))
                    .ok());
    EXPECT_TRUE((co_await file->Sync()).ok());
    EXPECT_EQ(*co_await file->Size(), 3 * kBlockBytes);
    DmaBuffer back(4 * kBlockBytes);
    EXPECT_EQ(*co_await file->Read(0, {back.data(), back.size()}), 3 * kBlockBytes);
    EXPECT_EQ(std::string(back.data(), kBlockBytes), std::string(kBlockBytes, '\0'));
    EXPECT_EQ(std::string(back.data() + kBlockBytes, pattern.size()), pattern);
    co_await file->Close();
    EXPECT_FALSE(file->open());
  }
  EXPECT_EQ((co_await File::Open(path, OpenMode::kCreate, Access::kBuffered)).status().code(),
            absl::StatusCode::kAlreadyExists);
  auto file = co_await File::Open(path, OpenMode::kReadWrite, Access::kBuffered);
  EXPECT_TRUE(file.ok());
  EXPECT_TRUE((co_await file->Truncate(5)).ok());
  EXPECT_TRUE((co_await file->Write(3, "abcd", Durability::kNone)).ok());
  char out[16];
  EXPECT_EQ(*co_await file->Read(0, out), 7u);
  EXPECT_EQ(std::string(out, 7), std::string("\0\0\0abcd", 7));
  EXPECT_EQ(*co_await file->Read(7, out), 0u);
  co_await file->Close();
  file = co_await File::Open(path, OpenMode::kCreateOrReplace, Access::kBuffered);
  EXPECT_EQ(*co_await file->Size(), 0u);
  co_await file->Close();
  EXPECT_TRUE((co_await Remove(path)).ok());
  EXPECT_TRUE((co_await Remove(folder)).ok());
}

TEST(IoContractTest, AFileKeepsWhatWasWritten) { RunContract(1, &Files, nullptr); }

Task<void> Directories(void*) {
  const std::string folder = co_await MakeFolder();
  EXPECT_TRUE((co_await CreateDirectory(folder + "/b")).ok());
  EXPECT_TRUE((co_await CreateDirectory(folder + "/b")).ok());
  EXPECT_EQ((co_await CreateDirectory(folder + "/missing/b")).code(), absl::StatusCode::kNotFound);
  for (const char* name : {"/c", "/a"}) {
    auto file = co_await File::Open(folder + name, OpenMode::kCreate, Access::kBuffered);
    EXPECT_TRUE(file.ok());
    co_await file->Close();
  }
  EXPECT_EQ(*co_await ListDirectory(folder), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE((co_await Rename(folder + "/a", folder + "/c")).ok());
  EXPECT_TRUE((co_await Rename(folder + "/c", folder + "/b/d")).ok());
  EXPECT_EQ((co_await Rename(folder + "/a", folder + "/x")).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE((co_await SyncDirectory(folder)).ok());
  EXPECT_EQ((co_await SyncDirectory(folder + "/missing")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*co_await ListDirectory(folder), (std::vector<std::string>{"b"}));
  EXPECT_FALSE((co_await Remove(folder + "/b")).ok()) << "it is not empty";
  EXPECT_TRUE((co_await Remove(folder + "/b/d")).ok());
  EXPECT_TRUE((co_await Remove(folder + "/b")).ok());
  EXPECT_EQ((co_await Remove(folder + "/b")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ((co_await ListDirectory(folder + "/b")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_GT(*co_await FreeBytes(folder), 0u);
  EXPECT_TRUE((co_await Remove(folder)).ok());
}

TEST(IoContractTest, DirectoriesAreMadeListedRenamedAndRemoved) {
  RunContract(1, &Directories, nullptr);
}

Task<void> NotifyLater(Event* event) {
  co_await SleepUntil(Now() + milliseconds(5));
  event->Notify();
}

Task<void> EventsAndGates(void*) {
  Event event;
  const MonotonicTime start = Now();
  EXPECT_EQ(co_await event.Wait(start + milliseconds(10)), Wake::kTimedOut);
  EXPECT_GE(Now(), start + milliseconds(10));
  event.Notify();
  EXPECT_EQ(co_await event.Wait(kNever), Wake::kNotified) << "a notification is kept";
  Gate gate;
  gate.Spawn(NotifyLater(&event));
  EXPECT_EQ(gate.inside(), 1u);
  EXPECT_EQ(co_await event.Wait(Soon()), Wake::kNotified);
  co_await gate.Close();
  Gate slow;
  Event later;
  slow.Spawn(NotifyLater(&later));
  EXPECT_FALSE(co_await slow.CloseUntil(Now()));
  EXPECT_TRUE(co_await slow.CloseUntil(Soon()));
}

TEST(IoContractTest, EventsKeepANotificationAndGatesWait) {
  RunContract(1, &EventsAndGates, nullptr);
}

struct Receiver {
  static constexpr uint64_t kMessages = 20'000;
  Event done;
  uint64_t next = 0;
  bool in_order = true, on_shard_1 = true;

  static void Take(ShardMessage& message) {
    auto* receiver = message.Pointer<Receiver>(0);
    receiver->in_order = receiver->in_order && message.words[1] == receiver->next;
    receiver->on_shard_1 = receiver->on_shard_1 && ThisShard() == ShardIndex(1);
    if (++receiver->next == kMessages) receiver->done.Notify();
  }
};

Task<void> PostMany(void* context) {
  EXPECT_EQ(ShardCount(), 2);
  auto& receiver = *static_cast<Receiver*>(context);
  if (ThisShard() == ShardIndex(1)) {
    EXPECT_EQ(co_await receiver.done.Wait(Soon()), Wake::kNotified);
    EXPECT_TRUE(receiver.in_order && receiver.on_shard_1);
    receiver.next = 0;
    co_return;
  }
  for (uint64_t i = 0; i < Receiver::kMessages; ++i) {
    ShardMessage message{.run = &Receiver::Take};
    message.SetPointer(0, &receiver);
    message.words[1] = i;
    co_await Post(ShardIndex(1), message);
  }
}

TEST(IoContractTest, MessagesToAShardArriveInOrderHoweverMany) {
  Receiver receiver;
  RunContract(2, &PostMany, &receiver);
}

struct FullQueue {
  uint64_t taken = 0;
  static void Take(ShardMessage& message) { ++message.Pointer<FullQueue>(0)->taken; }
};

Task<void> FillOwnQueue(void*) {
  FullQueue queue;
  ShardMessage message{.run = &FullQueue::Take};
  message.SetPointer(0, &queue);
  uint64_t posted = 0;
  while (posted <= kShardQueueMessagesMax && TryPost(ThisShard(), message)) ++posted;
  EXPECT_EQ(posted, kShardQueueMessagesMax);
  EXPECT_EQ(queue.taken, 0u) << "never inside TryPost";
  co_await Post(ThisShard(), message);
  while (queue.taken < posted + 1) co_await Yield();
}

TEST(IoContractTest, AFullQueueRefusesAndPostWaitsForRoom) {
  RunContract(1, &FillOwnQueue, nullptr);
}

struct Blocking {
  bool ran = false, on_shard = true;
  static void Call(void* self) {
    auto* blocking = static_cast<Blocking*>(self);
    blocking->ran = true;
    blocking->on_shard = OnShard();
  }
};

Task<void> Blocks(void*) {
  Blocking blocking;
  co_await RunBlocking(&Blocking::Call, &blocking);
  EXPECT_TRUE(blocking.ran);
  EXPECT_FALSE(blocking.on_shard);
  EXPECT_TRUE(OnShard());
}

TEST(IoContractTest, ABlockingCallRunsElsewhereAndItsWaiterHere) {
  RunContract(1, &Blocks, nullptr);
}

// --- Halves of a stream: one task receives while another writes

Task<void> Hear(Stream* stream, std::string* out, StreamStatus* status) {
  while ((*status = co_await stream->Receive(Soon())) == StreamStatus::kOk) {
    out->append(stream->input());
    stream->Consume(stream->input().size());
  }
}

// In pieces, and never with more than one of them waiting.
Task<void> Say(Stream* stream, const std::string* text, bool end) {
  constexpr size_t kPiece = 100'000;
  Event drained;
  stream->WatchOutput(&drained);
  for (size_t at = 0; at < text->size(); at += kPiece) {
    stream->Write(std::string_view(*text).substr(at, kPiece));
    stream->SendSoon();
    while (stream->output_bytes() > 0 && stream->error() == 0) {
      EXPECT_EQ(co_await drained.Wait(Soon()), Wake::kNotified);
    }
  }
  stream->WatchOutput(nullptr);
  if (end) stream->EndOutput();
}

Task<void> SpeaksBothWays(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  const std::string question = Pattern(3'000'000), answer = Pattern(2'000'001);
  std::string heard[2];
  StreamStatus status[2] = {};
  {
    Gate gate;
    gate.Spawn(Hear(&pair.client, &heard[0], &status[0]));
    gate.Spawn(Hear(&pair.server, &heard[1], &status[1]));
    gate.Spawn(Say(&pair.client, &question, true));
    gate.Spawn(Say(&pair.server, &answer, true));
    co_await gate.Close();
  }
  EXPECT_TRUE(heard[0] == answer) << heard[0].size();
  EXPECT_TRUE(heard[1] == question) << heard[1].size();
  EXPECT_EQ(status[0], StreamStatus::kEnd);
  EXPECT_EQ(status[1], StreamStatus::kEnd);
  Gate gate;
  gate.Spawn(pair.client.Close(Soon()));
  gate.Spawn(pair.server.Close(Soon()));
  co_await gate.Close();
}

TEST(IoContractTest, OneTaskReceivesWhileAnotherWrites) {
  RunContract(1, &SpeaksBothWays, nullptr);
}

Task<void> EndsHalf(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  pair.client.Write("question");
  pair.client.EndOutput();
  pair.client.EndOutput();
  pair.client.Write("goes nowhere");
  std::string heard;
  StreamStatus status = StreamStatus::kOk;
  co_await Hear(&pair.server, &heard, &status);
  EXPECT_EQ(heard, "question");
  EXPECT_EQ(status, StreamStatus::kEnd);
  // The other direction is as it was.
  pair.server.Write("answer");
  EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kOk);
  Gate gate;
  gate.Spawn(pair.server.Close(Soon()));
  heard.clear();
  co_await Hear(&pair.client, &heard, &status);
  EXPECT_EQ(heard, "answer");
  co_await pair.client.Close(Soon());
  co_await gate.Close();
}

TEST(IoContractTest, AnEndOfTheOutputIsNoneOfTheInput) { RunContract(1, &EndsHalf, nullptr); }

Task<void> WaitFor(Event* event, bool* woken) {
  *woken = co_await event->Wait(Soon()) == Wake::kNotified;
}

// Who waits for room hears of it as well when there will be none.
Task<void> GivesUp(void*) {
  Listener listener = ListenOnLoopback();
  for (const bool cancel : {true, false}) {
    Pair pair = co_await MakePair(listener);
    Event drained;
    bool woken = false;
    pair.client.WatchOutput(&drained);
    pair.client.Write(Pattern(20'000'000));
    pair.client.SendSoon();
    Gate gate;
    gate.Spawn(WaitFor(&drained, &woken));
    co_await SleepUntil(Now() + milliseconds(20));
    EXPECT_FALSE(woken);
    EXPECT_GT(pair.client.output_bytes(), 0u);
    if (cancel) {
      pair.client.Cancel();
    } else {
      // What it has not read makes it a reset.
      pair.server.Abort();
    }
    co_await gate.Close();
    EXPECT_TRUE(woken);
    pair.client.WatchOutput(nullptr);
    EXPECT_EQ(pair.client.error() != 0, !cancel);
  }
}

TEST(IoContractTest, WhoWaitsForRoomIsToldThatThereWillBeNone) {
  RunContract(1, &GivesUp, nullptr);
}

Task<void> SpeaksFor(void*) {
  Listener listener = ListenOnLoopback();
  Pair pair = co_await MakePair(listener);
  const Endpoint client = *Endpoint::Parse("192.0.2.1:1"), server = *Endpoint::Parse("[::1]:2");
  pair.server.SpeakFor(client, server);
  EXPECT_EQ(pair.server.peer(), client);
  EXPECT_EQ(pair.server.local(), server);
  pair.client.Write("x");
  EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
  EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
}

TEST(IoContractTest, WhomAProxySpeaksForIsThePeer) { RunContract(1, &SpeaksFor, nullptr); }

}  // namespace
}  // namespace ringmail::io
