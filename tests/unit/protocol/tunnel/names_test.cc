#include "protocol/tunnel/names.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ringmail::tunnel {
namespace {

TEST(NameFits, IsWithoutRegardToCaseAndTakesOneLabelForAnAsterisk) {
  EXPECT_TRUE(NameFits("mx.example.org", "mx.example.org"));
  EXPECT_TRUE(NameFits("MX.example.ORG.", "mx.example.org"));
  EXPECT_TRUE(NameFits("a.example.org", "*.example.org"));
  EXPECT_FALSE(NameFits("a.b.example.org", "*.example.org"));
  EXPECT_FALSE(NameFits("example.org", "*.example.org"));
  EXPECT_FALSE(NameFits(".example.org", "*.example.org"));
  EXPECT_FALSE(NameFits("aexample.org", "*.example.org"));
  EXPECT_FALSE(NameFits("mx.example.org", "example.org"));
  EXPECT_FALSE(NameFits("", ""));
  EXPECT_FALSE(NameFits("", "*."));
}

TEST(AnyNameFits, NeedsOneOfEach) {
  const std::vector<std::string> names = {"a.example.org", "ann@example.org"};
  EXPECT_TRUE(AnyNameFits(names, std::vector<std::string>{"x", "ann@example.org"}));
  EXPECT_FALSE(AnyNameFits(names, std::vector<std::string>{"x", "ben@example.org"}));
  EXPECT_FALSE(AnyNameFits(names, {}));
  EXPECT_FALSE(AnyNameFits({}, names));
}

TEST(CommonName, IsFoundWhereverItStands) {
  EXPECT_EQ(CommonName("CN=ann"), "ann");
  EXPECT_EQ(CommonName("C=XX,CN=ann,O=house"), "ann");
  EXPECT_EQ(CommonName("OU=a\\,CN=b,CN=ann"), "ann");
  EXPECT_EQ(CommonName("UID=7+CN=ann,O=h"), "ann");
  EXPECT_EQ(CommonName("CN=a\\,b\\20c\\\\"), "a,b c\\");
  EXPECT_EQ(CommonName("O=house"), "");
  EXPECT_EQ(CommonName(""), "");
  EXPECT_EQ(CommonName("CN=x\\"), "x\\");
  EXPECT_EQ(CommonName("O=x\\"), "");
}

}  // namespace
}  // namespace ringmail::tunnel
