// Streams over real loopback sockets, with every fallback of the kernel's features.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "io/kernel/socket_address.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/timer.h"
#include "shard_test.h"

namespace ringmail::io {
namespace {

std::string Pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * 31 % 26 + i / 4096 % 5);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Each, Fallbacks, testing::ValuesIn(kFeaturesOff));

TEST_P(Fallbacks, AQuestionIsAnsweredAndBothSidesClose) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    EXPECT_EQ(pair.server.local(), pair.client.peer());
    EXPECT_EQ(pair.server.peer(), pair.client.local());
    for (int i = 0; i < 100; ++i) {
      pair.client.Write("NOOP\r\n");
      EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
      EXPECT_EQ(pair.client.output_bytes(), 0u);
      EXPECT_EQ(co_await ReadBytes(pair.server, 6), "NOOP\r\n");
      pair.server.Write("250 ");
      pair.server.WriteReference("2.0.0 OK\r\n");
      EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kOk);
      EXPECT_EQ(co_await ReadBytes(pair.client, 14), "250 2.0.0 OK\r\n");
    }
    Gate gate;
    gate.Spawn(
        [](Stream stream) -> Task<void> { co_await stream.Close(Soon()); }(std::move(pair.client)));
    EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kEnd);
    co_await pair.server.Close(Soon());
    co_await gate.Close();
    EXPECT_EQ(Shard::Here().connections().used(), 0u);
  });
}

Task<void> SendAll(Stream* stream, const std::string* bytes) {
  size_t at = 0;
  while (at < bytes->size()) {
    const size_t count = std::min<size_t>(100'000, bytes->size() - at);
    // Pieces of every kind, so that gathers are longer than one block and one send.
    for (size_t i = 0; i < count; i += 1000) {
      const std::string_view piece =
          std::string_view(*bytes).substr(at + i, std::min<size_t>(1000, count - i));
      if (i % 3000 == 0) {
        stream->WriteReference(piece);
      } else {
        stream->Write(piece);
      }
    }
    at += count;
    EXPECT_EQ(co_await stream->Flush(Soon()), StreamStatus::kOk);
  }
  co_await stream->Close(Soon());
}

TEST_P(Fallbacks, MegabytesArriveInOrderThroughAReaderThatIsSlow) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    const std::string sent = Pattern(5'000'000);
    Gate gate;
    gate.Spawn(SendAll(&pair.client, &sent));
    std::string got;
    uint32_t held_max = 0;
    while (co_await pair.server.Receive(Soon()) == StreamStatus::kOk) {
      // Other tasks, and with them the kernel, get ahead of this one.
      for (int i = 0; i < 3; ++i) co_await Yield();
      held_max = std::max(held_max, Shard::Here().buffers().held());
      while (!pair.server.input().empty()) {
        const size_t count = std::min<size_t>(pair.server.input().size(), 3000);
        got.append(pair.server.input().substr(0, count));
        pair.server.Consume(count);
      }
    }
    EXPECT_TRUE(got == sent);
    // kInputBytesAheadMax, what the kernel adds in one go to the last buffer under it, and again
    // while it is being stopped (P2).
    if (Shard::Here().features().deferred_task_work) {
      EXPECT_LE(held_max, 4 * kInputBytesAheadMax / Shard::Here().buffers().bytes());
    }
    co_await pair.server.Close(Soon());
    co_await gate.Close();
    EXPECT_EQ(Shard::Here().buffers().held(), 0u);
    EXPECT_EQ(Shard::Here().blocks().used(), 0u);
  });
}

TEST_P(Fallbacks, AReceiveTimesOutAndTheStreamIsStillGood) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    EXPECT_EQ(co_await pair.server.Receive(Now() + std::chrono::milliseconds(2)),
              StreamStatus::kTimedOut);
    EXPECT_EQ(co_await pair.server.Receive(Now()), StreamStatus::kTimedOut);
    pair.client.Write("x");
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await ReadBytes(pair.server, 1), "x");
  });
}

Task<void> ExpectReceive(Stream* stream, StreamStatus expected, bool* done) {
  EXPECT_EQ(co_await stream->Receive(kNever), expected);
  *done = true;
}

