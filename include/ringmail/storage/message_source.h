// A message of an account as those who read mail see it: what final delivery says of it (RFC 5321
// §4.4, Return-Path; Delivered-To), then the message.
//
// Made by: OpenMessage. Ends in: destruction, on the shard of the account.
// Promise: MessageEntry.bytes octets, the same each time, in pieces as of any ContentSource.
// Shard: the account's; the content may be of any other.
// Errors: kNotFound: no log has the content; kDataLoss as ContentReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/storage/account.h"
#include "ringmail/storage/content.h"

namespace ringmail::storage {

inline constexpr std::string_view kDeliveredToName = "Delivered-To: ";

// "": no field.
constexpr size_t DeliveredToFieldBytes(std::string_view address) {
  return address.empty() ? 0 : kDeliveredToName.size() + address.size() + 2;
}
constexpr size_t DeliveredToFieldBytesMax() {
  return kDeliveredToName.size() + AccountLimits::kDeliveredToBytesMax + 2;
}

class MessageSource final : public ContentSource {
 public:
  // `delivered_to`: Account::DeliveredTo of its entry.
  MessageSource(ShardStore& store, BorrowedContent content, std::string_view delivered_to);

  // Of the content (content.h); they say nothing of the fields before it.
  uint8_t flags() const { return Flags(*content_); }

  io::Task<StatusOr<ContentPiece>> Next() override;
  void Rewind() override;

 private:
  enum class Turn : uint8_t { kStart, kField, kRestOfFirst, kRest };

  BorrowedContent content_;
  ContentReader reader_;
  std::string field_;
  Turn turn_ = Turn::kStart;
  ContentPiece first_;  // while its second half waits
  std::vector<uint32_t> dot_lines_;
};

io::Task<StatusOr<std::unique_ptr<MessageSource>>> OpenMessage(ShardStore& store,
                                                               Accounts& accounts,
                                                               const Account& account,
                                                               MessageEntry entry);

}  // namespace ringmail::storage
