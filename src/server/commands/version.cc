#include "server/commands/version.h"

#include <array>

#include <fmt/format.h>

#include "ringmail/codec/kernel.h"
#include "server/commands/arguments.h"
#include "server/control/json_writer.h"

namespace ringmail::server {
namespace {

constexpr Option kOptions[] = {{.name = "--json", .about = "as one JSON object"}};
constexpr ExitCode kExitCodes[] = {ExitCode::kOk, ExitCode::kUsage};
constexpr Usage kUsage = {
    .name = "version",
    .about = "Prints the version, the compiler, and which codec kernel this CPU runs.\n",
    .options = kOptions,
    .exit_codes = kExitCodes};

}  // namespace

int VersionCommand(std::span<const std::string_view> arguments, std::string& out,
                   std::string& errors) {
  Arguments given;
  if (const auto code = given.Read(kUsage, arguments, out, errors)) return *code;
  const std::string_view kernel = codec::KernelName(codec::ActiveKernel());
  if (given.Has("--json")) {
    JsonWriter json(out);
    json.BeginObject();
    json.Key("version")
        .String(RINGMAIL_VERSION)
        .Key("compiler")
        .String(__VERSION__)
        .Key("codec_kernel")
        .String(kernel);
    json.EndObject();
    out += '\n';
  } else {
    out += fmt::format("ringmail {}\ncompiler {}\ncodec kernel {}\n", RINGMAIL_VERSION, __VERSION__,
                       kernel);
  }
  return Number(ExitCode::kOk);
}

}  // namespace ringmail::server
