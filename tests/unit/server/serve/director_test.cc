#include "server/serve/director.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <set>

#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/protocol/smtp_client.h"
#include "server/commands/message_content.h"
#include "server/control/client.h"
#include "tests/sim/io/world.h"

namespace ringmail::server {
namespace {

constexpr uint16_t kShards = 3;
constexpr std::string_view kSocket = "/data/control.sock";
constexpr std::string_view kText =
    "hostname = \"mx.test.invalid\"\ndata_dir = \"/data\"\n"
    "[[listener]]\naddress = \"10.0.0.1:25\"\n"
    "[relay]\nnetworks = [\"10.0.0.0/8\"]\nnext_hop = \"10.0.0.9:25\"\n"
    "[store]\nsegment_size = \"1MiB\"\n";

// What the client asks for, one after the other, while the server runs beside it on the same
// machine.
struct Step {
  std::string method, target;
  uint16_t status = 0;
  std::string body;
};

struct Life {
  Boot boot;
  sim::Node* node = nullptr;
  uint32_t messages = 0;  // sent before the steps, over as many connections as there are shards
  std::vector<Step> steps;
  uint32_t accepted = 0;
  bool done = false;
};

io::Task<void> SendMessages(Life* run, uint32_t count, uint32_t first) {
  smtp::SmtpClientOptions options;
  options.hostname = "client.test.invalid";
  const auto transport = smtp::MakeSmtpTransport(options, nullptr);
  auto opened = co_await transport->Open({"10.0.0.1", 25}, io::Now() + std::chrono::minutes(1));
  EXPECT_NE(opened.session, nullptr) << opened.reply.ToLine();
  if (opened.session == nullptr) co_return;
  for (uint32_t i = first; i < first + count; ++i) {
    message::Envelope envelope;
    envelope.reverse_path = i % 2 == 0 ? "even@test.invalid" : "odd@test.invalid";
    envelope.recipients.push_back({.path = "x@d" + std::to_string(i % 5) + ".invalid"});
    std::string packed;
    message::PackEnvelope(envelope, packed);
    MessageContent content("Subject: x\n\nbody\n");
    const uint32_t recipient = 0;
    agent::RecipientResult result;
    agent::DeliveryAttempt attempt{.id = QueueId(1),
                                   .envelope = *message::EnvelopeView::Parse(packed),
                                   .recipients = {&recipient, 1},
                                   .content = &content,
                                   .content_bytes = content.bytes().size(),
                                   .results = {&result, 1}};
    co_await opened.session->Deliver(attempt);
    if (result.outcome == agent::Outcome::kDelivered) ++run->accepted;
  }
  co_await opened.session->Quit();
}

io::Task<void> Client(Life* run) {
  // Until the control interface answers, the server is not ready.
  for (;;) {
    const auto status = co_await Fetch(std::string(kSocket), "GET", "/v1/status");
    if (status.ok()) break;
    co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(10));
  }
  io::Gate gate;
  const uint32_t share = run->messages / kShards;
  for (uint32_t i = 0; share > 0 && i < kShards; ++i)
    gate.Spawn(SendMessages(run, share, i * share));
  co_await gate.Close();
  for (Step& step : run->steps) {
    if (step.method == "SIGNAL") {
      run->node->Send(step.target == "HUP" ? io::Signal::kReload : io::Signal::kTerminate);
      co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(200));
      continue;
    }
    StatusOr<ControlReply> reply = co_await Fetch(std::string(kSocket), step.method, step.target);
    step.status = reply.ok() ? reply->status : 0;
    step.body = reply.ok() ? std::move(reply->body) : std::string(Std(reply.status().message()));
  }
  run->node->Send(io::Signal::kTerminate);
}

io::Task<void> Main(void* context) {
  Life& run = *static_cast<Life*>(context);
  // As main has done when it takes the lock.
  EXPECT_TRUE((co_await io::CreateDirectory("/data")).ok());
  io::Gate gate;
  if (io::ThisShard() == ShardIndex(0)) gate.Spawn(Client(&run));
  co_await ServerMain(&run.boot);
  co_await gate.Close();
  if (io::ThisShard() == ShardIndex(0)) run.done = true;
}

