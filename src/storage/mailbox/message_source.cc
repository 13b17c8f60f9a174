#include "ringmail/storage/message_source.h"

#include <algorithm>

namespace ringmail::storage {

MessageSource::MessageSource(ShardStore& store, BorrowedContent content,
                             std::string_view delivered_to)
    : content_(std::move(content)), reader_(store, *content_, ContentPart::kAll) {
  if (delivered_to.empty()) return;
  field_ += kDeliveredToName;
  field_ += delivered_to;
  field_ += "\r\n";
}

void MessageSource::Rewind() {
  reader_.Rewind();
  turn_ = Turn::kStart;
}

// RFC 5321 §4.4: Return-Path is the first line. The field comes between it and the message, in the
// middle of the first piece.
io::Task<StatusOr<ContentPiece>> MessageSource::Next() {
  if (turn_ == Turn::kStart) {
    ASSIGN_OR_CO_RETURN(first_, co_await reader_.Next());
    if (field_.empty()) {
      turn_ = Turn::kRest;
      co_return first_;
    }
    turn_ = Turn::kField;
    const size_t prefix = std::min<size_t>(PrefixBytes(*content_), first_.bytes.size());
    if (prefix > 0) co_return ContentPiece{first_.bytes.substr(0, prefix), {}};
  }
  if (turn_ == Turn::kField) {
    turn_ = Turn::kRestOfFirst;
    co_return ContentPiece{field_, {}};
  }
  if (turn_ == Turn::kRestOfFirst) {
    turn_ = Turn::kRest;
    const size_t prefix = std::min<size_t>(PrefixBytes(*content_), first_.bytes.size());
    dot_lines_.clear();
    for (const uint32_t line : first_.dot_lines) {
      if (line >= prefix) dot_lines_.push_back(line - static_cast<uint32_t>(prefix));
    }
    if (prefix < first_.bytes.size())
      co_return ContentPiece{first_.bytes.substr(prefix), dot_lines_};
  }
  co_return co_await reader_.Next();
}

io::Task<StatusOr<std::unique_ptr<MessageSource>>> OpenMessage(ShardStore& store,
                                                               Accounts& accounts,
                                                               const Account& account,
                                                               MessageEntry entry) {
  // Before anything waits: views into the account end there.
  const std::string delivered_to(account.DeliveredTo(entry));
  ASSIGN_OR_CO_RETURN(BorrowedContent content, co_await accounts.Borrow(entry.content));
  co_return std::make_unique<MessageSource>(store, std::move(content), delivered_to);
}

}  // namespace ringmail::storage
