#include <algorithm>

#include "ringmail/agent/submission.h"

namespace ringmail::agent {

Identity JudgeIdentity(const storage::Directory* directory, std::string_view account,
                       const message::Mailbox& address) {
  using Kind = storage::Resolution::Kind;
  const std::optional<std::string> own = storage::DirectoryAddress(account);
  const std::string text = std::string(address.local_part) + "@" + std::string(address.domain);
  // Without asking anybody: accounts of another backend are not in the directory.
  if (own && storage::DirectoryAddress(text) == own) return Identity::kOwn;
  if (directory == nullptr) return Identity::kForeign;
  const storage::Resolution found = directory->Resolve(address.local_part, address.domain);
  switch (found.kind) {
    case Kind::kAccount:
      return own && found.account->address() == *own ? Identity::kOwn : Identity::kForeign;
    case Kind::kAlias: {
      const storage::Expansion ends = directory->Expand(address.local_part, address.domain);
      const bool leads = own && std::any_of(ends.accounts.begin(), ends.accounts.end(),
                                            [&](const storage::Expansion::Local& one) {
                                              return one.address == *own;
                                            });
      if (leads) return Identity::kOwn;
      return ends.unavailable ? Identity::kUnavailable : Identity::kForeign;
    }
    case Kind::kUnavailable:
      return Identity::kUnavailable;
    case Kind::kForeign:
      return found.certain ? Identity::kForeign : Identity::kUnavailable;
    case Kind::kMoved:
    case Kind::kUnknown:
      return Identity::kForeign;
  }
  return Identity::kForeign;
}

}  // namespace ringmail::agent
