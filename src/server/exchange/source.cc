#include "server/exchange/source.h"

#include <algorithm>
#include <set>

#include "ringmail/foreign/mailbox_name.h"
#include "ringmail/foreign/maildir.h"
#include "ringmail/foreign/sdbox.h"
#include "ringmail/io/file.h"

namespace ringmail::server {
namespace {

using io::FileFacts;

io::Task<bool> IsDirectory(std::string path) {
  const auto facts = co_await io::Examine(std::move(path));
  co_return facts.ok() && facts->kind == FileFacts::Kind::kDirectory;
}

io::Task<SourceFormat> Detect(std::string path) {
  if (!co_await IsDirectory(path)) co_return SourceFormat::kMbox;
  if (co_await IsDirectory(path + "/cur")) co_return SourceFormat::kMaildir;
  if (co_await IsDirectory(path + "/mailboxes") || co_await IsDirectory(path + "/dbox-Mails"))
    co_return SourceFormat::kSdbox;
  co_return SourceFormat::kMbox;
}

io::Task<void> AddSubscriptions(std::string path, char separator, FoundTree& tree) {
  const auto text = co_await ReadFileIfThere(path, kSourceIndexBytesMax);
  if (!text.ok()) {
    tree.faults.push_back({path, 0, std::string(Std(text.status().message()))});
    co_return;
  }
  for (std::string& name : foreign::ParseSubscriptions(*text, separator))
    tree.subscriptions.push_back(std::move(name));
}

// Maildir++: the root is INBOX, and folders are its ".A.B".
io::Task<Status> FindMaildirs(std::string root, FoundTree& tree) {
  auto names = co_await io::ListDirectory(root);
  CO_RETURN_IF_ERROR(names.status());
  tree.mailboxes.push_back({"INBOX", root, SourceFormat::kMaildir});
  for (const std::string& name : *names) {
    const std::string path = root + "/" + name;
    if (name == "cur" || name == "new" || name == "tmp") continue;
    if (!co_await IsDirectory(path + "/cur")) continue;
    const auto folder =
        name.starts_with('.') ? foreign::NameOfFolder(name) : foreign::NameFromPath(name, '/');
    if (!folder) {
      tree.faults.push_back({path, 0, "the folder's name is no mailbox's"});
      continue;
    }
    tree.mailboxes.push_back({*folder, path, SourceFormat::kMaildir});
  }
  co_await AddSubscriptions(root + "/subscriptions", '.', tree);
  co_await AddSubscriptions(root + "/courierimapsubscribed", '.', tree);
  co_return absl::OkStatus();
}

// A directory still to be looked into, and its levels so far.
struct Place {
  std::string path, relative;
  int depth = 0;
};

// sdbox below ROOT/mailboxes: each mailbox is a directory with dbox-Mails.
io::Task<Status> FindSdboxes(std::string root, FoundTree& tree) {
  if (co_await IsDirectory(root + "/dbox-Mails")) {
    tree.mailboxes.push_back({"INBOX", root + "/dbox-Mails", SourceFormat::kSdbox});
    co_return absl::OkStatus();
  }
  std::vector<Place> places = {{root + "/mailboxes", "", 0}};
  while (!places.empty()) {
    const Place here = std::move(places.back());
    places.pop_back();
    auto names = co_await io::ListDirectory(here.path);
    CO_RETURN_IF_ERROR(names.status());
    for (const std::string& name : *names) {
      const std::string path = here.path + "/" + name;
      if (!co_await IsDirectory(path)) continue;
      if (name != "dbox-Mails") {
        if (here.depth < kSourceDepthMax)
          places.push_back(
              {path, here.relative.empty() ? name : here.relative + "/" + name, here.depth + 1});
        continue;
      }
      const auto mailbox = foreign::NameFromPath(here.relative, '/');
      if (mailbox) {
        tree.mailboxes.push_back({*mailbox, path, SourceFormat::kSdbox});
      } else {
        tree.faults.push_back({path, 0, "the directory's name is no mailbox's"});
      }
    }
  }
  co_await AddSubscriptions(root + "/subscriptions", '/', tree);
  co_return absl::OkStatus();
}

io::Task<bool> LooksLikeMbox(std::string path, uint64_t bytes) {
  if (bytes == 0) co_return true;
  auto file = co_await io::File::Open(std::move(path), io::OpenMode::kRead, io::Access::kBuffered);
  if (!file.ok()) co_return true;  // opening it again will say why not
  char start[8] = {};
  const auto got = co_await file->Read(0, start);
  co_await file->Close();
  const std::string_view text(start, got.ok() ? *got : 0);
  co_return text.substr(std::min(text.find_first_not_of("\r\n"), text.size())).starts_with("From ");
}

// mbox: a file is one mailbox, a directory a tree of them.
io::Task<Status> FindMboxes(std::string root, FoundTree& tree) {
  const auto facts = co_await io::Examine(root);
  CO_RETURN_IF_ERROR(facts.status());
  if (facts->kind == FileFacts::Kind::kFile) {
    tree.mailboxes.push_back({"INBOX", root, SourceFormat::kMbox});
    co_return absl::OkStatus();
  }
  std::vector<Place> places = {{root, "", 0}};
  while (!places.empty()) {
    const Place here = std::move(places.back());
    places.pop_back();
    auto names = co_await io::ListDirectory(here.path);
    CO_RETURN_IF_ERROR(names.status());
    for (const std::string& name : *names) {
      // .imap and .lock are Dovecot's own, .subscriptions is read below.
      if (name.starts_with('.') || name.ends_with(".lock")) continue;
      const std::string path = here.path + "/" + name;
      const auto found = co_await io::Examine(path);
      std::string relative = here.relative.empty() ? name : here.relative + "/" + name;
      if (found.ok() && found->kind == FileFacts::Kind::kDirectory && here.depth < kSourceDepthMax)
        places.push_back({path, relative, here.depth + 1});
      if (!found.ok() || found->kind != FileFacts::Kind::kFile || name == "subscriptions") continue;
      if (!co_await LooksLikeMbox(path, found->bytes)) continue;
      if (relative.ends_with(".mbox")) relative.resize(relative.size() - 5);
      const auto mailbox = foreign::NameFromPath(relative, '/');
      if (mailbox) {
        tree.mailboxes.push_back({*mailbox, path, SourceFormat::kMbox});
      } else {
        tree.faults.push_back({path, 0, "the file's name is no mailbox's"});
      }
    }
  }
  co_await AddSubscriptions(root + "/subscriptions", '/', tree);
  co_await AddSubscriptions(root + "/.subscriptions", '/', tree);
  co_return absl::OkStatus();
}

}  // namespace

io::Task<StatusOr<FoundTree>> FindMailboxes(std::string path, SourceFormat format) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  CO_RETURN_IF_ERROR((co_await io::Examine(path)).status());
  if (format == SourceFormat::kDetect) format = co_await Detect(path);
  FoundTree tree;
  Status status;
  switch (format) {
    case SourceFormat::kDetect:
    case SourceFormat::kMbox:
      status = co_await FindMboxes(path, tree);
      break;
    case SourceFormat::kMaildir:
      status = co_await FindMaildirs(path, tree);
      break;
    case SourceFormat::kSdbox:
      status = co_await FindSdboxes(path, tree);
      break;
  }
  CO_RETURN_IF_ERROR(status);
  std::sort(tree.mailboxes.begin(), tree.mailboxes.end(),
            [](const FoundMailbox& a, const FoundMailbox& b) {
              return std::pair(a.name, a.path) < std::pair(b.name, b.path);
            });
  const std::set<std::string> once(tree.subscriptions.begin(), tree.subscriptions.end());
  tree.subscriptions.assign(once.begin(), once.end());
  if (tree.mailboxes.empty()) co_return absl::NotFoundError(Absl(path + ": no mailbox is there"));
  co_return tree;
}

