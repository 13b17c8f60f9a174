#include "server/commands/sink.h"

#include <fmt/format.h>

#include "ringmail/io/file.h"
#include "ringmail/io/process.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/protocol/smtp_sink.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/one_shard.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {
    {.name = "--listen",
     .value_name = "ADDR",
     .about = "where to listen, 127.0.0.1:2525; port 0 chooses one",
     .needed = true},
    {.name = "--store",
     .value_name = "DIR",
     .about = "keeps each message there, as N.eml and N.envelope"},
    {.name = "--shards", .value_name = "N", .about = "threads (default 1)"},
    {.name = "--hostname",
     .value_name = "NAME",
     .about = "what the greeting says (default sink.invalid)"},
    {.name = "--json", .about = "the counts as JSON objects, one a line"},
    {.name = "--verbose", .about = "the counts every second, not only at the end"},
};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kFailed, ExitCode::kUsage,
                                   ExitCode::kAddress, ExitCode::kSystem};
constexpr Usage kUsage = {
    .name = "sink",
    .about =
        "Takes in every message, discards it or keeps it as a file, and counts. It stands for a "
        "destination in tests\n"
        "and benchmarks: what it says 250 to is not on stable storage. SIGTERM or SIGINT ends it "
        "with 0, after the\n"
        "counts; the address comes first, so that whoever starts it knows the port.\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

constexpr Nanoseconds kStopTimeout = std::chrono::seconds(5);
constexpr Nanoseconds kReportInterval = std::chrono::seconds(1);
// Counters of the other shards are read by asking them.
constexpr Nanoseconds kForever = std::chrono::hours(24 * 365);

struct Boot;

// One shard's sink, and how shard 0 reaches it.
struct SinkShard {
  Boot* boot = nullptr;
  smtp::Sink* sink = nullptr;
  io::Event* end = nullptr;
  smtp::SinkCounts counts;
};

struct Boot {
  smtp::SinkOptions options;
  uint16_t shard_count = 1;
  bool json = false, verbose = false;
  std::vector<io::Listener> listeners;
  std::vector<SinkShard> shards;
  // Written on shard 0 alone: answers outstanding, and who waits for them.
  uint16_t answers = 0;
  io::Event* answered = nullptr;
  uint16_t arrived = 0;
};

void Add(smtp::SinkCounts& sum, const smtp::SinkCounts& more) {
  sum.connections += more.connections;
  sum.transactions += more.transactions;
  sum.recipients += more.recipients;
  sum.messages += more.messages;
  sum.bytes += more.bytes;
  sum.failures += more.failures;
  sum.open += more.open;
}

void Report(const Boot& boot, const smtp::SinkCounts& counts) {
  std::string line;
  if (boot.json) {
    JsonWriter json(line);
    json.BeginObject()
        .Key("messages")
        .Number(counts.messages)
        .Key("connections")
        .Number(counts.connections);
    json.Key("transactions")
        .Number(counts.transactions)
        .Key("recipients")
        .Number(counts.recipients);
    json.Key("bytes").Number(counts.bytes).Key("failures").Number(counts.failures);
    json.Key("open").Number(counts.open).EndObject();
  } else {
    line = fmt::format(
        "messages {} connections {} transactions {} recipients {} bytes {} failures {} open {}",
        counts.messages, counts.connections, counts.transactions, counts.recipients, counts.bytes,
        counts.failures, counts.open);
  }
  line += '\n';
  (void)Print(line);
}

// On shard 0: one more shard has done what it was asked.
void Answered(io::ShardMessage& message) {
  Boot& boot = *message.Pointer<Boot>(0);
  if (--boot.answers == 0) boot.answered->Notify();
}

// On its own shard: the counts as they are now.
void CopyCounts(io::ShardMessage& message) {
  SinkShard& shard = *message.Pointer<SinkShard>(0);
  shard.counts = shard.sink->counts();
  io::ShardMessage answer{.run = Answered};
  answer.SetPointer(0, shard.boot);
  // At most two messages are ever under way between two of these shards.
  CHECK(io::TryPost(ShardIndex(0), answer));
}

void EndShard(io::ShardMessage& message) { message.Pointer<SinkShard>(0)->end->Notify(); }

io::Task<void> ReportAll(Boot* boot) {
  io::Event answered;
  boot->answered = &answered;
  boot->answers = boot->shard_count;
  for (uint16_t i = 0; i < boot->shard_count; ++i) {
    io::ShardMessage message{.run = CopyCounts};
    message.SetPointer(0, &boot->shards[i]);
    co_await io::Post(ShardIndex(i), message);
  }
  (void)co_await answered.Wait(kNever);
  smtp::SinkCounts sum;
  for (const SinkShard& one : boot->shards) Add(sum, one.counts);
  Report(*boot, sum);
}

io::Task<void> WaitForSignal(Boot* boot) {
  for (;;) {
    const io::Signal signal =
        co_await io::NextSignal(io::Now() + (boot->verbose ? kReportInterval : kForever));
    if (signal == io::Signal::kTerminate) co_return;
    if (signal == io::Signal::kNone && boot->verbose) co_await ReportAll(boot);
  }
}

// On shard 0, from each shard: it listens.
void Arrived(io::ShardMessage& message) {
  Boot& boot = *message.Pointer<Boot>(0);
  ++boot.arrived;
  if (boot.answered != nullptr && boot.arrived == boot.shard_count) boot.answered->Notify();
}

io::Task<void> Direct(Boot* boot) {
  io::Event all;
  boot->answered = &all;
  if (boot->arrived < boot->shard_count) (void)co_await all.Wait(kNever);
  boot->answered = nullptr;
  co_await WaitForSignal(boot);
  for (uint16_t i = 0; i < boot->shard_count; ++i) {
    io::ShardMessage message{.run = EndShard};
    message.SetPointer(0, &boot->shards[i]);
    co_await io::Post(ShardIndex(i), message);
  }
}

io::Task<void> SinkMain(void* context) {
  Boot& boot = *static_cast<Boot*>(context);
  const uint16_t index = io::ThisShard().value;
  SinkShard& shard = boot.shards[index];
  smtp::SinkOptions options = boot.options;
  options.first_number = index + 1;
  options.number_step = boot.shard_count;
  io::Event end;
  const std::unique_ptr<smtp::Sink> sink = smtp::Sink::Make(std::move(options));
  shard.boot = &boot;
  shard.sink = sink.get();
  shard.end = &end;
  if (boot.listeners[index].open()) sink->Listen(std::move(boot.listeners[index]));
  io::ShardMessage arrived{.run = Arrived};
  arrived.SetPointer(0, &boot);
  co_await io::Post(ShardIndex(0), arrived);
  if (index == 0) co_await Direct(&boot);
  (void)co_await end.Wait(kNever);
  co_await sink->Stop(io::Now() + kStopTimeout);
  shard.counts = sink->counts();
}

struct MakeDirectory {
  std::string path;
  Status status;
  static io::Task<void> Run(void* context) {
    auto& self = *static_cast<MakeDirectory*>(context);
    self.status = co_await io::CreateDirectory(self.path);
  }
};

}  // namespace

