// Imports and exports beside a whole server, on one simulated machine whose power may go.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "server/control/client.h"
#include "server/exchange/control_answer.h"
#include "server/exchange/exporter.h"
#include "server/exchange/importer.h"
#include "server/mailboxes/frame.h"
#include "server/serve/director.h"
#include "tests/sim/io/world.h"

namespace ringmail::server {
namespace {

constexpr uint16_t kShards = 2;
constexpr std::string_view kSocket = "/data/control.sock";
constexpr std::string_view kText =
    "hostname = \"mx.test.invalid\"\ndata_dir = \"/data\"\n"
    "[[listener]]\naddress = \"10.0.0.1:25\"\n"
    "[relay]\nnetworks = [\"10.0.0.0/8\"]\nnext_hop = \"10.0.0.9:25\"\n"
    "[store]\nsegment_size = \"1MiB\"\n";
constexpr std::string_view kBase = "/v1/accounts/bob@example.org/";

// One life of the machine: the server, and beside it a client that does `work`.
struct Life {
  Boot boot;
  sim::Node* node = nullptr;
  io::Task<void> (*work)(Life* life) = nullptr;
  ImportResult imported;
  ExportResult exported;
  // Texts of each mailbox, in order of UID.
  std::map<std::string, std::vector<std::string>> found;
  std::vector<uint16_t> codes;
  bool done = false;
};

io::Task<StatusOr<ControlReply>> Post(std::string target, std::string body) {
  return FetchWithBody(std::string(kSocket), "POST", std::move(target), std::move(body), nullptr,
                       nullptr);
}

io::Task<void> Client(Life* life) {
  for (;;) {
    const auto status = co_await Fetch(std::string(kSocket), "GET", "/v1/status");
    if (status.ok()) break;
    co_await io::SleepUntil(io::Now() + std::chrono::milliseconds(10));
  }
  co_await life->work(life);
  life->node->Send(io::Signal::kTerminate);
}

io::Task<void> Main(void* context) {
  Life& life = *static_cast<Life*>(context);
  // As main has done when it takes the lock.
  EXPECT_TRUE((co_await io::CreateDirectory("/data")).ok());
  EXPECT_TRUE((co_await io::SyncDirectory("/")).ok());
  io::Gate gate;
  if (io::ThisShard() == ShardIndex(0)) gate.Spawn(Client(&life));
  co_await ServerMain(&life.boot);
  co_await gate.Close();
  if (io::ThisShard() == ShardIndex(0)) life.done = true;
}

io::Task<void> MakeAccount(Life*) {
  EXPECT_EQ((co_await Post("/v1/domains/example.org/add", {}))->status, 200);
  EXPECT_EQ((co_await Post("/v1/accounts/bob@example.org/add", "{}"))->status, 200);
}

io::Task<void> BringAll(Life* life) {
  life->imported = co_await Import({.socket = std::string(kSocket),
                                    .account = "bob@example.org",
                                    .path = "/Maildir",
                                    .source = "/Maildir",
                                    .journal = "/data/journal",
                                    .lanes = 2});
}

io::Task<void> ReadAll(Life* life) {
  const auto reply = co_await Fetch(std::string(kSocket), "GET", std::string(kBase) + "mailboxes");
  EXPECT_TRUE(reply.ok());
  const auto mailboxes = ParseMailboxesAnswer(reply->body);
  EXPECT_TRUE(mailboxes) << reply->body;
  if (!mailboxes) co_return;
  for (const MailboxAnswer& one : mailboxes->mailboxes) {
    const auto body = co_await Fetch(std::string(kSocket), "GET",
                                     std::string(kBase) + "export?mailbox=" + one.name);
    EXPECT_TRUE(body.ok());
    FrameReader frames;
    std::vector<std::string>& texts = life->found[one.name];
    std::string_view rest = body->body;
    for (auto event = frames.Next(rest); event != FrameReader::Event::kMore;
         event = frames.Next(rest)) {
      EXPECT_NE(event, FrameReader::Event::kMalformed);
      if (event == FrameReader::Event::kMalformed) break;
      if (event == FrameReader::Event::kHead) {
        EXPECT_EQ(frames.head().error, "");
        texts.emplace_back();
      }
      if (event == FrameReader::Event::kOctets) texts.back() += frames.octets();
    }
  }
}

io::Task<void> BringAndRead(Life* life) {
  co_await BringAll(life);
  co_await ReadAll(life);
}

class ImportTest : public testing::Test {
 protected:
  ImportTest() : node_(world_.AddNode({.name = "mx", .shards = kShards, .ip = "10.0.0.1"})) {
    for (std::string_view one : {"10.0.0.1", "10.0.0.9"})
      world_.SetHost(std::string(one), std::vector<IpAddress>{*IpAddress::Parse(one)});
  }

