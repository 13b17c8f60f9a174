#include "ringmail/backend/process_backend.h"

#include <cstring>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "ringmail/backend/fields.h"
#include "ringmail/backend/wire.h"
#include "ringmail/base/check.h"
#include "ringmail/base/intrusive_list.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/stream.h"
#include "ringmail/io/timer.h"

namespace ringmail::backend {
namespace {

struct Reply {
  bool answered = false;
  std::string why;
  WireMessage message;
};

class ProcessBackend final : public AccountBackend {
 public:
  explicit ProcessBackend(ProcessOptions options) : options_(std::move(options)) {
    CHECK(options_.connections_max > 0);
  }
  ~ProcessBackend() override { CHECK_EQ(used_, 0u); }

  io::Task<BackendAnswer> Find(BackendQuestion question, MonotonicTime deadline) override;
  io::Task<BackendVerdict> Verify(BackendQuestion question, codec::Secret password,
                                  MonotonicTime deadline) override;
  void Cancel() override;

 private:
  struct Waiter : ListHook<struct ProcessWaiterTag> {
    io::Event event;
  };
  struct User : ListHook<struct ProcessUserTag> {
    io::Stream stream;
  };

  io::Task<Reply> Ask(WireMessage message, MonotonicTime deadline);
  io::Task<void> Exchange(const codec::Secret& frame, uint64_t number, MonotonicTime deadline,
                          Reply& reply);
  // One frame there and one back on a connection; false: the connection was of no use.
  io::Task<bool> Converse(User& user, const codec::Secret& frame, uint64_t number,
                          MonotonicTime deadline, Reply& reply);

  const ProcessOptions options_;
  std::vector<io::Stream> idle_;
  IntrusiveList<Waiter, struct ProcessWaiterTag> queue_;
  IntrusiveList<User, struct ProcessUserTag> users_;
  uint32_t used_ = 0;
  uint64_t number_ = 0;
  bool cancelled_ = false;
};

io::Task<Reply> ProcessBackend::Ask(WireMessage message, MonotonicTime deadline) {
  Reply reply;
  while (used_ >= options_.connections_max && !cancelled_) {
    Waiter waiter;
    queue_.PushBack(waiter);
    if (co_await waiter.event.Wait(deadline) == io::Wake::kTimedOut) {
      reply.why = "others ask for too long";
      co_return reply;
    }
  }
  if (cancelled_) {
    reply.why = "the server is stopping";
    co_return reply;
  }
  ++used_;
  message.number = ++number_;
  const codec::Secret frame(EncodeWire(message));
  for (BackendField& one : message.fields) codec::Secret(std::move(one.value));
  co_await Exchange(frame, message.number, deadline, reply);
  --used_;
  if (!queue_.empty()) queue_.PopFront().event.Notify();
  co_return reply;
}

io::Task<void> ProcessBackend::Exchange(const codec::Secret& frame, uint64_t number,
                                        MonotonicTime deadline, Reply& reply) {
  User user;
  users_.PushBack(user);
  const bool kept = !idle_.empty();
  if (kept) {
    user.stream = std::move(idle_.back());
    idle_.pop_back();
    if (co_await Converse(user, frame, number, deadline, reply)) co_return;
    user.stream = {};
    // The others that are kept are as old.
    idle_.clear();
  }
  if (cancelled_ || io::Now() >= deadline) co_return;
  io::ConnectResult made =
      co_await io::Connect({.unix_path = options_.socket}, IpAddress{}, deadline);
  if (made.status != io::StreamStatus::kOk) {
    reply.why = fmt::format("{}: {}", options_.socket,
                            made.status == io::StreamStatus::kFailed ? std::strerror(made.error)
                                                                     : io::ToString(made.status));
    co_return;
  }
  user.stream = std::move(made.stream);
  if (cancelled_) co_return;
  (void)co_await Converse(user, frame, number, deadline, reply);
}

io::Task<bool> ProcessBackend::Converse(User& user, const codec::Secret& frame, uint64_t number,
                                        MonotonicTime deadline, Reply& reply) {
  user.stream.Write(frame.view());
  std::string received;
  while (true) {
    const io::StreamStatus status = co_await user.stream.Receive(deadline);
    if (status != io::StreamStatus::kOk) {
      reply.why = status == io::StreamStatus::kTimedOut ? "no answer before the deadline"
                                                        : "the backend's process went away";
      co_return false;
    }
    received += user.stream.input();
    user.stream.Consume(user.stream.input().size());
    std::string_view rest = received;
    const WireStatus decoded = DecodeWire(rest, reply.message);
    if (decoded == WireStatus::kNeedMore) continue;
    if (decoded == WireStatus::kBroken || reply.message.number != number || !rest.empty()) {
      reply.why = "the backend's process talks nonsense";
      co_return false;
    }
    break;
  }
  reply.answered = true;
  reply.why = reply.message.Get("why");
  if (!cancelled_) idle_.push_back(std::move(user.stream));
  co_return true;
}

io::Task<BackendAnswer> ProcessBackend::Find(BackendQuestion question, MonotonicTime deadline) {
  WireMessage message{.kind = WireKind::kFind, .fields = {}};
  message.fields = {{"address", question.address},
                    {"local_part", question.local_part},
                    {"domain", question.domain}};
  Reply reply = co_await Ask(std::move(message), deadline);
  BackendAnswer answer;
  answer.why = std::move(reply.why);
  if (!reply.answered) co_return answer;
  if (reply.message.kind == WireKind::kUnknown) answer.kind = BackendAnswer::Kind::kUnknown;
  if (reply.message.kind != WireKind::kFound) co_return answer;
  auto account = AccountOfFields(reply.message.fields, options_.default_scheme);
  if (!account.ok()) {
    answer.why = fmt::format("{}: {}", question.address, Std(account.status().message()));
    co_return answer;
  }
  answer.kind = BackendAnswer::Kind::kFound;
  answer.account = *std::move(account);
  answer.account.verify = reply.message.Get("verify") == "1";
  co_return answer;
}

io::Task<BackendVerdict> ProcessBackend::Verify(BackendQuestion question, codec::Secret password,
                                                MonotonicTime deadline) {
  WireMessage message{.kind = WireKind::kVerify, .fields = {}};
  message.fields = {{"address", question.address},
                    {"local_part", question.local_part},
                    {"domain", question.domain},
                    {"password", std::string(password.view())}};
  Reply reply = co_await Ask(std::move(message), deadline);
  BackendVerdict verdict{.why = std::move(reply.why)};
  if (!reply.answered) co_return verdict;
  if (reply.message.kind == WireKind::kMatch) verdict.kind = BackendVerdict::Kind::kMatch;
  if (reply.message.kind == WireKind::kMismatch || reply.message.kind == WireKind::kUnknown)
    verdict.kind = BackendVerdict::Kind::kMismatch;
  co_return verdict;
}

void ProcessBackend::Cancel() {
  cancelled_ = true;
  idle_.clear();
  for (User& one : users_) {
    if (one.stream.open()) one.stream.Cancel();
  }
  while (!queue_.empty()) queue_.PopFront().event.Notify();
}

}  // namespace

std::unique_ptr<AccountBackend> MakeProcessBackend(ProcessOptions options) {
  return std::make_unique<ProcessBackend>(std::move(options));
}

}  // namespace ringmail::backend
