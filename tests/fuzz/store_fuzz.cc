// A whole store on a disk that was damaged, or written by somebody else: opening it ends, reading
// it ends, and content that is given out is the content that was put in. The first octet chooses.
//
// Even: a store of ours whose files were changed, in edits of five octets: file, place (two),
// operation, value. Odd: a segment whose records are the input's, sealed as our own are, so that
// what stands behind the checksums is met too: five octets a record, and its octets.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmail/codec/crc32c.h"
#include "ringmail/io/shard.h"
#include "ringmail/storage/store.h"
#include "storage/format.h"
#include "storage/limits.h"
#include "tests/sim/io/world.h"

namespace ringmail::storage {
namespace {

constexpr std::string_view kFirst = "/data/log/000/0000000000000001.seg";
constexpr uint64_t kLogKey = 7;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "store_fuzz: %s\n", what);
  std::abort();
}

using Files = std::vector<std::pair<std::string, std::string>>;
using Letters = std::map<uint64_t, std::string>;  // content by queue id

StoreOptions Options() {
  StoreOptions options;
  options.data_dir = "/data";
  options.segment_bytes = 1u << 20;
  options.reserve_bytes = 2u << 20;
  options.content_cache_bytes = 1u << 20;
  return options;
}

message::Envelope MakeEnvelope(uint32_t recipients) {
  message::Envelope envelope{.reverse_path = "a@s.example",
                             .arrival = FromUnixSeconds(1'767'225'600)};
  for (uint32_t i = 0; i < recipients; ++i)
    envelope.recipients.push_back({.path = "r" + std::to_string(i) + "@r.example"});
  return envelope;
}

// ── running a store ──

struct Run {
  io::Task<void> (*work)(Run& run, ShardStore& store) = nullptr;
  Letters letters;
  bool opened = false;
  std::vector<uint64_t> ids;
  std::string found;  // ids, states and content, in words
};

io::Task<void> StoreMain(void* context) {
  Run& run = *static_cast<Run*>(context);
  auto opened = co_await ShardStore::Open(Options());
  run.opened = opened.ok();
  if (!opened.ok()) co_return;
  std::unique_ptr<ShardStore> store = *std::move(opened);
  co_await run.work(run, *store);
  static_cast<void>(co_await store->Close());
}

void RunStore(sim::World& world, sim::Node& node, Run& run) {
  node.Start(&StoreMain, &run);
  Require(world.RunUntil([&] { return !node.running(); }), "a store does not close");
}

io::Task<void> Fill(Run& run, ShardStore& store) {
  for (uint32_t i = 0; i < 6; ++i) {
    const std::string text =
        ".letter " + std::to_string(i) + "\r\n" + std::string(i * 700, 'x') + "\r\n.dot\r\n";
    const QueueId id = store.queue().NewId();
    ContentWriter writer = store.queue().NewContent();
    writer.Append(text.substr(0, text.size() - 6), true);
    writer.Append(".dot\r\n", true);
    auto message =
        co_await store.queue().Enqueue(id, MakeEnvelope(1 + i % 3), std::move(writer), {});
    Require(message.ok(), "a store takes nothing in");
    run.letters[id.value] = text;
    if (i % 2 == 0) continue;
    MessageUpdate update{.id = id, .attempt_counted = true};
    update.outcomes.push_back(
        {.recipient = 0,
         .state = i == 5 ? RecipientState::kDelivered : RecipientState::kPending,
         .reply = {.code = 450, .text = "later"},
         .remote_host = "mx"});
    std::vector<MessageUpdate> updates;
    updates.push_back(std::move(update));
    Require((co_await store.queue().Record(std::move(updates))).ok(), "an outcome is not kept");
  }
}

void Collect(void* context, QueuedMessage& message) {
  static_cast<std::vector<uint64_t>*>(context)->push_back(message.id().value);
}

// Reads all that is there.
io::Task<void> ReadAll(Run& run, ShardStore& store) {
  (void)store.queue().Visit(QueueId(), SIZE_MAX, &Collect, &run.ids);
  Require(run.ids.size() == store.queue().size(), "the queue miscounts itself");
  Require(std::is_sorted(run.ids.begin(), run.ids.end()), "ids are not in order");
  for (const uint64_t value : run.ids) {
    QueuedMessage* message = store.queue().Find(QueueId(value));
    Require(message != nullptr, "a message is listed and not found");
    Require(message->pending_count() > 0, "a message without work is kept");
    Require(message->envelope().recipient_count() == message->recipient_count(),
            "recipients are miscounted");
    run.found += QueueId(value).ToString();
    for (uint32_t i = 0; i < message->recipient_count(); ++i)
      run.found += std::to_string(static_cast<int>(message->state(i)));
    Content& content = message->content();
    const bool held = message->held();
    Lend(content);
    std::string text;
    bool whole = true;
    {
      ContentReader reader(store, content, ContentPart::kMessage);
      while (true) {
        auto piece = co_await reader.Next();
        whole = piece.ok();
        if (!whole || piece->bytes.empty()) break;
        for (const uint32_t dot : piece->dot_lines)
          Require(dot < piece->bytes.size(), "a dot lies outside of its piece");
        text += piece->bytes;
      }
    }
    if (whole && !held && !run.letters.empty()) {
      Require(text.size() == Bytes(content), "content is not as long as it says");
      const auto letter = run.letters.find(value);
      Require(letter != run.letters.end() && letter->second == text, "other content than was kept");
    }
    Return(content);
    run.found += whole ? " whole\n" : " lost\n";
  }
}

io::Task<void> CheckMain(void* context) {
  auto report = co_await Fsck("/data");
  *static_cast<bool*>(context) = report.ok();
}

void ReadTwice(const Files& files, const Letters& letters) {
  sim::World world;
  sim::Node& node = world.AddNode({.name = "mx"});
  node.disk().Put("/data/lock", "");
  for (const auto& [name, bytes] : files) node.disk().Put(name, bytes);
  bool checked = false;
  node.Start(&CheckMain, &checked);
  Require(world.RunUntil([&] { return !node.running(); }), "fsck does not end");
  Run first{.work = &ReadAll, .letters = letters};
  RunStore(world, node, first);
  if (!first.opened) return;
  Require(checked, "fsck cannot read what a start can");
  Run second{.work = &ReadAll, .letters = letters};
  RunStore(world, node, second);
  Require(second.opened && second.ids == first.ids && second.found == first.found,
          "a second start finds something else");
}

// ── our own store, damaged ──

struct Made {
  Files files;
  Letters letters;
};

const Made& OurStore() {
  static const Made made = [] {
    Made out;
    sim::World world;
    sim::Node& node = world.AddNode({.name = "mx"});
    node.disk().Put("/data/lock", "");
    Run fill{.work = &Fill};
    RunStore(world, node, fill);
    Require(fill.opened, "an empty store does not open");
    out.letters = fill.letters;
    std::vector<std::string> names;
    Require(node.disk().List("/data/log/000", names) == 0, "no log");
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const std::string path = "/data/log/000/" + name;
      out.files.emplace_back(path, *node.disk().Contents(path));
    }
    return out;
  }();
  return made;
}

void ReadDamaged(std::string_view edits) {
  Files files = OurStore().files;
  for (; edits.size() >= 5; edits.remove_prefix(5)) {
    const auto octet = [&](size_t i) { return static_cast<uint8_t>(edits[i]); };
    std::string& bytes = files[octet(0) % files.size()].second;
    // The first 64 KiB hold all that was written.
    const size_t at = (size_t{octet(1)} << 8 | octet(2));
    if (at >= bytes.size()) continue;
    const size_t count = std::min<size_t>(bytes.size() - at, size_t{1} << (octet(3) >> 4));
    switch (octet(3) & 7) {
      case 0:
        bytes[at] = static_cast<char>(octet(4));
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (octet(4) & 7)));
        break;
      case 2:
        std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), count, static_cast<char>(octet(4)));
        break;
      case 3:
        bytes.resize(at);
        break;
      case 4: {  // blocks change places
        const size_t block = octet(4) * io::kBlockBytes;
        if (block + count <= at) std::memmove(bytes.data() + at, bytes.data() + block, count);
        break;
      }
      case 5:
        std::fill(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.end(), '\0');
        break;
      default:
        break;
    }
  }
  ReadTwice(files, OurStore().letters);
}

