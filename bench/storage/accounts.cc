// Accounts on the real disk: what a large mailbox costs to fill, to open and to hold, and how long
// one message takes into many accounts.
//
//   storage_accounts fill DIRECTORY [MESSAGES] [CONTENT_BYTES]
//   storage_accounts open DIRECTORY
//   storage_accounts fanout DIRECTORY [ACCOUNTS]
// The first uploads a million messages into one account of a store in DIRECTORY (empty). The second
// opens the store, then the account: cold, which reads its checkpoint, and warm; it prints octets
// of memory a message, what the process grew by, before and after. The third delivers one message
// to 10,000 accounts as local delivery does, twice: into new accounts, and again.
#include <fmt/core.h>
#include <sys/resource.h>
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

using storage::Account;
using storage::AccountTransaction;
using storage::MailboxId;

constexpr AccountId kOwner(1);
constexpr MailboxId kInbox(1);
constexpr size_t kUploadsTogether = 100;

struct Run {
  std::string mode, directory;
  uint64_t count = 0;
  size_t content_bytes = 512;
  uint64_t writers = 20;
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

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

io::Task<void> Upload(storage::ShardStore* store, Account* account, Run* run, uint64_t count) {
  const std::string text(run->content_bytes, 'x');
  while (count > 0 && run->status.ok()) {
    AccountTransaction transaction{.time_seconds = 1'767'225'600};
    std::vector<Account::NewContent> contents;
    for (; contents.size() < kUploadsTogether && count > 0; --count) {
      storage::ContentWriter writer = store->queue().NewContent();
      writer.Append(text, false);
      contents.push_back({.change = transaction.changes.size(), .content = std::move(writer)});
      transaction.changes.push_back(
          storage::Append{.mailbox = kInbox, .internal_date_seconds = 1'767'225'600});
    }
    auto done = co_await account->ApplyWithContent(std::move(transaction), std::move(contents));
    if (!done.ok()) run->status = done.status();
  }
}

io::Task<void> Fill(storage::ShardStore* store, Run* run) {
  auto account = co_await store->accounts().Open(kOwner);
  if (!account.ok()) {
    run->status = account.status();
    co_return;
  }
  const double begin = Seconds(), cpu = CpuSeconds();
  io::Gate gate;
  for (uint64_t i = 0; i < run->writers; ++i)
    gate.Spawn(Upload(store, &**account, run, run->count / run->writers));
  co_await gate.Close();
  fmt::print("fill: {} messages of {} bytes in {:.2f} s, {:.2f} us of CPU each\n",
             (*account)->messages(), run->content_bytes, Seconds() - begin,
             (CpuSeconds() - cpu) * 1e6 / static_cast<double>((*account)->messages()));
}

io::Task<void> Open(storage::ShardStore* store, Run* run, double before, double took) {
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
  const double idle = ResidentBytes();
  double begin = Seconds();
  const double cpu = CpuSeconds();
  auto account = co_await store->accounts().Open(kOwner);
  if (!account.ok()) {
    run->status = account.status();
    co_return;
  }
  const double cold = Seconds() - begin, cold_cpu = CpuSeconds() - cpu;
  const auto messages = static_cast<double>((*account)->messages());
  account = absl::UnknownError("closed");
  begin = Seconds();
  account = co_await store->accounts().Open(kOwner);
  const uint32_t count = (*account)->View(kInbox).count();
  const double warm = Seconds() - begin;
  co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
  fmt::print("start: {:.0f} ms, {:.0f} bytes a message while the account is shut\n", took * 1e3,
             (idle - before) / messages);
  fmt::print("open: {} messages, cold {:.1f} ms ({:.1f} ms of CPU), warm {:.3f} ms\n", count,
             cold * 1e3, cold_cpu * 1e3, warm * 1e3);
  fmt::print("memory: {:.1f} bytes a message more while it is open\n",
             (ResidentBytes() - idle) / messages);
}

io::Task<void> DeliverTo(storage::ShardStore* store, AccountId id, ContentId content,
                         Status* status) {
  auto account = co_await store->accounts().Open(id);
  if (!account.ok()) {
    *status = account.status();
    co_return;
  }
  AccountTransaction transaction{.time_seconds = 1'767'225'600};
  transaction.changes.push_back(
      storage::Append{.mailbox = kInbox, .content = content, .bytes = 4096});
  auto done = co_await (*account)->Apply(std::move(transaction));
  if (!done.ok()) *status = done.status();
}

io::Task<void> FanOut(storage::ShardStore* store, Run* run, std::string_view what) {
  storage::Queue& queue = store->queue();
  message::Envelope envelope;
  envelope.reverse_path = "somebody@sender.example.org";
  envelope.recipients.push_back({.path = "all@example.net"});
  envelope.arrival = io::WallNow();
  storage::ContentWriter writer = queue.NewContent();
  writer.Append(std::string(4096, 'x'), false);
  const QueueId id = queue.NewId();
  auto message = co_await queue.Enqueue(id, envelope, std::move(writer), {});
  if (!message.ok()) {
    run->status = message.status();
    co_return;
  }
  const double begin = Seconds(), cpu = CpuSeconds();
  storage::MessageUpdate update{.id = id};
  io::Gate gate;
  for (uint64_t i = 1; i <= run->count; ++i) {
    update.holds.push_back(AccountId(i));
    gate.Spawn(DeliverTo(store, AccountId(i), Id((*message)->content()), &run->status));
  }
  co_await gate.Close();
  update.outcomes.push_back({.recipient = 0, .state = storage::RecipientState::kDelivered});
  std::vector<storage::MessageUpdate> updates;
  updates.push_back(std::move(update));
  const Status recorded = co_await queue.Record(std::move(updates));
  if (run->status.ok()) run->status = recorded;
  fmt::print("fanout into {}: {} accounts in {:.1f} ms, {:.2f} us of CPU each\n", what, run->count,
             (Seconds() - begin) * 1e3,
             (CpuSeconds() - cpu) * 1e6 / static_cast<double>(run->count));
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
  const double took = Seconds() - begin;
  // Unpublished, nothing opens an account but us.
  if (run.mode != "open") co_await (*store)->accounts().Publish({&(*store)->accounts()});
  if (run.mode == "fill") co_await Fill(store->get(), &run);
  if (run.mode == "open") co_await Open(store->get(), &run, memory, took);
  if (run.mode == "fanout") {
    co_await FanOut(store->get(), &run, "new accounts");
    co_await FanOut(store->get(), &run, "open accounts");
  }
  const Status closed = co_await (*store)->Close();
  if (run.status.ok()) run.status = closed;
}

int Main(int argc, char** argv) {
  Run run{.mode = argc > 2 ? argv[1] : ""};
  if (run.mode != "fill" && run.mode != "open" && run.mode != "fanout") {
    fmt::print(stderr, "usage: {} fill|open|fanout DIRECTORY [COUNT] [CONTENT_BYTES]\n", argv[0]);
    return 2;
  }
  run.directory = argv[2];
  run.count = argc > 3               ? std::strtoull(argv[3], nullptr, 10)
              : run.mode == "fanout" ? 10'000
                                     : 1'000'000;
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
