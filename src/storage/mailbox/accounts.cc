#include "storage/mailbox/accounts.h"

#include <utility>

#include "ringmail/base/check.h"
#include "storage/store_core.h"

namespace ringmail::storage {

AccountsCore::~AccountsCore() = default;

io::Task<StatusOr<AccountRef>> AccountsCore::Open(AccountId id) {
  CHECK(id.value != 0 && ShardOf(id) == io::ThisShard());
  if (id.value > kAccountIdMax) co_return absl::InvalidArgumentError("no account has that number");
  if (stopping_) co_return absl::UnavailableError("the store closes");
  CloseIdle();
  auto& slot = open_[id];
  const bool fresh = slot == nullptr;
  if (fresh) slot = std::make_unique<OpenAccount>(store_, *this, id);
  OpenAccount* const account = slot.get();
  AccountRef held(account);
  if (fresh) {
    (void)co_await account->Load();
    store_.metrics().accounts_open.Set(static_cast<int64_t>(open_.size()));
  } else if (account->loading()) {
    io::Event loaded;
    account->waiting().push_back(&loaded);
    (void)co_await loaded.Wait(kNever);
  }
  CO_RETURN_IF_ERROR(account->status());
  co_return held;
}

io::Task<Status> AccountsCore::EraseHere(AccountId id) {
  auto account = co_await Open(id);
  CO_RETURN_IF_ERROR(account.status());
  co_return co_await open_.find(id)->second->Erase();
}

// One that could not be loaded is tried anew by whoever comes next.
void AccountsCore::Idle(OpenAccount& account) {
  if (!account.status().ok() || stopping_) return End(account);
  idle_.PushBack(account);
  CloseIdle();
}

void AccountsCore::CloseIdle() {
  const MonotonicTime long_ago = io::Now() - AccountsLimits::kIdleMax;
  while (!idle_.empty() &&
         (open_bytes_ > AccountsLimits::kOpenBytesMax || idle_.front().idle_since() < long_ago)) {
    End(idle_.front());
  }
}

void AccountsCore::End(OpenAccount& account) {
  open_bytes_ -= account.memory_bytes();
  open_.erase(account.id());
  store_.metrics().accounts_open.Set(static_cast<int64_t>(open_.size()));
}

io::Task<void> AccountsCore::Stop() {
  if (stopped_) co_return;
  stopping_ = true;
  release_.Notify();
  co_await gate_.Close();
  while (!idle_.empty()) End(idle_.front());
  CHECK(open_.empty());
  stopped_ = true;
}

io::Task<void> AccountsCore::Close() {
  co_await Stop();
  while (lent_ > 0) (void)co_await returned_.Wait(kNever);
  co_await serving_.Close();
}

}  // namespace ringmail::storage
