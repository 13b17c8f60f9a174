// Runs the conversations of this folder with the whole server in a simulated world: session, door
// and store.
//
// config: relay_domain, message_bytes_max, recipients_max, errors_max, transactions_max,
// path_spacing, bare_newline, helo_syntax, greeting_delay_ms, protocol, auth, account (whose
// password is "secret"), scram, messages_per_hour, recipients_per_hour. expect-queued: how many
// messages the queue holds.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "ringmail/agent/mail_transaction.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/protocol/smtp.h"
#include "ringmail/storage/store.h"
#include "tests/dialog/sim_runner.h"
#include "tests/support/one_account.h"

namespace ringmail::smtp {
namespace {

constexpr const char* kHost = "mx.example.org";

class SmtpDialogServer final : public dialog::Server {
 public:
  SmtpDialogServer() {
    options_.hostname = kHost;
    door_options_.hostname = kHost;
    door_options_.relay.domains = {"example.net"};
    door_options_.relay.postmaster = "root@example.net";
  }

  bool Configure(const std::string& key, const std::string& value) override {
    const auto number = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
    if (key == "message_bytes_max") {
      door_options_.limits.message_bytes_max = number;
    } else if (key == "recipients_max") {
      door_options_.limits.recipients_max = number;
    } else if (key == "errors_max") {
      options_.errors_max = number;
    } else if (key == "transactions_max") {
      options_.transactions_max = number;
    } else if (key == "sessions_max") {
      options_.sessions_max = number;
    } else if (key == "protocol" && value == "lmtp") {
      listener_options_.protocol = ListenerProtocol::kLmtp;
    } else if (key == "protocol" && value == "submission") {
      listener_options_.protocol = ListenerProtocol::kSubmission;
    } else if (key == "path_spacing" && value == "legacy-mailer") {
      listener_options_.path_spacing = PathSpacing::kLegacyMailer;
    } else if (key == "bare_newline" && value == "legacy-scanner") {
      listener_options_.bare_newline = BareNewline::kLegacyScanner;
    } else if (key == "helo_syntax" && value == "windows-host") {
      listener_options_.helo_syntax = HeloSyntax::kWindowsHost;
    } else if (key == "auth" && value == "encrypted") {
      listener_options_.auth = ListenerAuth::kEncrypted;
    } else if (key == "auth" && value == "always") {
      listener_options_.auth = ListenerAuth::kAlways;
    } else if (key == "scram") {
      // It is always offered here; a real server may have accounts without keys.
      return value == "yes";
    } else if (key == "account") {
      account_.account = value;
      options_.authenticator = &account_;
    } else if (key == "messages_per_hour") {
      door_options_.submission.limits.messages_per_hour = number;
    } else if (key == "recipients_per_hour") {
      door_options_.submission.limits.recipients_per_hour = number;
    } else if (key == "greeting_delay_ms") {
      listener_options_.greeting_delay = std::chrono::milliseconds(number);
    } else {
      return false;
    }
    return true;
  }

  io::Endpoint Start(sim::World& world, sim::Node& node) override {
    const io::Endpoint endpoint{.ip = node.ip(), .port = 25};
    node.disk().Put("/data/lock", "");
    {
      sim::Node::MainThread main(node);
      auto listeners = io::OpenListeners({.endpoint = endpoint}, 1);
      CHECK(listeners.ok());
      listener_ = std::move(listeners->front());
    }
    node.Start(&SmtpDialogServer::Main, this);
    CHECK(world.RunUntil([this] { return store_ != nullptr; }));
    return endpoint;
  }

  std::string Expect(const std::string& key, const std::string& value) override {
    if (key != "queued") return "nothing is known of " + key;
    const std::string queued = std::to_string(store_->queue().size());
    return queued == value ? "" : "the queue holds " + queued;
  }

  dialog::Variables variables() const override { return {{"host", kHost}}; }

 private:
  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<SmtpDialogServer*>(context);
    storage::StoreOptions store_options;
    store_options.data_dir = "/data";
    store_options.segment_bytes = 1u << 20;
    store_options.reserve_bytes = 2u << 20;
    auto store = co_await storage::ShardStore::Open(store_options);
    CHECK(store.ok());
    if (self.options_.authenticator != nullptr) {
      using storage::DirectoryChange;
      const std::string& account = self.account_.account;
      storage::DirectoryTransaction household;
      household.changes.push_back(DirectoryChange::Put(
          storage::DomainEntry{.name = std::string(storage::DomainOfName(account))},
          DirectoryChange::Expect::kAbsent));
      household.changes.push_back(DirectoryChange::Put(storage::AccountEntry{.address = account},
                                                       DirectoryChange::Expect::kAbsent));
      CHECK((co_await (*store)->directory().Apply(std::move(household))).ok());
    }
    self.door_options_.identity_directory = &(*store)->directory();
    self.door_ = std::make_unique<agent::MailDoor>((*store)->queue(), self.door_options_);
    self.service_ = SmtpService::Make(*self.door_, self.options_);
    self.service_->Listen(std::move(self.listener_), self.listener_options_);
    self.store_ = *std::move(store);
    io::Event never;
    co_await never.Wait(kNever);
  }

  OneAccount account_;
  SmtpOptions options_;
  SmtpListenerOptions listener_options_;
  agent::MailDoor::Options door_options_;
  io::Listener listener_;
  std::unique_ptr<storage::ShardStore> store_;
  std::unique_ptr<agent::MailDoor> door_;
  std::unique_ptr<SmtpService> service_;
};

}  // namespace
}  // namespace ringmail::smtp

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  CHECK_EQ(argc, 2);
  ringmail::dialog::RegisterDialogs(
      argv[1], [] { return std::make_unique<ringmail::smtp::SmtpDialogServer>(); });
  return RUN_ALL_TESTS();
}