// ── records of the input ──

// A record's metadata, from four octets of choice and its own octets.
std::string MakeMeta(uint8_t type, const uint8_t* choice, std::string_view octets) {
  std::string meta;
  const QueueId id = QueueId::Make(LogId(0), 1 + choice[0] % 4);
  const ContentId content(QueueId::Make(LogId(0), 1 + choice[1] % 4).value);
  const auto add_outcomes = [&meta, octets](unsigned count) {
    OutcomeEncoder encoder(meta, 100);
    static const message::Reply reply{.code = 450, .status = {4, 2, 0}, .text = "later"};
    for (unsigned i = 0; i < count && i < octets.size(); ++i) {
      const auto octet = static_cast<uint8_t>(octets[i]);
      encoder.Add({.recipient = octet & 3u,
                   .state = static_cast<RecipientState>(octet >> 2 & 3),
                   .reply = (octet & 16) != 0 ? &reply : nullptr,
                   .remote_host = "mx"});
    }
  };
  switch (type % 4) {
    case 1: {
      const uint32_t dots[] = {0, 2, static_cast<uint32_t>(choice[3])};
      EncodeContentMeta({.content = content,
                         .total_bytes = (choice[3] & 1) != 0 ? octets.size() : choice[3],
                         .piece = choice[2] & 3u,
                         .body_crc = codec::Crc32c(0, octets) + (choice[2] >> 7),
                         .flags = static_cast<uint8_t>(choice[2] >> 4 & 3),
                         .last = (choice[2] & 4) != 0},
                        std::span(dots, choice[3] >> 6), meta);
      break;
    }
    case 2: {
      std::string packed;
      message::PackEnvelope(MakeEnvelope(1 + choice[2] % 3), packed);
      EncodeMessageMeta({.id = id,
                         .content = content,
                         .next_attempt_seconds = choice[3],
                         .attempts = choice[3],
                         .held = (choice[3] & 1) != 0,
                         .envelope = (choice[2] & 128) != 0 ? octets : std::string_view(packed)},
                        meta);
      if ((choice[3] & 2) != 0) add_outcomes(choice[3] >> 4);
      break;
    }
    case 3:
      EncodeUpdateMeta({.id = id,
                        .next_attempt_seconds = choice[1],
                        .attempt_counted = (choice[2] & 1) != 0,
                        .held = static_cast<MessageUpdate::Flag>(choice[2] >> 1 & 1)},
                       meta);
      if ((choice[2] & 8) == 0) add_outcomes(choice[3] >> 4);
      break;
    default:
      meta = octets;
  }
  return meta;
}