TEST_P(Fallbacks, CancelEndsTheWaitAndEveryLaterOneButCloseStillSends) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    Gate gate;
    bool done = false;
    gate.Spawn(ExpectReceive(&pair.server, StreamStatus::kCancelled, &done));
    co_await Yield();
    pair.server.Cancel();
    EXPECT_FALSE(done);  // never inside Cancel
    co_await gate.Close();
    EXPECT_TRUE(done);
    EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kCancelled);
    EXPECT_EQ(co_await pair.server.Flush(Soon()), StreamStatus::kCancelled);
    pair.server.Write("421 closing\r\n");
    Gate closing;
    closing.Spawn(
        [](Stream stream) -> Task<void> { co_await stream.Close(Soon()); }(std::move(pair.server)));
    EXPECT_EQ(co_await ReadBytes(pair.client, 100), "421 closing\r\n");
    co_await pair.client.Close(Soon());
    co_await closing.Close();
  });
}

// P3, P4: the peer hears of it although a receive was armed, and nothing is freed before its last
// completion (asan).
TEST_P(Fallbacks, AbortWhileAnotherTaskWaitsEndsItAndThePeerHearsOfIt) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    for (int round = 0; round < 50; ++round) {
      Pair pair = co_await MakePair(listener);
      if (round % 2 == 0) {
        pair.client.Write("data that crosses the abort");
        pair.client.Flush(Soon()).await_ready();  // started, and not waited for
      }
      Gate gate;
      bool done = false;
      gate.Spawn(ExpectReceive(&pair.server, StreamStatus::kCancelled, &done));
      pair.server.Abort();
      EXPECT_FALSE(pair.server.open());
      co_await gate.Close();
      EXPECT_TRUE(done);
      const StreamStatus heard = co_await pair.client.Receive(Soon());
      EXPECT_TRUE(heard == StreamStatus::kEnd || heard == StreamStatus::kFailed) << ToString(heard);
    }
  });
}

TEST_P(Fallbacks, APeerThatDoesNotReadTimesTheFlushOutAndCloseReturnsTheReferences) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    {
      const std::string much = Pattern(40'000'000);
      pair.server.WriteReference(much);
      EXPECT_EQ(co_await pair.server.Flush(Now() + std::chrono::milliseconds(20)),
                StreamStatus::kTimedOut);
      EXPECT_GT(pair.server.output_bytes(), 0u);
      // While this waits for input the send goes on, and its time-out is that of the wait.
      EXPECT_EQ(co_await pair.server.Receive(Now() + std::chrono::milliseconds(5)),
                StreamStatus::kTimedOut);
      co_await pair.server.Close(Now() + std::chrono::milliseconds(5));
    }
    // `much` is gone, and the kernel does not read it: asan and the peer's reading on would tell.
    std::string got;
    while (co_await pair.client.Receive(Soon()) == StreamStatus::kOk) {
      pair.client.Consume(pair.client.input().size());
    }
    EXPECT_EQ(Shard::Here().connections().used(), 1u);
  });
}

TEST_P(Fallbacks, AResetIsAFailureWithItsErrno) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    sockaddr_storage address;
    const socklen_t length = ToSockaddr(listener.local(), address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    CO_ASSERT_TRUE(connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
    AcceptResult accepted = co_await listener.Accept();
    CO_ASSERT_TRUE(accepted.status == StreamStatus::kOk);
    Gate gate;
    bool done = false;
    gate.Spawn(ExpectReceive(&accepted.stream, StreamStatus::kFailed, &done));
    const linger reset{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    co_await gate.Close();
    EXPECT_EQ(accepted.stream.error(), ECONNRESET);
    accepted.stream.Write("into the void");
    EXPECT_EQ(co_await accepted.stream.Flush(Soon()), StreamStatus::kFailed);
    co_await accepted.stream.Close(Soon());
  });
}

struct Many {
  static constexpr int kCount = 40;
  std::vector<Pair> pairs;
};

