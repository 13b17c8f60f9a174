#include "server/commands/mime.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "ringmail/io/process.h"
#include "ringmail/io/shard.h"
#include "ringmail/message/part_view.h"
#include "ringmail/message/section.h"
#include "server/commands/arguments.h"
#include "server/commands/command.h"
#include "server/commands/mbox.h"
#include "server/commands/mime_build.h"
#include "server/commands/mime_table.h"
#include "server/commands/one_shard.h"

namespace ringmail::server {
namespace {

// A message has 4 GiB at most (Tree); an mbox is read as a whole.
constexpr size_t kInputBytesMax = size_t{4} << 30;
// Printed as it goes, so that a large mbox costs no memory twice.
constexpr size_t kPrintBytes = 1u << 20;

constexpr Option kOptions[] = {
    {.name = "--json", .about = "show: one JSON object a message, in a line"},
    {.name = "--message", .value_name = "N", .about = "only the N-th message of an mbox, from 1"},
    {.name = "--raw", .about = "extract: the body as it stands, its transfer encoding not undone"},
    {.name = "--from", .value_name = "ADDRESS", .about = "build: who writes"},
    {.name = "--to", .value_name = "ADDRESS", .about = "build: to whom", .repeatable = true},
    {.name = "--cc", .value_name = "ADDRESS", .about = "build: and to whom", .repeatable = true},
    {.name = "--subject", .value_name = "TEXT", .about = "build: of what"},
    {.name = "--text",
     .value_name = "FILE",
     .about = "build: the text, UTF-8 (default, without --html and --attach: standard input)"},
    {.name = "--html", .value_name = "FILE", .about = "build: the text as HTML, UTF-8"},
    {.name = "--attach",
     .value_name = "FILE",
     .about = "build: a file to go with it",
     .repeatable = true},
    {.name = "--peer",
     .value_name = "NAME",
     .about = "build: what the next hop takes: 7bit (the default), 8bitmime or binarymime"},
};
constexpr std::string_view kBuildOptions[] = {"--from", "--to",   "--cc",     "--subject",
                                              "--text", "--html", "--attach", "--peer"};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kFailed, ExitCode::kUsage,
                                   ExitCode::kSystem};
constexpr Usage kUsage = {
    .name = "mime",
    .operands = "show [FILE] | check [FILE] | extract FILE PART | build",
    .operands_min = 1,
    .operands_max = 3,
    .about =
        "Reads messages as the server does, and writes them. FILE holds one message or an mbox; "
        "without it, or for "
        "-, standard input.\n"
        "\n"
        "  show     the parts: section number, type, charset, encoding, size, file name\n"
        "  check    a line for each way in which a message departs from the standards; ends with 1 "
        "if there is any\n"
        "  extract  the part with that section number (as show prints it), its transfer encoding "
        "undone, on standard\n"
        "           output\n"
        "  build    a message, on standard output: a text, an HTML form of it, files\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

struct Job {
  std::string_view verb, file = "-", part;
  std::optional<uint64_t> message;  // counted from 1
  bool json = false, raw = false;
};

std::string ReadJob(const Arguments& given, Job& job) {
  const auto& operands = given.operands();
  job.verb = operands[0];
  if (job.verb != "show" && job.verb != "check" && job.verb != "extract" && job.verb != "build")
    return fmt::format("'{}' is none of show, check, extract, build", job.verb);
  if (job.verb == "build") {
    if (operands.size() > 1) return "build takes its files by options";
    return given.Has("--from") ? "" : "build needs --from";
  }
  for (const std::string_view option : kBuildOptions) {
    if (given.Has(option)) return fmt::format("{} is for build", option);
  }
  const bool extracts = job.verb == "extract";
  if (extracts && operands.size() != 3) return "extract takes a file and a part";
  if (!extracts && operands.size() > 2) return fmt::format("{} takes one file", job.verb);
  if (operands.size() > 1) job.file = operands[1];
  if (extracts) job.part = operands[2];
  job.json = given.Has("--json");
  job.raw = given.Has("--raw");
  if (job.json && job.verb != "show") return "--json is for show";
  if (job.raw && !extracts) return "--raw is for extract";
  if (const auto number = given.Get("--message")) {
    job.message = ParseCount(*number, 1, UINT64_MAX);
    if (!job.message) return "--message is a number from 1";
  }
  return {};
}

// "1.2.1", or "-" for the message itself. nullopt: none.
std::optional<std::vector<uint32_t>> ParsePath(std::string_view text) {
  std::vector<uint32_t> path;
  if (text == "-") return path;
  while (true) {
    const size_t dot = std::min(text.find('.'), text.size());
    const auto number = ParseCount(text.substr(0, dot), 1, UINT32_MAX);
    if (!number || path.size() == message::kSectionDepthMax) return std::nullopt;
    path.push_back(static_cast<uint32_t>(*number));
    if (dot == text.size()) return path;
    text.remove_prefix(dot + 1);
  }
}

class MimeRun {
 public:
  MimeRun(const Job& job, std::string& out, std::string& errors)
      : job_(job), out_(out), errors_(errors) {}

  // One message, the `number`-th. False: nobody reads what is printed any more.
  bool Take(std::string_view text, uint64_t number) {
    message::TreeBuilder builder({});
    builder.Start(tree_);
    builder.Feed(text);
    builder.Finish();
    const message::ContentView content(text);
    const message::MessageView view{tree_, content};
    if (job_.verb == "check") {
      departures_ +=
          WriteMimeDepartures(view, fmt::format("{}: message {}", job_.file, number), out_);
    } else if (job_.verb == "extract") {
      Extract(view);
    } else if (job_.json) {
      WriteMimeJson(view, number, out_);
    } else {
      out_ += fmt::format("message {}: {} bytes\n", number, text.size());
      WriteMimeTable(view, out_);
    }
    return out_.size() < kPrintBytes || Print(out_);
  }

  ExitCode code() const { return failed_ || departures_ > 0 ? ExitCode::kFailed : ExitCode::kOk; }

 private:
  void Extract(const message::MessageView& view) {
    const auto path = ParsePath(job_.part);
    const message::PartIndex part = path ? message::FindPart(view.tree, *path) : message::kNoPart;
    if (part == message::kNoPart) {
      errors_ += fmt::format("ringmail mime: {}: there is no part '{}' (ringmail mime show)\n",
                             job_.file, job_.part);
      failed_ = true;
      return;
    }
    if (job_.raw) {
      view.content.Each(view.part(part).body, [this](std::string_view piece) { out_ += piece; });
    } else if (!message::AppendDecodedBody(view, part, out_)) {
      errors_ += fmt::format(
          "ringmail mime: {}: part {} has an unknown transfer encoding: its octets are as they "
          "were\n",
          job_.file, job_.part);
    }
  }

  const Job& job_;
  std::string& out_;
  std::string& errors_;
  message::Tree tree_;  // its memory serves all messages
  uint64_t departures_ = 0;
  bool failed_ = false;
};

// Where the time and chance come from.
io::Task<void> Stamp(void* context) {
  auto& build = *static_cast<MimeBuild*>(context);
  build.when = io::WallNow();
  build.unique = fmt::format("{:016x}{:016x}", io::RandomUint64(), io::RandomUint64());
  co_return;
}

// Says in `errors` why not.
std::optional<MimeFile> ReadFile(std::string_view path, std::string& errors) {
  StatusOr<std::string> content = io::ReadWholeFile(std::string(path), kInputBytesMax);
  if (content.ok()) return MimeFile{path, *std::move(content)};
  errors += fmt::format("ringmail mime: {}\n", Std(content.status().message()));
  return std::nullopt;
}

bool ReadFiles(const Arguments& given, MimeBuild& build, std::string& errors) {
  const bool nothing = !given.Has("--html") && !given.Has("--attach");
  std::optional<std::string_view> text = given.Get("--text");
  if (!text && nothing) text = "-";
  if (text && !(build.text = ReadFile(*text, errors))) return false;
  if (given.Has("--html") && !(build.html = ReadFile(*given.Get("--html"), errors))) return false;
  for (const std::string_view path : given.All("--attach")) {
    std::optional<MimeFile> file = ReadFile(path, errors);
    if (!file) return false;
    build.attachments.push_back(*std::move(file));
  }
  return true;
}

int Build(const Arguments& given, std::string& out, std::string& errors) {
  const std::string host = io::HostName();
  MimeBuild build{.from = *given.Get("--from"),
                  .subject = given.GetOr("--subject", ""),
                  .to = given.All("--to"),
                  .cc = given.All("--cc"),
                  .host = host};
  const std::string_view peer = given.GetOr("--peer", "7bit");
  if (peer == "8bitmime") {
    build.peer = message::ComposePeer::k8BitMime;
  } else if (peer == "binarymime") {
    build.peer = message::ComposePeer::kBinaryMime;
  } else if (peer != "7bit") {
    errors += fmt::format(
        "ringmail mime: --peer '{}' is none of 7bit, 8bitmime, binarymime (see ringmail mime "
        "--help)\n",
        peer);
    return Number(ExitCode::kUsage);
  }
  if (!ReadFiles(given, build, errors)) return Number(ExitCode::kFailed);
  if (const Status ran = RunOnOneShard(Stamp, &build); !ran.ok()) {
    errors += fmt::format("ringmail mime: {}\n", Std(ran.message()));
    return Number(ExitCode::kSystem);
  }
  std::string problem;
  const std::optional<std::string> message = BuildMessage(build, problem);
  if (!message) {
    errors += fmt::format("ringmail mime: {}\n", problem);
    return Number(ExitCode::kFailed);
  }
  out += *message;
  return Number(ExitCode::kOk);
}

}  // namespace

int MimeCommand(std::span<const std::string_view> arguments, std::string& out,
                std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  Job job;
  if (const std::string wrong = ReadJob(given, job); !wrong.empty()) {
    errors += fmt::format("ringmail mime: {} (see ringmail mime --help)\n", wrong);
    return Number(ExitCode::kUsage);
  }
  if (job.verb == "build") return Build(given, out, errors);
  const StatusOr<std::string> text = io::ReadWholeFile(std::string(job.file), kInputBytesMax);
  if (!text.ok()) {
    errors += fmt::format("ringmail mime: {}\n", Std(text.status().message()));
    return Number(ExitCode::kFailed);
  }
  std::deque<std::string> unquoted;
  const std::vector<std::string_view> messages = SplitMbox(*text, unquoted);
  if (job.message && *job.message > messages.size()) {
    errors += fmt::format("ringmail mime: {}: there are {} messages, not {}\n", job.file,
                          messages.size(), *job.message);
    return Number(ExitCode::kFailed);
  }
  if (job.verb == "extract" && !job.message && messages.size() > 1) {
    errors += fmt::format("ringmail mime: {} is an mbox of {} messages: say --message N\n",
                          job.file, messages.size());
    return Number(ExitCode::kUsage);
  }
  MimeRun run(job, out, errors);
  for (uint64_t number = 1; number <= messages.size(); ++number) {
    if (job.message && *job.message != number) continue;
    if (!run.Take(messages[number - 1], number)) return Number(ExitCode::kFailed);
  }
  return Number(run.code());
}

}  // namespace ringmail::server
