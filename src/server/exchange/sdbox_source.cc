#include <algorithm>

#include "ringmail/foreign/line_ends.h"
#include "ringmail/foreign/sdbox.h"
#include "ringmail/io/file.h"
#include "server/exchange/source.h"

namespace ringmail::server {
namespace {

class SdboxSource final : public MailboxSource {
 public:
  SdboxSource(std::string path, const KnownMessages& known)
      : path_(std::move(path)), known_messages_(known) {}

  io::Task<Status> Open() {
    auto names = co_await io::ListDirectory(path_);
    CO_RETURN_IF_ERROR(names.status());
    for (const std::string& name : *names) {
      if (const uint32_t uid = foreign::ParseSdboxFile(name); uid != 0) uids_.push_back(uid);
    }
    std::sort(uids_.begin(), uids_.end());
    co_await ReadIndex("dovecot.index");
    co_await ReadIndex("dovecot.index.log.2");
    co_await ReadIndex("dovecot.index.log");
    if (!index_damaged_) {
      std::erase_if(uids_, [this](uint32_t uid) { return index_.Expunged(uid); });
      uid_validity_ = index_.uid_validity();
      uid_next_ = index_.uid_next();
    }
    co_return absl::OkStatus();
  }

  io::Task<Got> Next(SourceMessage& message, SourceFault& fault) override {
    if (!faults_.empty()) {
      fault = std::move(faults_.back());
      faults_.pop_back();
      co_return Got::kFault;
    }
    while (at_ < uids_.size()) {
      const uint32_t uid = uids_[at_++];
      std::string id = std::to_string(uid);
      if (known_messages_.Has(id)) {
        ++known_;
        continue;
      }
      const std::string path = path_ + "/u." + id;
      const auto file = co_await ReadFileWhole(path, kSourceMessageBytesMax);
      if (absl::IsNotFound(file.status())) continue;  // expunged since it was listed
      fault = {path, 0, {}};
      if (!file.ok()) {
        fault.what = Std(file.status().message());
        co_return Got::kFault;
      }
      foreign::SdboxMessage read;
      if (const auto wrong = foreign::ParseSdbox(*file, read)) {
        fault.at = wrong->at;
        fault.what = wrong->what;
        co_return Got::kFault;
      }
      if (read.octets.empty()) {
        fault.what = "an empty message";
        co_return Got::kFault;
      }
      message = {};
      message.id = std::move(id);
      foreign::ToCrlf().Feed(read.octets, message.octets);
      message.marks.date_seconds = read.received_seconds;
      message.marks.uid = uid;
      index_.AddMarks(uid, message.marks);
      co_return Got::kMessage;
    }
    co_return Got::kEnd;
  }

 private:
  io::Task<void> ReadIndex(std::string name) {
    const std::string path = path_ + "/" + name;
    const auto file = co_await ReadFileIfThere(path, kSourceIndexBytesMax);
    SourceFault fault{path, 0, {}};
    if (!file.ok()) {
      fault.what = Std(file.status().message());
    } else if (!file->empty()) {
      const bool log = name != "dovecot.index";
      const auto wrong = log ? index_.ReadLog(*file) : index_.ReadIndex(*file);
      if (!wrong) co_return;
      fault.at = wrong->at;
      fault.what = wrong->what;
    } else {
      co_return;
    }
    // Which messages are expunged is not known then: none is taken to be.
    index_damaged_ = true;
    fault.what += "; flags, keywords and UIDVALIDITY may be lost";
    faults_.push_back(std::move(fault));
  }

  const std::string path_;
  const KnownMessages& known_messages_;
  foreign::DovecotIndex index_;
  bool index_damaged_ = false;
  std::vector<uint32_t> uids_;
  std::vector<SourceFault> faults_;
  size_t at_ = 0;
};

}  // namespace

io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenSdbox(std::string path,
                                                             const KnownMessages& known) {
  auto source = std::make_unique<SdboxSource>(std::move(path), known);
  CO_RETURN_IF_ERROR(co_await source->Open());
  co_return std::unique_ptr<MailboxSource>(std::move(source));
}

}  // namespace ringmail::server
