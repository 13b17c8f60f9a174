#include "tests/sim/mail/mail_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/io/file.h"
#include "ringmail/io/shard.h"
#include "ringmail/storage/store.h"
#include "server/config/config.h"
#include "server/serve/director.h"

namespace ringmail::sim {
namespace {

using server::ConfigResult;

constexpr std::string_view kStore = "/data";
constexpr uint32_t kDestinationConnectionsMax = 5;

// What a reload reads: the text lies where a path would, since the simulated machine has no /etc.
ConfigResult ReadConfig(const std::string& text) { return server::ParseConfig(text, ""); }

int64_t Seconds(Nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

// What the first server says of its accounts; "" where the plan has none.
std::string MailboxText(const Plan& plan, const Node& node, uint32_t index) {
  if (plan.accounts.empty() || index > 0) return {};
  return fmt::format(
      "[[listener]]\naddress = \"{}:110\"\nprotocol = \"pop3\"\ntls = \"none\"\nauth = "
      "\"always\"\n"
      // A hash would cost more than all the rest.
      "[authentication]\nupgrade = false\nreadable_passwords = true\nscram = false\n",
      node.ip().ToString());
}

std::string ConfigText(const Plan& plan, const Node& node, uint32_t index, std::string_view routes,
                       std::string_view log_level) {
  return fmt::format(
      "hostname = \"mx{}.ringmail.example\"\n"
      "data_dir = \"{}\"\n"
      "shutdown_timeout = \"20s\"\n"
      "[[listener]]\naddress = \"{}:25\"\n"
      "{}"
      "[relay]\nnetworks = [\"10.0.0.0/8\"]\n"
      "{}"
      "[limits]\nconnections = {}\nconnections_per_network = 100000\nmessage_size = \"4MiB\"\n"
      "[retry]\nfirst_delay = \"5s\"\ndelay_max = \"60s\"\nexpire_after = "
      "\"{}s\"\ndelay_warning_after = \"{}s\"\n"
      "[destination]\nconnections = {}\n"
      "[log]\nlevel = \"{}\"\n"
      "[store]\nsegment_size = \"1MiB\"\nreserve = \"4MiB\"\ncache = \"{}KiB\"\n",
      index, kStore, node.ip().ToString(), MailboxText(plan, node, index), routes,
      plan.connections_max, Seconds(plan.expire_after), Seconds(plan.warn_after),
      kDestinationConnectionsMax, log_level, plan.cache_bytes / 1024);
}

std::string Exceeds(std::string_view what, uint64_t value, uint64_t max) {
  return fmt::format("{} {}, of {} allowed", value, what, max);
}

struct FsckRun {
  std::string wrong;
  bool done = false;
};

io::Task<void> FsckMain(void* context) {
  FsckRun& run = *static_cast<FsckRun*>(context);
  const StatusOr<storage::FsckReport> report = co_await storage::Fsck(std::string(kStore));
  if (!report.ok()) {
    run.wrong = std::string(Std(report.status().message()));
  } else if (!report->clean()) {
    for (const auto* list : {&report->recovery.damages, &report->missing_references}) {
      for (const storage::Damage& one : *list) {
        run.wrong +=
            fmt::format("{} at {}, {} octets: {}; ", one.file, one.offset, one.bytes, one.what);
      }
    }
  }
  run.done = true;
}

// The directory, written on one shard before the first start.
struct AccountsRun {
  const server::Config* config;
  const Plan* plan;
  Status status;
  bool done = false;
};

storage::DirectoryTransaction DirectoryOf(const Plan& plan) {
  using storage::DirectoryChange;
  constexpr auto kAbsent = DirectoryChange::Expect::kAbsent;
  storage::DirectoryTransaction transaction;
  const auto put = [&transaction](const storage::DirectoryEntry& entry) {
    transaction.changes.push_back(DirectoryChange::Put(entry, kAbsent));
  };
  put(storage::DomainEntry{.name = "local.example"});
  for (uint32_t i = 0; i < plan.accounts.size(); ++i) {
    storage::AccountEntry account{.address = AddressOfAccount(i),
                                  .quota_messages = plan.accounts[i].quota_messages};
    account.credentials = {
        {storage::CredentialKind::kPassword, "", fmt::format("{{PLAIN}}{}", kReaderPassword), {}}};
    put(account);
  }
  for (uint32_t i = 0; i < plan.aliases.size(); ++i) {
    storage::AliasEntry alias{.address = AddressOfAlias(i)};
    for (const uint32_t account : plan.aliases[i].accounts)
      alias.targets.push_back(AliasTargetOf(i, account));
    put(alias);
  }
  return transaction;
}

io::Task<void> AccountsMain(void* context) {
  AccountsRun& run = *static_cast<AccountsRun*>(context);
  (void)co_await io::CreateDirectory(std::string(kStore));
  (void)co_await io::SyncDirectory("/");
  auto opened = co_await storage::ShardStore::Open(server::PerShard(*run.config, 1));
  CHECK(opened.ok());
  storage::ShardStore& store = **opened;
  co_await store.directory().Publish({&store.directory()});
  co_await store.accounts().Publish({&store.accounts()});
  run.status = (co_await store.directory().Apply(DirectoryOf(*run.plan))).status();
  co_await store.accounts().Stop();
  const Status closed = co_await store.Close();
  if (run.status.ok()) run.status = closed;
  run.done = true;
}

}  // namespace

// One run of the process. Outlives it.
struct MailServer::Life {
  server::Boot boot;
  bool ending = false;  // some shard has ended: its server is gone, though boot still names it
  // What is looked at after each step, one for each shard; found when it is first asked for.
  struct Gauges {
    const Gauge *cache_bytes, *sessions, *next_hop_sessions, *outcomes_waiting;
  };
  const std::vector<Gauges>& FindGauges();

