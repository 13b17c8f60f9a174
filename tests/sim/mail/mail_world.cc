#include "tests/sim/mail/mail_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "ringmail/base/check.h"
#include "tests/sim/mail/fate.h"
#include "tests/sim/mail/mail_server.h"
#include "tests/sim/mail/reader.h"
#include "tests/sim/mail/receiver.h"
#include "tests/sim/mail/sender.h"

namespace ringmail::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Once no fault is left: no wait of server, sender or peer is longer than some quarter of an hour,
// and few follow each other.
constexpr Nanoseconds kDrainWithin = hours(4);

class Stage {
 public:
  Stage(const Plan& plan, const PlayOptions& options)
      : plan_(plan), options_(options), ledger_(plan), world_(WorldOptionsOf(plan, options)) {}
  ~Stage() { End(); }
  Outcome Play();

 private:
  // Nobody runs any more.
  void End();
  static WorldOptions WorldOptionsOf(const Plan& plan, const PlayOptions& options) {
    WorldOptions out;
    out.seed = plan.seed;
    out.print_log = options.print;
    out.network.window_bytes = plan.window_bytes;
    // Unit tests of storage and io check who owns a buffer, octet by octet; here speed finds more.
    out.check_buffers = false;
    return out;
  }
  void SetUp();
  void AddReader(std::string_view name, uint32_t account, std::vector<VisitPlan> visits);
  std::string RoutesOf(uint32_t server) const;
  void SetHost(const std::string& name, const Node& node);
  // In slices, polling the fate between them.
  bool RunUntil(const std::function<bool()>& done, Nanoseconds at_most);
  bool SendersDone() const;
  bool ReadersDone() const;
  bool Drained() const;
  // Whether a bit was flipped, and some server said so: then what lay there may be missing.
  bool Rotten() const;
  void CheckRecovered(MailServer& server);
  void CheckLimits();
  void Drain();
  void CheckIdle();
  void CheckLogs();
  void Stop();
  void CheckStores();
  void ReadMailboxes();
  bool StartAgain(MailServer& server);
  std::string WhatIsStuck() const;

  const Plan& plan_;
  const PlayOptions options_;
  Ledger ledger_;
  World world_;
  std::vector<std::unique_ptr<MailServer>> servers_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::vector<Node*> receiver_nodes_, sender_nodes_;
  std::unique_ptr<Receiver> home_;
  Node* home_node_ = nullptr;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<std::unique_ptr<Reader>> readers_;  // by account; then those that read all at the end
  std::vector<Node*> reader_nodes_;
  std::unique_ptr<Fate> fate_;
};

void Stage::End() {
  std::vector<Node*> all = sender_nodes_;
  all.insert(all.end(), receiver_nodes_.begin(), receiver_nodes_.end());
  all.insert(all.end(), reader_nodes_.begin(), reader_nodes_.end());
  all.push_back(home_node_);
  for (auto& server : servers_) all.push_back(&server->node());
  for (Node* node : all) {
    if (node->running()) node->Kill();
  }
}

void Stage::SetHost(const std::string& name, const Node& node) {
  world_.SetHost(name, std::vector<IpAddress>{node.ip()});
}

std::string Stage::RoutesOf(uint32_t server) const {
  std::string out = fmt::format("[[route]]\ndomain = \"home.example\"\nnext_hop = \"{}:25\"\n",
                                home_node_->ip().ToString());
  for (uint32_t i = 0; i < plan_.peers.size(); ++i) {
    std::string host = receiver_nodes_[i]->ip().ToString();
    if (plan_.peers[i].by_name) host = fmt::format("d{}.example", i);
    // Servers are made from the last to the first, so that the next one's address is known.
    if (server == 0 && plan_.servers > 1 && i % 2 == 1)
      host = servers_.front()->node().ip().ToString();
    out += fmt::format("[[route]]\ndomain = \"d{}.example\"\nnext_hop = \"{}:25\"\n", i, host);
  }
  return out;
}

