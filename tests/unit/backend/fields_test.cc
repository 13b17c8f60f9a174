#include "ringmail/backend/fields.h"

#include <gtest/gtest.h>

namespace ringmail::backend {
namespace {

TEST(Fields, SayWhatAnAccountIs) {
  const BackendField fields[] = {{"password", "secret"},
                                 {"QUOTA", "2GiB"},
                                 {"quota_messages", "10"},
                                 {"enabled", "T"},
                                 {"forward", "a@example.org, b@example.org"},
                                 {"forward", "c@example.org"},
                                 {"allow_nets", "192.0.2.0/24 2001:db8::/32"},
                                 {"home", "/home/x"}};
  const auto account = AccountOfFields(fields, "PLAIN");
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->password, "{PLAIN}secret");
  EXPECT_EQ(account->quota_bytes, 2ull << 30);
  EXPECT_EQ(account->quota_messages, 10u);
  EXPECT_TRUE(account->enabled);
  EXPECT_EQ(account->forward,
            (std::vector<std::string>{"a@example.org", "b@example.org", "c@example.org"}));
  EXPECT_TRUE(account->restricted);
  EXPECT_EQ(account->networks.size(), 2u);
}

TEST(Fields, ThatCannotBeReadMakeTheAccountUnavailableAndNotUnlimited) {
  for (const BackendField& one :
       {BackendField{"quota", "much"}, BackendField{"quota", "-1"},
        BackendField{"quota", "9999999999999999999T"}, BackendField{"quota_messages", "1.5"},
        BackendField{"allow_nets", "home"}, BackendField{"password", std::string(5000, 'x')}}) {
    EXPECT_FALSE(AccountOfFields({&one, 1}, "").ok()) << one.name << "=" << one.value;
  }
}

TEST(Fields, EnabledIsNoUnlessItSaysYes) {
  for (const std::string_view no : {"0", "false", "no", "f", ""}) {
    const BackendField one{"enabled", std::string(no)};
    EXPECT_FALSE(AccountOfFields({&one, 1}, "")->enabled) << no;
  }
  EXPECT_TRUE(AccountOfFields({}, "")->enabled);
}

TEST(Fields, ASchemeThatIsSaidIsKept) {
  EXPECT_EQ(WithScheme("{SSHA}x", "PLAIN"), "{SSHA}x");
  EXPECT_EQ(WithScheme("$6$salt$hash", "PLAIN"), "$6$salt$hash");
  EXPECT_EQ(WithScheme("x", "PLAIN"), "{PLAIN}x");
  EXPECT_EQ(WithScheme("x", ""), "x");
  EXPECT_EQ(WithScheme("", "PLAIN"), "");
}

TEST(Fields, QuotasHaveUnits) {
  EXPECT_EQ(ReadQuota("0"), 0u);
  EXPECT_EQ(ReadQuota("1024"), 1024u);
  EXPECT_EQ(ReadQuota("10M"), 10u << 20);
  EXPECT_EQ(ReadQuota("10 MB"), 10u << 20);
  EXPECT_EQ(ReadQuota("1gib"), 1u << 30);
  EXPECT_EQ(ReadQuota("4611686018427387904"), 1ull << 62);
  EXPECT_EQ(ReadQuota("4611686018427387905"), std::nullopt);
  EXPECT_EQ(ReadQuota("10X"), std::nullopt);
  EXPECT_EQ(ReadQuota("10Mx"), std::nullopt);
  EXPECT_EQ(ReadQuota(""), std::nullopt);
}

}  // namespace
}  // namespace ringmail::backend
