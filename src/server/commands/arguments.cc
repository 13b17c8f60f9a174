#include "server/commands/arguments.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "ringmail/base/check.h"
#include "server/config/nearest.h"

namespace ringmail::server {
namespace {

constexpr Option kHelpOption = {.name = "--help", .about = "says this"};

const Option* Find(const Usage& usage, std::string_view name) {
  if (name == kHelpOption.name || name == "-h") return &kHelpOption;
  const auto found = std::find_if(usage.options.begin(), usage.options.end(),
                                  [&](const Option& one) { return one.name == name; });
  return found == usage.options.end() ? nullptr : &*found;
}

int WrongUse(const Usage& usage, std::string_view what, std::string& errors) {
  errors += fmt::format("ringmail {}: {} (see ringmail {} --help)\n", usage.name, what, usage.name);
  return Number(ExitCode::kUsage);
}

std::string UnknownOption(const Usage& usage, std::string_view name) {
  std::vector<std::string_view> known = {kHelpOption.name};
  for (const Option& one : usage.options) known.push_back(one.name);
  const std::string_view nearest = Nearest(name, known);
  return fmt::format("unknown option '{}'{}", name,
                     nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
}

}  // namespace

std::string_view Meaning(ExitCode code) {
  switch (code) {
    case ExitCode::kOk:
      return "done";
    case ExitCode::kFailed:
      return "it could not be done, or a check failed; what was wrong is said on standard error";
    case ExitCode::kUsage:
      return "wrong arguments";
    case ExitCode::kConfiguration:
      return "the configuration cannot be read or is wrong";
    case ExitCode::kStore:
      return "the store is held by another process or cannot be opened";
    case ExitCode::kAddress:
      return "an address is in use, is not this machine's, or needs a right that is missing";
    case ExitCode::kSystem:
      return "the kernel or a container forbids io_uring, or a limit of the system is too low";
    case ExitCode::kUnreachable:
      return "no server answers";
    case ExitCode::kRefused:
      return "the server refused for good";
  }
  CHECK(false);
}

std::string Arguments::Help(const Usage& usage) {
  std::string help = fmt::format("usage: ringmail {}", usage.name);
  size_t width = kHelpOption.name.size();
  for (const Option& one : usage.options) {
    const std::string word = one.value_name.empty()
                                 ? std::string(one.name)
                                 : fmt::format("{} {}", one.name, one.value_name);
    help += fmt::format(" {}{}{}{}", one.needed ? "" : "[", word, one.needed ? "" : "]",
                        one.repeatable ? "..." : "");
    width = std::max(width, word.size());
  }
  if (!usage.operands.empty()) help += fmt::format(" {}", usage.operands);
  help += fmt::format("\n\n{}\n", usage.about);
  const auto line = [&](const Option& one) {
    const std::string word = one.value_name.empty()
                                 ? std::string(one.name)
                                 : fmt::format("{} {}", one.name, one.value_name);
    help += fmt::format("  {:<{}}  {}\n", word, width, one.about);
  };
  for (const Option& one : usage.options) line(one);
  line(kHelpOption);
  help += "\nExit codes:\n";
  for (ExitCode code : usage.exit_codes)
    help += fmt::format("  {}  {}\n", Number(code), Meaning(code));
  return help;
}

std::optional<int> Arguments::Read(const Usage& usage, std::span<const std::string_view> arguments,
                                   std::string& out, std::string& errors) {
  bool only_operands = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    if (only_operands || !word.starts_with('-') || word == "-") {
      operands_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_operands = true;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const Option* option = Find(usage, name);
    if (option == nullptr) return WrongUse(usage, UnknownOption(usage, name), errors);
    if (option == &kHelpOption) {
      out += Help(usage);
      return Number(ExitCode::kOk);
    }
    Given given{.name = option->name};
    if (option->value_name.empty()) {
      if (equals != word.npos)
        return WrongUse(usage, fmt::format("{} takes no value", name), errors);
    } else if (equals != word.npos) {
      given.value = word.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      given.value = arguments[++i];
    } else {
      return WrongUse(usage, fmt::format("{} needs {}", name, option->value_name), errors);
    }
    if (!option->repeatable && Has(option->name)) {
      return WrongUse(usage, fmt::format("{} is given twice", name), errors);
    }
    given_.push_back(given);
  }
  for (const Option& one : usage.options) {
    if (one.needed && !Has(one.name))
      return WrongUse(usage, fmt::format("{} is needed", one.name), errors);
  }
  if (operands_.size() < usage.operands_min) {
    return WrongUse(usage, fmt::format("{} is needed", usage.operands), errors);
  }
  if (operands_.size() > usage.operands_max) {
    return WrongUse(usage, fmt::format("unknown argument '{}'", operands_[usage.operands_max]),
                    errors);
  }
  return std::nullopt;
}

std::optional<std::string_view> Arguments::Get(std::string_view option) const {
  const auto found = std::find_if(given_.rbegin(), given_.rend(),
                                  [&](const Given& one) { return one.name == option; });
  if (found == given_.rend()) return std::nullopt;
  return found->value;
}

std::vector<std::string_view> Arguments::All(std::string_view option) const {
  std::vector<std::string_view> values;
  for (const Given& one : given_) {
    if (one.name == option) values.push_back(one.value);
  }
  return values;
}

std::optional<uint64_t> ParseCount(std::string_view text, uint64_t min, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max)
    return std::nullopt;
  return value;
}

}  // namespace ringmail::server
