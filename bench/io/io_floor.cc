// The same conversation as bench/floor/smtp_floor, held by coroutines over io: what io costs above
// the floor.
//
//   io_floor --listen 127.0.0.1:2500 --file /var/tmp/floor
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail::io {
namespace {

constexpr size_t kBatchBytes = 4u << 20;
constexpr uint64_t kFileBytes = 256u << 20;
constexpr size_t kRecordHeader = 64;
constexpr auto kPatience = std::chrono::minutes(5);

struct Waiter {
  Event done;
  Waiter* next = nullptr;
};

// Group commit: one batch with the disk, the next one filling.
struct Log {
  File file;
  DmaBuffer buffers[2];
  size_t bytes = 0;
  int filling = 0;
  Waiter* waiters = nullptr;
  Event work;
  bool stopping = false;
  uint64_t offset = 0, messages = 0, batches = 0;
};

struct Program {
  const char* address = nullptr;
  const char* path = nullptr;
  uint64_t micros_at_start = 0;
};

Task<void> Write(Log* log) {
  while (true) {
    while (log->bytes == 0 && !log->stopping) (void)co_await log->work.Wait(kNever);
    if (log->bytes == 0) co_return;
    DmaBuffer& buffer = log->buffers[log->filling];
    const size_t bytes = (log->bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    std::memset(buffer.data() + log->bytes, 0, bytes - log->bytes);
    if (log->offset + bytes > kFileBytes) log->offset = 0;
    Waiter* waiters = std::exchange(log->waiters, nullptr);
    log->filling ^= 1;
    log->bytes = 0;
    ++log->batches;
    CHECK((co_await log->file.Write(log->offset, {buffer.data(), bytes}, Durability::kDurable,
                                    &buffer))
              .ok());
    log->offset += bytes;
    while (waiters != nullptr) std::exchange(waiters, waiters->next)->done.Notify();
  }
}

Task<bool> Commit(Log* log, std::string_view content) {
  if (log->bytes + kRecordHeader + content.size() > kBatchBytes) co_return false;
  char* at = log->buffers[log->filling].data() + log->bytes;
  std::memset(at, 0, kRecordHeader);
  std::memcpy(at + kRecordHeader, content.data(), content.size());
  log->bytes += kRecordHeader + content.size();
  ++log->messages;
  Waiter waiter;
  waiter.next = std::exchange(log->waiters, &waiter);
  log->work.Notify();
  co_return co_await waiter.done.Wait(kNever) == Wake::kNotified;
}

// Collects input until `end` has come; its content includes `end`.
Task<StreamStatus> ReadUntil(Stream* stream, std::string_view end, std::string* out) {
  out->clear();
  while (true) {
    if (stream->input().empty()) {
      const StreamStatus status = co_await stream->Receive(Now() + kPatience);
      if (status != StreamStatus::kOk) co_return status;
    }
    const std::string_view input = stream->input();
    const size_t from = out->size() > end.size() ? out->size() - end.size() : 0;
    out->append(input);
    const size_t found = out->find(end, from);
    if (found == std::string::npos) {
      stream->Consume(input.size());
      continue;
    }
    const size_t beyond = out->size() - found - end.size();
    stream->Consume(input.size() - beyond);
    out->resize(found + end.size());
    co_return StreamStatus::kOk;
  }
}

Task<void> Serve(Stream stream, Log* log) {
  std::string text;
  stream.Write("220 floor ESMTP\r\n");
  while (co_await ReadUntil(&stream, "\r\n", &text) == StreamStatus::kOk) {
    if ((text[0] | 0x20) == 'q') {
      stream.Write("221 2.0.0 bye\r\n");
      break;
    }
    if ((text[0] | 0x20) != 'd') {
      stream.Write("250 2.0.0 ok\r\n");
      continue;
    }
    stream.Write("354 go on\r\n");
    if (co_await ReadUntil(&stream, "\r\n.\r\n", &text) != StreamStatus::kOk) break;
    const bool kept = co_await Commit(log, text);
    stream.Write(kept ? "250 2.0.0 kept\r\n" : "452 4.3.1 full\r\n");
  }
  co_await stream.Close(Now() + std::chrono::seconds(5));
}

Task<void> Accept(Listener* listener, Log* log, Gate* sessions) {
  while (true) {
    AcceptResult accepted = co_await listener->Accept();
    if (accepted.status == StreamStatus::kCancelled) co_return;
    if (accepted.status == StreamStatus::kOk)
      sessions->Spawn(Serve(std::move(accepted.stream), log));
  }
}

Task<void> Main(void* context) {
  auto& program = *static_cast<Program*>(context);
  ListenOptions options;
  options.endpoint = Endpoint::Parse(program.address).value_or(Endpoint());
  auto listeners = OpenListeners(options, 1);
  CHECK(listeners.ok());
  Log log;
  log.file = *co_await File::Open(program.path, OpenMode::kCreateOrReplace, Access::kDirect);
  for (DmaBuffer& buffer : log.buffers) buffer = DmaBuffer(kBatchBytes + kBlockBytes);
  for (uint64_t at = 0; at < kFileBytes; at += kBatchBytes) {
    CHECK((co_await log.file.Write(at, {log.buffers[0].data(), kBatchBytes}, Durability::kNone))
              .ok());
  }
  CHECK((co_await log.file.Sync()).ok());
  program.micros_at_start = CpuMicroseconds();
  Gate gate;
  Gate sessions;
  gate.Spawn(Write(&log));
  gate.Spawn(Accept(&listeners->front(), &log, &sessions));
  while (co_await NextSignal(kNever) != Signal::kTerminate) {
  }
  const uint64_t micros = CpuMicroseconds() - program.micros_at_start;
  listeners->front().Cancel();
  co_await sessions.Close();
  log.stopping = true;
  log.work.Notify();
  co_await gate.Close();
  std::printf(
      "messages %llu  batches %llu  cpu_us %llu  cpu_us_per_message %.2f\n",
      static_cast<unsigned long long>(log.messages), static_cast<unsigned long long>(log.batches),
      static_cast<unsigned long long>(micros),
      log.messages == 0 ? 0.0 : static_cast<double>(micros) / static_cast<double>(log.messages));
}

}  // namespace
}  // namespace ringmail::io

int main(int argc, char** argv) {
  ringmail::io::Program program;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--listen") == 0) program.address = argv[i + 1];
    if (std::strcmp(argv[i], "--file") == 0) program.path = argv[i + 1];
  }
  if (program.address == nullptr || program.path == nullptr) {
    std::fprintf(stderr, "usage: io_floor --listen ADDRESS:PORT --file FILE\n");
    return 2;
  }
  ringmail::io::CaptureSignals();
  const ringmail::Status status = ringmail::io::RunShards({}, &ringmail::io::Main, &program);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
