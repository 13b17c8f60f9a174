// The passwd-file of one shard: the table that all share, looked at again once in a second.
#include <utility>

#include "ringmail/backend/passwd_file.h"
#include "ringmail/base/log.h"
#include "ringmail/io/blocking.h"
#include "ringmail/io/shard.h"

namespace ringmail::backend {
namespace {

constexpr Nanoseconds kRefreshInterval = std::chrono::seconds(1);

struct RefreshWork {
  PasswdFile* file;
  Status status;
  bool changed = false;
  static void Call(void* context) {
    auto& self = *static_cast<RefreshWork*>(context);
    self.status = self.file->Refresh(self.changed);
  }
};

class PasswdFileBackend final : public AccountBackend {
 public:
  explicit PasswdFileBackend(std::shared_ptr<PasswdFile> file) : file_(std::move(file)) {}

  io::Task<BackendAnswer> Find(BackendQuestion question, MonotonicTime) override {
    if (!refreshing_ && io::Now() >= next_refresh_) co_await Refresh();
    const auto loaded = file_->loaded();
    BackendAnswer answer;
    const BackendAccount* const found = loaded->table.Find(question);
    answer.kind = found == nullptr ? BackendAnswer::Kind::kUnknown : BackendAnswer::Kind::kFound;
    if (found != nullptr) answer.account = *found;
    co_return answer;
  }

  io::Task<BackendVerdict> Verify(BackendQuestion, codec::Secret, MonotonicTime) override {
    co_return BackendVerdict{.kind = BackendVerdict::Kind::kUnavailable,
                             .why = "a passwd-file checks no passwords"};
  }

  void Cancel() override {}

 private:
  io::Task<void> Refresh() {
    refreshing_ = true;
    RefreshWork work{.file = file_.get(), .status = {}};
    co_await io::RunBlocking(&RefreshWork::Call, &work);
    refreshing_ = false;
    next_refresh_ = io::Now() + kRefreshInterval;
    // The same fault is told once, not each second.
    const std::string fault(Std(work.status.message()));
    if (!work.status.ok() && fault != fault_) {
      LogLine(io::ShardLog(), LogLevel::kError, "passwd_file_unreadable")
          .Field("file", file_->path())
          .Field("what", fault)
          .Field("instead", "what was read before stays");
    }
    fault_ = fault;
    if (!work.changed) co_return;
    const auto loaded = file_->loaded();
    LogLine(io::ShardLog(), LogLevel::kInfo, "passwd_file_read")
        .Field("file", file_->path())
        .Field("accounts", uint64_t{loaded->table.size()});
    for (const std::string& one : loaded->warnings) {
      LogLine(io::ShardLog(), LogLevel::kWarning, "passwd_file")
          .Field("file", file_->path())
          .Field("what", one);
    }
  }

  const std::shared_ptr<PasswdFile> file_;
  MonotonicTime next_refresh_{};
  bool refreshing_ = false;
  std::string fault_;
};

}  // namespace

std::unique_ptr<AccountBackend> MakePasswdFileBackend(std::shared_ptr<PasswdFile> file) {
  return std::make_unique<PasswdFileBackend>(std::move(file));
}

}  // namespace ringmail::backend