class DirectorTest : public testing::Test {
 protected:
  DirectorTest() : node_(world_.AddNode({.name = "mx", .shards = kShards, .ip = "10.0.0.1"})) {
    for (std::string_view one : {"10.0.0.1", "10.0.0.9"}) {
      world_.SetHost(std::string(one), std::vector<IpAddress>{*IpAddress::Parse(one)});
    }
  }

  // A server's whole life; what is on the disk stays for the next.
  void Serve(Life& run, std::string_view text = kText) {
    ConfigResult parsed = ParseConfig(text, "");
    ASSERT_TRUE(parsed.ok()) << FormatDiagnostics("f", parsed.diagnostics);
    run.node = &node_;
    run.boot.config_path = "f.toml";
    run.boot.shard_count = kShards;
    run.boot.sessions_per_shard = 100;
    run.boot.config = std::make_unique<const Config>(std::move(parsed.config));
    {
      sim::Node::MainThread main(node_);
      for (const ListenerConfig& one : run.boot.config->listeners) {
        auto opened = io::OpenListeners({.endpoint = one.endpoint}, kShards);
        ASSERT_TRUE(opened.ok()) << opened.status();
        const io::Endpoint local = opened->front().local();
        run.boot.listeners.push_back({one, local, *std::move(opened)});
      }
      auto control = io::OpenListeners({.endpoint = {.unix_path = std::string(kSocket)}}, kShards);
      ASSERT_TRUE(control.ok()) << control.status();
      run.boot.control = std::move(control->front());
    }
    node_.Start(&Main, &run);
    EXPECT_TRUE(
        world_.RunUntil([&] { return run.done && !node_.running(); }, std::chrono::minutes(10)))
        << node_.log();
  }

  bool Logged(std::string_view text) const { return node_.log().find(text) != std::string::npos; }

  sim::World world_;
  sim::Node& node_;
};

// The ids of a list, in order.
std::vector<std::string> Ids(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::array messages;
  std::vector<std::string> ids;
  EXPECT_EQ(parser.parse(json)["messages"].get(messages), simdjson::SUCCESS) << json;
  for (const simdjson::dom::element one : messages) {
    std::string_view id;
    EXPECT_EQ(one["id"].get(id), simdjson::SUCCESS);
    ids.emplace_back(id);
  }
  return ids;
}

TEST_F(DirectorTest, StartsInOrderSaysReadyAndEndsInOrder) {
  Life run;
  Serve(run);
  EXPECT_EQ(run.boot.code, ExitCode::kOk);
  size_t at = 0;
  for (std::string_view event :
       {"event=start", "event=listening", "event=ready", "event=stopping", "event=stopped"}) {
    const size_t found = node_.log().find(event, at);
    ASSERT_NE(found, std::string::npos) << event << "\n" << node_.log();
    at = found;
  }
}

TEST_F(DirectorTest, AListMergesAllShardsInIdOrderWhateverThePages) {
  Life run;
  run.messages = 450;
  run.steps = {{"GET", "/v1/queue"},
               {"GET", "/v1/queue?limit=100"},
               {"GET", "/v1/queue?sender=odd%40test.invalid"},
               {"GET", "/v1/queue?domain=D3.invalid"},
               {"GET", "/v1/status"}};
  Serve(run);
  EXPECT_EQ(run.accepted, 450u);
  const std::vector<std::string> all = Ids(run.steps[0].body);
  EXPECT_EQ(all.size(), 450u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 450u);
  EXPECT_EQ(Ids(run.steps[1].body), std::vector<std::string>(all.begin(), all.begin() + 100));
  EXPECT_NE(run.steps[1].body.find("\"next\":\"" + all[99] + "\""), std::string::npos);
  EXPECT_EQ(Ids(run.steps[2].body).size(), 225u);
  EXPECT_EQ(Ids(run.steps[3].body).size(), 90u);
  EXPECT_NE(run.steps[4].body.find("\"messages\":450"), std::string::npos) << run.steps[4].body;
}

