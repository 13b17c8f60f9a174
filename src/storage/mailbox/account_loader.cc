#include "storage/mailbox/account_loader.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "ringmail/base/canary.h"
#include "ringmail/base/check.h"
#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "storage/mailbox/checkpoint.h"
#include "storage/mailbox/transaction_codec.h"
#include "storage/store_core.h"

namespace ringmail::storage {
namespace {

// One read; records that lie further apart than the gap are read by themselves.
constexpr size_t kWindowBytesMax = 1u << 20;
constexpr size_t kGapBytesMax = 32u << 10;
constexpr size_t kReadsInFlight = 4;
// Changes applied between yields.
constexpr size_t kChangesPerTurn = 128;

uint64_t KeyOf(PageKey key) { return uint64_t{key.mailbox.value} << 32 | key.number; }

}  // namespace

AccountState AccountLoader::Beginning(const AccountTransaction& first) {
  return AccountState(std::max<uint32_t>(1, first.time_seconds));
}

io::Task<StatusOr<AccountState>> AccountLoader::Load(StoreCore& store,
                                                     const AccountRecords& records) {
  if (records.damaged) {
    co_return absl::DataLossError(Absl(
        fmt::format("account {}: some of its changes are missing from the log", records.id.value)));
  }
  AccountLoader loader(store, records);
  CO_RETURN_IF_ERROR(loader.Gather());
  loader.MakeWindows();
  io::Gate readers;
  for (size_t i = 0; i < std::min(kReadsInFlight, loader.windows_.size()); ++i)
    readers.Spawn(ReadWindows(&loader));
  co_await readers.Close();
  CO_RETURN_IF_ERROR(loader.failure_);
  auto state = loader.Restore();
  CO_RETURN_IF_ERROR(state.status());
  CO_RETURN_IF_ERROR(co_await loader.Replay(*state));
  co_return state;
}

Status AccountLoader::Lost(const RecordPlace& place, std::string_view what) const {
  if (place.segment == nullptr)
    return absl::DataLossError(Absl(fmt::format("account {}: {}", records_.id.value, what)));
  return absl::DataLossError(
      Absl(fmt::format("{} offset {}: account {}: {}",
                       SegmentPath(store_.data_dir(), place.segment->log, place.segment->sequence),
                       place.offset, records_.id.value, what)));
}

Status AccountLoader::Gather() {
  root_.resize(records_.root.size());
  for (size_t i = 0; i < records_.root.size(); ++i) {
    wanted_.push_back({.place = records_.root[i],
                       .kind = AccountRecordKind::kRoot,
                       .number = records_.root_number,
                       .part = i});
  }
  for (const AccountRecords::Page& page : records_.pages) {
    wanted_.push_back({.place = page.place,
                       .kind = AccountRecordKind::kPage,
                       .page = page.key,
                       .number = page.number});
  }
  for (const AccountRecords::Transaction& one : records_.transactions) {
    wanted_.push_back(
        {.place = one.place, .kind = AccountRecordKind::kTransaction, .number = one.number});
  }
  for (const Wanted& one : wanted_) {
    if (one.place.segment == nullptr) return Lost(one.place, "a record is not in the log");
  }
  return absl::OkStatus();
}

void AccountLoader::MakeWindows() {
  std::sort(wanted_.begin(), wanted_.end(), [](const Wanted& a, const Wanted& b) {
    const Segment& in_a = *a.place.segment;
    const Segment& in_b = *b.place.segment;
    return std::tuple(in_a.log, in_a.sequence, a.place.offset) <
           std::tuple(in_b.log, in_b.sequence, b.place.offset);
  });
  pages_.reserve(records_.pages.size());
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const RecordPlace& place = wanted_[i].place;
    const uint64_t from = place.offset / io::kBlockBytes * io::kBlockBytes;
    const uint64_t to = RoundUp(uint64_t{place.offset} + place.bytes, io::kBlockBytes);
    if (!windows_.empty()) {
      Window& last = windows_.back();
      const bool near = wanted_[last.begin].place.segment == place.segment &&
                        from <= last.offset + last.bytes + kGapBytesMax &&
                        to - last.offset <= kWindowBytesMax;
      if (near) {
        last.bytes = std::max<size_t>(last.bytes, to - last.offset);
        last.end = i + 1;
        continue;
      }
    }
    windows_.push_back({.begin = i, .end = i + 1, .offset = from, .bytes = to - from});
  }
}

