// Mailboxes in files, as an import walks them: where they are, and their messages one by one.
//
// Made by: FindMailboxes, then OpenSource for each mailbox.
// Order: Next until kEnd.
// Promise: `id` of a message is the same in every run, whatever happens to other messages or to its
//   flags. A message that cannot be read is a fault, and the next one comes.
// Shard: the one that walks. Files are only read.
// Limits: kSourceMessageBytesMax; a longer message is a fault. Memory: one message, and the names
//   of one mailbox's files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ringmail/base/status.h"
#include "ringmail/foreign/marks.h"
#include "ringmail/foreign/mbox.h"
#include "ringmail/io/task.h"

namespace ringmail::server {

inline constexpr uint64_t kSourceMessageBytesMax = 512u << 20;
// Of the small files beside the messages.
inline constexpr uint64_t kSourceIndexBytesMax = 1u << 30;
inline constexpr int kSourceDepthMax = 32;  // directories within each other, and levels of a name

enum class SourceFormat : uint8_t { kDetect, kMaildir, kMbox, kSdbox };

struct SourceFault {
  std::string path;
  uint64_t at = 0;  // octet
  std::string what;
};

struct FoundMailbox {
  std::string name;  // ours
  std::string path;
  SourceFormat format = SourceFormat::kDetect;
};
struct FoundTree {
  std::vector<FoundMailbox> mailboxes;  // by name, those above first
  std::vector<std::string> subscriptions;
  std::vector<SourceFault> faults;
};
// Errors: nothing that can be read is at `path`, or it is not of the format.
io::Task<StatusOr<FoundTree>> FindMailboxes(std::string path, SourceFormat format);

struct SourceMessage {
  std::string id;
  foreign::Marks marks;
  std::string octets;  // with CRLF
};

// Which messages need not be read again.
class KnownMessages {
 public:
  virtual ~KnownMessages() = default;
  virtual bool Has(std::string_view id) const = 0;
};

class MailboxSource {
 public:
  enum class Got : uint8_t { kMessage, kFault, kEnd };

  virtual ~MailboxSource() = default;
  virtual io::Task<Got> Next(SourceMessage& message, SourceFault& fault) = 0;
  // What clients know its messages by (RFC 9051 §2.3.1.1); 0: the source has no UIDs, and those of
  // its messages count for nothing.
  uint32_t uid_validity() const { return uid_validity_; }
  // Greater than every UID that it has given; 0: not known.
  uint32_t uid_next() const { return uid_next_; }
  uint64_t known() const { return known_; }

 protected:
  uint32_t uid_validity_ = 0, uid_next_ = 0;
  uint64_t known_ = 0;  // messages that were left out since they are known
};

// `known` outlives it. Errors: the mailbox cannot be listed or opened.
io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenSource(const FoundMailbox& mailbox,
                                                              const KnownMessages& known,
                                                              foreign::FromQuoting quoting);

// Of one format each. `faults` gets what is wrong with the small files beside the messages.
io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenMaildir(std::string path,
                                                               const KnownMessages& known);
io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenMbox(std::string path,
                                                            const KnownMessages& known,
                                                            foreign::FromQuoting quoting);
io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenSdbox(std::string path,
                                                             const KnownMessages& known);

// The whole of a file. Errors: kOutOfRange: longer than `bytes_max`.
io::Task<StatusOr<std::string>> ReadFileWhole(std::string path, uint64_t bytes_max);
// As ReadFileWhole; "" where there is none.
io::Task<StatusOr<std::string>> ReadFileIfThere(std::string path, uint64_t bytes_max);

}  // namespace ringmail::server
