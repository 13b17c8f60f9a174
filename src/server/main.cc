// The program: runs the command that the first argument names (commands/command.cc has the table).
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "server/commands/command.h"

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::string out, errors;
  const int code = ringmail::server::RunCommand(arguments, out, errors);
  const bool printed = ringmail::server::Print(out);
  std::fwrite(errors.data(), 1, errors.size(), stderr);
  return printed || code != 0 ? code
                              : ringmail::server::Number(ringmail::server::ExitCode::kFailed);
}
