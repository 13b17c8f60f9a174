// The arguments of a command, read by a table that is also its --help. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/commands/exit_code.h"

namespace ringmail::server {

struct Option {
  std::string_view name;        // "--config"
  std::string_view value_name;  // "FILE"; "" is a flag
  std::string_view about;
  bool repeatable = false;
  bool needed = false;
};

// A command as its user sees it.
struct Usage {
  std::string_view name;      // "queue"
  std::string_view operands;  // "DIR", "" for none, as usage shows them
  uint32_t operands_min = 0;
  uint32_t operands_max = 0;
  std::string_view about;  // paragraphs, ending in a line end
  std::span<const Option> options;
  std::span<const ExitCode> exit_codes;
};

class Arguments {
 public:
  // The whole of --help.
  static std::string Help(const Usage& usage);

  // Reads `arguments`. A number is the exit code to end with: 0 after --help, which is then in
  // `out`; kUsage with what is wrong in `errors`.
  std::optional<int> Read(const Usage& usage, std::span<const std::string_view> arguments,
                          std::string& out, std::string& errors);

  bool Has(std::string_view option) const { return Get(option).has_value(); }
  // The value last given; "" for a flag.
  std::optional<std::string_view> Get(std::string_view option) const;
  std::string_view GetOr(std::string_view option, std::string_view otherwise) const {
    return Get(option).value_or(otherwise);
  }
  std::vector<std::string_view> All(std::string_view option) const;
  const std::vector<std::string_view>& operands() const { return operands_; }

 private:
  struct Given {
    std::string_view name, value;
  };
  std::vector<Given> given_;
  std::vector<std::string_view> operands_;
};

// Digits alone, from `min` to `max`.
std::optional<uint64_t> ParseCount(std::string_view text, uint64_t min, uint64_t max);

}  // namespace ringmail::server
