// Writes the mailboxes of an account of a running server into files: Maildir++ or mbox.
//
// Made by: `ringmail export`. Order: Export, once.
// Promise: what Export has said OK of is on stable storage. A second run goes on where the first
//   ended: Maildir, by the names of the files, and it brings flags up to date; mbox, by what
//   PATH.ringmail-export says was whole. Messages that were expunged since stay in the files.
// Shard: the one that writes.
// Errors: a file that is there and is none of an export is left alone, and said so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/base/status.h"
#include "ringmail/base/time.h"
#include "ringmail/foreign/mbox.h"
#include "ringmail/io/task.h"

namespace ringmail::server {

// Files of a Maildir that are written at one time, and their octets.
inline constexpr size_t kExportFilesMax = 32;
inline constexpr uint64_t kExportBytesMax = 8u << 20;

struct ExportOptions {
  enum class Format : uint8_t { kMaildir, kMbox };
  std::string socket, account;
  std::string path;     // a directory; made where it is missing
  std::string mailbox;  // "": all
  Format format = Format::kMaildir;
  foreign::FromQuoting quoting = foreign::FromQuoting::kMboxrd;
  void (*report)(void* context, std::string_view line) = nullptr;
  void* context = nullptr;
  Nanoseconds progress_every = std::chrono::seconds(5);
};

struct ExportResult {
  Status status;
  uint64_t mailboxes = 0, messages = 0, bytes = 0;
  uint64_t known = 0;  // of earlier runs
  uint64_t faults = 0;
  uint64_t keywords_lost = 0;  // for which Maildir has no letter left
};

io::Task<ExportResult> Export(ExportOptions options);

}  // namespace ringmail::server
