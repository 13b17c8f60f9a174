// A session's part that sends a message (RFC 1939 §5, §7), by gather: the octets go out from where
// the store has them, and the dots that transparency asks for (§3) between them, by the places that
// were recorded when the message came.

#include <algorithm>
#include <string>

#include "fmt/format.h"
#include "protocol/pop3/session.h"
#include "protocol/pop3/wire.h"
#include "ringmail/base/check.h"
#include "ringmail/base/log.h"
#include "ringmail/base/status.h"
#include "ringmail/codec/utf8.h"
#include "ringmail/io/shard.h"

namespace ringmail::pop3 {
namespace {

bool Over127(char c) { return static_cast<unsigned char>(c) > 127; }

bool Has8Bit(std::string_view text) { return !codec::IsAscii(text); }

}  // namespace

// nullopt: it cannot be read.
io::Task<std::optional<bool>> Session::HeaderHas8Bit(storage::ContentSource& source) {
  MessageCut cut(0);
  bool found = false;
  while (!found && cut.in_header()) {
    const StatusOr<storage::ContentPiece> piece = co_await source.Next();
    if (!piece.ok()) co_return std::nullopt;
    if (piece->bytes.empty()) break;
    (void)cut.Feed(piece->bytes);
    found = Has8Bit(piece->bytes.substr(0, cut.header_bytes()));
  }
  source.Rewind();
  co_return found;
}

void Session::NoteUnreadable(uint32_t place, const Status& status) {
  shared_.metrics.messages_failed.Add();
  LogLine(io::ShardLog(), LogLevel::kError, "message_unreadable")
      .Field("account", baggage_->name)
      .Field("uid", maildrop_->at(place).uid.value)
      .Field("why", Std(status.message()));
}

void Session::SayUnreadable(uint32_t place, const Status& status) {
  if (absl::IsNotFound(status)) {
    shared_.metrics.messages_failed.Add();
    Err(fmt::format("Message {} is not there any more", place + 1));
  } else {
    NoteUnreadable(place, status);
    Err(absl::IsDataLoss(status) ? "[SYS/PERM] The message is damaged"
                                 : "[SYS/TEMP] The message cannot be read at present");
  }
}

// `bytes` are those of `piece` from `begin` on, or what stands for them.
io::Task<bool> Session::SendPiece(std::string_view bytes, storage::ContentPiece piece,
                                  size_t begin) {
  size_t from = 0;
  bool lent = false;
  const auto put = [&](size_t end) {
    const std::string_view run = bytes.substr(from, end - from);
    if (run.size() <= kCopiedRunBytesMax) {
      stream_.Write(run);
    } else {
      stream_.WriteReference(run);
      lent = true;
    }
    from = end;
  };
  for (const uint32_t dot : piece.dot_lines) {
    if (dot < begin + from || dot >= begin + bytes.size()) continue;
    put(dot - begin);
    stream_.Write(".");
    if (output_full() && !co_await Pace()) co_return false;
  }
  put(bytes.size());
  // What is lent lives until the next piece is asked for. What was copied goes out with what
  // follows: a client that pipelines gets many small messages by one send.
  co_return (!lent && !output_full()) || co_await Pace();
}

// Not inline: its frame would become part of Run's, and lie there idle.
[[gnu::noinline]] io::Task<void> Session::Send(uint32_t place, std::optional<uint32_t> body_lines) {
  StatusOr<OpenedMessage> opened = co_await maildrop_->Open(place);
  if (!opened.ok()) {
    SayUnreadable(place, opened.status());
    co_return;
  }
  if ((opened->flags & storage::kContentBinary) != 0) {
    // RFC 6856 §2.1: binary is not for POP3, whose lines end in CRLF.
    Err("[SYS/PERM] The message is binary (RFC 3030)");
    co_return;
  }
  const bool surrogate = !baggage_->utf8 && (opened->flags & storage::kContent8Bit) != 0;
  if (surrogate && settings_.options.utf8_header == Utf8Header::kRefused) {
    const std::optional<bool> found = co_await HeaderHas8Bit(*opened->source);
    if (found.value_or(false)) {
      Err("[UTF8] The message has a header in UTF-8: say UTF8 before you log in");
      co_return;
    }
  }
  // Before anything is promised, its beginning has been read.
  const StatusOr<storage::ContentPiece> first = co_await opened->source->Next();
  if (!first.ok()) {
    SayUnreadable(place, first.status());
    co_return;
  }
  Ok(body_lines ? "Top of message follows" : fmt::format("{} octets", maildrop_->at(place).bytes));
  // Of RETR the cut says where the header ends, and looks no further.
  sending_ = std::make_unique<Sending>(body_lines.value_or(0));
  sending_->source = std::move(opened->source);
  sending_->top = body_lines.has_value();
  sending_->surrogate = surrogate;
  co_await SendPieces(place, *first);
  // What a client has not taken is lent to the stream until that is closed.
  if (ending_ == Ending::kNone) sending_.reset();
}

io::Task<void> Session::SendPieces(uint32_t place, storage::ContentPiece piece) {
  Sending& sending = *sending_;
  bool ends_line = true;
  while (!piece.bytes.empty()) {
    std::string_view bytes = piece.bytes;
    size_t begin = 0;
    if (sending.top || (sending.surrogate && sending.cut.in_header())) {
      bytes = bytes.substr(0, sending.cut.Feed(bytes));
      const std::string_view header = bytes.substr(0, sending.cut.header_bytes());
      if (sending.surrogate && Has8Bit(header)) {
        sending.header = header;
        std::replace_if(sending.header.begin(), sending.header.end(), Over127, '?');
        begin = header.size();
        if (!co_await SendPiece(sending.header, piece, 0)) co_return;
      }
      if (!sending.top) bytes = piece.bytes;
    }
    if (!bytes.empty()) ends_line = bytes.ends_with('\n');
    if (!co_await SendPiece(bytes.substr(begin), piece, begin)) co_return;
    if (sending.top && sending.cut.done()) break;
    const StatusOr<storage::ContentPiece> next = co_await sending.source->Next();
    if (!next.ok()) {
      NoteUnreadable(place, next.status());
      // +OK is said, and the end would say that this was all.
      End(Ending::kDamage);
      co_return;
    }
    piece = *next;
  }
  stream_.Write(ends_line ? ".\r\n" : "\r\n.\r\n");
  if (sending.top) co_return;
  ++sent_count_;
  shared_.metrics.messages_sent.Add();
  shared_.metrics.message_bytes.Observe(maildrop_->at(place).bytes);
}

}  // namespace ringmail::pop3
