// Messages of one mailbox with consecutive places: the unit that views share, that a change copies,
// and that a checkpoint writes.
#pragma once

#include <cstdint>
#include <vector>

#include "ringmail/storage/mailbox.h"

namespace ringmail::storage {

// 20 KiB: copied in a microsecond or two, and a mailbox of a million messages has 2,000.
inline constexpr size_t kPageEntries = 512;

// A page in an account, for ever: its number is never used again in its mailbox.
struct PageKey {
  MailboxId mailbox;
  uint32_t number = 0;
  friend auto operator<=>(const PageKey&, const PageKey&) = default;
};

class MailboxPage {
 public:
  MailboxPage(uint32_t number, ModSeq changed) : number_(number), changed_(changed) {}
  MailboxPage(const MailboxPage& other)
      : entries(other.entries), number_(other.number_), changed_(other.changed_) {}
  MailboxPage& operator=(const MailboxPage&) = delete;

  // Ascending by uid; never empty in a mailbox.
  std::vector<MessageEntry> entries;

  // Unique in its mailbox for ever; a copy that takes its place keeps it.
  uint32_t number() const { return number_; }
  // The last change that touched it.
  ModSeq changed() const { return changed_; }
  void set_changed(ModSeq changed) { changed_ = changed; }

  bool shared() const { return refs_ > 1; }
  void Ref() { ++refs_; }
  void Unref() {
    if (--refs_ == 0) delete this;
  }

 private:
  ~MailboxPage() = default;
  uint32_t refs_ = 0;
  const uint32_t number_;
  ModSeq changed_;
};

}  // namespace ringmail::storage
