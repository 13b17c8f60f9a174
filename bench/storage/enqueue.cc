// What one accepted message costs: processor time, allocations, and how many share a commit.
//
//   storage_enqueue DIRECTORY [WRITERS] [CONTENT_BYTES] [SECONDS]
// WRITERS coroutines enqueue a message each, finish it, and go on; prints messages a second,
// processor microseconds of the shard's thread a message, and calls of the allocator a message. The
// writes are real.
#include <fmt/core.h>
#include <sys/resource.h>

#include <cstdlib>
#include <new>
#include <string>

#include "ringmail/io/gate.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/store.h"

namespace {
thread_local uint64_t allocations = 0;
}

extern "C" void* mi_malloc(size_t bytes);
extern "C" void mi_free(void* p);
void* operator new(size_t bytes) {
  ++allocations;
  void* p = mi_malloc(bytes);
  if (p == nullptr) std::abort();
  return p;
}
void operator delete(void* p) noexcept { mi_free(p); }
void operator delete(void* p, size_t) noexcept { mi_free(p); }

namespace ringmail {
namespace {

struct Run {
  std::string directory;
  uint64_t writers = 64;
  size_t content_bytes = 4096;
  int seconds = 5;
  uint64_t count = 0;
  bool stop = false, settle = true;
  Status status;
};

struct ProcessorTime {
  double user = 0, system = 0;
};
ProcessorTime ThreadTime() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return {of(usage.ru_utime), of(usage.ru_stime)};
}

io::Task<void> Write(storage::Queue* queue, Run* run) {
  const std::string text(run->content_bytes, 'x');
  message::Envelope envelope;
  envelope.reverse_path = "somebody@sender.example.org";
  envelope.recipients.push_back({.path = "user@destination.example.net"});
  envelope.arrival = io::WallNow();
  while (!run->stop && run->status.ok()) {
    const QueueId id = queue->NewId();
    storage::ContentWriter writer = queue->NewContent();
    writer.Append(text, false);
    auto message = co_await queue->Enqueue(id, envelope, std::move(writer), {});
    if (!message.ok()) {
      run->status = message.status();
      break;
    }
    ++run->count;
    if (!run->settle) continue;
    std::vector<storage::MessageUpdate> updates(1);
    updates[0].id = id;
    updates[0].outcomes.push_back({.recipient = 0,
                                   .state = storage::RecipientState::kDelivered,
                                   .reply = {.code = 250, .text = "ok"}});
    const Status recorded = co_await queue->Record(std::move(updates));
    if (!recorded.ok()) run->status = recorded;
  }
}

io::Task<void> ShardMain(void* context) {
  auto& run = *static_cast<Run*>(context);
  auto store = co_await storage::ShardStore::Open({.data_dir = run.directory});
  if (!store.ok()) {
    run.status = store.status();
    co_return;
  }
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(1));
  for (const bool settle : {false, true}) {
    run.settle = settle;
    run.stop = false;
    run.count = 0;
    io::Gate gate;
    const ProcessorTime begin = ThreadTime();
    const uint64_t before = allocations;
    for (uint64_t i = 0; i < run.writers; ++i) gate.Spawn(Write(&(*store)->queue(), &run));
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(run.seconds));
    run.stop = true;
    co_await gate.Close();
    const auto count = static_cast<double>(run.count);
    const ProcessorTime end = ThreadTime();
    fmt::print(
        "{}: {:.0f} messages/s; a message: {:.2f} us of ours, {:.2f} us of the kernel's, {:.1f} "
        "calls of operator new\n",
        settle ? "enqueue and finish" : "enqueue", count / run.seconds,
        (end.user - begin.user) / count * 1e6, (end.system - begin.system) / count * 1e6,
        static_cast<double>(allocations - before) / count);
  }
  const Status closed = co_await (*store)->Close();
  if (run.status.ok()) run.status = closed;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY [WRITERS] [CONTENT_BYTES] [SECONDS]\n", argv[0]);
    return 2;
  }
  Run run{.directory = argv[1]};
  if (argc > 2) run.writers = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) run.content_bytes = std::strtoull(argv[3], nullptr, 10);
  if (argc > 4) run.seconds = std::atoi(argv[4]);
  const Status ran = io::RunShards({.shard_count = 1}, &ShardMain, &run);
  const Status status = ran.ok() ? run.status : ran;
  if (!status.ok()) fmt::print(stderr, "{}\n", std::string(status.message()));
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace ringmail

int main(int argc, char** argv) { return ringmail::Main(argc, argv); }
