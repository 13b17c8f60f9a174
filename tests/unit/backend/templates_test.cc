#include "ringmail/backend/templates.h"

#include <gtest/gtest.h>

namespace ringmail::backend {
namespace {

TEST(Templates, ParametersOfSqlBecomeNumbersOutsideOfQuotes) {
  EXPECT_EQ(NumberSqlParameters("SELECT a FROM b WHERE c=:local_part AND d=:domain::text").text,
            "SELECT a FROM b WHERE c=$2 AND d=$3::text");
  EXPECT_EQ(NumberSqlParameters("SELECT ':address', \":x\" -- :y\n /* :z */ :address").text,
            "SELECT ':address', \":x\" -- :y\n /* :z */ $1");
  EXPECT_EQ(NumberSqlParameters("a[1:2]=:user").wrong,
            "has a parameter :2: there are :address, :local_part and :domain");
  EXPECT_EQ(NumberSqlParameters("':unended").text, "':unended");
  EXPECT_EQ(NumberSqlParameters("a:").text, "a:");
}

std::string Fill(std::string_view text, std::string_view local, LdapEscape escape) {
  std::string wrong;
  const std::string out =
      FillLdapTemplate(text, {.address = "a", .local_part = local, .domain = "d"}, escape, wrong);
  return wrong.empty() ? out : wrong;
}

// RFC 4515 §3, RFC 4514 §2.4.
TEST(Templates, WhatAPeerSaysIsNeverPartOfAFilterOrAName) {
  EXPECT_EQ(Fill("(uid={local_part})", "a*)(uid=\\", LdapEscape::kFilter),
            "(uid=a\\2a\\29\\28uid=\\5c)");
  EXPECT_EQ(Fill("(uid={local_part})", "\xc3\xa4", LdapEscape::kFilter), "(uid=\\c3\\a4)");
  EXPECT_EQ(Fill("uid={local_part},o={domain}", "a,o=b", LdapEscape::kName), "uid=a\\2co\\3db,o=d");
}

TEST(Templates, OtherBracesAreAFault) {
  const std::string fault =
      "has braces around what is none of {address}, {local_part} and {domain}";
  EXPECT_EQ(Fill("{user}", "x", LdapEscape::kFilter), fault);
  EXPECT_EQ(Fill("{local_part", "x", LdapEscape::kFilter), fault);
}

}  // namespace
}  // namespace ringmail::backend
