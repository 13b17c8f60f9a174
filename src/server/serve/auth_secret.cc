#include "server/serve/auth_secret.h"

#include <array>
#include <span>
#include <utility>

#include "ringmail/io/file.h"
#include "ringmail/io/shard.h"

namespace ringmail::server {
namespace {

io::Task<StatusOr<codec::Secret>> Make(std::string data_dir) {
  std::string octets;
  while (octets.size() < kAuthSecretBytes) {
    const uint64_t word = io::RandomUint64();
    for (unsigned shift = 0; shift < 64; shift += 8) {
      octets += static_cast<char>(static_cast<uint8_t>(word >> shift));
    }
  }
  codec::Secret secret(std::move(octets));
  const std::string path = data_dir + "/auth_secret", made = path + ".new";
  auto file = co_await io::File::Open(made, io::OpenMode::kCreateOrReplace, io::Access::kBuffered);
  if (!file.ok()) co_return file.status();
  const Status written = co_await file->Write(0, secret.view(), io::Durability::kDurable);
  co_await file->Close();
  if (!written.ok()) co_return written;
  CO_RETURN_IF_ERROR(co_await io::Rename(made, path));
  CO_RETURN_IF_ERROR(co_await io::SyncDirectory(data_dir));
  co_return secret;
}

}  // namespace

io::Task<StatusOr<codec::Secret>> LoadAuthSecret(std::string data_dir) {
  auto file = co_await io::File::Open(data_dir + "/auth_secret", io::OpenMode::kRead,
                                      io::Access::kBuffered);
  if (absl::IsNotFound(file.status())) co_return co_await Make(std::move(data_dir));
  if (!file.ok()) co_return file.status();
  std::array<char, kAuthSecretBytes + 1> octets{};
  const auto read = co_await file->Read(0, std::span<char>(octets));
  co_await file->Close();
  if (!read.ok()) co_return read.status();
  if (*read != kAuthSecretBytes) co_return co_await Make(std::move(data_dir));
  codec::Secret secret(std::string_view(octets.data(), kAuthSecretBytes));
  codec::Wipe(octets.data(), octets.size());
  co_return secret;
}

}  // namespace ringmail::server
