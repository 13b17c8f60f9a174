#include "server/commands/fsck.h"

#include <optional>

#include <fmt/format.h>

#include "ringmail/io/file.h"
#include "ringmail/io/process.h"
#include "ringmail/storage/store.h"
#include "server/commands/arguments.h"
#include "server/commands/one_shard.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {{.name = "--json", .about = "as one JSON object"}};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kFailed, ExitCode::kUsage,
                                   ExitCode::kStore, ExitCode::kSystem};
constexpr Usage kUsage = {
    .name = "fsck",
    .operands = "DIR",
    .operands_min = 1,
    .operands_max = 1,
    .about =
        "Reads the store in DIR, which no server may be using, verifies every checksum and every "
        "reference, and says\n"
        "what is in it. Changes nothing. Ends with 1 where anything is damaged or missing; each "
        "damage is one line with\n"
        "its file and offset. An end of a log that was never acknowledged is no damage.\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

struct Work {
  std::string directory;
  std::optional<StatusOr<storage::FsckReport>> report;
};

io::Task<StatusOr<storage::FsckReport>> ReadStore(std::string directory) {
  // Listed first: locking would make a directory that is not there.
  CO_RETURN_IF_ERROR((co_await io::ListDirectory(directory)).status());
  // The lock keeps a server from starting while we read, and says so where one runs.
  ASSIGN_OR_CO_RETURN(const io::DirectoryLock lock, io::DirectoryLock::Acquire(directory, ""));
  co_return co_await storage::Fsck(directory);
}

io::Task<void> Read(void* context) {
  auto& work = *static_cast<Work*>(context);
  work.report.emplace(co_await ReadStore(work.directory));
}

void WriteDamages(JsonWriter& json, std::string_view name,
                  const std::vector<storage::Damage>& damages) {
  json.Key(name).BeginArray();
  for (const storage::Damage& one : damages) {
    json.BeginObject().Key("file").String(one.file).Key("offset").Number(one.offset);
    json.Key("bytes").Number(one.bytes).Key("what").String(one.what).EndObject();
  }
  json.EndArray();
}

void WriteJson(const storage::FsckReport& report, std::string& out) {
  JsonWriter json(out);
  json.BeginObject().Key("clean").Bool(report.clean());
  json.Key("segments")
      .Number(report.recovery.segments)
      .Key("bytes_read")
      .Number(report.recovery.bytes_read);
  json.Key("records")
      .Number(report.recovery.records)
      .Key("messages")
      .Number(report.recovery.messages);
  json.Key("pending_recipients").Number(report.pending_recipients);
  json.Key("contents").Number(report.contents).Key("content_bytes").Number(report.content_bytes);
  json.Key("orphan_contents").Number(report.orphan_contents);
  json.Key("directory_entries").Number(report.recovery.directory_entries);
  json.Key("torn_tail_bytes").Number(report.recovery.torn_tail_bytes);
  WriteDamages(json, "damages", report.recovery.damages);
  WriteDamages(json, "missing_references", report.missing_references);
  json.Key("summaries").Number(report.recovery.summaries);
  WriteDamages(json, "ignored_summaries", report.recovery.ignored_summaries);
  json.EndObject();
  out += '\n';
}

void WriteText(const storage::FsckReport& report, std::string& out) {
  const storage::RecoveryReport& recovery = report.recovery;
  out += fmt::format("{} segments, {} bytes, {} records\n", recovery.segments, recovery.bytes_read,
                     recovery.records);
  out += fmt::format("{} messages in the queue, {} recipients pending\n", recovery.messages,
                     report.pending_recipients);
  out += fmt::format("{} contents, {} bytes, {} without a message\n", report.contents,
                     report.content_bytes, report.orphan_contents);
  out += fmt::format("{} entries in the directory\n", recovery.directory_entries);
  if (recovery.torn_tail_bytes != 0) {
    out += fmt::format("{} bytes at the ends of logs were never acknowledged\n",
                       recovery.torn_tail_bytes);
  }
  for (const storage::Damage& one : recovery.damages) {
    out +=
        fmt::format("damaged: {} at {}, {} bytes: {}\n", one.file, one.offset, one.bytes, one.what);
  }
  for (const storage::Damage& one : report.missing_references) {
    out += fmt::format("missing: {} at {}: {}\n", one.file, one.offset, one.what);
  }
  for (const storage::Damage& one : recovery.ignored_summaries)
    out += fmt::format("ignored: {}: {}\n", one.file, one.what);
  out += report.clean() ? "clean\n" : "NOT clean\n";
}

}  // namespace

int FsckCommand(std::span<const std::string_view> arguments, std::string& out,
                std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Work work{.directory = std::string(given.operands().front())};
  if (const Status ran = RunOnOneShard(Read, &work); !ran.ok()) {
    errors += fmt::format("ringmail fsck: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  if (!work.report->ok()) {
    errors += fmt::format("ringmail fsck: {}\n", Std(work.report->status().message()));
    return Number(ExitCode::kStore);
  }
  const storage::FsckReport& report = **work.report;
  given.Has("--json") ? WriteJson(report, out) : WriteText(report, out);
  return Number(report.clean() ? ExitCode::kOk : ExitCode::kFailed);
}

}  // namespace ringmail::server
