#include "tests/sim/mail/receiver.h"

#include <utility>

#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/listener.h"
#include "ringmail/io/shard.h"
#include "tests/sim/mail/receiver_session.h"

namespace ringmail::sim {
namespace {

io::Task<void> ServeConnection(ReceiverHost* host, io::Stream stream) {
  ReceiverSession session(*host, std::move(stream));
  co_await session.Run();
}

io::Task<void> ReceiverMain(void* context) {
  auto& host = *static_cast<ReceiverHost*>(context);
  auto listeners = io::OpenListeners({.endpoint = *io::Endpoint::Parse("0.0.0.0:25")}, 1);
  CHECK(listeners.ok());
  io::Gate gate;
  for (;;) {
    io::AcceptResult accepted = co_await listeners->front().Accept();
    if (accepted.status == io::StreamStatus::kCancelled) break;
    if (accepted.status != io::StreamStatus::kOk) {
      co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(100));
      continue;
    }
    gate.Spawn(ServeConnection(&host, std::move(accepted.stream)));
  }
  co_await gate.Close();
}

}  // namespace

struct Receiver::Work {
  Node& node;
  ReceiverHost host;
};

Receiver::Receiver(Node& node, const Plan& plan, uint32_t index, Ledger& ledger)
    : work_(new Work{node, {plan, index, ledger, Manners(plan, index)}}) {}
Receiver::~Receiver() = default;

void Receiver::Start() { work_->node.Start(&ReceiverMain, &work_->host); }
void Receiver::Behave() { work_->host.manners.Behave(); }
uint32_t Receiver::sessions() const { return work_->host.sessions; }

}  // namespace ringmail::sim
