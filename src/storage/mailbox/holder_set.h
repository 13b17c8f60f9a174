// Which accounts hold a content: none and one, which nearly all contents have, cost nothing beyond
// the 8 octets of the set itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ringmail/base/ids.h"
#include "storage/mailbox/account_record.h"

namespace ringmail::storage {

class HolderSet {
 public:
  HolderSet() = default;
  HolderSet(const HolderSet&) = delete;
  HolderSet& operator=(const HolderSet&) = delete;
  ~HolderSet() { Clear(); }

  bool empty() const { return word_ == 0; }
  size_t size() const { return empty() ? 0 : one() ? 1 : many().size(); }
  bool Has(AccountId account) const {
    if (empty()) return false;
    if (one()) return word_ >> 1 == account.value;
    return std::binary_search(many().begin(), many().end(), account);
  }
  // Ascending.
  std::vector<AccountId> List() const {
    if (empty()) return {};
    if (one()) return {AccountId(word_ >> 1)};
    return many();
  }

  // REQUIRES: 0 < account <= kAccountIdMax.
  void Add(AccountId account) {
    if (Has(account)) return;
    if (empty()) {
      word_ = account.value << 1 | 1;
      return;
    }
    if (one()) Set(new std::vector<AccountId>{AccountId(word_ >> 1)});
    many().insert(std::lower_bound(many().begin(), many().end(), account), account);
  }
  void Add(std::span<const AccountId> accounts) {
    if (accounts.size() == 1) return Add(accounts.front());
    if (accounts.empty()) return;
    std::vector<AccountId> all = List();
    all.insert(all.end(), accounts.begin(), accounts.end());
    Assign(std::move(all));
  }
  void Remove(AccountId account) {
    if (!Has(account)) return;
    if (one()) {
      word_ = 0;
      return;
    }
    many().erase(std::lower_bound(many().begin(), many().end(), account));
    if (many().size() == 1) Assign(List());
  }
  void Assign(std::vector<AccountId> accounts) {
    Clear();
    std::sort(accounts.begin(), accounts.end());
    accounts.erase(std::unique(accounts.begin(), accounts.end()), accounts.end());
    if (accounts.size() == 1) word_ = accounts.front().value << 1 | 1;
    if (accounts.size() > 1) Set(new std::vector<AccountId>(std::move(accounts)));
  }

 private:
  using Many = std::vector<AccountId>;
  // The lowest bit tells an account from a pointer, which is even.
  bool one() const { return (word_ & 1) != 0; }
  Many& many() const { return *reinterpret_cast<Many*>(static_cast<uintptr_t>(word_)); }
  void Set(Many* many) { word_ = reinterpret_cast<uintptr_t>(many); }
  void Clear() {
    if (!empty() && !one()) delete &many();
    word_ = 0;
  }

  uint64_t word_ = 0;
};

}  // namespace ringmail::storage
