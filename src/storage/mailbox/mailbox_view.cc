#include <algorithm>

#include "ringmail/base/check.h"
#include "ringmail/storage/mailbox.h"
#include "storage/mailbox/page.h"

namespace ringmail::storage {

void AddUid(Uid uid, std::vector<UidRange>& ranges) {
  if (!ranges.empty() && ranges.back().last.value + 1 == uid.value) {
    ranges.back().last = uid;
  } else {
    ranges.push_back({uid, uid});
  }
}

bool Ascending(std::span<const UidRange> ranges) {
  uint64_t next = 1;
  for (const UidRange& range : ranges) {
    if (range.first.value < next || range.last < range.first) return false;
    next = uint64_t{range.last.value} + 2;
  }
  return true;
}

MailboxPageRef::MailboxPageRef(MailboxPage* page) : page_(page) { page_->Ref(); }

MailboxPageRef::MailboxPageRef(const MailboxPageRef& other) : page_(other.page_) {
  if (page_ != nullptr) page_->Ref();
}

MailboxPageRef::~MailboxPageRef() {
  if (page_ != nullptr) page_->Unref();
}

std::span<const MessageEntry> MailboxPageRef::entries() const { return page_->entries; }

MailboxView::MailboxView(Facts facts, std::vector<MailboxPageRef> pages)
    : facts_(std::move(facts)), pages_(std::move(pages)) {
  begins_.reserve(pages_.size() + 1);
  for (const MailboxPageRef& page : pages_) {
    begins_.push_back(begins_.back() + static_cast<uint32_t>(page.entries().size()));
  }
}

const MessageEntry& MailboxView::at(uint32_t place) const {
  CHECK_LT(place, count());
  const auto page = std::upper_bound(begins_.begin(), begins_.end(), place) - begins_.begin() - 1;
  const auto index = static_cast<size_t>(page);
  return pages_[index].entries()[place - begins_[index]];
}

uint32_t MailboxView::LowerBound(Uid uid) const {
  const auto page = std::partition_point(
      pages_.begin(), pages_.end(),
      [uid](const MailboxPageRef& one) { return one.entries().back().uid < uid; });
  if (page == pages_.end()) return count();
  const std::span<const MessageEntry> entries = page->entries();
  const auto entry = std::partition_point(entries.begin(), entries.end(),
                                          [uid](const MessageEntry& one) { return one.uid < uid; });
  return begins_[static_cast<size_t>(page - pages_.begin())] +
         static_cast<uint32_t>(entry - entries.begin());
}

const MessageEntry* MailboxView::Find(Uid uid) const {
  const uint32_t place = LowerBound(uid);
  if (place == count()) return nullptr;
  const MessageEntry& entry = at(place);
  return entry.uid == uid ? &entry : nullptr;
}

namespace {

// Walks a view message by message, and can step over a page.
class Walk {
 public:
  explicit Walk(const MailboxView& view) : pages_(view.pages()) {}
  bool done() const { return page_ == pages_.size(); }
  bool at_page_begin() const { return index_ == 0; }
  const MailboxPageRef& page() const { return pages_[page_]; }
  const MessageEntry& entry() const { return pages_[page_].entries()[index_]; }
  uint32_t place() const { return place_; }
  void Step() {
    ++place_;
    if (++index_ == pages_[page_].entries().size()) {
      ++page_;
      index_ = 0;
    }
  }
  void StepPage() {
    place_ += static_cast<uint32_t>(pages_[page_].entries().size());
    ++page_;
  }

 private:
  std::span<const MailboxPageRef> pages_;
  size_t page_ = 0, index_ = 0;
  uint32_t place_ = 0;
};

}  // namespace

MailboxDifference Compare(const MailboxView& before, const MailboxView& after) {
  MailboxDifference difference;
  Walk old(before), now(after);
  while (!old.done()) {
    if (now.done() || old.entry().uid < now.entry().uid) {
      difference.expunged.push_back(old.place());
      old.Step();
    } else if (old.at_page_begin() && now.at_page_begin() && old.page() == now.page()) {
      old.StepPage();
      now.StepPage();
    } else {
      // Uids only leave, and come at the end: whatever `after` has up to here `before` has.
      CHECK_EQ(old.entry().uid.value, now.entry().uid.value);
      if (old.entry().mod_seq != now.entry().mod_seq) difference.changed.push_back(now.place());
      old.Step();
      now.Step();
    }
  }
  difference.first_new = now.place();
  std::reverse(difference.expunged.begin(), difference.expunged.end());
  return difference;
}

}  // namespace ringmail::storage
