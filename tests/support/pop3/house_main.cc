// The POP3 service over the kernel's io and a house in memory, for clients that we did not write:
// two shards, of which one has the ports and the other the account, so that each session moves.
//
//   pop3_house PORT TLS_PORT CERTIFICATE KEY LETTERS
//
// LETTERS is a directory, whose files are ann's messages in the order of their names. At SIGTERM it
// prints how many are left.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "protocol/pop3/service.h"
#include "ringmail/base/check.h"
#include "ringmail/io/runtime.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "ringmail/io/tls.h"
#include "tests/support/pop3/house.h"

namespace ringmail::pop3 {
namespace {

struct Boot {
  House house;
  Pop3Options options;
  std::vector<io::Listener> plain, implicit;
  std::atomic<bool> stopping{false};
  std::atomic<int> stopped{0};
};

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  CHECK(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

io::Listener Open(const char* port) {
  auto opened =
      io::OpenListeners({.endpoint = *io::Endpoint::Parse("127.0.0.1:" + std::string(port))}, 1);
  CHECK(opened.ok());
  return std::move(opened->front());
}

constexpr Nanoseconds kGlance = std::chrono::milliseconds(10);

io::Task<void> Main(void* context) {
  Boot& boot = *static_cast<Boot*>(context);
  Service service(boot.house.MakeMaildrops(), boot.house, boot.options);
  if (io::ThisShard() == ShardIndex(0)) {
    Pop3ListenerOptions options;
    options.tls = ListenerTls::kStartTls;
    service.Listen(std::move(boot.plain.front()), options);
    options.tls = ListenerTls::kImplicit;
    service.Listen(std::move(boot.implicit.front()), options);
    while (co_await io::NextSignal(kNever) != io::Signal::kTerminate) {
    }
    boot.stopping = true;
  }
  while (!boot.stopping) co_await io::SleepUntil(io::Now() + kGlance);
  co_await service.Stop(io::Now() + std::chrono::seconds(5));
  // Each service lives until all have stopped.
  ++boot.stopped;
  while (boot.stopped < 2) co_await io::SleepUntil(io::Now() + kGlance);
}

int Run(char** arguments) {
  Boot boot;
  boot.options.hostname = "localhost";
  boot.options.apop = true;
  auto context =
      io::TlsContext::MakeServer({.identities = {{.certificate_pem = Contents(arguments[3]),
                                                  .private_key_pem = Contents(arguments[4])}}});
  CHECK(context.ok());
  boot.options.tls = *std::move(context);
  std::vector<std::filesystem::path> letters;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[5]))
    letters.push_back(entry.path());
  std::sort(letters.begin(), letters.end());
  for (const auto& letter : letters) boot.house.Deliver("ann", Contents(letter));
  boot.house.home = ShardIndex(1);
  boot.plain.push_back(Open(arguments[1]));
  boot.implicit.push_back(Open(arguments[2]));
  io::CaptureSignals();
  io::RuntimeOptions options;
  options.shard_count = 2;
  options.pin_threads = false;
  options.ring_entries = 256;
  const Status ran = io::RunShards(options, Main, &boot);
  CHECK(ran.ok());
  std::printf("%u\n", boot.house.messages("ann"));
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace ringmail::pop3

int main(int count, char** arguments) {
  CHECK_EQ(count, 6);
  return ringmail::pop3::Run(arguments);
}