int SinkCommand(std::span<const std::string_view> arguments, std::string& out,
                std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Boot boot;
  const std::optional<io::Endpoint> endpoint = io::Endpoint::Parse(*given.Get("--listen"));
  const auto shards = ParseCount(given.GetOr("--shards", "1"), 1, io::kShardCountMax);
  if (!endpoint || !shards) {
    errors +=
        endpoint
            ? "ringmail sink: --shards must be a number from 1 to 256 (see ringmail sink --help)\n"
            : "ringmail sink: --listen must be an address, 127.0.0.1:2525 or [::1]:2525 (see "
              "ringmail sink --help)\n";
    return Number(ExitCode::kUsage);
  }
  boot.shard_count = static_cast<uint16_t>(*shards);
  boot.shards.resize(boot.shard_count);
  boot.json = given.Has("--json");
  boot.verbose = given.Has("--verbose");
  boot.options.directory = given.GetOr("--store", "");
  boot.options.hostname = given.GetOr("--hostname", boot.options.hostname);
  const uint64_t descriptors = io::RaiseDescriptorLimit();
  if (!boot.options.directory.empty()) {
    MakeDirectory made{.path = boot.options.directory};
    const Status ran = RunOnOneShard(MakeDirectory::Run, &made);
    if (!ran.ok() || !made.status.ok()) {
      errors += fmt::format("ringmail sink: {}\n", Std((ran.ok() ? made.status : ran).message()));
      return Number(ran.ok() ? ExitCode::kFailed : ExitCode::kSystem);
    }
  }
  auto opened = io::OpenListeners({.endpoint = *endpoint}, boot.shard_count);
  if (!opened.ok()) {
    errors += fmt::format("ringmail sink: {}\n", Std(opened.status().message()));
    return Number(ExitCode::kAddress);
  }
  boot.listeners = *std::move(opened);
  out += fmt::format("listening {}\n", boot.listeners.front().local().ToString());
  (void)Print(out);
  io::CaptureSignals();
  io::RuntimeOptions options;
  options.shard_count = boot.shard_count;
  options.connections_max =
      static_cast<uint32_t>(std::min<uint64_t>(65'536, descriptors / boot.shard_count / 2 + 64));
  const Status ran = io::RunShards(options, SinkMain, &boot);
  if (!ran.ok()) {
    errors += fmt::format("ringmail sink: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  smtp::SinkCounts sum;
  for (const SinkShard& one : boot.shards) Add(sum, one.counts);
  Report(boot, sum);
  return Number(ExitCode::kOk);
}

}  // namespace ringmail::server
