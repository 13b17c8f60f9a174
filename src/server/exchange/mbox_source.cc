#include <unordered_map>

#include "ringmail/codec/digest.h"
#include "ringmail/codec/hex.h"
#include "ringmail/io/file.h"
#include "server/exchange/source.h"

namespace ringmail::server {
namespace {

constexpr size_t kPieceBytes = 1u << 20;
// Of SHA-256: enough that two messages of one mailbox never share it.
constexpr size_t kIdBytes = 16;

std::string DigestOf(std::string_view octets) {
  const codec::DigestValue digest = codec::Digest(codec::DigestKind::kSha256, {octets});
  std::string text(2 * kIdBytes, '\0');
  codec::HexEncode(digest.view().substr(0, kIdBytes), codec::HexCase::kLower, text.data());
  return text;
}

// A message has no name in an mbox, and its place changes when another is removed: it is known by
// what it is, and which of the same it is.
class MboxSource final : public MailboxSource {
 public:
  MboxSource(std::string path, io::File file, const KnownMessages& known,
             foreign::FromQuoting quoting)
      : path_(std::move(path)),
        file_(std::move(file)),
        known_messages_(known),
        reader_({.quoting = quoting, .message_bytes_max = kSourceMessageBytesMax}) {}

  // The first one says what its UIDs are worth.
  io::Task<Status> Open() {
    const auto size = co_await file_.Size();
    CO_RETURN_IF_ERROR(size.status());
    bytes_ = *size;
    first_got_ = co_await Read(first_, first_fault_);
    co_return absl::OkStatus();
  }

  io::Task<Got> Next(SourceMessage& message, SourceFault& fault) override {
    if (!first_got_) co_return co_await Read(message, fault);
    message = std::move(first_);
    fault = std::move(first_fault_);
    co_return *std::exchange(first_got_, std::nullopt);
  }

 private:
  io::Task<Got> Read(SourceMessage& message, SourceFault& fault) {
    using Want = foreign::MboxReader::Want;
    for (;;) {
      const Want want = reader_.Next();
      if (want == Want::kEnd) co_return Got::kEnd;
      if (want == Want::kMore || want == Want::kProbe) {
        const Status status = co_await Provide(want);
        if (status.ok()) continue;
        // Nothing behind it can be read either.
        reader_.FeedEnd();
        failed_ = true;
        fault = {path_, offset_, std::string(Std(status.message()))};
        co_return Got::kFault;
      }
      foreign::MboxMessage& read = reader_.message();
      if (want == Want::kTooLong || want == Want::kNotMbox) {
        fault = {path_, read.offset,
                 want == Want::kTooLong ? "a message that is too long" : "this is no mbox"};
        co_return Got::kFault;
      }
      TakeUid(read);
      // Of what a fault of the disk has cut, it is not known where it ends.
      if (read.internal_data || failed_) continue;
      if (read.octets.empty()) {
        fault = {path_, read.offset, "an empty message"};
        co_return Got::kFault;
      }
      std::string id = DigestOf(read.octets);
      id += "." + std::to_string(++seen_[id]);
      if (known_messages_.Has(id)) {
        ++known_;
        continue;
      }
      message.id = std::move(id);
      message.marks = std::move(read.marks);
      message.octets = std::move(read.octets);
      co_return Got::kMessage;
    }
  }

  // Whoever sent a message may have written the same fields: those of the first alone count, and
  // UIDs that it speaks of.
  void TakeUid(foreign::MboxMessage& read) {
    if (!std::exchange(begun_, true) && read.uid_last < UINT32_MAX) {
      uid_validity_ = read.uid_validity;
      uid_next_ = read.uid_last + 1;
    }
    if (read.marks.uid >= uid_next_) read.marks.uid = 0;
  }

  io::Task<Status> Provide(foreign::MboxReader::Want want) {
    const bool probe = want == foreign::MboxReader::Want::kProbe;
    std::string piece(probe ? foreign::kMboxProbeBytes : kPieceBytes, '\0');
    // Something there, where nothing can be: it bears nothing out.
    if (probe && reader_.probe_offset() > bytes_) {
      reader_.Probed(">");
      co_return absl::OkStatus();
    }
    const auto got =
        co_await file_.Read(probe ? reader_.probe_offset() : offset_, {piece.data(), piece.size()});
    CO_RETURN_IF_ERROR(got.status());
    piece.resize(*got);
    if (probe) {
      reader_.Probed(piece);
    } else if (piece.empty()) {
      reader_.FeedEnd();
    } else {
      reader_.Feed(piece);
      offset_ += piece.size();
    }
    co_return absl::OkStatus();
  }

  const std::string path_;
  io::File file_;
  const KnownMessages& known_messages_;
  foreign::MboxReader reader_;
  uint64_t offset_ = 0, bytes_ = 0;
  bool begun_ = false, failed_ = false;
  std::optional<Got> first_got_;
  SourceMessage first_;
  SourceFault first_fault_;
  std::unordered_map<std::string, uint32_t> seen_;
};

}  // namespace

io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenMbox(std::string path,
                                                            const KnownMessages& known,
                                                            foreign::FromQuoting quoting) {
  auto file = co_await io::File::Open(path, io::OpenMode::kRead, io::Access::kBuffered);
  CO_RETURN_IF_ERROR(file.status());
  auto source = std::make_unique<MboxSource>(std::move(path), *std::move(file), known, quoting);
  CO_RETURN_IF_ERROR(co_await source->Open());
  co_return std::unique_ptr<MailboxSource>(std::move(source));
}

}  // namespace ringmail::server
