// How long a start takes, and how much memory, with many messages in the queue.
//
//   storage_startup fill DIRECTORY [MESSAGES] [CONTENT_BYTES]
//   storage_startup open DIRECTORY
// The first fills a store in DIRECTORY (empty) with a million messages of one recipient. The second
// opens it and prints milliseconds, and bytes of memory a message: what the process grew by,
// entries, contents, indexes and all.
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ringmail/io/gate.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/storage/store.h"

namespace ringmail {
namespace {

struct Run {
  std::string directory;
  uint64_t messages = 1'000'000;
  size_t content_bytes = 4096;
  uint64_t writers = 500;
  bool fill = false;
  Status status;
};

double ResidentBytes() {
  FILE* file = fopen("/proc/self/statm", "re");
  unsigned long total = 0, resident = 0;
  if (file == nullptr || fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  if (file != nullptr) fclose(file);
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

io::Task<void> Fill(storage::Queue* queue, Run* run, uint64_t count) {
  const std::string text(run->content_bytes, 'x');
  message::Envelope envelope;
  envelope.reverse_path = "somebody@sender.example.org";
  envelope.recipients.push_back({.path = "user0000000000@destination.example.net"});
  envelope.arrival = io::WallNow();
  for (uint64_t i = 0; i < count && run->status.ok(); ++i) {
    const QueueId id = queue->NewId();
    envelope.recipients[0].path = fmt::format("user{:010}@destination.example.net", id.sequence());
    storage::ContentWriter writer = queue->NewContent();
    writer.Append(text, false);
    auto message = co_await queue->Enqueue(id, envelope, std::move(writer), {});
    if (!message.ok()) run->status = message.status();
  }
}

io::Task<void> ShardMain(void* context) {
  auto& run = *static_cast<Run*>(context);
  const double memory = ResidentBytes(), begin = Seconds();
  auto store = co_await storage::ShardStore::Open(
      {.data_dir = run.directory, .content_cache_bytes = 8u << 20});
  if (!store.ok()) {
    run.status = store.status();
    co_return;
  }
  if (run.fill) {
    io::Gate gate;
    for (uint64_t i = 0; i < run.writers; ++i)
      gate.Spawn(Fill(&(*store)->queue(), &run, run.messages / run.writers));
    co_await gate.Close();
    fmt::print("fill: {} messages of {} bytes in {:.2f} s\n", (*store)->queue().size(),
               run.content_bytes, Seconds() - begin);
  } else {
    const double took = Seconds() - begin;
    const double count = static_cast<double>((*store)->queue().size());
    fmt::print("open: {} messages, {} segments, {:.2f} GB read, {:.0f} ms\n", count,
               (*store)->recovery().segments,
               static_cast<double>((*store)->recovery().bytes_read) / 1e9, took * 1e3);
    co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
    fmt::print("memory: {:.0f} bytes a message ({:.1f} MB)\n", (ResidentBytes() - memory) / count,
               (ResidentBytes() - memory) / 1e6);
  }
  const Status closed = co_await (*store)->Close();
  if (run.status.ok()) run.status = closed;
}

int Main(int argc, char** argv) {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  if (mode != "fill" && mode != "open") {
    fmt::print(stderr, "usage: {} fill|open DIRECTORY [MESSAGES] [CONTENT_BYTES]\n", argv[0]);
    return 2;
  }
  Run run{.directory = argv[2], .fill = mode == "fill"};
  if (argc > 3) run.messages = std::strtoull(argv[3], nullptr, 10);
  if (argc > 4) run.content_bytes = std::strtoull(argv[4], nullptr, 10);
  const Status ran = io::RunShards({.shard_count = 1}, &ShardMain, &run);
  const Status status = ran.ok() ? run.status : ran;
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", std::string(status.message()));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace ringmail

int main(int argc, char** argv) { return ringmail::Main(argc, argv); }
