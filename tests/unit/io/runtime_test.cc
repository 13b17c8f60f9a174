// The process's side: probing, refusing, listening, locks, the log, and memory in steady state.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "io/kernel/kernel_features.h"
#include "io/kernel/socket_address.h"
#include "ringmail/base/log.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/process.h"
#include "shard_test.h"

#ifndef RINGMAIL_SANITIZED
namespace {
// What this test program has asked of operator new, on any thread.
std::atomic<uint64_t> allocations{0};
}  // namespace

void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace ringmail::io {
namespace {

TEST(Kernel, IsProbedAndReported) {
  const KernelReport report = ProbeKernel();
  ASSERT_TRUE(report.usable.ok()) << report.usable;
  EXPECT_FALSE(report.release.empty());
  EXPECT_EQ(report.features.size(), std::size(kFeatureNames));
  for (const KernelFeature& feature : report.features) {
    EXPECT_FALSE(feature.name.empty());
    EXPECT_FALSE(feature.without.empty());
  }
}

TEST(Kernel, SaysWhatForbidsItAndWhatToDo) {
  const auto text = [](int error, int disabled, bool seccomp) {
    return std::string(ExplainSetupFailure(error, disabled, seccomp).message());
  };
  EXPECT_NE(text(EPERM, 2, false).find("sysctl -w kernel.io_uring_disabled=0"), std::string::npos);
  EXPECT_NE(text(EPERM, 1, false).find("kernel.io_uring_group"), std::string::npos);
  EXPECT_NE(text(EPERM, 0, true).find("seccomp"), std::string::npos);
  EXPECT_NE(text(EPERM, -1, false).find("security module"), std::string::npos);
  EXPECT_NE(text(ENOSYS, -1, false).find("6.1"), std::string::npos);
  EXPECT_NE(text(ENOSYS, -1, true).find("seccomp"), std::string::npos);
  EXPECT_NE(text(ENOMEM, -1, false).find("LimitMEMLOCK=infinity"), std::string::npos);
  EXPECT_NE(text(EMFILE, -1, false).find("LimitNOFILE"), std::string::npos);
  EXPECT_NE(text(EINVAL, -1, false).find("6.1"), std::string::npos);
}

// As Docker's default profile does: io_uring_setup answers `error`.
bool ForbidRings(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

Task<void> Nothing(void*) { co_return; }

// Runs in a child process: a filter cannot be taken off again.
void RunForbidden(int error) {
  if (!ForbidRings(error)) _exit(1);
  const Status status = RunShards(TestOptions(), &Nothing, nullptr);
  fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  _exit(status.ok() ? 0 : 42);
}

TEST(KernelDeathTest, AContainerThatForbidsRingsIsToldFromAKernelWithoutThem) {
  EXPECT_EXIT(RunForbidden(EPERM), testing::ExitedWithCode(42), "seccomp filter forbids it");
  EXPECT_EXIT(RunForbidden(ENOSYS), testing::ExitedWithCode(42), "seccomp filter hides");
  EXPECT_EXIT(RunForbidden(ENOMEM), testing::ExitedWithCode(42), "LimitMEMLOCK=infinity");
}

TEST(Runtime, AnUnknownFeatureOrAnImpossibleOptionIsAnError) {
  EXPECT_EQ(RunShards(TestOptions("warp-drive"), &Nothing, nullptr).code(),
            absl::StatusCode::kInvalidArgument);
  RuntimeOptions options = TestOptions();
  options.receive_buffers = 1000;
  EXPECT_EQ(RunShards(options, &Nothing, nullptr).code(), absl::StatusCode::kInvalidArgument);
  options = TestOptions();
  options.shard_count = 0;
  EXPECT_EQ(RunShards(options, &Nothing, nullptr).code(), absl::StatusCode::kInvalidArgument);
  options = TestOptions();
  options.log_path = "/nonexistent/log";
  EXPECT_EQ(RunShards(options, &Nothing, nullptr).code(), absl::StatusCode::kNotFound);
}

TEST(Runtime, RunsOneAfterAnotherInOneProcess) {
  for (int i = 0; i < 5; ++i) {
    RuntimeOptions options = TestOptions();
    options.shard_count = 3;
    ASSERT_TRUE(RunShards(options, &Nothing, nullptr).ok());
  }
  EXPECT_FALSE(OnShard());
}

std::string MakeDirectory() {
  std::string name = testing::TempDir() + "ringmail-io-XXXXXX";
  CHECK(mkdtemp(name.data()) != nullptr);
  return name;
}

TEST(Runtime, TheLogHasEveryLineOfEveryShardAndIsReopenedAfterARotation) {
  const std::string directory = MakeDirectory();
  RuntimeOptions options = TestOptions();
  options.shard_count = 2;
  options.log_path = directory + "/log";
  static std::string path;
  path = options.log_path;
  RunOnShards(options, [](void*) -> Task<void> {
    for (int i = 0; i < 500; ++i) {
      LogLine(ShardLog(), LogLevel::kInfo, "before")
          .Field("shard", ThisShard().value)
          .Field("number", i);
    }
    if (ThisShard().value != 0) co_return;
    struct stat found {};
    while (stat(path.c_str(), &found) != 0 || found.st_size == 0)
      co_await SleepUntil(Now() + kTimerTick);
    // A rotation: the writer goes on in the old file until it is told.
    std::filesystem::rename(path, path + ".1");
    ReopenLog();
    while (stat(path.c_str(), &found) != 0) co_await SleepUntil(Now() + kTimerTick);
    LogLine(ShardLog(), LogLevel::kInfo, "after");
  });
  const std::string old_text = *ReadWholeFile(path + ".1", 1 << 20);
  const std::string text = *ReadWholeFile(path, 1 << 20);
  size_t lines = 0;
  for (const char c : old_text + text) lines += c == '\n' ? 1 : 0;
  EXPECT_EQ(lines, 1001u);
  EXPECT_NE(text.find("event=after"), std::string::npos);
  EXPECT_EQ(old_text.find("event=after"), std::string::npos);
  std::filesystem::remove_all(directory);
}

TEST(Runtime, LinesThatFindTheirBufferFullAreCounted) {
  const std::string directory = MakeDirectory();
  RuntimeOptions options = TestOptions();
  options.log_path = directory + "/log";
  RunOnShards(options, [](void*) -> Task<void> {
    const std::string value(400, 'x');
    // Without a pause, more than the buffer holds.
    for (int i = 0; i < 50'000 && ShardLog().dropped() == 0; ++i) {
      LogLine(ShardLog(), LogLevel::kInfo, "flood").Field("value", value);
    }
    EXPECT_GT(ShardLog().dropped(), 0u);
    co_return;
  });
  EXPECT_NE(ReadWholeFile(directory + "/log", 64u << 20)->find("event=log_lines_dropped lines="),
            std::string::npos);
  std::filesystem::remove_all(directory);
}

// In a child: signals are the process's.
void RunSignals(int second) {
  CaptureSignals();
  static int second_signal;
  second_signal = second;
  const Status status = RunShards(
      TestOptions(),
      [](void*) -> Task<void> {
        if (co_await NextSignal(Now() + kTimerTick) != Signal::kNone) _exit(1);
        kill(getpid(), SIGHUP);
        if (co_await NextSignal(Soon()) != Signal::kReload) _exit(2);
        kill(getpid(), SIGTERM);
        if (co_await NextSignal(Soon()) != Signal::kTerminate) _exit(3);
        kill(getpid(), second_signal);
        if (co_await NextSignal(Soon()) != Signal::kReload) _exit(4);
        _exit(5);
      },
      nullptr);
  _exit(status.ok() ? 6 : 7);
}

TEST(SignalDeathTest, ReloadAndTerminateAreValuesAndASecondTerminateEndsTheProcess) {
  EXPECT_EXIT(RunSignals(SIGINT), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(RunSignals(SIGHUP), testing::ExitedWithCode(5), "");
}

TEST(Listener, APortInUseIsAnErrorThatNamesItAlsoWhereSharingWouldBeAllowed) {
  ListenOptions options;
  options.endpoint = *Endpoint::Parse("127.0.0.1:0");
  auto first = OpenListeners(options, 3);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->size(), 3u);
  EXPECT_NE((*first)[0].local().port, 0);
  EXPECT_EQ((*first)[0].local(), (*first)[2].local());
  options.endpoint = (*first)[0].local();
  const auto second = OpenListeners(options, 3);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(std::string(second.status().message()).find(options.endpoint.ToString()),
            std::string::npos);
  options.endpoint = *Endpoint::Parse("192.0.2.1:25");
  EXPECT_FALSE(OpenListeners(options, 1).ok());
}

void MakeStaleSocket(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
}

TEST(Listener, AUnixSocketReplacesAStaleFileAndRefusesALiveOneOrAnotherKindOfFile) {
  const std::string directory = MakeDirectory();
  ListenOptions options;
  options.endpoint = *Endpoint::Parse("unix:" + directory + "/control.sock");
  {
    auto first = OpenListeners(options, 2);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_TRUE((*first)[0].open());
    EXPECT_FALSE((*first)[1].open());
    struct stat found {};
    EXPECT_EQ(stat(options.endpoint.unix_path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u);
    EXPECT_EQ(OpenListeners(options, 1).status().code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_FALSE(std::filesystem::exists(options.endpoint.unix_path)) << "it went with the listener";
  {
    auto first = OpenListeners(options, 1);
    ASSERT_TRUE(first.ok());
    // As after a process that was killed, whose file another has replaced.
    std::filesystem::remove(options.endpoint.unix_path);
    const auto second = OpenListeners(options, 1);
    ASSERT_TRUE(second.ok());
    first->clear();
    EXPECT_TRUE(std::filesystem::exists(options.endpoint.unix_path)) << "it is the second's";
  }
  MakeStaleSocket(options.endpoint.unix_path);
  options.unix_mode = 0660;
  {
    const auto again = OpenListeners(options, 1);
    ASSERT_TRUE(again.ok()) << again.status();
    struct stat found {};
    EXPECT_EQ(stat(options.endpoint.unix_path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0660u);
  }
  options.unix_group = "no such group";
  EXPECT_EQ(OpenListeners(options, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(options.endpoint.unix_path));
  options.unix_group = "";
  options.endpoint.unix_path = directory + "/file";
  fclose(fopen(options.endpoint.unix_path.c_str(), "w"));
  EXPECT_EQ(OpenListeners(options, 1).status().code(), absl::StatusCode::kAlreadyExists);
  std::filesystem::remove_all(directory);
}

TEST(Listener, AUnixSocketCarriesAConversation) {
  static std::string directory;
  directory = MakeDirectory();
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    ListenOptions options;
    options.endpoint = *Endpoint::Parse("unix:" + directory + "/control.sock");
    auto listeners = OpenListeners(options, 1);
    CO_ASSERT_TRUE(listeners.ok());
    Pair pair = co_await MakePair(listeners->front());
    pair.client.Write("GET / HTTP/1.1\r\n");
    EXPECT_EQ(co_await pair.client.Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await ReadBytes(pair.server, 16), "GET / HTTP/1.1\r\n");
    EXPECT_EQ(pair.server.local(), options.endpoint);
    pair.client.Abort();
    EXPECT_EQ(co_await pair.server.Receive(Soon()), StreamStatus::kEnd);
  });
  std::filesystem::remove_all(directory);
}

TEST(Process, OnlyOneHoldsADirectoryAndTheOtherIsToldWho) {
  const std::string directory = MakeDirectory() + "/data";
  {
    const auto first = DirectoryLock::Acquire(directory, "");
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = DirectoryLock::Acquire(directory, "");
    EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_NE(std::string(second.status().message()).find(std::to_string(getpid())),
              std::string::npos);
    struct stat found {};
    EXPECT_EQ(stat(directory.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u);
  }
  EXPECT_TRUE(DirectoryLock::Acquire(directory, "").ok());
  std::filesystem::remove_all(std::filesystem::path(directory).parent_path());
}

// As a killed process whose ring still has requests with the kernel: the lock's file is open in
// somebody else, and who took the lock is no more.
TEST(Process, ALockThatOnlyADeadProcessLeftIsWaitedFor) {
  const std::string directory = MakeDirectory() + "/data";
  const pid_t holder = fork();
  if (holder == 0) {
    const auto lock = DirectoryLock::Acquire(directory, "");
    if (!lock.ok()) _exit(1);
    if (fork() == 0) {
      usleep(300'000);  // the disk takes its time
      _exit(rmdir((directory + "/held").c_str()));
    }
    _exit(mkdir((directory + "/held").c_str(), 0700));
  }
  int status = -1;
  ASSERT_EQ(waitpid(holder, &status, 0), holder);
  ASSERT_EQ(status, 0);
  const auto lock = DirectoryLock::Acquire(directory, "");
  EXPECT_TRUE(lock.ok()) << lock.status();
  EXPECT_FALSE(std::filesystem::exists(directory + "/held")) << "taken while it was still held";
  std::filesystem::remove_all(std::filesystem::path(directory).parent_path());
}

TEST(Process, AFileLargerThanAllowedIsNotRead) {
  const std::string directory = MakeDirectory();
  const std::string path = directory + "/f";
  FILE* file = fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs("0123456789", file);
  fclose(file);
  EXPECT_EQ(*ReadWholeFile(path, 10), "0123456789");
  EXPECT_EQ(ReadWholeFile(path, 9).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadWholeFile(directory + "/none", 9).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::remove_all(directory);
}

TEST(Process, AStampTellsOneStateOfAFileFromTheNext) {
  const std::string directory = MakeDirectory();
  const std::string path = directory + "/f";
  EXPECT_TRUE(absl::IsNotFound(StampOfFile(path).status()));
  ASSERT_TRUE(WriteSecretFile(path, "one").ok());
  const FileStamp first = *StampOfFile(path);
  EXPECT_EQ(first, *StampOfFile(path));
  EXPECT_EQ(first.bytes, 3u);
  ASSERT_TRUE(WriteSecretFile(path, "two").ok());
  EXPECT_FALSE(first == *StampOfFile(path));
  std::filesystem::remove_all(directory);
}

TEST(Process, ACompanionReadsItsInputAndItsEndWhenItsOwnerIsGone) {
  const std::string directory = MakeDirectory();
  const std::string path = directory + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  {
    const auto companion = Companion::Start(
        "/bin/sh", {"-c", "read line; echo \"$0 $line\" > \"$1\"; cat", "said", path},
        "what it is told\n");
    ASSERT_TRUE(companion.ok()) << companion.status();
    EXPECT_EQ(*ReadWholeFile(path, 100), "said what it is told\n");
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), 0) << "its input has not ended";
  }
  int status = -1;
  EXPECT_GT(waitpid(-1, &status, 0), 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(absl::IsNotFound(Companion::Start(directory + "/none", {}, "").status()));
  std::filesystem::remove_all(directory);
}

void BecomeNobody() {
  if (!DropPrivileges("nobody").ok()) _exit(1);
  if (RunningAsRoot() || setuid(0) == 0) _exit(2);
  // The one right that is kept: a low port.
  ListenOptions options;
  options.endpoint = *Endpoint::Parse("127.0.0.77:77");
  if (!OpenListeners(options, 1).ok()) _exit(3);
  if (DropPrivileges("nobody").ok() && chown("/", 0, 0) == 0) _exit(4);
  _exit(0);
}

TEST(ProcessDeathTest, PrivilegesAreGivenUpForGoodButForLowPorts) {
  if (!RunningAsRoot()) GTEST_SKIP() << "needs root";
  EXPECT_EXIT(BecomeNobody(), testing::ExitedWithCode(0), "");
  EXPECT_EQ(DropPrivileges("no-such-user-here").code(), absl::StatusCode::kNotFound);
}

TEST(Process, KnowsItsMemoryItsTimeAndItsLimits) {
  EXPECT_GT(ResidentBytes(), 1u << 20);
  EXPECT_GT(CpuMicroseconds(), 0u);
  EXPECT_GE(RaiseDescriptorLimit(), 64u);
  EXPECT_FALSE(HostName().empty());
  EXPECT_FALSE(Environment("RINGMAIL_NO_SUCH_VARIABLE").has_value());
}

#ifndef RINGMAIL_SANITIZED
Task<void> Converse(Stream* client, Stream* server, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    client->Write("MAIL FROM:<a@example.org>\r\n");
    EXPECT_EQ(co_await client->Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await server->Receive(Soon()), StreamStatus::kOk);
    server->Consume(server->input().size());
    server->Write("250 2.1.0 OK\r\n");
    EXPECT_EQ(co_await server->Flush(Soon()), StreamStatus::kOk);
    EXPECT_EQ(co_await client->Receive(Soon()), StreamStatus::kOk);
    client->Consume(client->input().size());
  }
}

TEST(Memory, ASteadyConversationDoesNotReachTheAllocator) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    Listener listener = ListenOnLoopback();
    Pair pair = co_await MakePair(listener);
    co_await Converse(&pair.client, &pair.server, 50);
    const uint64_t before = allocations.load();
    for (int i = 0; i < 20; ++i) co_await Converse(&pair.client, &pair.server, 50);
    EXPECT_EQ(allocations.load(), before);
  });
}
#else
TEST(Memory, ASteadyConversationDoesNotReachTheAllocator) {
  GTEST_SKIP() << "a sanitizer has its own operator new, which counts nothing";
}
#endif

}  // namespace
}  // namespace ringmail::io