TEST_F(DirectorTest, WhatWasHeldAndDroppedStaysSoInTheNextLife) {
  Life first;
  first.messages = 30;
  first.steps = {{"POST", "/v1/queue/all/hold?domain=d1.invalid"},
                 {"POST", "/v1/queue/all/drop?domain=d2.invalid"},
                 {"POST", "/v1/queue/all/release?domain=nowhere.invalid"}};
  Serve(first);
  EXPECT_NE(first.steps[0].body.find("\"messages\":6}"), std::string::npos) << first.steps[0].body;
  EXPECT_NE(first.steps[1].body.find("\"messages\":6}"), std::string::npos) << first.steps[1].body;
  EXPECT_NE(first.steps[2].body.find("\"messages\":0}"), std::string::npos) << first.steps[2].body;
  Life second;
  second.steps = {{"GET", "/v1/queue"}, {"GET", "/v1/queue?held=true"}};
  Serve(second);
  EXPECT_EQ(Ids(second.steps[0].body).size(), 24u);
  const std::vector<std::string> held = Ids(second.steps[1].body);
  EXPECT_EQ(held.size(), 6u);
  Life third;
  third.steps = {{"POST", "/v1/queue/" + held[0] + "/release"},
                 {"GET", "/v1/queue/" + held[0]},
                 {"POST", "/v1/queue/" + held[1] + "/drop"},
                 {"GET", "/v1/queue/" + held[1]}};
  Serve(third);
  EXPECT_EQ(third.steps[0].status, 200);
  EXPECT_EQ(third.steps[1].body.find("\"held\""), std::string::npos);
  EXPECT_EQ(third.steps[2].status, 200);
  EXPECT_EQ(third.steps[3].status, 404);
}

TEST_F(DirectorTest, MetricsAreOfAllShardsTogetherAndNameDestinations) {
  Life run;
  run.messages = 9;
  run.steps = {{"GET", "/metrics"}, {"GET", "/v1/destinations"}};
  Serve(run);
  EXPECT_NE(run.steps[0].body.find("ringmail_shards 3\n"), std::string::npos);
  EXPECT_NE(run.steps[0].body.find("ringmail_destination_waiting{destination=\"10.0.0.9:25\"}"),
            std::string::npos)
      << run.steps[0].body;
  EXPECT_NE(run.steps[1].body.find("\"name\":\"10.0.0.9:25\""), std::string::npos)
      << run.steps[1].body;
}

TEST_F(DirectorTest, AReloadOpensNewListenersClosesOldOnesAndAWrongOneChangesNothing) {
  Life run;
  run.boot.read_config = [](const std::string&) {
    return ParseConfig(
        "hostname = \"mx.test.invalid\"\ndata_dir = \"/data\"\n[[listener]]\naddress = "
        "\"10.0.0.1:26\"\n"
        "[relay]\nnetworks = [\"10.0.0.0/8\"]\n[store]\nsegment_size = \"2MiB\"\n",
        "");
  };
  run.steps = {{"SIGNAL", "HUP"}, {"GET", "/v1/status"}};
  Serve(run);
  EXPECT_TRUE(Logged("event=listening address=10.0.0.1:26")) << node_.log();
  EXPECT_TRUE(Logged("event=unlistening address=10.0.0.1:25"));
  EXPECT_TRUE(Logged("event=reload_needs_restart key=[store]"));
  EXPECT_TRUE(Logged("event=reloaded"));
  EXPECT_EQ(run.steps[1].status, 200);

  node_.ClearLog();
  Life wrong;
  wrong.boot.read_config = [](const std::string&) {
    return ParseConfig("[[listener]]\nadress = 1\n", "h.invalid");
  };
  wrong.steps = {{"SIGNAL", "HUP"}, {"GET", "/v1/status"}};
  Serve(wrong);
  EXPECT_TRUE(Logged("event=reload_failed")) << node_.log();
  EXPECT_TRUE(Logged("line=2 column=1"));
  EXPECT_FALSE(Logged("event=unlistening"));
  EXPECT_EQ(wrong.steps[1].status, 200);
}

}  // namespace
}  // namespace ringmail::server
