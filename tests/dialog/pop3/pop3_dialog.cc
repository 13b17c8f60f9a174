// Runs the conversations of this folder with the service in a simulated world, and a house in
// memory whose "ann" has the password "secret word".
//
// config: letters (how many, of 1, 2, 3 ... lines), letter (one of kLetters), plaintext, tls,
// shard (of the account), errors_max, login_failures_max, login_delay, utf8_header, apop,
// fails (what does not work). expect-messages: how many the maildrop has.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "protocol/pop3/service.h"
#include "ringmail/base/check.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/dialog/sim_runner.h"
#include "tests/support/io/tls_identities.h"
#include "tests/support/pop3/house.h"

namespace ringmail::pop3 {
namespace {

constexpr const char* kHost = "pop.example.org";

struct NamedLetter {
  std::string_view name, content;
  uint8_t flags = 0;
};
constexpr NamedLetter kLetters[] = {
    {"dots", "Subject: dots\r\n\r\n.\r\n..a\r\nb.\r\n"},
    {"utf8", "Subject: gr\u00fc\u00df\r\n\r\n\u00fc\r\n"},
    {"binary", "Subject: b\r\n\r\n\n.\n\r\n", storage::kContentBinary},
    {"open", "Subject: o\r\n\r\nno end of line"},
};

class Pop3DialogServer final : public dialog::Server {
 public:
  Pop3DialogServer() {
    options_.hostname = kHost;
    listener_options_.plaintext = session::SaslPlaintext::kAlways;
    house_.apop = false;
  }

  bool Configure(const std::string& key, const std::string& value) override {
    const auto number = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
    if (key == "letters") {
      for (uint32_t lines = 1; lines <= number; ++lines) house_.Deliver("ann", Letter("x", lines));
    } else if (key == "letter") {
      for (const NamedLetter& one : kLetters) {
        if (one.name == value) house_.Deliver("ann", std::string(one.content), one.flags);
      }
    } else if (key == "plaintext") {
      listener_options_.plaintext = value == "always" ? session::SaslPlaintext::kAlways
                                                      : session::SaslPlaintext::kEncryptedOnly;
    } else if (key == "tls") {
      listener_options_.tls = ListenerTls::kStartTls;
      auto context = io::TlsContext::MakeServer(
          {.identities = {{.certificate_pem = std::string(testing_tls::kEcdsaCertificate),
                           .private_key_pem = std::string(testing_tls::kEcdsaKey)}}});
      CHECK(context.ok());
      options_.tls = *std::move(context);
    } else if (key == "shard") {
      house_.home = ShardIndex(static_cast<uint16_t>(number));
    } else if (key == "errors_max") {
      options_.errors_max = number;
    } else if (key == "login_failures_max") {
      options_.login_failures_max = number;
    } else if (key == "login_delay") {
      options_.login_delay = std::chrono::seconds(number);
    } else if (key == "utf8_header" && value == "refused") {
      options_.utf8_header = Utf8Header::kRefused;
    } else if (key == "apop") {
      options_.apop = house_.apop = true;
    } else if (key == "fails" && value == "passwords") {
      house_.unavailable = true;
    } else if (key == "fails" && value == "open") {
      house_.open_fails = absl::UnavailableError("as the conversation asks for");
    } else if (key == "fails" && value == "message") {
      house_.message_fails = absl::DataLossError("as the conversation asks for");
    } else if (key == "fails" && value == "update") {
      house_.update_fails = absl::ResourceExhaustedError("as the conversation asks for");
    } else {
      return false;
    }
    return true;
  }

  uint16_t shards() const override { return 2; }

  io::Endpoint Start(sim::World&, sim::Node& node) override {
    const io::Endpoint endpoint{.ip = node.ip(), .port = 110};
    {
      sim::Node::MainThread main(node);
      auto listeners = io::OpenListeners({.endpoint = endpoint}, 1);
      CHECK(listeners.ok());
      listener_ = std::move(listeners->front());
    }
    node.Start(&Pop3DialogServer::Main, this);
    return endpoint;
  }

  std::string Expect(const std::string& key, const std::string& value) override {
    if (key != "messages") return "nothing is known of " + key;
    const std::string messages = std::to_string(house_.messages("ann"));
    return messages == value ? "" : "the maildrop has " + messages;
  }

  dialog::Variables variables() const override { return {{"host", kHost}}; }

 private:
  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<Pop3DialogServer*>(context);
    Service service(self.house_.MakeMaildrops(), self.house_, self.options_);
    if (io::ThisShard() == ShardIndex(0))
      service.Listen(std::move(self.listener_), self.listener_options_);
    io::Event never;
    co_await never.Wait(kNever);
  }

  Pop3Options options_;
  Pop3ListenerOptions listener_options_;
  House house_;
  io::Listener listener_;
};

}  // namespace
}  // namespace ringmail::pop3

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  CHECK_EQ(argc, 2);
  ringmail::dialog::RegisterDialogs(
      argv[1], [] { return std::make_unique<ringmail::pop3::Pop3DialogServer>(); });
  return RUN_ALL_TESTS();
}