// P1: with two buffers for forty senders the pool is empty all the time, and nobody is hurt.
TEST_P(Fallbacks, ReceiversThatFindNoBufferWaitForOneAndLoseNothing) {
  RuntimeOptions options = Options();
  options.receive_buffers = 2;
  options.receive_buffer_bytes = 512;
  RunOnShards(options, [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Many many;
    for (int i = 0; i < Many::kCount; ++i) many.pairs.push_back(co_await MakePair(listener));
    const std::string text = Pattern(20'000);
    Gate gate;
    for (Pair& pair : many.pairs) gate.Spawn(SendAll(&pair.client, &text));
    int whole = 0;
    Gate reading;
    for (Pair& pair : many.pairs) {
      reading.Spawn([](Stream* stream, const std::string* expected, int* count) -> Task<void> {
        const std::string got = co_await ReadBytes(*stream, expected->size());
        if (got == *expected) ++*count;
        co_await stream->Close(Soon());
      }(&pair.server, &text, &whole));
    }
    co_await reading.Close();
    co_await gate.Close();
    EXPECT_EQ(whole, Many::kCount);
    EXPECT_GT(Shard::Here().counts().receives_starved, 0u);
    EXPECT_EQ(Shard::Here().buffers().held(), 0u);
  });
}

// P2: nobody reads thirty-nine of the connections; the one that is read does not notice.
TEST_P(Fallbacks, ConnectionsThatNobodyReadsLeaveBuffersToTheOthers) {
  RuntimeOptions options = Options();
  options.receive_buffers = 32;
  options.receive_buffer_bytes = 4096;
  RunOnShards(options, [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Many many;
    for (int i = 0; i < Many::kCount; ++i) many.pairs.push_back(co_await MakePair(listener));
    for (Pair& pair : many.pairs) {
      pair.client.Write("MAIL FROM:<a@example.org>\r\n");
      EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    }
    for (int i = 0; i < 20; ++i) co_await Yield();
    EXPECT_GT(Shard::Here().buffers().available(), 8u);
    const std::string text = Pattern(500'000);
    Gate gate;
    gate.Spawn(SendAll(&many.pairs[0].client, &text));
    EXPECT_EQ(co_await ReadBytes(many.pairs[0].server, 27), "MAIL FROM:<a@example.org>\r\n");
    EXPECT_TRUE(co_await ReadBytes(many.pairs[0].server, text.size()) == text);
    for (int i = 1; i < Many::kCount; ++i) {
      EXPECT_EQ(co_await ReadBytes(many.pairs[static_cast<size_t>(i)].server, 27),
                "MAIL FROM:<a@example.org>\r\n");
    }
    many.pairs[0].server.Abort();
    co_await gate.Close();
  });
}

TEST_P(Fallbacks, AnIdleConnectionHoldsNoBufferAndIsPolledAndHearsTheNextByte) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Shard& shard = Shard::Here();
    shard.set_idle_after(std::chrono::milliseconds(1));
    Listener listener = ListenOnLoopback();
    Many many;
    for (int i = 0; i < Many::kCount; ++i) many.pairs.push_back(co_await MakePair(listener));
    for (int round = 0; round < 3; ++round) {
      Gate gate;
      int heard = 0;
      for (Pair& pair : many.pairs) {
        gate.Spawn([](Stream* stream, int* count) -> Task<void> {
          EXPECT_EQ(co_await ReadBytes(*stream, 1), "x");
          ++*count;
        }(&pair.server, &heard));
      }
      const uint64_t polls = shard.counts().polls_armed;
      if (shard.features().poll_when_idle) {
        while (shard.counts().polls_armed < polls + Many::kCount) co_await Yield();
      } else {
        co_await SleepUntil(Now() + std::chrono::milliseconds(5));
        EXPECT_EQ(shard.counts().polls_armed, 0u);
      }
      EXPECT_EQ(shard.buffers().held(), 0u);
      EXPECT_EQ(shard.blocks().used(), 0u);
      EXPECT_EQ(heard, 0);
      for (Pair& pair : many.pairs) {
        pair.client.Write("x");
        EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
      }
      co_await gate.Close();
      EXPECT_EQ(heard, Many::kCount);
    }
  });
}

