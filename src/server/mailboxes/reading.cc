#include "server/mailboxes/reading.h"

namespace ringmail::server {

io::Task<Status> Reading::Begin() {
  ASSIGN_OR_CO_RETURN(account_, co_await accounts_.Open(request_.account));
  const auto mailbox = account_->FindName(request_.mailbox);
  if (!mailbox) co_return absl::NotFoundError("no such mailbox");
  view_ = account_->View(mailbox->id);
  if (request_.what == ReadRequest::What::kMessage) {
    if (view_.Find(storage::Uid(request_.after)) == nullptr)
      co_return absl::NotFoundError("no such message");
    place_ = view_.LowerBound(storage::Uid(request_.after));
  } else if (request_.after == UINT32_MAX) {
    place_ = view_.count();
  } else {
    place_ = view_.LowerBound(storage::Uid(request_.after + 1));
  }
  co_return absl::OkStatus();
}

FrameHead Reading::HeadOf(const storage::MessageEntry& entry) const {
  FrameHead head{.bytes = entry.bytes};
  head.marks.flags = static_cast<uint8_t>(entry.flags & storage::kSystemFlags);
  const auto& keywords = view_.facts().keywords;
  for (size_t i = 0; i < keywords.size(); ++i) {
    if ((entry.flags >> (storage::kKeywordShift + i) & 1) != 0)
      head.marks.keywords.push_back(keywords[i]);
  }
  head.marks.date_seconds = entry.internal_date_seconds;
  head.marks.uid = entry.uid.value;
  return head;
}

io::Task<Status> Reading::BeginMessage(std::string& out) {
  const storage::MessageEntry entry = view_.at(place_);
  FrameHead head = HeadOf(entry);
  ++place_;
  ++given_;
  if (request_.what == ReadRequest::What::kHeads) {
    out += FormatFrameHead(head);
    co_return absl::OkStatus();
  }
  auto opened = co_await storage::OpenMessage(store_, accounts_, *account_, entry);
  std::string first;
  if (opened.ok()) {
    const auto piece = co_await (*opened)->Next();
    if (piece.ok()) {
      first = piece->bytes;
    } else {
      opened = piece.status();
    }
  }
  if (!opened.ok()) {
    if (request_.what == ReadRequest::What::kMessage) co_return opened.status();
    head.bytes = 0;
    head.error = Std(opened.status().message());
    out += FormatFrameHead(head);
    co_return absl::OkStatus();
  }
  if (request_.what == ReadRequest::What::kFrames) out += FormatFrameHead(head);
  if (first.size() > head.bytes) co_return absl::DataLossError("it is longer than it should be");
  out += first;
  left_ = head.bytes - first.size();
  if (left_ > 0) source_ = *std::move(opened);
  co_return absl::OkStatus();
}

io::Task<StatusOr<bool>> Reading::Next(std::string& out) {
  const uint64_t limit = request_.what == ReadRequest::What::kMessage ? 1 : request_.limit;
  while (out.size() < kReadingPieceBytes) {
    if (source_ == nullptr) {
      if (place_ >= view_.count() || given_ >= limit) co_return false;
      CO_RETURN_IF_ERROR(co_await BeginMessage(out));
      continue;
    }
    const auto piece = co_await source_->Next();
    CO_RETURN_IF_ERROR(piece.status());
    if (piece->bytes.empty() || piece->bytes.size() > left_)
      co_return absl::DataLossError("a message is not as long as it should be");
    out += piece->bytes;
    left_ -= piece->bytes.size();
    if (left_ == 0) source_.reset();
  }
  co_return true;
}

}  // namespace ringmail::server
