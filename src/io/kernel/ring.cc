#include "io/kernel/ring.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "ringmail/base/check.h"

namespace ringmail::io {
namespace {

// fsync, open, rename and the like run in worker threads of the kernel: a few, or a burst of them
// makes hundreds.
constexpr unsigned kWorkersMax = 4;

}  // namespace

Ring::~Ring() {
  if (open_) io_uring_queue_exit(&ring_);
}

Status Ring::Init(uint32_t entries, Features& features) {
  io_uring_params params{};
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_CLAMP;
  params.flags |=
      features.deferred_task_work ? IORING_SETUP_DEFER_TASKRUN : IORING_SETUP_COOP_TASKRUN;
  params.cq_entries = entries * 4;
  const int result = io_uring_queue_init_params(entries, &ring_, &params);
  if (result < 0) return ExplainSetupFailure(-result, -1, false);
  open_ = true;
  CHECK((params.features & IORING_FEAT_EXT_ARG) != 0);
  CHECK((params.features & IORING_FEAT_NODROP) != 0);
  CHECK((params.features & IORING_FEAT_SUBMIT_STABLE) != 0);
  // A process that we start must not share our rings' memory.
  (void)io_uring_ring_dontfork(&ring_);
  // The submission queue is used in order: its indirection is the identity, once and for all.
  for (unsigned i = 0; i < ring_.sq.ring_entries; ++i) ring_.sq.array[i] = i;
  if (features.registered_ring && io_uring_register_ring_fd(&ring_) != 1)
    features.registered_ring = false;
  enter_flags_ = features.registered_ring ? abi::kEnterRegisteredRing : 0;
  unsigned workers[2] = {kWorkersMax, kWorkersMax};
  (void)io_uring_register_iowq_max_workers(&ring_, workers);
  return absl::OkStatus();
}

uint32_t Ring::Flush() {
  io_uring_sq& sq = ring_.sq;
  if (sq.sqe_head != sq.sqe_tail) {
    sq.sqe_head = sq.sqe_tail;
    io_uring_smp_store_release(sq.ktail, sq.sqe_tail);
  }
  return sq.sqe_tail - io_uring_smp_load_acquire(sq.khead);
}

io_uring_sqe* Ring::Sqe() {
  io_uring_sq& sq = ring_.sq;
  for (int round = 0; sq.sqe_tail - io_uring_smp_load_acquire(sq.khead) >= sq.ring_entries;
       ++round) {
    // Without end only if the kernel takes nothing although it has room for completions: its fault,
    // and ours to notice.
    CHECK_LT(round, 1000);
    ++early_submits_;
    CompletionEntry entry;
    while (NextFromRing(entry)) kept_.push_back(entry);
    Enter(false, Nanoseconds(0));
  }
  io_uring_sqe* sqe = &sq.sqes[sq.sqe_tail & (sq.ring_entries - 1)];
  ++sq.sqe_tail;
  std::memset(sqe, 0, sizeof(*sqe));
  return sqe;
}

void Ring::Cancel(uint64_t user_data) {
  io_uring_sqe* sqe = Sqe();
  io_uring_prep_cancel64(sqe, user_data, 0);
  // -ENOENT and -EALREADY are both news of a race that the request's own completion ends.
  Mark(sqe, Kind::kIgnored);
}

void Ring::CancelAll() {
  io_uring_sqe* sqe = Sqe();
  io_uring_prep_cancel64(sqe, 0,
                         static_cast<int>(IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL));
  Mark(sqe, Kind::kIgnored);
}

void Ring::Enter(bool wait, Nanoseconds timeout) {
  __kernel_timespec ts{};
  io_uring_getevents_arg arg{};
  arg.sigmask_sz = 8;
  if (wait && timeout.count() >= 0) {
    ts.tv_sec = timeout.count() / 1'000'000'000;
    ts.tv_nsec = timeout.count() % 1'000'000'000;
    arg.ts = reinterpret_cast<uintptr_t>(&ts);
  }
  ++enters_;
  const int result =
      io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), Flush(), wait ? 1 : 0,
                      enter_flags_ | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                      reinterpret_cast<sigset_t*>(&arg), sizeof(arg));
  // EBUSY and EAGAIN: completions must be taken before more is submitted; the next turn does both.
  CHECK(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
        result == -EAGAIN);
}

bool Ring::NextFromRing(CompletionEntry& entry) {
  io_uring_cq& cq = ring_.cq;
  const unsigned head = *cq.khead;
  if (head == io_uring_smp_load_acquire(cq.ktail)) return false;
  const io_uring_cqe& cqe = cq.cqes[head & (cq.ring_entries - 1)];
  entry = {cqe.user_data, cqe.res, cqe.flags};
  io_uring_smp_store_release(cq.khead, head + 1);
  return true;
}

void Ring::Count(const CompletionEntry& entry) {
  if ((entry.flags & IORING_CQE_F_MORE) != 0) return;
  const Kind kind = KindOf(entry.user_data);
  if (kind == Kind::kUncounted || kind == Kind::kDoorbell || kind == Kind::kBell) return;
  CHECK_GT(in_flight_, 0u);
  --in_flight_;
}

bool Ring::Next(CompletionEntry& entry) {
  if (kept_head_ < kept_.size()) [[unlikely]] {
    entry = kept_[kept_head_++];
    if (kept_head_ == kept_.size()) {
      kept_.clear();
      kept_head_ = 0;
    }
    Count(entry);
    return true;
  }
  if (!NextFromRing(entry)) return false;
  Count(entry);
  return true;
}

}  // namespace ringmail::io
