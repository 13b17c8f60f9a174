// An account in memory: how fast it takes messages, what a view of a million costs, how long a
// checkpoint of them takes to come back.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <map>
#include <string>

#include "ringmail/base/check.h"
#include "storage/mailbox/checkpoint.h"

namespace ringmail::storage {
namespace {

constexpr MailboxId kInbox(1);

void Fill(AccountState& state, uint32_t messages) {
  for (uint32_t i = 1; i <= messages; ++i) {
    state.Apply(ModSeq(state.applied().value + 1),
                {.changes = {Append{.mailbox = kInbox, .content = ContentId(i), .bytes = 4096}}});
  }
}

void AppendMessages(benchmark::State& bench) {
  for (auto _ : bench) {
    AccountState state(1);
    Fill(state, 100'000);
    benchmark::DoNotOptimize(state.messages());
  }
  bench.SetItemsProcessed(bench.iterations() * 100'000);
}
BENCHMARK(AppendMessages)->Unit(benchmark::kMillisecond);

AccountState& Million() {
  static AccountState* const state = [] {
    auto* made = new AccountState(1);
    Fill(*made, 1'000'000);
    return made;
  }();
  return *state;
}

void ViewOfAMillion(benchmark::State& bench) {
  const AccountState& state = Million();
  for (auto _ : bench) {
    const MailboxView view = state.View(kInbox);
    benchmark::DoNotOptimize(view.at(view.count() / 2).uid);
  }
}
BENCHMARK(ViewOfAMillion)->Unit(benchmark::kMicrosecond);

void StoreOneFlagOfAMillionWhileAViewIsHeld(benchmark::State& bench) {
  AccountState& state = Million();
  uint32_t uid = 0;
  for (auto _ : bench) {
    const MailboxView view = state.View(kInbox);
    uid = uid % 1'000'000 + 1;
    state.Apply(ModSeq(state.applied().value + 1),
                {.changes = {StoreFlags{.mailbox = kInbox,
                                        .uids = {{Uid(uid), Uid(uid)}},
                                        .mode = StoreFlags::Mode::kReplace,
                                        .system_flags = state.applied().value % 32}}});
    benchmark::DoNotOptimize(Compare(view, state.View(kInbox)).changed.size());
  }
}
BENCHMARK(StoreOneFlagOfAMillionWhileAViewIsHeld)->Unit(benchmark::kMicrosecond);

void RestoreAMillion(benchmark::State& bench) {
  AccountState& state = Million();
  std::string root;
  AccountCheckpoint::EncodeRoot(state, root);
  std::map<PageKey, std::string> pages;
  size_t bytes = root.size();
  for (const auto& [key, page] : AccountCheckpoint::Changed(state, ModSeq())) {
    AccountCheckpoint::EncodePage(*page, pages[key]);
    bytes += pages[key].size();
  }
  const size_t before = mallinfo2().uordblks;
  size_t held = 0;
  for (auto _ : bench) {
    const auto restored =
        AccountCheckpoint::Restore(root, [&pages](PageKey key) -> StatusOr<MailboxPageRef> {
          return AccountCheckpoint::DecodePage(key, pages.find(key)->second);
        });
    CHECK(restored.ok());
    held = mallinfo2().uordblks - before;
  }
  bench.counters["octets_on_disk_per_message"] = static_cast<double>(bytes) / 1e6;
  bench.counters["octets_in_memory_per_message"] = static_cast<double>(held) / 1e6;
}
BENCHMARK(RestoreAMillion)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ringmail::storage