io::Task<void> AccountLoader::ReadWindows(AccountLoader* self) {
  io::DmaBuffer buffer;
  while (self->next_window_ < self->windows_.size() && self->failure_.ok()) {
    const Window window = self->windows_[self->next_window_++];
    const Status read = co_await self->ReadWindow(window, buffer);
    if (!read.ok() && self->failure_.ok()) self->failure_ = read;
    // What was read in one go is decoded in one go: others have their turn between.
    co_await io::Yield();
  }
}

io::Task<Status> AccountLoader::ReadWindow(const Window& window, io::DmaBuffer& buffer) {
  if (buffer.size() < window.bytes) buffer = io::DmaBuffer(window.bytes);
  const Segment& segment = *wanted_[window.begin].place.segment;
  auto file = co_await store_.AcquireReadFile(segment.log, segment.sequence);
  CO_RETURN_IF_ERROR(file.status());
  auto read = co_await (*file)->file.Read(window.offset, {buffer.data(), window.bytes});
  store_.ReleaseReadFile(*file);
  CO_RETURN_IF_ERROR(read.status());
  for (size_t i = window.begin; i < window.end; ++i) {
    const RecordPlace& place = wanted_[i].place;
    const size_t skip = place.offset - window.offset;
    if (*read < skip + place.bytes) co_return Lost(place, "the segment is cut short");
    CO_RETURN_IF_ERROR(Take(wanted_[i], {buffer.data() + skip, place.bytes}));
  }
  co_return absl::OkStatus();
}

Status AccountLoader::Take(const Wanted& wanted, std::string_view bytes) {
  const RecordPlace& place = wanted.place;
  const auto record = DecodeRecord(bytes, SegmentSalt{place.segment->salt}, place.offset);
  if (!record || record->type != RecordType::kAccount)
    return Lost(place, "the record is not readable");
  const auto meta = DecodeAccountMeta(record->meta);
  if (!meta || meta->account != records_.id || meta->number != wanted.number ||
      meta->kind != wanted.kind ||
      (wanted.kind == AccountRecordKind::kPage && meta->page != wanted.page)) {
    return Lost(place, "another record is there");
  }
  if (!BodyIntact(*meta, record->body)) return Lost(place, "wrong checksum");
  switch (wanted.kind) {
    case AccountRecordKind::kRoot:
      root_[wanted.part] = record->body;
      break;
    case AccountRecordKind::kPage: {
      auto page = AccountCheckpoint::DecodePage(wanted.page, record->body);
      if (!page.ok()) return Lost(place, Std(page.status().message()));
      pages_[KeyOf(wanted.page)] = *std::move(page);
      break;
    }
    case AccountRecordKind::kTransaction: {
      auto transaction = DecodeTransaction(record->body);
      if (!transaction) return Lost(place, "a change that says nothing we understand");
      transactions_.emplace(wanted.number, *std::move(transaction));
      break;
    }
    case AccountRecordKind::kErased:
      return Lost(place, "another record is there");
  }
  return absl::OkStatus();
}

StatusOr<AccountState> AccountLoader::Restore() {
  if (root_.empty()) return Beginning(transactions_.begin()->second);
  std::string root = std::move(root_.front());
  for (size_t i = 1; i < root_.size(); ++i) root += root_[i];
  auto state = AccountCheckpoint::Restore(root, [this](PageKey key) -> StatusOr<MailboxPageRef> {
    const auto found = pages_.find(KeyOf(key));
    if (found == pages_.end()) {
      return Lost({}, fmt::format("page {} of mailbox {} is not in the log", key.number,
                                  key.mailbox.value));
    }
    StatusOr<MailboxPageRef> page = std::move(found->second);
    pages_.erase(found);  // a page is in one place
    return page;
  });
  if (!state.ok()) return Lost(records_.root.front(), Std(state.status().message()));
  if (state->applied().value != records_.root_number)
    return Lost(records_.root.front(), "a checkpoint of another change");
  return state;
}

io::Task<Status> AccountLoader::Replay(AccountState& state) {
  size_t count = 0;
  for (const auto& [number, transaction] : transactions_) {
    if (number != state.applied().value + 1) co_return Lost({}, "a change is missing");
    const bool last = count > 0 && number == transactions_.rbegin()->first;
    (void)state.Apply(ModSeq(number),
                      Planted(Canary::kReplaySkips) && last ? AccountTransaction{} : transaction);
    if (++count % kChangesPerTurn == 0) co_await io::Yield();
  }
  co_return absl::OkStatus();
}

}  // namespace ringmail::storage
