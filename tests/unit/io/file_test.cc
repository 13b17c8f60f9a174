// Files and directories on a real file system, with every fallback.
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ringmail/io/file.h"
#include "ringmail/io/gate.h"
#include "shard_test.h"

namespace ringmail::io {
namespace {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = testing::TempDir() + "ringmail-io-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

INSTANTIATE_TEST_SUITE_P(Each, Fallbacks, testing::ValuesIn(kFeaturesOff));

TEST_P(Fallbacks, WhatWasWrittenDurablyIsReadBack) {
  TemporaryDirectory directory;
  RunOnShards(
      Options(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        auto opened = co_await File::Open(dir / "log", OpenMode::kCreate, Access::kDirect);
        CO_ASSERT_TRUE(opened.ok());
        File file = *std::move(opened);
        DmaBuffer buffer(8 * kBlockBytes);
        EXPECT_EQ(buffer.registered_index() >= 0, Shard::Here().features().registered_buffers);
        for (size_t i = 0; i < buffer.size(); ++i)
          buffer.data()[i] = static_cast<char>('A' + i / kBlockBytes);
        const std::string_view all(buffer.data(), buffer.size());
        EXPECT_TRUE((co_await file.Write(0, all, Durability::kDurable, &buffer)).ok());
        EXPECT_TRUE((co_await file.Write(all.size(), all.substr(kBlockBytes, kBlockBytes),
                                         Durability::kNone, &buffer))
                        .ok());
        EXPECT_TRUE((co_await file.Sync()).ok());
        EXPECT_EQ(*co_await file.Size(), all.size() + kBlockBytes);
        DmaBuffer back(16 * kBlockBytes);
        const auto count = co_await file.Read(0, {back.data(), back.size()});
        CO_ASSERT_TRUE(count.ok());
        EXPECT_EQ(*count, all.size() + kBlockBytes);
        EXPECT_EQ(std::memcmp(back.data(), buffer.data(), buffer.size()), 0);
        EXPECT_EQ(back.data()[buffer.size()], 'B');
        EXPECT_EQ(*co_await file.Read(100 * kBlockBytes, {back.data(), back.size()}), 0u);
        EXPECT_TRUE((co_await file.Truncate(kBlockBytes)).ok());
        EXPECT_EQ(*co_await file.Size(), kBlockBytes);
        co_await file.Close();
        EXPECT_FALSE(file.open());
      },
      &directory);
}

TEST_P(Fallbacks, FilesOfTheLogAreRegisteredWhileThereIsRoomAndUsedAlikeBeyond) {
  TemporaryDirectory directory;
  RunOnShards(
      Options(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        Shard& shard = Shard::Here();
        const uint32_t room = shard.features().registered_files ? kRegisteredFilesMax : 0;
        constexpr uint32_t kFiles = kRegisteredFilesMax + 2;
        DmaBuffer block(kBlockBytes);
        const auto buffered =
            co_await File::Open(dir / "other", OpenMode::kCreate, Access::kBuffered);
        CO_ASSERT_TRUE(buffered.ok());
        EXPECT_EQ(shard.registered_files(), 0u);
        std::vector<File> files;
        for (uint32_t i = 0; i < kFiles; ++i) {
          auto file =
              co_await File::Open(dir / std::to_string(i), OpenMode::kCreate, Access::kDirect);
          CO_ASSERT_TRUE(file.ok());
          files.push_back(*std::move(file));
          EXPECT_EQ(shard.registered_files(), std::min(i + 1, room));
          block.data()[0] = static_cast<char>(i);
          const Status written =
              co_await files[i].Write(0, {block.data(), kBlockBytes}, Durability::kDurable, &block);
          EXPECT_TRUE(written.ok()) << written;
          EXPECT_TRUE((co_await files[i].Sync()).ok());
        }
        // A slot that was given back serves the next file, and only that.
        co_await files[0].Close();
        EXPECT_EQ(shard.registered_files(), room - (room > 0 ? 1 : 0));
        auto again = co_await File::Open(dir / "1", OpenMode::kReadWrite, Access::kDirect);
        CO_ASSERT_TRUE(again.ok());
        files[0] = *std::move(again);
        EXPECT_EQ(shard.registered_files(), room);
        for (uint32_t i = 0; i < kFiles; ++i) {
          const auto count = co_await files[i].Read(0, {block.data(), kBlockBytes});
          CO_ASSERT_TRUE(count.ok());
          EXPECT_EQ(*count, kBlockBytes);
          EXPECT_EQ(block.data()[0], static_cast<char>(i == 0 ? 1 : i));
        }
        files.clear();
        EXPECT_EQ(shard.registered_files(), 0u);
      },
      &directory);
}

TEST_P(Fallbacks, ModesOfOpeningKeepTheirPromises) {
  TemporaryDirectory directory;
  RunOnShards(
      Options(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        EXPECT_EQ(
            (co_await File::Open(dir / "f", OpenMode::kRead, Access::kBuffered)).status().code(),
            absl::StatusCode::kNotFound);
        {
          auto file = co_await File::Open(dir / "f", OpenMode::kCreate, Access::kBuffered);
          CO_ASSERT_TRUE(file.ok());
          EXPECT_FALSE(file->direct());
          EXPECT_TRUE((co_await file->Write(0, "odd bytes", Durability::kDurable)).ok());
        }
        EXPECT_EQ(
            (co_await File::Open(dir / "f", OpenMode::kCreate, Access::kDirect)).status().code(),
            absl::StatusCode::kAlreadyExists);
        {
          auto file = co_await File::Open(dir / "f", OpenMode::kReadWrite, Access::kBuffered);
          char text[32];
          CO_ASSERT_TRUE(file.ok());
          EXPECT_EQ(*co_await file->Read(4, text), 5u);
          EXPECT_EQ(std::string_view(text, 5), "bytes");
        }
        auto file = co_await File::Open(dir / "f", OpenMode::kCreateOrReplace, Access::kBuffered);
        CO_ASSERT_TRUE(file.ok());
        EXPECT_EQ(*co_await file->Size(), 0u);
        const auto read_only = co_await File::Open(dir / "f", OpenMode::kRead, Access::kBuffered);
        CO_ASSERT_TRUE(read_only.ok());
      },
      &directory);
}

TEST_P(Fallbacks, DirectoriesAreMadeListedRenamedAndRemoved) {
  TemporaryDirectory directory;
  RunOnShards(
      Options(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        EXPECT_TRUE((co_await CreateDirectory(dir / "sub")).ok());
        EXPECT_TRUE((co_await CreateDirectory(dir / "sub")).ok());
        struct stat found;
        EXPECT_EQ(stat((dir / "sub").c_str(), &found), 0);
        EXPECT_EQ(found.st_mode & 0777, 0700u);
        for (const char* name : {"sub/c", "sub/a", "sub/b"}) {
          EXPECT_TRUE((co_await File::Open(dir / name, OpenMode::kCreate, Access::kBuffered)).ok());
        }
        EXPECT_EQ((co_await CreateDirectory(dir / "sub/a")).code(),
                  absl::StatusCode::kAlreadyExists);
        EXPECT_TRUE((co_await Rename(dir / "sub/c", dir / "sub/d")).ok());
        EXPECT_TRUE((co_await SyncDirectory(dir / "sub")).ok());
        const auto names = co_await ListDirectory(dir / "sub");
        CO_ASSERT_TRUE(names.ok());
        EXPECT_EQ(*names, (std::vector<std::string>{"a", "b", "d"}));
        EXPECT_FALSE((co_await Remove(dir / "sub")).ok());
        for (const char* name : {"sub/a", "sub/b", "sub/d", "sub"}) {
          EXPECT_TRUE((co_await Remove(dir / name)).ok()) << name;
        }
        EXPECT_EQ((co_await Remove(dir / "sub")).code(), absl::StatusCode::kNotFound);
        EXPECT_EQ((co_await ListDirectory(dir / "sub")).status().code(),
                  absl::StatusCode::kNotFound);
        EXPECT_EQ((co_await SyncDirectory(dir / "sub")).code(), absl::StatusCode::kNotFound);
        EXPECT_EQ((co_await Rename(dir / "x", dir / "y")).code(), absl::StatusCode::kNotFound);
        const auto free_bytes = co_await FreeBytes(dir.path());
        CO_ASSERT_TRUE(free_bytes.ok());
        EXPECT_GT(*free_bytes, 0u);
      },
      &directory);
}

// P11: a thousand writes at once, of which kFileOperationsMax are with the kernel.
TEST_P(Fallbacks, MoreWritesAtOnceThanTheLimitWaitTheirTurn) {
  TemporaryDirectory directory;
  RunOnShards(
      Options(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        auto opened = co_await File::Open(dir / "log", OpenMode::kCreate, Access::kBuffered);
        CO_ASSERT_TRUE(opened.ok());
        Gate gate;
        int written = 0;
        uint64_t in_flight_max = 0;
        for (uint64_t i = 0; i < 4 * kFileOperationsMax; ++i) {
          gate.Spawn([](File* file, uint64_t at, int* count, uint64_t* most) -> Task<void> {
            if ((co_await file->Write(at * 4, "abc\n", Durability::kNone)).ok()) ++*count;
            *most = std::max(*most, Shard::Here().ring().in_flight());
          }(&*opened, i, &written, &in_flight_max));
        }
        EXPECT_LE(Shard::Here().ring().in_flight(), kFileOperationsMax + 2);
        co_await gate.Close();
        EXPECT_EQ(written, static_cast<int>(4 * kFileOperationsMax));
        EXPECT_LE(in_flight_max, kFileOperationsMax + 2);
        EXPECT_EQ(*co_await opened->Size(), 16 * kFileOperationsMax);
      },
      &directory);
}

TEST(File, ADiskThatIsFullIsResourceExhaustedAndNamesTheFile) {
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    auto file = co_await File::Open("/dev/full", OpenMode::kReadWrite, Access::kBuffered);
    CO_ASSERT_TRUE(file.ok());
    const Status status = co_await file->Write(0, "x", Durability::kNone);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_NE(std::string(status.message()).find("/dev/full"), std::string::npos);
  });
}

