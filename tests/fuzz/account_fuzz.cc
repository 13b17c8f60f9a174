// Accounts from hostile octets: a transaction and a checkpoint that the log might hold. What is
// read is applied, and what came of it must survive a checkpoint.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ringmail/base/check.h"
#include "storage/mailbox/checkpoint.h"
#include "storage/mailbox/transaction_codec.h"

using namespace ringmail::storage;  // NOLINT: a fuzzer

namespace {

void CheckSurvives(AccountState& state) {
  state.JoinPages();
  std::string root, again;
  AccountCheckpoint::EncodeRoot(state, root);
  std::map<PageKey, std::string> pages;
  for (const auto& [key, page] : AccountCheckpoint::Changed(state, ModSeq()))
    AccountCheckpoint::EncodePage(*page, pages[key]);
  const auto restored =
      AccountCheckpoint::Restore(root, [&pages](PageKey key) -> ringmail::StatusOr<MailboxPageRef> {
        return AccountCheckpoint::DecodePage(key, pages[key]);
      });
  CHECK(restored.ok());
  AccountCheckpoint::EncodeRoot(*restored, again);
  CHECK(root == again);
  CHECK_EQ(restored->bytes(), state.bytes());
  CHECK_EQ(restored->messages(), state.messages());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  const size_t cut = 2 + static_cast<size_t>(data[1]) % (size - 1);
  AccountState state(1);
  uint64_t number = 0;
  // An account with something in it.
  AccountTransaction begin{.changes = {CreateMailbox{"a"}}};
  for (uint32_t i = 1; i <= data[0]; ++i) {
    begin.changes.push_back(Append{.mailbox = MailboxId(1 + i % 2),
                                   .content = ringmail::ContentId(i),
                                   .bytes = i,
                                   .keywords = {"k"}});
  }
  state.Apply(ModSeq(++number), begin);
  if (const auto transaction = DecodeTransaction(in.substr(cut))) {
    std::string again;
    EncodeTransaction(*transaction, again);
    CHECK(DecodeTransaction(again).has_value());
    const auto results = state.Apply(ModSeq(++number), *transaction);
    CHECK_EQ(results.size(), transaction->changes.size());
  }
  CheckSurvives(state);
  auto restored = AccountCheckpoint::Restore(
      in.substr(2, cut - 2), [&](PageKey key) -> ringmail::StatusOr<MailboxPageRef> {
        return AccountCheckpoint::DecodePage(key, in.substr(cut));
      });
  if (restored.ok()) {
    const uint64_t next = restored->applied().value;
    if (next < UINT64_MAX) restored->Apply(ModSeq(next + 1), begin);
  }
  return 0;
}