void Stage::SetUp() {
  home_node_ = &world_.AddNode({.name = "home"});
  home_ = std::make_unique<Receiver>(*home_node_, plan_, kHomePeer, ledger_);
  SetHost(home_node_->ip().ToString(), *home_node_);
  for (uint32_t i = 0; i < plan_.peers.size(); ++i) {
    Node& node = world_.AddNode({.name = fmt::format("d{}", i)});
    receiver_nodes_.push_back(&node);
    receivers_.push_back(std::make_unique<Receiver>(node, plan_, i, ledger_));
    SetHost(node.ip().ToString(), node);
    SetHost(fmt::format("d{}.example", i), node);
  }
  for (uint32_t i = plan_.servers; i-- > 0;) {
    auto server = std::make_unique<MailServer>(world_, plan_, i, RoutesOf(i),
                                               options_.timeline ? "info" : "error");
    SetHost(server->node().ip().ToString(), server->node());
    servers_.insert(servers_.begin(), std::move(server));
  }
  for (uint32_t i = 0; i < plan_.senders; ++i) {
    Node& node = world_.AddNode({.name = fmt::format("s{}", i)});
    sender_nodes_.push_back(&node);
    senders_.push_back(std::make_unique<Sender>(node, plan_, i, ledger_, servers_[0]->endpoint()));
  }
  for (uint32_t i = 0; i < plan_.accounts.size(); ++i) {
    std::vector<VisitPlan> visits = plan_.visits;
    std::erase_if(visits, [i](const VisitPlan& visit) { return visit.account != i; });
    AddReader("r", i, std::move(visits));
  }
  servers_[0]->MakeAccounts(plan_);
  fate_ = std::make_unique<Fate>(
      Cast{world_, plan_, ledger_, servers_, receiver_nodes_, sender_nodes_, home_node_});
  fate_->on_recovered = [this](MailServer& server) { CheckRecovered(server); };
  home_->Start();
  for (auto& receiver : receivers_) receiver->Start();
  for (auto& server : servers_) server->Start(0);
  for (auto& sender : senders_) sender->Start();
  for (auto& reader : readers_) reader->Start();
  fate_->Schedule();
}

void Stage::AddReader(std::string_view name, uint32_t account, std::vector<VisitPlan> visits) {
  Node& node = world_.AddNode({.name = fmt::format("{}{}", name, account)});
  reader_nodes_.push_back(&node);
  readers_.push_back(std::make_unique<Reader>(node, plan_, account, std::move(visits), ledger_,
                                              servers_[0]->pop3_endpoint()));
}

bool Stage::RunUntil(const std::function<bool()>& done, Nanoseconds at_most) {
  const MonotonicTime begin = world_.now();
  const std::function<void()> check_limits = [this] { CheckLimits(); };
  while (!done()) {
    const Nanoseconds passed = world_.now() - begin;
    if (passed > at_most || !ledger_.violations().empty()) return false;
    world_.RunFor(passed < seconds(20) ? milliseconds(100) : seconds(1), check_limits);
    fate_->Poll();
  }
  return true;
}

void Stage::CheckLimits() {
  for (auto& server : servers_) {
    const std::string exceeded = server->ready() ? server->ExceededLimit() : "";
    if (!exceeded.empty()) ledger_.Violation("limit", exceeded);
  }
}

bool Stage::SendersDone() const {
  return std::all_of(senders_.begin(), senders_.end(), [](const auto& one) { return one->done(); });
}

bool Stage::ReadersDone() const {
  return std::all_of(readers_.begin(), readers_.end(), [](const auto& one) { return one->done(); });
}

bool Stage::Drained() const {
  return std::all_of(servers_.begin(), servers_.end(), [](const auto& one) {
    // A log that failed waits for its restart, with what it has not taken.
    if (!one->ready() || one->log_failed()) return false;
    const QueueCount count = one->queue();
    return count.messages == count.held;
  });
}

bool Stage::Rotten() const {
  return fate_->rotten && std::any_of(servers_.begin(), servers_.end(), [](const auto& server) {
           const std::string& log = server->node().log();
           return log.find("event=damaged") != log.npos ||
                  log.find("event=content-unreadable") != log.npos;
         });
}