  void Begin(Life& life, io::Task<void> (*work)(Life* life)) {
    ConfigResult parsed = ParseConfig(kText, "");
    ASSERT_TRUE(parsed.ok());
    life.node = &node_;
    life.work = work;
    life.boot.config_path = "f.toml";
    life.boot.shard_count = kShards;
    life.boot.sessions_per_shard = 100;
    life.boot.config = std::make_unique<const Config>(std::move(parsed.config));
    {
      sim::Node::MainThread main(node_);
      for (const ListenerConfig& one : life.boot.config->listeners) {
        auto opened = io::OpenListeners({.endpoint = one.endpoint}, kShards);
        ASSERT_TRUE(opened.ok()) << opened.status();
        const io::Endpoint local = opened->front().local();
        life.boot.listeners.push_back({one, local, *std::move(opened)});
      }
      auto control = io::OpenListeners({.endpoint = {.unix_path = std::string(kSocket)}}, kShards);
      ASSERT_TRUE(control.ok()) << control.status();
      life.boot.control = std::move(control->front());
    }
    node_.Start(&Main, &life);
  }
  void Live(Life& life, io::Task<void> (*work)(Life* life)) {
    Begin(life, work);
    EXPECT_TRUE(
        world_.RunUntil([&] { return life.done && !node_.running(); }, std::chrono::minutes(10)))
        << node_.log();
    EXPECT_EQ(life.boot.code, ExitCode::kOk) << life.boot.problem;
  }
  // The power goes after so many requests to the disk that change it. False: the life ended before.
  bool LiveUntilCrash(Life& life, io::Task<void> (*work)(Life* life), uint64_t requests) {
    uint64_t count = 0;
    node_.disk().fault = [&count](const sim::DiskRequest& request) {
      const bool reads = request.operation == sim::DiskOperation::kRead ||
                         request.operation == sim::DiskOperation::kExamine ||
                         request.operation == sim::DiskOperation::kList ||
                         request.operation == sim::DiskOperation::kSize;
      if (!reads) ++count;
      return 0;
    };
    Begin(life, work);
    (void)world_.RunUntil([&] { return count >= requests || (life.done && !node_.running()); },
                          std::chrono::minutes(10));
    node_.disk().fault = nullptr;
    const bool crashed = node_.running();
    if (crashed) node_.Crash();
    return crashed;
  }

  // What the import is to bring, by mailbox, in the order of the names.
  std::map<std::string, std::vector<std::string>> MakeSource(uint32_t count, size_t size) {
    std::map<std::string, std::vector<std::string>> texts;
    for (const auto& [folder, name] :
         {std::pair("/Maildir", "INBOX"), std::pair("/Maildir/.Sent", "Sent")}) {
      node_.disk().Put(std::string(folder) + "/tmp/x", "");
      node_.disk().Put(std::string(folder) + "/new/.keep", "");
      for (uint32_t i = 0; i < count; ++i) {
        const std::string text = "Subject: " + std::string(name) + std::to_string(i) +
                                 "\r\n\r\n.\r\n" + std::string(size, 'x') + "\r\n";
        node_.disk().Put(std::string(folder) + "/cur/" + std::to_string(1000 + i) + ".host:2,S",
                         text);
        texts[name].push_back(text);
      }
    }
    return texts;
  }

