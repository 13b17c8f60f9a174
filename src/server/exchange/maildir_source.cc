#include <algorithm>
#include <map>
#include <unordered_map>

#include "ringmail/foreign/line_ends.h"
#include "ringmail/foreign/maildir.h"
#include "ringmail/io/file.h"
#include "server/exchange/source.h"

namespace ringmail::server {
namespace {

struct Entry {
  std::string_view folder;  // "cur" or "new"
  std::string name;
  uint32_t uid = 0;
};

class MaildirSource final : public MailboxSource {
 public:
  MaildirSource(std::string path, const KnownMessages& known)
      : path_(std::move(path)), known_messages_(known) {}

  io::Task<Status> Open() {
    foreign::UidList list;
    for (const std::string_view name : {"dovecot-uidlist", "courierimapuiddb"}) {
      const auto text = co_await Small(std::string(name));
      if (text.empty() || !list.uids.empty()) continue;
      if (const auto fault = foreign::ParseUidList(text, list))
        faults_.push_back({path_ + "/" + std::string(name), fault->at, std::string(fault->what)});
    }
    keywords_ = foreign::ParseMaildirKeywords(co_await Small("dovecot-keywords"));
    std::unordered_map<std::string_view, uint32_t> uids;
    for (const auto& [uid, unique] : list.uids) uids.emplace(unique, uid);
    for (const std::string_view folder : {"cur", "new"}) {
      auto names = co_await io::ListDirectory(path_ + "/" + std::string(folder));
      CO_RETURN_IF_ERROR(names.status());
      for (std::string& name : *names) {
        const foreign::MaildirFile file = foreign::ParseMaildirFile(name);
        if (file.unique.empty()) continue;
        const auto found = uids.find(file.unique);
        entries_.push_back({folder, name, found == uids.end() ? 0 : found->second});
      }
    }
    // As they came: by UID, then those that got none yet, by the time their names begin with.
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tuple(a.uid == 0, a.uid, std::string_view(a.name)) <
             std::tuple(b.uid == 0, b.uid, std::string_view(b.name));
    });
    uid_validity_ = list.uid_validity;
    uid_next_ = list.uid_next;
    if (uid_validity_ == 0) co_return absl::OkStatus();
    // Those that nobody has seen yet, as the server would do whose they are.
    for (Entry& entry : entries_) {
      if (entry.uid == 0 && uid_next_ < UINT32_MAX) entry.uid = uid_next_++;
    }
    co_return absl::OkStatus();
  }

  io::Task<Got> Next(SourceMessage& message, SourceFault& fault) override {
    if (!faults_.empty()) {
      fault = std::move(faults_.back());
      faults_.pop_back();
      co_return Got::kFault;
    }
    while (at_ < entries_.size()) {
      Entry& entry = entries_[at_++];
      const std::string unique(foreign::ParseMaildirFile(entry.name).unique);
      if (known_messages_.Has(unique)) {
        ++known_;
        continue;
      }
      Status status = co_await ReadEntry(entry, message);
      if (absl::IsNotFound(status)) {
        // Flags changed since it was listed, and the name with them; or it was expunged.
        if (!co_await FindAgain(unique, entry)) continue;
        status = co_await ReadEntry(entry, message);
      }
      if (status.ok()) {
        message.id = unique;
        co_return Got::kMessage;
      }
      fault = {PathOf(entry), 0, std::string(Std(status.message()))};
      co_return Got::kFault;
    }
    co_return Got::kEnd;
  }

 private:
  std::string PathOf(const Entry& entry) const {
    return path_ + "/" + std::string(entry.folder) + "/" + entry.name;
  }

  io::Task<std::string> Small(std::string name) {
    auto text = co_await ReadFileIfThere(path_ + "/" + name, kSourceIndexBytesMax);
    if (text.ok()) co_return *std::move(text);
    faults_.push_back({path_ + "/" + name, 0, std::string(Std(text.status().message()))});
    co_return std::string();
  }

  io::Task<bool> FindAgain(const std::string& unique, Entry& entry) {
    for (const std::string_view folder : {"cur", "new"}) {
      const auto names = co_await io::ListDirectory(path_ + "/" + std::string(folder));
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        if (foreign::ParseMaildirFile(name).unique != unique) continue;
        entry.folder = folder;
        entry.name = name;
        co_return true;
      }
    }
    co_return false;
  }

  io::Task<Status> ReadEntry(const Entry& entry, SourceMessage& message) {
    const std::string path = PathOf(entry);
    const auto facts = co_await io::Examine(path);
    CO_RETURN_IF_ERROR(facts.status());
    if (facts->kind != io::FileFacts::Kind::kFile) co_return absl::DataLossError("no file");
    const auto text = co_await ReadFileWhole(path, kSourceMessageBytesMax);
    CO_RETURN_IF_ERROR(text.status());
    if (text->empty()) co_return absl::DataLossError("an empty file");
    if (text->starts_with("\x1F\x8B") || text->starts_with("\x28\xB5\x2F\xFD") ||
        text->starts_with("BZh9"))
      co_return absl::DataLossError("the message is compressed: unpack it first");
    message = {};
    foreign::ToCrlf().Feed(*text, message.octets);
    foreign::AddMaildirFlags(foreign::ParseMaildirFile(entry.name).flags, keywords_, message.marks);
    // Courier and Dovecot keep the internal date so.
    message.marks.date_seconds = UnixSeconds(facts->modified);
    message.marks.uid = entry.uid;
    co_return absl::OkStatus();
  }

  const std::string path_;
  const KnownMessages& known_messages_;
  foreign::MaildirKeywords keywords_;
  std::vector<Entry> entries_;
  std::vector<SourceFault> faults_;
  size_t at_ = 0;
};

}  // namespace

io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenMaildir(std::string path,
                                                               const KnownMessages& known) {
  auto source = std::make_unique<MaildirSource>(std::move(path), known);
  CO_RETURN_IF_ERROR(co_await source->Open());
  co_return std::unique_ptr<MailboxSource>(std::move(source));
}

}  // namespace ringmail::server
