// What the log says of accounts: the records that an account is kept in, and those that say which
// accounts hold a content. Pure; reads arbitrary bytes without fear (fuzzed).
//
// In the metadata of an account's record is what a start must know; what it is about is the body,
// which is read when the account is opened, so that a start reads the metadata alone (segment
// summaries).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringmail/base/ids.h"
#include "storage/mailbox/page.h"

namespace ringmail::storage {

enum class AccountRecordKind : uint8_t {
  kTransaction = 1,  // body: EncodeTransaction
  kPage = 2,         // body: EncodePage
  kRoot = 3,         // body: a part of EncodeRoot; together with its pages, a checkpoint
  kErased = 4,       // nothing before it counts but the uid validity; no body
};

struct AccountMeta {
  AccountId account;
  // Of a transaction: its own, from 1. Else the last that the record knows of.
  uint64_t number = 0;
  uint32_t body_crc = 0;
  // kPage: which. kRoot: `mailbox` is the number of parts, `number` which of them, from 0. kErased:
  // `number` is the highest UIDVALIDITY that the account had.
  PageKey page;
  AccountRecordKind kind = AccountRecordKind::kTransaction;
  // Contents that the account let go: after this one some may wait to be given back, or none does.
  enum class Releases : uint8_t { kUnchanged, kMayWait, kNoneWaits };
  Releases releases = Releases::kUnchanged;
  // kRoot, part 0: pages of former checkpoints that this one has not, 8 octets each.
  std::string_view gone;
};
inline constexpr size_t kAccountMetaBytes = 32;  // and 8 for each page that is gone
// Of one checkpoint.
inline constexpr uint32_t kRootPartsMax = 1u << 16;
// As the number of a page that is gone: all pages of that mailbox.
inline constexpr uint32_t kAllPages = UINT32_MAX;

void EncodeAccountMeta(const AccountMeta& meta, std::string& out);
void PackPageKey(PageKey key, std::string& out);
std::optional<AccountMeta> DecodeAccountMeta(std::string_view meta);
std::vector<PageKey> UnpackPageKeys(std::string_view gone);
bool BodyIntact(const AccountMeta& meta, std::string_view body);

// Which accounts hold a content: README, "Contents".
struct HoldMeta {
  enum class Op : uint8_t {
    kAdd = 1,
    kRelease = 2,
    kExactly = 3,  // written beside a copy of the content
  };
  ContentId content;
  Op op = Op::kAdd;
  std::string_view accounts;  // 8 octets each
};
inline constexpr size_t kHoldMetaBytes = 16;  // and 8 for each account
// An account's number is below it: HolderSet keeps it in 63 bits.
inline constexpr uint64_t kAccountIdMax = (uint64_t{1} << 62) - 1;

void EncodeHoldMeta(ContentId content, HoldMeta::Op op, std::span<const AccountId> accounts,
                    std::string& out);
std::optional<HoldMeta> DecodeHoldMeta(std::string_view meta);
std::vector<AccountId> UnpackAccounts(std::string_view accounts);

}  // namespace ringmail::storage
