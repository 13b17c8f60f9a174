// Brings mailboxes of files into an account of a running server.
//
// Made by: `ringmail import`. Order: Import, once.
// Promise: every message of the source is in the account once, or named as a fault, however often
//   it is run and wherever a run, the server or the machine ends: journal.h, server/mailboxes/
//   lane.h. Within a mailbox messages keep their order. UIDVALIDITY and UIDs are kept where the
//   mailbox here is empty and always was, or has the source's UIDVALIDITY already, of an earlier
//   run; elsewhere messages get new UIDs, under another UIDVALIDITY. A message whose UID something
//   else has here gets a new one.
// Shard: the one that walks.
// Limits: kLanesMax mailboxes at one time; kBatchMessages messages or some kBatchBytes octets in a
//   batch, and one batch in a lane is on its way while the next is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringmail/base/time.h"
#include "ringmail/io/task.h"
#include "server/exchange/source.h"

namespace ringmail::server {

inline constexpr uint32_t kLanesMax = 16;
inline constexpr size_t kBatchMessages = 200;
inline constexpr uint64_t kBatchBytes = 1u << 20;

enum class ImportUids : uint8_t { kKeep, kNew };

struct ImportOptions {
  std::string socket, account;
  std::string path;     // as it is to be opened
  std::string source;   // its one name, for the journal
  std::string journal;  // the file
  std::string mailbox;  // where the source's INBOX goes, and all others below it; "": INBOX
  SourceFormat format = SourceFormat::kDetect;
  foreign::FromQuoting quoting = foreign::FromQuoting::kDetect;
  ImportUids uids = ImportUids::kKeep;
  uint32_t lanes = 4;
  // Told of faults and of progress, a line each.
  void (*report)(void* context, std::string_view line) = nullptr;
  void* context = nullptr;
  Nanoseconds progress_every = std::chrono::seconds(5);
};

struct ImportResult {
  Status status;  // what ended it, if anything did
  uint64_t mailboxes = 0, messages = 0, bytes = 0;
  uint64_t known = 0;          // of earlier runs
  uint64_t faults = 0;         // messages and files that were left out
  uint64_t keywords_lost = 0;  // messages whose keywords the mailbox has no room for
  uint64_t uids_kept = 0;      // mailboxes
  uint64_t uids_new = 0;       // messages whose UIDs others have, in mailboxes that keep them
};

io::Task<ImportResult> Import(ImportOptions options);

}  // namespace ringmail::server