// P6: MSG_WAITALL and a blocking socket: one send, however long the peer takes.
TEST_P(Fallbacks, OneFlushIsOneSendThoughThePeerReadsSlowly) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Shard& shard = Shard::Here();
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    const std::string much = Pattern(8'000'000);
    const uint64_t before = shard.counts().sends;
    Gate gate;
    gate.Spawn([](Stream* stream, const std::string* bytes) -> Task<void> {
      stream->WriteReference(*bytes);
      EXPECT_EQ(co_await stream->Flush(Soon()), StreamStatus::kOk);
    }(&pair.server, &much));
    EXPECT_TRUE(co_await ReadBytes(pair.client, much.size()) == much);
    co_await gate.Close();
    EXPECT_EQ(shard.counts().sends, before + 1);
  });
}

TEST_P(Fallbacks, PipelinedRepliesLeaveInOneSend) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Shard& shard = Shard::Here();
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    const uint64_t before = shard.counts().sends;
    for (int i = 0; i < 50; ++i) pair.server.Write("250 2.1.5 OK\r\n");
    pair.client.Write("QUIT\r\n");
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kOk);
    EXPECT_EQ((co_await ReadBytes(pair.client, 50 * 14)).size(), 50u * 14);
    EXPECT_EQ(shard.counts().sends, before + 2);
  });
}

TEST_P(Fallbacks, ConnectToNobodyFailsAndToASilentHostTimesOut) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Endpoint nobody;
    {
      Listener listener = ListenOnLoopback();
      nobody = listener.local();
    }
    ConnectResult refused = co_await Connect(nobody, {}, Soon());
    EXPECT_EQ(refused.status, StreamStatus::kFailed);
    EXPECT_EQ(refused.error, ECONNREFUSED);
    ConnectResult no_path =
        co_await Connect(*Endpoint::Parse("unix:/nonexistent/socket"), {}, Soon());
    EXPECT_EQ(no_path.status, StreamStatus::kFailed);
    EXPECT_EQ(no_path.error, ENOENT);
    // A backlog that is full answers nothing.
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_storage address;
    const socklen_t length = ToSockaddr(*Endpoint::Parse("127.0.0.1:0"), address);
    CO_ASSERT_TRUE(bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                   listen(fd, 0) == 0);
    const Endpoint silent = LocalEndpoint(fd);
    std::vector<Stream> taken;
    StreamStatus status = StreamStatus::kOk;
    for (int i = 0; i < 4 && status == StreamStatus::kOk; ++i) {
      ConnectResult result = co_await Connect(silent, {}, Now() + std::chrono::milliseconds(50));
      status = result.status;
      taken.push_back(std::move(result.stream));
    }
    EXPECT_EQ(status, StreamStatus::kTimedOut);
    close(fd);
  });
}

TEST_P(Fallbacks, ConnectUsesTheSourceAddressItIsGiven) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    ConnectResult connected =
        co_await Connect(listener.local(), *IpAddress::Parse("127.0.0.9"), Soon());
    CO_ASSERT_TRUE(connected.status == StreamStatus::kOk);
    AcceptResult accepted = co_await listener.Accept();
    EXPECT_EQ(accepted.stream.peer().ip, *IpAddress::Parse("127.0.0.9"));
    EXPECT_EQ(connected.stream.local(), accepted.stream.peer());
  });
}

Task<void> AcceptOne(Listener* listener, AcceptResult* result) {
  *result = co_await listener->Accept();
}

TEST_P(Fallbacks, CancelEndsAcceptAndConnectionsNotYetAcceptedAreReset) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Gate gate;
    AcceptResult result;
    gate.Spawn(AcceptOne(&listener, &result));
    co_await Yield();
    ConnectResult first = co_await Connect(listener.local(), {}, Soon());
    co_await gate.Close();
    EXPECT_EQ(result.status, StreamStatus::kOk);
    ConnectResult second = co_await Connect(listener.local(), {}, Soon());
    EXPECT_EQ(second.status, StreamStatus::kOk);
    listener.Cancel();
    EXPECT_EQ((co_await listener.Accept()).status, StreamStatus::kCancelled);
    const StreamStatus heard = co_await second.stream.Receive(Soon());
    EXPECT_TRUE(heard == StreamStatus::kEnd || heard == StreamStatus::kFailed);
  });
}