// After a crash: whatever was acknowledged and is not settled is queued, and pending.
void Stage::CheckRecovered(MailServer& server) {
  if (&server != servers_.front().get()) return;
  if (Rotten()) return;
  for (const auto& [number, book] : ledger_.messages()) {
    for (uint32_t i = 0; i < book.recipients.size(); ++i) {
      const RecipientBook& r = book.recipients[i];
      if (r.acknowledged == 0 || Ledger::Settled(book, i) || ledger_.MayFail(book, i, world_.now()))
        continue;
      // On its way behind the first server, or waiting in it under one of its ids.
      const RecipientPlan to = book.plan->recipients[i];
      if (plan_.servers > 1 && to.index % 2 == 1) continue;
      // In its mailbox, as far as the readers know, or on its way.
      if (to.local()) continue;
      const std::string path = ForwardPathOf(*book.plan, i);
      const bool pending =
          std::any_of(book.queue_ids.begin(), book.queue_ids.end(),
                      [&](const std::string& id) { return server.Pending(id, path); });
      if (!pending) {
        ledger_.Violation("lost by recovery",
                          fmt::format("<{}>, acknowledged as {}, is not pending after a restart",
                                      path, fmt::join(book.queue_ids, ", ")));
      }
    }
  }
}

std::string Stage::WhatIsStuck() const {
  std::string out;
  for (size_t i = 0; i < senders_.size(); ++i) {
    if (!senders_[i]->done()) out += fmt::format("sender {} is not done; ", i);
  }
  for (size_t i = 0; i < readers_.size(); ++i) {
    if (!readers_[i]->done()) out += fmt::format("reader {} is not done; ", i);
  }
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (!servers_[i]->ready()) {
      out += fmt::format("server {} is not ready; ", i);
      continue;
    }
    const QueueCount count = servers_[i]->queue();
    out +=
        fmt::format("server {} has {} messages, {} of them held; ", i, count.messages, count.held);
  }
  return out;
}

void Stage::Drain() {
  (void)RunUntil([this] { return fate_->over(); }, hours(1));
  fate_->Heal();
  for (auto& receiver : receivers_) receiver->Behave();
  for (auto& reader : readers_) reader->Behave();
  bool drained = RunUntil([this] { return SendersDone() && Drained(); }, kDrainWithin);
  for (auto& reader : readers_) reader->Rest();
  drained = drained && RunUntil([this] { return ReadersDone(); }, kDrainWithin);
  if (!drained && ledger_.violations().empty()) ledger_.Violation("stuck", WhatIsStuck());
  if (!ledger_.violations().empty()) return;
  ledger_.Audit(
      [this](const MessageBook& book, uint32_t i) {
        const std::string path = ForwardPathOf(*book.plan, i);
        return Rotten() || std::any_of(book.queue_ids.begin(), book.queue_ids.end(),
                                       [&](const std::string& id) {
                                         return servers_.front()->Pending(id, path);
                                       });
      },
      world_.now());
}

// With nothing to do every connection ends, whatever became of it before.
void Stage::CheckIdle() {
  const auto idle = [this] {
    return home_->sessions() == 0 &&
           std::all_of(receivers_.begin(), receivers_.end(),
                       [](const auto& one) { return one->sessions() == 0; });
  };
  if (RunUntil(idle, hours(1)) || !ledger_.violations().empty()) return;
  std::string where;
  for (size_t i = 0; i < receivers_.size(); ++i) {
    if (receivers_[i]->sessions() > 0)
      where += fmt::format("{} to peer {}; ", receivers_[i]->sessions(), i);
  }
  ledger_.Violation("leak", "connections that are open an hour after the last message: " + where);
}

