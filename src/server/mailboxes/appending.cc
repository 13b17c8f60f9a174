#include "server/mailboxes/appending.h"

#include <algorithm>

#include "ringmail/io/shard.h"
#include "server/control/json_writer.h"

namespace ringmail::server {

static_assert(storage::kFlagSeen == foreign::kSeen && storage::kFlagAnswered == foreign::kAnswered);
static_assert(storage::kFlagFlagged == foreign::kFlagged);
static_assert(storage::kFlagDeleted == foreign::kDeleted && storage::kFlagDraft == foreign::kDraft);

std::string_view ToString(storage::ChangeStatus status) {
  using enum storage::ChangeStatus;
  switch (status) {
    case kOk:
      return "ok";
    case kNoMailbox:
      return "there is no such mailbox";
    case kExists:
      return "a mailbox of that name or role is there";
    case kBadName:
      return "the name is no mailbox's";
    case kForbidden:
      return "it may not be done to INBOX";
    case kOverQuota:
      return "over quota";
    case kLimit:
      return "a limit is reached: keywords, mailboxes or messages";
    case kBadAddress:
      return "the address is malformed";
    case kAlreadyThere:
      return "it is there already";
    case kUidsUsed:
      return "its UID is below those that the mailbox has given";
  }
  return "refused";
}

Appending::~Appending() {
  if (in_lane_) lanes_.erase({request_.account, request_.lane});
}

io::Task<Status> Appending::BeginLane() {
  if (request_.lane.empty()) co_return absl::OkStatus();
  in_lane_ = lanes_.emplace(request_.account, request_.lane).second;
  if (!in_lane_) co_return absl::AbortedError("a batch is under way in the lane");
  const std::string name = LaneValueName(request_.lane);
  const auto value = account_->Value(storage::MailboxId(0), name);
  const std::optional<LaneState> state = value ? ParseLane(*value) : LaneState{};
  if (!state || state->token != request_.expect)
    co_return absl::AbortedError(Absl("the lane is at '" + (state ? state->token : "") + "'"));
  if (value) co_return absl::OkStatus();
  // The lane is made before anything depends on it: an account may hold no more values, and then no
  // batch may go where it could not be written down.
  storage::AccountTransaction make{.time_seconds =
                                       static_cast<uint32_t>(UnixSeconds(io::WallNow()))};
  make.changes.emplace_back(storage::SetValue{.name = name, .value = FormatLane({})});
  const auto made = co_await account_->Apply(std::move(make));
  CO_RETURN_IF_ERROR(made.status());
  if (made->front().status != storage::ChangeStatus::kOk)
    co_return absl::ResourceExhaustedError("the account holds no more named values");
  co_return absl::OkStatus();
}

io::Task<Status> Appending::Begin() {
  ASSIGN_OR_CO_RETURN(account_, co_await accounts_.Open(request_.account));
  if (!account_->FindName(request_.mailbox)) co_return absl::NotFoundError("no such mailbox");
  CO_RETURN_IF_ERROR(co_await BeginLane());
  if (request_.body == AppendRequest::Body::kMessage) co_return BeginMessage(request_.marks);
  co_return absl::OkStatus();
}

Status Appending::BeginMessage(const foreign::Marks& marks) {
  if (contents_.size() == kAppendMessagesMax || bytes_ > kAppendBytesMax)
    return absl::InvalidArgumentError("too much for one request");
  const int64_t now = UnixSeconds(io::WallNow());
  storage::Append append;
  append.system_flags = marks.flags;
  append.keywords = marks.keywords;
  append.uid = storage::Uid(marks.uid);
  append.internal_date_seconds =
      static_cast<uint32_t>(std::clamp<int64_t>(marks.date_seconds.value_or(now), 0, UINT32_MAX));
  transaction_.changes.emplace_back(std::move(append));
  contents_.push_back({.change = contents_.size(), .content = queue_.NewContent()});
  scanner_ = {};
  return absl::OkStatus();
}

io::Task<Status> Appending::FeedMessage(std::string_view octets) {
  storage::ContentWriter& writer = contents_.back().content;
  bytes_ += octets.size();
  while (!octets.empty()) {
    codec::DataScanner::Step step;
    scanner_.Feed(octets, step);
    for (size_t i = 0; i < step.run_count; ++i)
      writer.Append(step.runs[i].bytes, step.runs[i].starts_with_dot_line);
    octets.remove_prefix(step.consumed);
  }
  if (writer.bytes() > UINT32_MAX)
    co_return absl::InvalidArgumentError("a message of more than 4 GiB");
  if (writer.needs_drain()) co_return co_await writer.Drain();
  co_return absl::OkStatus();
}

Status Appending::EndMessage() {
  storage::ContentWriter& writer = contents_.back().content;
  if (writer.bytes() == 0) return absl::InvalidArgumentError("an empty message");
  const uint8_t found = scanner_.final_flags();
  constexpr uint8_t kBinary =
      codec::kDataBareCr | codec::kDataBareLf | codec::kDataNul | codec::kDataLineTooLong;
  uint8_t flags = 0;
  if ((found & codec::kData8Bit) != 0) flags |= storage::kContent8Bit;
  if ((found & kBinary) != 0) flags |= storage::kContentBinary;
  writer.set_flags(flags);
  return absl::OkStatus();
}

io::Task<Status> Appending::Feed(std::string_view piece) {
  if (request_.body == AppendRequest::Body::kMessage) co_return co_await FeedMessage(piece);
  for (;;) {
    switch (frames_.Next(piece)) {
      case FrameReader::Event::kMore:
        co_return absl::OkStatus();
      case FrameReader::Event::kHead:
        CO_RETURN_IF_ERROR(BeginMessage(frames_.head().marks));
        break;
      case FrameReader::Event::kOctets:
        CO_RETURN_IF_ERROR(co_await FeedMessage(frames_.octets()));
        break;
      case FrameReader::Event::kMessage:
        CO_RETURN_IF_ERROR(EndMessage());
        break;
      case FrameReader::Event::kMalformed:
        co_return absl::InvalidArgumentError("the body is not made of messages");
    }
  }
}

io::Task<Status> Appending::Finish(std::string& answer) {
  if (request_.body == AppendRequest::Body::kMessage) CO_RETURN_IF_ERROR(EndMessage());
  if (!frames_.between_messages()) co_return absl::InvalidArgumentError("the body is cut off");
  const auto mailbox = account_->FindName(request_.mailbox);
  if (!mailbox) co_return absl::NotFoundError("no such mailbox");
  for (storage::AccountChange& change : transaction_.changes)
    std::get_if<storage::Append>(&change)->mailbox = mailbox->id;
  if (in_lane_) {
    const LaneState state{
        .token = request_.token, .mailbox = mailbox->id.value, .uid_next = mailbox->uid_next.value};
    transaction_.changes.emplace_back(
        storage::SetValue{.name = LaneValueName(request_.lane), .value = FormatLane(state)});
  }
  transaction_.time_seconds = static_cast<uint32_t>(UnixSeconds(io::WallNow()));
  const size_t count = contents_.size();
  const storage::MailboxId id = mailbox->id;
  if (transaction_.changes.empty()) co_return absl::InvalidArgumentError("no messages");
  auto results = co_await account_->ApplyWithContent(std::move(transaction_), std::move(contents_));
  CO_RETURN_IF_ERROR(results.status());
  // As it is now: an account's first transaction gives INBOX its UIDVALIDITY.
  const auto now = account_->Find(id);
  JsonWriter json(answer);
  json.BeginObject()
      .Key("uid_validity")
      .Number(now ? now->uid_validity : 0)
      .Key("messages")
      .BeginArray();
  for (size_t i = 0; i < count; ++i) {
    const storage::ChangeResult& one = (*results)[i];
    json.BeginObject();
    if (one.status == storage::ChangeStatus::kOk && !one.uids.empty()) {
      json.Key("uid").Number(one.uids.front().first.value);
    } else {
      json.Key("error").String(ToString(one.status));
    }
    json.EndObject();
  }
  json.EndArray().EndObject();
  answer += '\n';
  if (in_lane_ && results->back().status != storage::ChangeStatus::kOk)
    co_return absl::ResourceExhaustedError("the lane was ended meanwhile");
  co_return absl::OkStatus();
}

}  // namespace ringmail::server