io::Task<StatusOr<std::unique_ptr<MailboxSource>>> OpenSource(const FoundMailbox& mailbox,
                                                              const KnownMessages& known,
                                                              foreign::FromQuoting quoting) {
  if (mailbox.format == SourceFormat::kMaildir) co_return co_await OpenMaildir(mailbox.path, known);
  if (mailbox.format == SourceFormat::kSdbox) co_return co_await OpenSdbox(mailbox.path, known);
  co_return co_await OpenMbox(mailbox.path, known, quoting);
}

io::Task<StatusOr<std::string>> ReadFileWhole(std::string path, uint64_t bytes_max) {
  auto file = co_await io::File::Open(path, io::OpenMode::kRead, io::Access::kBuffered);
  CO_RETURN_IF_ERROR(file.status());
  const auto size = co_await file->Size();
  Status status = size.status();
  std::string text;
  if (status.ok() && *size > bytes_max) status = absl::OutOfRangeError(Absl(path + ": too long"));
  if (status.ok()) {
    text.resize(*size);
    const auto got = co_await file->Read(0, {text.data(), text.size()});
    status = got.status();
    if (got.ok()) text.resize(*got);
  }
  co_await file->Close();
  CO_RETURN_IF_ERROR(status);
  co_return text;
}

io::Task<StatusOr<std::string>> ReadFileIfThere(std::string path, uint64_t bytes_max) {
  auto text = co_await ReadFileWhole(std::move(path), bytes_max);
  if (absl::IsNotFound(text.status())) co_return std::string();
  co_return text;
}

}  // namespace ringmail::server