// An error in the log is for the operator: where no disk failed there is none.
void Stage::CheckLogs() {
  const bool disk_may_fail =
      std::any_of(plan_.faults.begin(), plan_.faults.end(), [](const FaultPlan& fault) {
        return fault.kind == FaultKind::kDiskError || fault.kind == FaultKind::kDiskFull ||
               fault.kind == FaultKind::kRot;
      });
  if (disk_may_fail) return;
  for (auto& server : servers_) {
    const std::string& log = server->node().log();
    const size_t at = log.find("level=error");
    if (at == log.npos) continue;
    const size_t begin = log.rfind('\n', at) + 1;
    ledger_.Violation("error", log.substr(begin, log.find('\n', at) - begin));
  }
}

// SIGTERM: in order, in time, and with nothing left.
void Stage::Stop() {
  for (auto& server : servers_) {
    server->Terminate();
    const bool ended = world_.RunUntil([&] { return !server->running(); }, minutes(2));
    if (!ended) {
      ledger_.Violation("stop", "a server does not end in two minutes after SIGTERM");
      server->Kill();
    } else if (!server->problem().empty()) {
      ledger_.Violation("stop", server->problem());
    }
    const Leftovers& left = server->node().leftovers();
    if (ended && left.tasks + left.connections + left.listeners + left.files > 0) {
      ledger_.Violation(
          "leak",
          fmt::format("an orderly end left {} tasks, {} connections, {} listeners and {} files",
                      left.tasks, left.connections, left.listeners, left.files));
    }
  }
}

bool Stage::StartAgain(MailServer& server) {
  ledger_.mailbook().ServerStarted(world_.now());
  server.Start(static_cast<uint16_t>(1 + plan_.seed / 4 % 3));
  (void)world_.RunUntil([&] { return server.ready() || !server.running(); }, minutes(2));
  if (!server.ready()) {
    ledger_.Violation("start",
                      server.running() ? "not ready within two minutes" : server.problem());
  }
  return server.ready();
}

// Whole, from a store that was closed and opened again: what is there now stays.
void Stage::ReadMailboxes() {
  if (plan_.accounts.empty() || !StartAgain(*servers_[0])) return;
  for (uint32_t i = 0; i < plan_.accounts.size(); ++i) {
    AddReader("all", i, {VisitPlan{.account = i}});
    readers_.back()->Start();
  }
  if (!RunUntil([this] { return ReadersDone(); }, hours(1))) {
    if (ledger_.violations().empty()) ledger_.Violation("stuck", WhatIsStuck());
    return;
  }
  ledger_.AuditMailboxes(world_.now());
  servers_[0]->Kill();
}

void Stage::CheckStores() {
  for (auto& server : servers_) {
    const std::string wrong = server->Fsck();
    if (!wrong.empty() && !fate_->rotten) ledger_.Violation("store", wrong);
  }
  // What was delivered stays so.
  if (plan_.seed % 4 != 0 || fate_->rotten) return;
  for (auto& server : servers_) {
    if (StartAgain(*server) && server->queue().messages > 0) {
      ledger_.Violation(
          "resurrected",
          fmt::format("{} messages are queued after an orderly stop with an empty queue",
                      server->queue().messages));
    }
    if (server->running()) server->Kill();
  }
}

Outcome Stage::Play() {
  SetUp();
  const MonotonicTime begin = world_.now();
  Drain();
  if (ledger_.violations().empty()) CheckIdle();
  if (ledger_.violations().empty()) Stop();
  if (ledger_.violations().empty()) CheckLogs();
  if (ledger_.violations().empty()) CheckStores();
  if (ledger_.violations().empty()) ReadMailboxes();
  Outcome outcome;
  outcome.violations = ledger_.violations();
  outcome.counts = ledger_.counts();
  outcome.faults = fate_->struck;
  outcome.power_cuts = fate_->power_cuts;
  outcome.kills = fate_->kills;
  outcome.restarts = fate_->restarts;
  outcome.virtual_time = world_.now() - begin;
  outcome.trace_hash = world_.trace_hash();
  if (options_.timeline) {
    outcome.timeline = fate_->timeline;
    for (auto& server : servers_) outcome.timeline += server->node().log();
  }
  return outcome;
}

}  // namespace

Outcome Play(const Plan& plan, const PlayOptions& options) {
  Stage stage(plan, options);
  return stage.Play();
}

}  // namespace ringmail::sim
