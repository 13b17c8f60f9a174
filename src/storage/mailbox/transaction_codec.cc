#include "storage/mailbox/transaction_codec.h"

#include "storage/mailbox/packing.h"

namespace ringmail::storage {
namespace {

// version 1: varint time, varint number of changes; each an octet that says which (its place in
// AccountChange), then its members in their order.
constexpr uint8_t kVersion = 1;
constexpr uint32_t kU32 = UINT32_MAX;
// Beside the origin of Append, the last of what every one has.
constexpr uint8_t kWithUid = 2;

void PackRanges(const std::vector<UidRange>& ranges, std::string& out) {
  PackVarint(ranges.size(), out);
  uint32_t before = 0;
  for (const UidRange& range : ranges) {
    PackVarint(range.first.value - before, out);
    PackVarint(range.last.value - range.first.value, out);
    before = range.last.value;
  }
}

void PackKeywords(const std::vector<std::string>& keywords, std::string& out) {
  PackVarint(keywords.size(), out);
  for (const std::string& keyword : keywords) PackText(keyword, out);
}

void Pack(const CreateMailbox& change, std::string& out) {
  PackText(change.name, out);
  PackVarint(static_cast<uint8_t>(change.role), out);
  PackVarint(change.uid_validity, out);
}
void Pack(const DeleteMailbox& change, std::string& out) { PackVarint(change.mailbox.value, out); }
void Pack(const RenameMailbox& change, std::string& out) {
  PackVarint(change.mailbox.value, out);
  PackText(change.name, out);
  PackVarint(change.uid_validity, out);
}
void Pack(const Subscribe& change, std::string& out) {
  PackText(change.name, out);
  PackVarint(static_cast<uint8_t>(change.change), out);
}
void Pack(const Append& change, std::string& out) {
  PackVarint(change.mailbox.value, out);
  PackVarint(change.content.value, out);
  PackVarint(change.bytes, out);
  PackVarint(change.system_flags & kSystemFlags, out);
  PackKeywords(change.keywords, out);
  PackVarint(change.internal_date_seconds, out);
  PackVarint(change.quota_bytes, out);
  PackVarint(change.quota_messages, out);
  PackVarint(static_cast<uint8_t>(change.twice), out);
  PackText(change.delivered_to, out);
  PackVarint(static_cast<uint8_t>(change.origin) | (change.uid.value != 0 ? kWithUid : 0), out);
  if (change.uid.value != 0) PackVarint(change.uid.value, out);
}
void Pack(const StoreFlags& change, std::string& out) {
  PackVarint(change.mailbox.value, out);
  PackRanges(change.uids, out);
  PackVarint(static_cast<uint8_t>(change.mode), out);
  PackVarint(change.system_flags & kSystemFlags, out);
  PackKeywords(change.keywords, out);
  PackVarint(change.unchanged_since.value, out);
}
void Pack(const Expunge& change, std::string& out) {
  PackVarint(change.mailbox.value, out);
  PackRanges(change.uids, out);
  PackVarint(static_cast<uint8_t>(change.which), out);
}
void Pack(const CopyMessages& change, std::string& out) {
  PackVarint(change.from.value, out);
  PackVarint(change.to.value, out);
  PackRanges(change.uids, out);
  PackVarint(static_cast<uint8_t>(change.mode), out);
  PackVarint(change.quota_bytes, out);
  PackVarint(change.quota_messages, out);
}
void Pack(const SetValue& change, std::string& out) {
  PackVarint(change.mailbox.value, out);
  PackText(change.name, out);
  PackText(change.value, out);
}
void Pack(const ForgetReleased& change, std::string& out) {
  PackVarint(change.contents.size(), out);
  for (const ContentId content : change.contents) PackVarint(content.value, out);
}
void Pack(const ContinueUids& change, std::string& out) {
  PackVarint(change.mailbox.value, out);
  PackVarint(change.uid_validity, out);
  PackVarint(change.uid_next.value, out);
}

MailboxId UnpackMailbox(Unpacker& in) { return MailboxId(static_cast<uint32_t>(in.Varint(kU32))); }
uint32_t UnpackU32(Unpacker& in) { return static_cast<uint32_t>(in.Varint(kU32)); }

std::vector<UidRange> UnpackRanges(Unpacker& in) {
  std::vector<UidRange> ranges(in.Count(AccountLimits::kRangesMax));
  uint64_t before = 0;
  for (UidRange& range : ranges) {
    const uint64_t first = before + in.Varint(kU32);
    const uint64_t last = first + in.Varint(kU32);
    if (last > kU32) in.Fail();
    range = {Uid(static_cast<uint32_t>(first)), Uid(static_cast<uint32_t>(last))};
    before = last;
  }
  if (!Ascending(ranges)) in.Fail();
  return ranges;
}

std::vector<std::string> UnpackKeywords(Unpacker& in) {
  std::vector<std::string> keywords(in.Count(kKeywordsMax));
  for (std::string& keyword : keywords) keyword = in.Text(AccountLimits::kKeywordBytesMax);
  return keywords;
}

template <typename T>
T UnpackEnum(Unpacker& in, T last) {
  return static_cast<T>(in.Varint(static_cast<uint8_t>(last)));
}

// Aggregates list their members in the order in which they were packed: braces evaluate so.
Append UnpackAppend(Unpacker& in) {
  Append change{.mailbox = UnpackMailbox(in),
                .content = ContentId(in.Varint(UINT64_MAX)),
                .bytes = UnpackU32(in),
                .system_flags = in.Varint(kSystemFlags),
                .keywords = UnpackKeywords(in),
                .internal_date_seconds = UnpackU32(in),
                .quota_bytes = in.Varint(UINT64_MAX),
                .quota_messages = UnpackU32(in),
                .twice = UnpackEnum(in, Append::Twice::kAllow),
                .delivered_to = std::string(in.Text(AccountLimits::kDeliveredToBytesMax))};
  const uint64_t origin = in.Varint(kWithUid | static_cast<uint8_t>(Append::Origin::kDeposited));
  change.origin = static_cast<Append::Origin>(origin & ~uint64_t{kWithUid});
  if ((origin & kWithUid) == 0) return change;
  change.uid = Uid(UnpackU32(in));
  if (change.uid.value == 0) in.Fail();
  return change;
}

AccountChange UnpackChange(Unpacker& in) {
  switch (in.Varint(std::variant_size_v<AccountChange> - 1)) {
    case 0:
      return CreateMailbox{.name = std::string(in.Text(AccountLimits::kNameBytesMax)),
                           .role = UnpackEnum(in, MailboxRole::kTrash),
                           .uid_validity = UnpackU32(in)};
    case 1:
      return DeleteMailbox{UnpackMailbox(in)};
    case 2:
      return RenameMailbox{.mailbox = UnpackMailbox(in),
                           .name = std::string(in.Text(AccountLimits::kNameBytesMax)),
                           .uid_validity = UnpackU32(in)};
    case 3:
      return Subscribe{.name = std::string(in.Text(AccountLimits::kNameBytesMax)),
                       .change = UnpackEnum(in, Subscribe::Change::kOff)};
    case 4:
      return UnpackAppend(in);
    case 5:
      return StoreFlags{.mailbox = UnpackMailbox(in),
                        .uids = UnpackRanges(in),
                        .mode = UnpackEnum(in, StoreFlags::Mode::kReplace),
                        .system_flags = in.Varint(kSystemFlags),
                        .keywords = UnpackKeywords(in),
                        .unchanged_since = ModSeq(in.Varint(UINT64_MAX))};
    case 6:
      return Expunge{.mailbox = UnpackMailbox(in),
                     .uids = UnpackRanges(in),
                     .which = UnpackEnum(in, Expunge::Which::kDeleted)};
    case 7:
      return CopyMessages{.from = UnpackMailbox(in),
                          .to = UnpackMailbox(in),
                          .uids = UnpackRanges(in),
                          .mode = UnpackEnum(in, CopyMessages::Mode::kMove),
                          .quota_bytes = in.Varint(UINT64_MAX),
                          .quota_messages = UnpackU32(in)};
    case 8:
      return SetValue{.mailbox = UnpackMailbox(in),
                      .name = std::string(in.Text(AccountLimits::kValueNameBytesMax)),
                      .value = std::string(in.Text(AccountLimits::kValueBytesMax))};
    case 10:
      return ContinueUids{.mailbox = UnpackMailbox(in),
                          .uid_validity = UnpackU32(in),
                          .uid_next = Uid(UnpackU32(in))};
    default: {
      ForgetReleased change;
      change.contents.resize(in.Count(SIZE_MAX));
      for (ContentId& content : change.contents) content = ContentId(in.Varint(UINT64_MAX));
      return change;
    }
  }
}

}  // namespace

void EncodeTransaction(const AccountTransaction& transaction, std::string& out) {
  out += static_cast<char>(kVersion);
  PackVarint(transaction.time_seconds, out);
  PackVarint(transaction.changes.size(), out);
  for (const AccountChange& change : transaction.changes) {
    PackVarint(change.index(), out);
    std::visit([&out](const auto& one) { Pack(one, out); }, change);
  }
}

std::optional<AccountTransaction> DecodeTransaction(std::string_view bytes) {
  Unpacker in(bytes);
  if (in.Varint(kVersion) != kVersion) return std::nullopt;
  AccountTransaction transaction{.time_seconds = UnpackU32(in)};
  const size_t count = in.Count(SIZE_MAX);
  for (size_t i = 0; i < count && in.ok(); ++i) transaction.changes.push_back(UnpackChange(in));
  if (!in.done()) return std::nullopt;
  return transaction;
}

}  // namespace ringmail::storage