void ReadWritten(std::string_view input) {
  std::string segment(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader({.sequence = 1,
                       .log_key = kLogKey,
                       .next_queue_sequence = 1,
                       .next_content_sequence = 1,
                       .first_batch = 1,
                       .segment_bytes = Options().segment_bytes,
                       .log = LogId(0)},
                      segment.data());
  std::string batch(sizeof(BatchHeader), '\0');
  uint32_t records = 0;
  uint64_t sequence = 1;
  const auto seal = [&] {
    if (records == 0) return;
    const auto used = static_cast<uint32_t>(batch.size());
    batch.resize(RoundUp(used, io::kBlockBytes));
    SealBatch(batch, SegmentSalt::Of(kLogKey, 1), 1, segment.size(), sequence++, used, records);
    segment += batch;
    batch.assign(sizeof(BatchHeader), '\0');
    records = 0;
  };
  for (int count = 0; input.size() >= 6 && count < 64; ++count) {
    uint8_t head[6];
    std::memcpy(head, input.data(), sizeof head);
    input.remove_prefix(sizeof head);
    const std::string_view octets = input.substr(0, head[5] & 63);
    input.remove_prefix(octets.size());
    const std::string meta = MakeMeta(head[0], head + 1, octets);
    const std::string_view body = head[0] % 4 == 1 ? octets : std::string_view();
    RecordHeader header{
        .bytes = static_cast<uint32_t>(sizeof(RecordHeader) + meta.size() + body.size()),
        .meta_bytes = static_cast<uint32_t>(meta.size()),
        .type = static_cast<uint8_t>(head[0] % 4 == 0 ? head[0] >> 2 & 7 : head[0] % 4),
        .version = kRecordVersion};
    batch.append(reinterpret_cast<const char*>(&header), sizeof(header));
    batch += meta;
    batch += body;
    batch.resize(RoundUp(batch.size(), kRecordAlign));
    ++records;
    if ((head[5] & 64) != 0) seal();
    if ((head[5] & 128) != 0) ++sequence;
  }
  seal();
  segment.resize(Options().segment_bytes);
  ReadTwice({{std::string(kFirst), segment}}, {});
}

}  // namespace
}  // namespace ringmail::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) == 0) {
    ringmail::storage::ReadDamaged(input);
  } else {
    ringmail::storage::ReadWritten(input);
  }
  return 0;
}
