#include "storage/mailbox/account_record.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ringmail/codec/crc32c.h"

namespace ringmail::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "the log is little endian; swap here");

struct RawAccountMeta {
  uint64_t account;
  uint64_t number;
  uint32_t body_crc;
  uint32_t mailbox;
  uint32_t page;
  uint8_t kind;
  uint8_t releases;
  uint16_t reserved;
};
static_assert(sizeof(RawAccountMeta) == kAccountMetaBytes);

struct RawHoldMeta {
  uint64_t content;
  uint8_t op;
  uint8_t reserved[7];
};
static_assert(sizeof(RawHoldMeta) == kHoldMetaBytes);

struct RawPageKey {
  uint32_t mailbox;
  uint32_t number;
};

template <typename T>
void Put(const T& value, std::string& out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <typename T>
T Load(std::string_view at) {
  T value;
  std::memcpy(&value, at.data(), sizeof(T));
  return value;
}

bool Sensible(const AccountMeta& meta) {
  if (meta.account.value == 0 || meta.account.value > kAccountIdMax || meta.number == 0 ||
      meta.releases > AccountMeta::Releases::kNoneWaits) {
    return false;
  }
  switch (meta.kind) {
    case AccountRecordKind::kTransaction:
    case AccountRecordKind::kPage:
    case AccountRecordKind::kErased:
      return meta.gone.empty();
    case AccountRecordKind::kRoot:
      return meta.page.mailbox.value <= kRootPartsMax &&
             meta.page.number < meta.page.mailbox.value &&
             (meta.gone.empty() || meta.page.number == 0);
  }
  return false;
}

}  // namespace

void EncodeAccountMeta(const AccountMeta& meta, std::string& out) {
  Put(RawAccountMeta{.account = meta.account.value,
                     .number = meta.number,
                     .body_crc = meta.body_crc,
                     .mailbox = meta.page.mailbox.value,
                     .page = meta.page.number,
                     .kind = static_cast<uint8_t>(meta.kind),
                     .releases = static_cast<uint8_t>(meta.releases),
                     .reserved = 0},
      out);
  out += meta.gone;
}

void PackPageKey(PageKey key, std::string& out) {
  Put(RawPageKey{key.mailbox.value, key.number}, out);
}

std::optional<AccountMeta> DecodeAccountMeta(std::string_view meta) {
  if (meta.size() < kAccountMetaBytes || meta.size() % sizeof(RawPageKey) != 0) return std::nullopt;
  const auto raw = Load<RawAccountMeta>(meta);
  const AccountMeta out{.account = AccountId(raw.account),
                        .number = raw.number,
                        .body_crc = raw.body_crc,
                        .page = {MailboxId(raw.mailbox), raw.page},
                        .kind = static_cast<AccountRecordKind>(raw.kind),
                        .releases = static_cast<AccountMeta::Releases>(raw.releases),
                        .gone = meta.substr(kAccountMetaBytes)};
  if (!Sensible(out)) return std::nullopt;
  return out;
}

std::vector<PageKey> UnpackPageKeys(std::string_view gone) {
  std::vector<PageKey> keys;
  keys.reserve(gone.size() / sizeof(RawPageKey));
  for (; gone.size() >= sizeof(RawPageKey); gone.remove_prefix(sizeof(RawPageKey))) {
    const auto raw = Load<RawPageKey>(gone);
    keys.push_back({MailboxId(raw.mailbox), raw.number});
  }
  return keys;
}

bool BodyIntact(const AccountMeta& meta, std::string_view body) {
  return codec::Crc32c(0, body) == meta.body_crc;
}

void EncodeHoldMeta(ContentId content, HoldMeta::Op op, std::span<const AccountId> accounts,
                    std::string& out) {
  Put(RawHoldMeta{.content = content.value, .op = static_cast<uint8_t>(op), .reserved = {}}, out);
  for (const AccountId account : accounts) Put(account.value, out);
}

std::optional<HoldMeta> DecodeHoldMeta(std::string_view meta) {
  if (meta.size() < kHoldMetaBytes || meta.size() % sizeof(uint64_t) != 0) return std::nullopt;
  const auto raw = Load<RawHoldMeta>(meta);
  if (raw.op < static_cast<uint8_t>(HoldMeta::Op::kAdd) ||
      raw.op > static_cast<uint8_t>(HoldMeta::Op::kExactly)) {
    return std::nullopt;
  }
  const HoldMeta out{.content = ContentId(raw.content),
                     .op = static_cast<HoldMeta::Op>(raw.op),
                     .accounts = meta.substr(kHoldMetaBytes)};
  const std::vector<AccountId> accounts = UnpackAccounts(out.accounts);
  const bool sensible = std::all_of(accounts.begin(), accounts.end(), [](AccountId account) {
    return account.value != 0 && account.value <= kAccountIdMax;
  });
  if (!sensible) return std::nullopt;
  return out;
}

std::vector<AccountId> UnpackAccounts(std::string_view accounts) {
  std::vector<AccountId> out;
  out.reserve(accounts.size() / sizeof(uint64_t));
  for (; accounts.size() >= sizeof(uint64_t); accounts.remove_prefix(sizeof(uint64_t)))
    out.push_back(AccountId(Load<uint64_t>(accounts)));
  return out;
}

}  // namespace ringmail::storage