TEST_P(Fallbacks, AFullPoolOfConnectionsMakesAcceptWaitForOneToClose) {
  RuntimeOptions options = Options();
  options.connections_max = 3;
  RunOnShards(options, [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    sockaddr_storage address;
    const socklen_t length = ToSockaddr(listener.local(), address);
    const int first = socket(AF_INET, SOCK_STREAM, 0);
    const int second = socket(AF_INET, SOCK_STREAM, 0);
    CO_ASSERT_TRUE(connect(first, reinterpret_cast<sockaddr*>(&address), length) == 0);
    CO_ASSERT_TRUE(connect(second, reinterpret_cast<sockaddr*>(&address), length) == 0);
    AcceptResult third = co_await listener.Accept();
    EXPECT_EQ(third.status, StreamStatus::kOk);
    Gate gate;
    AcceptResult fourth;
    gate.Spawn(AcceptOne(&listener, &fourth));
    for (int i = 0; i < 10; ++i) co_await Yield();
    EXPECT_EQ(gate.inside(), 1u);
    ConnectResult none = co_await Connect(listener.local(), {}, Soon());
    EXPECT_EQ(none.error, EMFILE);
    pair.client.Abort();
    co_await gate.Close();
    EXPECT_EQ(fourth.status, StreamStatus::kOk);
    close(first);
    close(second);
  });
}

TEST_P(Fallbacks, ManyConnectionsAtOnceAreAllAcceptedAndServed) {
  RunOnShards(Options(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Gate gate;
    gate.Spawn([](Listener* from) -> Task<void> {
      Gate sessions;
      while (true) {
        AcceptResult accepted = co_await from->Accept();
        if (accepted.status != StreamStatus::kOk) break;
        sessions.Spawn([](Stream stream) -> Task<void> {
          while (co_await stream.Receive(Soon()) == StreamStatus::kOk) {
            stream.Write(stream.input());
            stream.Consume(stream.input().size());
          }
          co_await stream.Close(Soon());
        }(std::move(accepted.stream)));
      }
      co_await sessions.Close();
    }(&listener));
    int echoed = 0;
    {
      Gate clients;
      for (int i = 0; i < 300; ++i) {
        clients.Spawn([](Endpoint to, int* count) -> Task<void> {
          ConnectResult connected = co_await Connect(to, {}, Soon());
          CO_ASSERT_TRUE(connected.status == StreamStatus::kOk);
          for (int n = 0; n < 5; ++n) {
            connected.stream.Write("echo\r\n");
            EXPECT_EQ(co_await connected.stream.Flush(Soon()), StreamStatus::kOk);
            if (co_await ReadBytes(connected.stream, 6) == "echo\r\n") ++*count;
          }
          co_await connected.stream.Close(Soon());
        }(listener.local(), &echoed));
      }
      co_await clients.Close();
    }
    EXPECT_EQ(echoed, 1500);
    listener.Cancel();
    co_await gate.Close();
    EXPECT_EQ(Shard::Here().connections().used(), 0u);
  });
}

// P11, P12: far more requests than the queues have places.
TEST(Stream, MoreRequestsInOneTurnThanTheRingHoldsAreAllServed) {
  RuntimeOptions options = TestOptions();
  options.ring_entries = 8;
  RunOnShards(options, [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Many many;
    for (int i = 0; i < Many::kCount; ++i) many.pairs.push_back(co_await MakePair(listener));
    for (int round = 0; round < 20; ++round) {
      Gate gate;
      for (Pair& pair : many.pairs) {
        gate.Spawn([](Pair* ends) -> Task<void> {
          ends->client.Write("ping");
          EXPECT_EQ(co_await ends->client.Flush(Soon()), StreamStatus::kOk);
          EXPECT_EQ(co_await ReadBytes(ends->server, 4), "ping");
        }(&pair));
      }
      co_await gate.Close();
    }
    EXPECT_GT(Shard::Here().ring().early_submits(), 0u);
  });
}

}  // namespace
}  // namespace ringmail::io
