// A directory as a test wants it: accounts, aliases, and what cannot be told, by address.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/storage/directory.h"

namespace ringmail::agent {

class FakeDirectory final : public storage::Directory {
 public:
  using Kind = storage::Resolution::Kind;

  void AddAccount(const std::string& address, uint64_t id) {
    values_[address] = storage::EncodeEntry(storage::AccountEntry{.address = address, .id = id});
    kinds_[address] = Kind::kAccount;
  }
  // `targets` are accounts.
  void AddAlias(const std::string& address, std::vector<std::string> targets) {
    kinds_[address] = Kind::kAlias;
    targets_[address] = std::move(targets);
  }
  void Say(const std::string& address, Kind kind) { kinds_[address] = kind; }
  // What it says of everybody else.
  bool certain = true;
  bool expansion_unavailable = false;

  bool IsLocalDomain(std::string_view) const override { return true; }
  storage::Resolution Resolve(std::string_view local_part, std::string_view domain) const override {
    storage::Resolution out{.certain = certain};
    const auto name = storage::DirectoryAddress(Address(local_part, domain));
    if (!name) return out;
    // As the directory's own: the account of user+detail is user's.
    std::string user = *name;
    const size_t plus = user.find('+');
    if (plus != std::string::npos) user.erase(plus, user.find('@') - plus);
    const auto found = kinds_.find(user);
    if (found == kinds_.end()) return out;
    out.kind = found->second;
    if (out.kind == Kind::kAccount) {
      const auto& [address, value] = *values_.find(user);
      out.account = storage::AccountView::Parse(address, value);
    }
    return out;
  }
  storage::Expansion Expand(std::string_view local_part, std::string_view domain) const override {
    storage::Expansion out;
    out.unavailable = expansion_unavailable;
    const auto found = targets_.find(Address(local_part, domain));
    if (found == targets_.end()) return out;
    for (const std::string& one : found->second) out.accounts.push_back({.address = one});
    return out;
  }
  std::optional<storage::DirectoryRow> Find(std::string_view) const override { return {}; }
  uint64_t size() const override { return kinds_.size(); }
  uint64_t version() const override { return 0; }
  bool complete() const override { return certain; }
  io::Task<StatusOr<storage::DirectoryApplied>> Apply(storage::DirectoryTransaction) override {
    co_return storage::DirectoryApplied{};
  }
  std::unique_ptr<Pin> MakePin() override { return nullptr; }
  io::Task<void> Publish(std::vector<storage::Directory*>) override { co_return; }
  void Reconfigure(storage::DirectoryOptions) override {}

 private:
  static std::string Address(std::string_view local_part, std::string_view domain) {
    return std::string(local_part) + "@" + std::string(domain);
  }
  std::map<std::string, std::string> values_;
  std::map<std::string, Kind> kinds_;
  std::map<std::string, std::vector<std::string>> targets_;
};

}  // namespace ringmail::agent