  sim::World world_;
  sim::Node& node_;
};

TEST_F(ImportTest, EveryMessageComesInOrderAndASecondRunBringsNone) {
  const auto texts = MakeSource(450, 100);
  Life made, first, second;
  Live(made, &MakeAccount);
  Live(first, &BringAndRead);
  EXPECT_TRUE(first.imported.status.ok()) << first.imported.status;
  EXPECT_EQ(first.imported.messages, 900u);
  EXPECT_EQ(first.imported.faults, 0u);
  EXPECT_EQ(first.found, texts);
  Live(second, &BringAndRead);
  EXPECT_EQ(second.imported.messages, 0u);
  EXPECT_EQ(second.imported.known, 900u);
  EXPECT_EQ(second.found, texts);
}

TEST_F(ImportTest, WheneverThePowerGoesEveryMessageComesOnce) {
  const auto texts = MakeSource(120, 20'000);
  Life made;
  Live(made, &MakeAccount);
  uint32_t crashes = 0;
  for (uint64_t requests = 4; requests < 200; requests += 9) {
    Life life;
    if (!LiveUntilCrash(life, &BringAll, requests)) break;
    ++crashes;
  }
  EXPECT_GE(crashes, 3u);
  Life last;
  Live(last, &BringAndRead);
  EXPECT_TRUE(last.imported.status.ok()) << last.imported.status;
  EXPECT_EQ(last.imported.faults, 0u);
  EXPECT_EQ(last.imported.messages + last.imported.known, 240u);
  for (const auto& [name, wanted] : texts) {
    const std::vector<std::string>& found = last.found[name];
    EXPECT_EQ(found.size(), wanted.size()) << name;
    EXPECT_EQ(std::set(found.begin(), found.end()), std::set(wanted.begin(), wanted.end())) << name;
  }
}

io::Task<void> TryLanes(Life* life) {
  const std::string body = FormatFrameHead({.bytes = 4}) + "a: b";
  const std::string base = std::string(kBase) + "import?mailbox=INBOX&lane=L";
  for (const char* query : {"&expect=&token=1", "&expect=&token=1", "&expect=&token=2",
                            "&expect=1&token=2", "&token=3", "&expect=2&token=a%20b"}) {
    const auto reply = co_await Post(base + query, body);
    life->codes.push_back(reply.ok() ? reply->status : 0);
  }
  // Cut off within a message, too many, and nothing at all.
  for (const std::string& wrong : {body.substr(0, body.size() - 1), std::string("x\n")})
    life->codes.push_back((co_await Post(base + "&expect=2&token=4", wrong))->status);
  const std::string nobody = "/v1/accounts/eve@example.org/import?mailbox=INBOX";
  life->codes.push_back((co_await Post(nobody, body))->status);
  const std::string nowhere = std::string(kBase) + "import?mailbox=None";
  life->codes.push_back((co_await Post(nowhere, body))->status);
  const auto state =
      co_await Fetch(std::string(kSocket), "GET", std::string(kBase) + "import?lane=L");
  EXPECT_EQ(ParseLaneAnswer(state->body), (LaneState{"2", 1, 2})) << state->body;
  co_await ReadAll(life);
}

TEST_F(ImportTest, ABatchComesOnceAndOnlyBehindTheOneThatItFollows) {
  Life made, life;
  Live(made, &MakeAccount);
  Live(life, &TryLanes);
  EXPECT_EQ(life.codes, (std::vector<uint16_t>{200, 409, 409, 200, 409, 400, 400, 400, 404, 404}));
  EXPECT_EQ(life.found["INBOX"], (std::vector<std::string>{"a: b", "a: b"}));
}

io::Task<void> BringAndWrite(Life* life) {
  co_await BringAll(life);
  life->exported = co_await Export(
      {.socket = std::string(kSocket), .account = "bob@example.org", .path = "/out"});
}
io::Task<void> WriteMbox(Life* life) {
  life->exported = co_await Export({.socket = std::string(kSocket),
                                    .account = "bob@example.org",
                                    .path = "/boxes",
                                    .format = ExportOptions::Format::kMbox});
}

TEST_F(ImportTest, AnExportGoesOnWhereThePowerEndedIt) {
  (void)MakeSource(60, 300'000);
  Life made, brought;
  Live(made, &MakeAccount);
  Live(brought, &BringAll);
  ASSERT_TRUE(brought.imported.status.ok()) << brought.imported.status;
  ASSERT_EQ(brought.imported.messages, 120u);
  uint32_t crashes = 0;
  for (uint64_t requests = 20; requests < 400; requests += 31) {
    Life maildir, mbox;
    if (!LiveUntilCrash(maildir, &BringAndWrite, requests) &&
        !LiveUntilCrash(mbox, &WriteMbox, requests / 4))
      break;
    ++crashes;
  }
  EXPECT_GE(crashes, 2u);
  Life maildir, mbox, again;
  Live(maildir, &BringAndWrite);
  EXPECT_TRUE(maildir.exported.status.ok()) << maildir.exported.status;
  EXPECT_EQ(maildir.exported.messages + maildir.exported.known, 120u);
  Live(mbox, &WriteMbox);
  EXPECT_TRUE(mbox.exported.status.ok()) << mbox.exported.status;
  Live(again, &WriteMbox);
  EXPECT_EQ(again.exported.messages, 0u);
  const std::string file = node_.disk().Contents("/boxes/INBOX.mbox").value_or("");
  size_t separators = 0;
  for (size_t at = 0; (at = file.find("\nX-UID: ", at)) != file.npos; ++at) ++separators;
  EXPECT_EQ(separators, 60u);
  std::vector<std::string> names;
  EXPECT_EQ(node_.disk().List("/out/cur", names), 0);
  EXPECT_EQ(names.size(), 60u);
}

}  // namespace
}  // namespace ringmail::server