  static io::Task<void> Main(void* context) {
    Life& life = *static_cast<Life*>(context);
    // As DirectoryLock::Acquire does, which the simulation does not have.
    (void)co_await io::CreateDirectory(std::string(kStore));
    (void)co_await io::SyncDirectory("/");
    co_await server::ServerMain(&life.boot);
    life.ending = true;
  }

 private:
  std::vector<Gauges> gauges_;
};

const std::vector<MailServer::Life::Gauges>& MailServer::Life::FindGauges() {
  if (!gauges_.empty()) return gauges_;
  for (server::ShardServer* one : boot.servers) {
    const MetricRegistry& metrics = one->metrics();
    const auto find = [&metrics](std::string_view name) {
      const Gauge* const gauge = metrics.FindGauge(name);
      CHECK(gauge != nullptr);
      return gauge;
    };
    gauges_.push_back({find("ringmail_storage_cache_bytes"), find("ringmail_smtp_sessions"),
                       find("ringmail_transfer_sessions_open"),
                       find("ringmail_outcomes_waiting_messages")});
  }
  return gauges_;
}

MailServer::MailServer(World& world, const Plan& plan, uint32_t index, std::string routes,
                       std::string_view log_level)
    : world_(world),
      node_(world.AddNode({.name = fmt::format("mx{}", index),
                           .shards = plan.shards,
                           .shard_queue_messages_max = plan.shard_queue})),
      config_(ConfigText(plan, node_, index, routes, log_level)),
      connections_max_(plan.connections_max),
      cache_bytes_(plan.cache_bytes),
      shards_(plan.shards) {}

MailServer::~MailServer() {
  if (running()) Kill();
}

void MailServer::Start(uint16_t shards) {
  CHECK(!running());
  if (shards != 0) shards_ = shards;
  life_ = std::make_unique<Life>();
  ConfigResult parsed = ReadConfig(config_);
  if (!parsed.ok())
    CheckFailed(server::FormatDiagnostics("config", parsed.diagnostics).c_str(), __FILE__,
                __LINE__);
  server::Boot& boot = life_->boot;
  boot.config_path = config_;
  boot.read_config = &ReadConfig;
  boot.config = std::make_unique<const server::Config>(std::move(parsed.config));
  boot.shard_count = shards_;
  boot.sessions_per_shard = connections_max_;
  {
    Node::MainThread main(node_);
    for (const server::ListenerConfig& one : boot.config->listeners) {
      auto opened = io::OpenListeners({.endpoint = one.endpoint}, shards_);
      CHECK(opened.ok());
      const io::Endpoint local = opened->front().local();
      boot.listeners.push_back({one, local, *std::move(opened)});
    }
  }
  node_.Start(shards_, &Life::Main, life_.get());
}

void MailServer::MakeAccounts(const Plan& plan) {
  if (plan.accounts.empty()) return;
  const ConfigResult parsed = ReadConfig(config_);
  CHECK(parsed.ok());
  AccountsRun run{.config = &parsed.config, .plan = &plan};
  node_.Start(1, &AccountsMain, &run);
  CHECK(world_.RunUntil([&] { return run.done && !node_.running(); }));
  CHECK(run.status.ok());
}

io::Endpoint MailServer::pop3_endpoint() const { return {.ip = node_.ip(), .port = 110}; }
io::Endpoint MailServer::endpoint() const { return {.ip = node_.ip(), .port = 25}; }

bool MailServer::ready() const {
  if (!running() || life_->ending || life_->boot.servers.size() != shards_) return false;
  for (const server::ShardServer* one : life_->boot.servers) {
    if (one == nullptr || !one->open()) return false;
  }
  return life_->boot.arrived == shards_;
}

void MailServer::Kill() { node_.Kill(); }
void MailServer::PowerCut(DiskLoss loss) { node_.Crash(loss); }
void MailServer::Terminate() { node_.Send(io::Signal::kTerminate); }
void MailServer::Reload() { node_.Send(io::Signal::kReload); }

QueueCount MailServer::queue() const {
  QueueCount count;
  for (server::ShardServer* one : life_->boot.servers) {
    count.messages += one->queue().size();
    one->queue().Visit(
        QueueId(), SIZE_MAX,
        [](void* held, storage::QueuedMessage& message) {
          *static_cast<uint64_t*>(held) += message.held();
        },
        &count.held);
  }
  return count;
}

std::string MailServer::ExceededLimit() const {
  const std::vector<Life::Gauges>& shards = life_->FindGauges();
  uint64_t cached = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const auto value = [](const Gauge* gauge) { return static_cast<uint64_t>(gauge->value()); };
    const Life::Gauges& gauges = shards[i];
    cached += value(gauges.cache_bytes);
    if (value(gauges.sessions) > connections_max_)
      return Exceeds("sessions", value(gauges.sessions), connections_max_);
    if (value(gauges.next_hop_sessions) <= kDestinationConnectionsMax) continue;
    for (const agent::DestinationStatus& one : life_->boot.servers[i]->transfer().Destinations()) {
      if (one.sessions > kDestinationConnectionsMax)
        return Exceeds("sessions to " + one.name, one.sessions, kDestinationConnectionsMax);
    }
  }
  if (cached > cache_bytes_) return Exceeds("octets of content in memory", cached, cache_bytes_);
  return {};
}

bool MailServer::log_failed() const {
  for (server::ShardServer* one : life_->boot.servers) {
    if (absl::IsUnavailable(one->queue().Acceptance())) return true;
  }
  return false;
}

bool MailServer::outcomes_wait() const {
  if (!ready()) return false;
  for (const Life::Gauges& gauges : life_->FindGauges()) {
    if (gauges.outcomes_waiting->value() > 0) return true;
  }
  return false;
}

bool MailServer::Pending(std::string_view queue_id, std::string_view forward_path) const {
  const auto id = QueueId::Parse(queue_id);
  if (!id || !ready()) return false;
  for (server::ShardServer* one : life_->boot.servers) {
    const storage::QueuedMessage* message = one->queue().Find(*id);
    if (message == nullptr) continue;
    message::EnvelopeView::RecipientView recipient;
    auto cursor = message->envelope().recipients();
    for (uint32_t i = 0; cursor.Next(recipient); ++i) {
      if (recipient.path == forward_path)
        return message->state(i) == storage::RecipientState::kPending;
    }
  }
  return false;
}

std::string MailServer::problem() const {
  if (life_->boot.code == server::ExitCode::kOk) return {};
  return fmt::format("exit code {}: {}", server::Number(life_->boot.code), life_->boot.problem);
}

std::string MailServer::Fsck() {
  CHECK(!running());
  FsckRun run;
  node_.Start(1, &FsckMain, &run);
  if (!world_.RunUntil([&] { return run.done && !node_.running(); })) return "fsck does not end";
  return run.wrong;
}

}  // namespace ringmail::sim
