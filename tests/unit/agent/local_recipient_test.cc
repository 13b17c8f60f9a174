#include "ringmail/agent/local_recipient.h"

#include <gtest/gtest.h>

namespace ringmail::agent {
namespace {

using storage::Resolution;
using Kind = Resolution::Kind;

// Answers every look-up with one resolution.
class OneAnswer final : public storage::Directory {
 public:
  explicit OneAnswer(Resolution answer) : answer_(answer) {}
  bool IsLocalDomain(std::string_view) const override { return answer_.kind != Kind::kForeign; }
  Resolution Resolve(std::string_view, std::string_view) const override { return answer_; }
  storage::Expansion Expand(std::string_view, std::string_view) const override { return {}; }
  std::optional<storage::DirectoryRow> Find(std::string_view) const override { return {}; }
  uint64_t size() const override { return 0; }
  uint64_t version() const override { return 0; }
  bool complete() const override { return true; }
  io::Task<StatusOr<storage::DirectoryApplied>> Apply(storage::DirectoryTransaction) override {
    co_return storage::DirectoryApplied{};
  }
  std::unique_ptr<Pin> MakePin() override { return nullptr; }
  io::Task<void> Publish(std::vector<storage::Directory*>) override { co_return; }
  void Reconfigure(storage::DirectoryOptions) override {}

 private:
  const Resolution answer_;
};

std::string Judged(const Resolution& answer) {
  const OneAnswer directory(answer);
  const LocalRecipient judged =
      JudgeLocalRecipient(directory, {.local_part = "bob", .domain = "example.org"});
  EXPECT_EQ(judged.local(), answer.kind != Kind::kForeign);
  return judged.refusal ? judged.refusal->ToLine() : "";
}

TEST(LocalRecipient, IsToldWhatTheDirectoryKnows) {
  EXPECT_EQ(Judged({.kind = Kind::kForeign}), "");
  EXPECT_EQ(Judged({.kind = Kind::kAlias}), "");
  EXPECT_EQ(Judged({.kind = Kind::kUnknown}), "550 5.1.1 no such user here");
  EXPECT_EQ(Judged({.kind = Kind::kMoved, .new_address = "new@b.example"}),
            "551 5.1.6 moved: try <new@b.example>");
}

TEST(LocalRecipient, OfADisabledAccountIsRefusedAndOfAnEnabledOneIsNot) {
  for (const bool enabled : {true, false}) {
    const std::string value = storage::EncodeEntry(
        storage::AccountEntry{.address = "bob@example.org", .enabled = enabled});
    const auto account = storage::AccountView::Parse("bob@example.org", value);
    ASSERT_TRUE(account.has_value());
    EXPECT_EQ(Judged({.kind = Kind::kAccount, .account = account}),
              enabled ? "" : "550 5.2.1 this mailbox takes no mail");
  }
}

TEST(LocalRecipient, ThatDamageMayHideIsAskedToComeAgain) {
  EXPECT_EQ(Judged({.kind = Kind::kUnavailable}),
            "451 4.3.0 the directory cannot tell now; try later");
}

}  // namespace
}  // namespace ringmail::agent
