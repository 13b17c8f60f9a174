// Accounts in a file of lines: Dovecot's passwd-file, Courier's userdb, /etc/passwd.
//
//   dovecot   user:password:uid:gid:gecos:home:shell:extra fields
//             Of the extra fields: userdb_quota_rule and quota_rule ("*:storage=1G:messages=1000"),
//             userdb_quota_storage_size, allow_nets, nologin and forward are obeyed. nopassword is
//             not: an account that any password opens cannot log in here. The others are for
//             Dovecot alone; their names are told once.
//   courier   user TAB field=value|field=value…  systempw, or else pop3pw, imappw, esmtppw; quota
//             ("10000000S,1000C")
//   passwd    name:password:uid:gid:gecos:home:shell; "x", "*" and "!…" are no passwords
//
// A user without "@" is one of every domain that asks. The first of two of one name counts.
//
// PasswdFile is one file, shared by all shards: whoever asks first in a second looks, on the
// blocking pool, whether it has another inode, size or time, and reads it whole. A file that cannot
// be read, or has a line that is none, leaves what was read before; the log has file and line.
// Limits: below. Memory: some 150 octets for each account, once for all shards.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ringmail/backend/account_backend.h"
#include "ringmail/base/status.h"
#include "ringmail/io/process.h"

namespace ringmail::backend {

inline constexpr size_t kPasswdFileBytesMax = 256u << 20;
inline constexpr size_t kPasswdLineBytesMax = 16u << 10;
inline constexpr size_t kPasswdWarningsMax = 20;

enum class PasswdFormat : uint8_t { kDovecot, kCourier, kPasswd };

class PasswdTable {
 public:
  // What is wrong is kInvalidArgument, "line 12: …". `warnings` gets what was passed over.
  static StatusOr<PasswdTable> Parse(std::string_view text, PasswdFormat format,
                                     std::string_view default_scheme,
                                     std::vector<std::string>& warnings);
  const BackendAccount* Find(const BackendQuestion& question) const;
  size_t size() const { return accounts_.size(); }

 private:
  absl::flat_hash_map<std::string, BackendAccount> accounts_;
};

using PasswdStamp = io::FileStamp;

// Ways to the file; called on the blocking pool.
struct PasswdReader {
  StatusOr<std::string> (*read)(const std::string& path, size_t bytes_max) = nullptr;
  StatusOr<PasswdStamp> (*stamp)(const std::string& path) = nullptr;
};

struct PasswdOptions {
  std::string path;
  PasswdFormat format = PasswdFormat::kDovecot;
  std::string default_scheme;
};

class PasswdFile {
 public:
  struct Loaded {
    PasswdTable table;
    PasswdStamp stamp;
    std::vector<std::string> warnings;
  };

  // Reads it. Blocks.
  static StatusOr<std::shared_ptr<PasswdFile>> Open(PasswdOptions options, PasswdReader reader);
  // Reads it again where it has changed. Blocks. An error leaves what there is.
  Status Refresh(bool& changed);
  std::shared_ptr<const Loaded> loaded() const { return loaded_.load(); }
  const std::string& path() const { return options_.path; }

 private:
  PasswdFile(PasswdOptions options, PasswdReader reader)
      : options_(std::move(options)), reader_(reader) {}
  StatusOr<std::shared_ptr<const Loaded>> Load(const PasswdStamp& stamp) const;

  const PasswdOptions options_;
  const PasswdReader reader_;
  // One table for all shards; each look-up keeps the one that it began with.
  std::atomic<std::shared_ptr<const Loaded>> loaded_;
};

std::unique_ptr<AccountBackend> MakePasswdFileBackend(std::shared_ptr<PasswdFile> file);

}  // namespace ringmail::backend