// The kernel takes what fits under the limit and says so: a short write, as on a disk with room for
// a part.
TEST(File, AWriteThatTheKernelCutsShortIsFinishedOrFails) {
  TemporaryDirectory directory;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = signal(SIGXFSZ, SIG_IGN);
  const rlimit least{.rlim_cur = 300'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &least), 0);
  RunOnShards(
      TestOptions(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        auto file = co_await File::Open(dir / "cut", OpenMode::kCreate, Access::kBuffered);
        CO_ASSERT_TRUE(file.ok());
        const std::string bytes(500'000, 'x');
        EXPECT_TRUE((co_await file->Write(100'000, std::string_view(bytes).substr(0, 200'000),
                                          Durability::kDurable))
                        .ok());
        const Status status = co_await file->Write(0, bytes, Durability::kDurable);
        EXPECT_FALSE(status.ok());
        EXPECT_NE(std::string(status.message()).find("/cut"), std::string::npos) << status;
        EXPECT_EQ(*co_await file->Size(), 300'000u);
      },
      &directory);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, ignored);
}

// What procfs renders comes a page at a time.
TEST(File, AReadThatTheKernelCutsShortIsFinished) {
  static std::string expected;
  std::ifstream symbols("/proc/kallsyms", std::ios::binary);
  expected.assign(std::istreambuf_iterator<char>(symbols), {});
  if (expected.size() < 2 * kBlockBytes) GTEST_SKIP() << "this kernel shows no /proc/kallsyms";
  RunOnShards(TestOptions(), [](void*) -> Task<void> {
    auto file = co_await File::Open("/proc/kallsyms", OpenMode::kRead, Access::kBuffered);
    CO_ASSERT_TRUE(file.ok());
    std::string read(expected.size(), '\0');
    EXPECT_EQ(*co_await file->Read(0, {read.data(), read.size()}), expected.size());
    EXPECT_TRUE(read == expected);
  });
}

TEST(File, AnExaminedPathSaysWhatItIsAndHoldsItsDate) {
  TemporaryDirectory directory;
  RunOnShards(
      TestOptions(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        auto file = co_await File::Open(dir / "one", OpenMode::kCreate, Access::kBuffered);
        CO_ASSERT_TRUE(file.ok());
        EXPECT_TRUE((co_await file->Write(0, "12345", Durability::kNone)).ok());
        const WallTime when = FromUnixSeconds(951782399) + std::chrono::nanoseconds(7);
        EXPECT_TRUE((co_await SetModified(dir / "one", when)).ok());
        const auto facts = co_await Examine(dir / "one");
        CO_ASSERT_TRUE(facts.ok());
        EXPECT_EQ(facts->kind, FileFacts::Kind::kFile);
        EXPECT_EQ(facts->bytes, 5u);
        EXPECT_EQ(facts->modified, when);
        EXPECT_EQ((co_await Examine(dir / "."))->kind, FileFacts::Kind::kDirectory);
        EXPECT_TRUE(absl::IsNotFound((co_await Examine(dir / "two")).status()));
        EXPECT_TRUE(absl::IsNotFound(co_await SetModified(dir / "two", when)));
      },
      &directory);
}

TEST(File, MoreBuffersThanCanBeRegisteredAreStillGoodForWriting) {
  TemporaryDirectory directory;
  RunOnShards(
      TestOptions(),
      [](void* context) -> Task<void> {
        const auto& dir = *static_cast<TemporaryDirectory*>(context);
        auto file = co_await File::Open(dir / "log", OpenMode::kCreate, Access::kDirect);
        CO_ASSERT_TRUE(file.ok());
        std::vector<DmaBuffer> buffers;
        for (int i = 0; i < 100; ++i) buffers.emplace_back(kBlockBytes);
        EXPECT_EQ(buffers.back().registered_index(), -1);
        for (size_t i = 0; i < buffers.size(); ++i) {
          EXPECT_TRUE((co_await file->Write(i * kBlockBytes, {buffers[i].data(), kBlockBytes},
                                            Durability::kDurable, &buffers[i]))
                          .ok());
        }
        buffers.clear();
        EXPECT_GE(DmaBuffer(kBlockBytes).registered_index(), 0);
      },
      &directory);
}

}  // namespace
}  // namespace ringmail::io
