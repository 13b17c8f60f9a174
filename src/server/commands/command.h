// The commands of ringmail, in one table: main.cc runs the one that its first argument names.
//
// A command is a function of its arguments to an exit code; what it says goes to `out` and
// `errors`, which main prints. A command that says much prints as it goes (Print).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/commands/exit_code.h"
#include "server/config/config.h"

namespace ringmail::server {

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(std::span<const std::string_view> arguments, std::string& out, std::string& errors);
};

std::span<const Command> Commands();
// `ringmail` with these arguments (without the program's name).
int RunCommand(std::span<const std::string_view> arguments, std::string& out, std::string& errors);

// Writes what `out` holds to standard output and empties it. False: nobody reads any more.
bool Print(std::string& out);

inline constexpr std::string_view kDefaultConfigPath = "/etc/ringmail/ringmail.toml";
inline constexpr size_t kConfigBytesMax = 4u << 20;

// Reads and judges the configuration at `path`. Errors and warnings are added to `errors`, one line
// each; nullopt: unusable, and the exit code is kConfiguration.
std::optional<Config> LoadConfig(const std::string& path, std::string& errors);
// The certificates that `config`, from the file `path`, names. False: what is wrong is in `errors`,
// and so are warnings.
bool LoadTlsFiles(Config& config, const std::string& path,
                  std::shared_ptr<io::TlsTicketKeys> ticket_keys, std::string& errors);

// RINGMAIL_KERNEL forces a codec kernel (tests). A name it does not know, or the CPU lacks, is said
// in `errors`.
bool ApplyCodecKernel(std::string& errors);

}  // namespace ringmail::server
