#include "tests/sim/mail/sender.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "tests/sim/mail/sender_line.h"

namespace ringmail::sim {
namespace {

using std::chrono::seconds;

// RFC 5321 §4.5.4.1 asks for half an hour at least; a simulated life is shorter.
constexpr Nanoseconds kDelayFirst = seconds(1);
constexpr Nanoseconds kDelayMax = seconds(300);
// A connection with nothing to say for so long is ended.
constexpr Nanoseconds kIdle = seconds(5);

Nanoseconds Delay(uint32_t failures, uint64_t dice) {
  const uint32_t doublings = std::min<uint32_t>(failures, 10) - (failures > 0 ? 1 : 0);
  const Nanoseconds delay = std::min(kDelayMax, kDelayFirst * (int64_t{1} << doublings));
  // Three quarters to the whole of it.
  return delay - Nanoseconds(static_cast<int64_t>(dice % 256) * delay.count() / 1024);
}

struct Job {
  const MessagePlan* message = nullptr;
  std::vector<uint32_t> open;  // recipients without a final answer
  uint32_t tries = 0;
};

struct Due {
  MonotonicTime at;
  uint32_t job = 0;
  bool operator<(const Due& other) const {
    return at != other.at ? at > other.at : job > other.job;  // the earliest is the top
  }
};

}  // namespace

struct Sender::Work {
  Node& node;
  const Plan& plan;
  const uint32_t index;
  Ledger& ledger;
  const io::Endpoint server;
  const uint64_t own;  // from the seed and the sender
  std::vector<Job> jobs;
  std::priority_queue<Due> queue;
  size_t unfinished = 0;
  std::vector<uint32_t> list;

  bool polite() const { return own % 3 != 0; }
  bool writes_in_pieces() const { return own / 3 % 4 == 0; }
  uint32_t lanes() const { return own / 16 % 2 == 0 ? 1 : static_cast<uint32_t>(2 + own / 32 % 2); }

  static io::Task<void> Main(void* context);
  static io::Task<void> Lane(Work* work, uint32_t number);
  io::Task<void> Leave(SenderLine& line);
  void Prepare(const Job& job, Errand& errand) const;
  // False: there was no answer to anything that matters; it is to be tried again, as all is.
  void Settle(uint32_t job, const Errand& errand);
  const std::vector<uint32_t>& Select(const Errand& errand, bool accepted_only);
};

Sender::Sender(Node& node, const Plan& plan, uint32_t index, Ledger& ledger, io::Endpoint server)
    : work_(new Work{node,
                     plan,
                     index,
                     ledger,
                     std::move(server),
                     Mix(plan.seed ^ 0x5E4D, index),
                     {},
                     {},
                     0,
                     {}}) {
  for (const MessagePlan& message : plan.messages) {
    if (message.sender != index) continue;
    Job job{.message = &message};
    for (uint32_t i = 0; i < message.recipients.size(); ++i) job.open.push_back(i);
    work_->jobs.push_back(std::move(job));
  }
  work_->unfinished = work_->jobs.size();
}
Sender::~Sender() = default;

void Sender::Start() { work_->node.Start(&Work::Main, work_.get()); }
bool Sender::done() const { return work_->unfinished == 0; }

io::Task<void> Sender::Work::Main(void* context) {
  auto& work = *static_cast<Work*>(context);
  const MonotonicTime begin = io::Now();
  for (uint32_t i = 0; i < work.jobs.size(); ++i) {
    work.queue.push({begin + work.jobs[i].message->at, i});
  }
  io::Gate gate;
  for (uint32_t lane = 0; lane < work.lanes(); ++lane) gate.Spawn(Lane(&work, lane));
  co_await gate.Close();
}

io::Task<void> Sender::Work::Leave(SenderLine& line) {
  if (polite()) {
    co_await line.Quit();
  } else {
    line.Drop();
  }
}

io::Task<void> Sender::Work::Lane(Work* work, uint32_t number) {
  SenderLine line(work->plan, work->ledger, work->server);
  Errand errand;
  uint32_t failures = 0;
  uint64_t rests = Mix(work->own, number);
  // What another lane has in its hands it also puts back and takes again.
  while (!work->queue.empty()) {
    const Due due = work->queue.top();
    const MonotonicTime now = io::Now();
    if (due.at > now) {
      if (line.open() && due.at - now > kIdle) co_await work->Leave(line);
      co_await io::SleepUntil(due.at);
      continue;
    }
    if (!line.open() && !co_await line.Open()) {
      rests = Mix(rests, ++failures);
      co_await io::SleepUntil(io::Now() + Delay(failures, rests));
      continue;
    }
    // Another lane may have taken it while we connected.
    if (work->queue.empty() || work->queue.top().at > io::Now()) continue;
    const uint32_t job = work->queue.top().job;
    work->queue.pop();
    work->Prepare(work->jobs[job], errand);
    co_await line.Carry(errand);
    work->Settle(job, errand);
    if (errand.final_code / 100 == 2) failures = 0;
    if (!line.open()) {
      rests = Mix(rests, ++failures);
      co_await io::SleepUntil(io::Now() + Delay(failures, rests));
    } else if (line.transactions() >= work->plan.messages_per_connection) {
      co_await work->Leave(line);
    }
  }
  if (line.open()) co_await work->Leave(line);
}

void Sender::Work::Prepare(const Job& job, Errand& errand) const {
  errand.message = job.message;
  errand.dice = Mix(Mix(own, job.message->number), job.tries);
  errand.pieces = writes_in_pieces() && errand.dice / 1024 % 8 == 0;
  errand.recipients = job.open;
  if (job.tries > 0) ++ledger.counts().resends;
}

// Recipients that may have been taken, as far as the server said.
const std::vector<uint32_t>& Sender::Work::Select(const Errand& errand, bool accepted_only) {
  list.clear();
  for (size_t i = 0; i < errand.told.size(); ++i) {
    const bool unsaid = errand.told[i] == Told::kNothing && !accepted_only;
    if (errand.told[i] == Told::kAccepted || unsaid) list.push_back(errand.recipients[i]);
  }
  return list;
}

void Sender::Work::Settle(uint32_t number, const Errand& errand) {
  Job& job = jobs[number];
  const uint32_t message = job.message->number;
  const bool taken = errand.final_code / 100 == 2;
  if (taken) {
    ledger.Acknowledged(message, Select(errand, true), errand.final_text, io::Now());
  } else if (errand.whole && errand.final_code == 0 && !Select(errand, false).empty()) {
    ledger.Unanswered(message, list);
  } else if (errand.whole && errand.final_code / 100 == 4) {
    ledger.PutOff(message, errand.recipients);
  }
  job.open.clear();
  for (size_t i = 0; i < errand.told.size(); ++i) {
    if (errand.told[i] == Told::kRefused) {
      ledger.Refused(message, errand.recipients[i]);
    } else if (!taken || errand.told[i] != Told::kAccepted) {
      job.open.push_back(errand.recipients[i]);
    }
  }
  if (job.open.empty()) {
    --unfinished;
    return;
  }
  ++job.tries;
  queue.push({io::Now() + Delay(job.tries, Mix(errand.dice, job.tries)), number});
}

}  // namespace ringmail::sim
