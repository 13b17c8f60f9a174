#include "ringmail/message/mime_tree.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail::message {
namespace {

Tree BuildCut(std::string_view text, const std::vector<size_t>& cuts, TreeLimits limits = {}) {
  Tree tree;
  TreeBuilder builder(limits);
  builder.Start(tree);
  size_t at = 0;
  for (const size_t cut : cuts) {
    builder.Feed(text.substr(at, cut - at));
    at = cut;
  }
  builder.Feed(text.substr(at));
  builder.Finish();
  return tree;
}
Tree Build(std::string_view text, TreeLimits limits = {}) { return BuildCut(text, {}, limits); }

// Everything that the tree says, one line a part.
std::string Show(const Tree& tree) {
  std::string out = "verdict " + std::to_string(static_cast<int>(tree.verdict)) + "\n";
  for (const Part& part : tree.parts) {
    for (const uint64_t number : {uint64_t{part.header.offset},
                                  uint64_t{part.header.bytes},
                                  uint64_t{part.body.offset},
                                  uint64_t{part.body.bytes},
                                  uint64_t{part.lines},
                                  uint64_t{part.parent},
                                  uint64_t{part.first_child},
                                  uint64_t{part.next_sibling},
                                  uint64_t{part.child_count},
                                  uint64_t{part.first_field},
                                  uint64_t{part.field_count},
                                  uint64_t{part.type.offset},
                                  uint64_t{part.type.bytes},
                                  uint64_t{part.subtype.offset},
                                  uint64_t{part.content_type},
                                  uint64_t{part.transfer_encoding},
                                  uint64_t{part.disposition},
                                  static_cast<uint64_t>(part.media),
                                  static_cast<uint64_t>(part.media_subtype),
                                  static_cast<uint64_t>(part.encoding),
                                  uint64_t{part.depth},
                                  uint64_t{part.body_8bit},
                                  uint64_t{part.message}}) {
      out += std::to_string(number) + " ";
    }
    for (size_t bit = 0; bit < kDepartureCount; ++bit) {
      if ((part.departures >> bit & 1) != 0) out += DepartureName(1u << bit);
    }
    out += "\n";
  }
  for (const Field& field : tree.fields) {
    out += std::to_string(field.offset) + "+" + std::to_string(field.bytes) + " " +
           std::to_string(field.name_bytes) + " " + std::to_string(field.value) + " " +
           std::to_string(static_cast<int>(field.name)) + "\n";
  }
  return out;
}

std::string Body(std::string_view text, const Part& part) {
  return std::string(text.substr(part.body.offset, part.body.bytes));
}

// RFC 2046 §5.1.1, its example.
constexpr std::string_view kSimple =
    "From: Nathaniel Borenstein <nsb@bellcore.com>\r\n"
    "To: Ned Freed <ned@innosoft.com>\r\n"
    "Date: Sun, 21 Mar 1993 23:56:48 -0800 (PST)\r\n"
    "Subject: Sample message\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n"
    "\r\n"
    "This is the preamble.  It is to be ignored, though it\r\n"
    "is a handy place for composition agents to include an\r\n"
    "explanatory note to non-MIME conformant readers.\r\n"
    "\r\n"
    "--simple boundary\r\n"
    "\r\n"
    "This is implicitly typed plain US-ASCII text.\r\n"
    "It does NOT end with a linebreak.\r\n"
    "--simple boundary\r\n"
    "Content-type: text/plain; charset=us-ascii\r\n"
    "\r\n"
    "This is explicitly typed plain US-ASCII text.\r\n"
    "It DOES end with a linebreak.\r\n"
    "\r\n"
    "--simple boundary--\r\n"
    "\r\n"
    "This is the epilogue.  It is also to be ignored.\r\n";

TEST(MimeTreeTest, ReadsTheExampleOfRfc2046) {
  const Tree tree = Build(kSimple);
  ASSERT_EQ(tree.parts.size(), 3u);
  EXPECT_EQ(tree.parts[0].media, MediaType::kMultipart);
  EXPECT_EQ(tree.parts[0].child_count, 2u);
  EXPECT_EQ(tree.parts[0].body.end(), kSimple.size());
  EXPECT_EQ(tree.parts[0].departures, 0u);
  EXPECT_EQ(Body(kSimple, tree.parts[1]),
            "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.");
  EXPECT_EQ(tree.parts[1].lines, 1u);
  EXPECT_EQ(Body(kSimple, tree.parts[2]),
            "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n");
  EXPECT_EQ(tree.parts[2].lines, 2u);
  EXPECT_EQ(tree.parts[2].next_sibling, kNoPart);
  EXPECT_EQ(tree.fields.size(), 7u);
  EXPECT_EQ(tree.fields[5].name, FieldName::kContentType);
  EXPECT_EQ(tree.verdict, TreeVerdict::kWhole);
}

constexpr std::string_view kNested =
    "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n\tboundary=outer\n\n"
    "--outer\nContent-Type: message/rfc822\n\n"
    "Subject: inner\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/alternative; boundary=outer-1\r\n\r\n"
    "--outer-1\r\n\r\none\r\n-\r\n--\r\n--oute\r\r\n"
    "--outer-1  \r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
    "--outer-1--\r\nepilogue\r\n--outer-1\r\nstill\r\n"
    "--outer\nContent-Type: multipart/digest; boundary=\"d\"\n\n"
    "--d\n\nSubject: first\n\ntext\n--d\nContent-Type: text/plain\n\ntext\xC3\n--d--\n"
    "--outer--\n";

TEST(MimeTreeTest, ReadsMessagesWithinMessages) {
  const Tree tree = Build(kNested);
  ASSERT_EQ(tree.parts.size(), 9u);
  EXPECT_TRUE(tree.parts[1].encapsulates());
  EXPECT_TRUE(tree.parts[2].message);
  EXPECT_EQ(tree.parts[2].child_count, 2u);
  EXPECT_EQ(Body(kNested, tree.parts[3]), "one\r\n-\r\n--\r\n--oute\r");
  EXPECT_EQ(Body(kNested, tree.parts[4]), "AAAA");
  EXPECT_EQ(tree.parts[5].media_subtype, MediaSubtype::kDigest);
  EXPECT_EQ(tree.parts[6].media_subtype, MediaSubtype::kRfc822);
  EXPECT_EQ(tree.parts[7].message, true);
  EXPECT_EQ(Body(kNested, tree.parts[7]), "text");
  EXPECT_EQ(Body(kNested, tree.parts[8]), "text\xC3");
  EXPECT_EQ(tree.parts[8].departures, k8BitIn7Bit | kBareLf);
  EXPECT_EQ(tree.After(1), 5u);
  EXPECT_EQ(tree.After(8), kNoPart);
}

TEST(MimeTreeTest, IsTheSameHoweverTheContentIsCut) {
  for (const std::string_view text : {kSimple, kNested}) {
    const std::string whole = Show(Build(text));
    for (size_t i = 0; i <= text.size(); ++i) {
      ASSERT_EQ(Show(BuildCut(text, {i})), whole) << i;
      for (size_t j = i; j <= std::min(text.size(), i + 12); ++j) {
        ASSERT_EQ(Show(BuildCut(text, {i, j})), whole) << i << " " << j;
      }
    }
    std::vector<size_t> all;
    for (size_t i = 1; i < text.size(); ++i) all.push_back(i);
    EXPECT_EQ(Show(BuildCut(text, all)), whole);
  }
}

std::string RandomMessage(std::mt19937_64& random) {
  const std::vector<std::string> pieces = {
      "\r\n",
      "\n",
      "\r",
      "\r\n\r\n",
      "--a",
      "--b",
      "--ab",
      "--a--",
      "--b--",
      "--",
      "-",
      ":",
      " ",
      "\r\n--a\r\n",
      "\r\n--b\r\n",
      "\n--ab--\n",
      "text",
      "\xE9",
      "From ",
      "Subject: x\r\n",
      "Content-Type: text/html\r\n",
      "Content-Type: multipart/mixed; boundary=a\r\n\r\n",
      "Content-Type: multipart/digest; boundary=\"ab\"\r\n\r\n",
      "Content-Type: multipart/mixed; boundary*0=a;\r\n boundary*1=b\r\n\r\n",
      "Content-Type: message/rfc822\r\n\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "Content-Type: multipart/mixed; boundary=b\n\n",
      std::string(300, 'l'),
      "--a" + std::string(310, ' '),
      std::string(1001, 'n'),
      "X: " + std::string(990, 'v'),
      std::string(1, '\0')};
  std::string text;
  const size_t count = random() % 40;
  for (size_t i = 0; i < count; ++i) text += pieces[random() % pieces.size()];
  return text;
}

TEST(MimeTreeTest, IsTheSameForRandomContentInRandomPieces) {
  std::mt19937_64 random(20);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomMessage(random);
    const TreeLimits limits = {.depth_max = static_cast<uint32_t>(random() % 6),
                               .parts_max = static_cast<uint32_t>(1 + random() % 9),
                               .fields_max = static_cast<uint32_t>(1 + random() % 9)};
    const std::string whole = Show(BuildCut(text, {}, limits));
    for (int way = 0; way < 6; ++way) {
      std::vector<size_t> cuts;
      const size_t step = way == 0 ? 1 : 1 + random() % 40;
      for (size_t at = 1 + random() % step; at < text.size(); at += 1 + random() % step) {
        cuts.push_back(at);
      }
      ASSERT_EQ(Show(BuildCut(text, cuts, limits)), whole) << round << "\n" << text;
    }
  }
}

void ExpectNested(const Tree& tree, std::string_view text) {
  for (size_t i = 0; i < tree.parts.size(); ++i) {
    const Part& part = tree.parts[i];
    EXPECT_EQ(part.header.end(), part.body.offset);
    EXPECT_LE(part.body.end(), text.size());
    if (part.parent == kNoPart) continue;
    const Part& above = tree.parts[part.parent];
    EXPECT_GE(part.header.offset, above.body.offset);
    EXPECT_LE(part.body.end(), above.body.end());
    if (part.next_sibling != kNoPart) {
      EXPECT_GE(tree.parts[part.next_sibling].header.offset, part.body.end());
    }
  }
  for (const Field& field : tree.fields) EXPECT_LE(field.end(), text.size());
}

TEST(MimeTreeTest, HasEachPartWithinItsParent) {
  std::mt19937_64 random(21);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomMessage(random);
    ExpectNested(Build(text), text);
  }
}

TEST(MimeTreeTest, ListsHowContentDeparts) {
  static constexpr std::string_view kMulti =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
  const auto multi = [](std::string_view rest) { return std::string(kMulti) + std::string(rest); };
  const std::string long_line(999, 'x');
  const std::vector<std::pair<std::string, uint32_t>> cases = {
      {"A: b\r\n\r\ntext\r\n", 0},
      {"A: b\r\ntext\r\n", kHeaderNotEnded},
      {"A: b\r\n", kHeaderCut},
      {"From me\r\nA: b\r\n\r\n", kJunkBeforeHeader},
      {" x\r\nA: b\r\n\r\n", kJunkBeforeHeader},
      {"A : b\r\n\r\n", kSpaceBeforeColon},
      {"Subject: b\r\nsubject: c\r\n\r\n", kDuplicateField},
      {"A: b\r\n\r\na\n", kBareLf},
      {"A: b\r\n\r\na\rb\r\n", kBareCr},
      {std::string("A: b\r\n\r\n\0\r\n", 11), kNul},
      {"A: b\r\n\r\n" + long_line + "\r\n", kLineTooLong},
      {"A: b\r\n\r\n\xE9\r\n", k8BitIn7Bit},
      {"A: \xE9\r\n\r\n", kHeader8Bit},
      {"Content-Type: text/plain\r\n\r\n", kMissingMimeVersion},
      {"MIME-Version: 1.0\r\nContent-Type: text\r\n\r\n", kInvalidContentType},
      {"MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-foo\r\n\r\n\xE9", kUnknownEncoding},
      {"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xE9", 0},
      {"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n\n\r" + long_line, 0},
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n", kMissingBoundaryParameter},
      {multi("--b\r\n\r\n--b--\r\n"), 0},
      {multi("--b\r\n\r\n"), kMissingFinalBoundary},
      {multi("text"), kMissingFinalBoundary | kBoundaryNeverSeen},
      {multi("--b--\r\n"), kEmptyMultipart},
      {multi("--bx\r\n\r\n--b--\r\n"), kTextAfterBoundary},
      {multi("--b \t\r\n\r\n--b--\r\n"), 0},
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" + std::string(71, 'b') +
           "\r\n\r\n--" + std::string(71, 'b') + "\r\n\r\n--" + std::string(71, 'b') + "--\r\n",
       kBoundaryTooLong},
      {"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
       "Content-Transfer-Encoding: base64\r\n\r\nAAAA",
       kEncodedComposite},
      {"MIME-Version: 1.0\r\nContent-Type: message/global\r\n"
       "Content-Transfer-Encoding: base64\r\n\r\nAAAA",
       0},
  };
  for (const auto& [text, departures] : cases) {
    const Tree tree = Build(text);
    EXPECT_EQ(tree.parts[0].departures, departures) << text;
  }
}

// As mailboxes in files leave them in forwarded messages; a part that is no message has none.
TEST(MimeTreeTest, StepsOverAFromLineThatBeginsAMessage) {
  for (const std::string_view quote : {"", ">"}) {
    const std::string line = std::string(quote) + "From me\r\n";
    const Tree nested = Build("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + line +
                              "Content-Type: text/html\r\n\r\n");
    ASSERT_EQ(nested.parts.size(), 2u);
    EXPECT_EQ(nested.parts[1].departures & kJunkBeforeHeader, kJunkBeforeHeader);
    EXPECT_EQ(nested.parts[1].field_count, 1u);
    const Tree part =
        Build("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" +
              line + "A: b\r\n\r\n--b--\r\n");
    ASSERT_EQ(part.parts.size(), 2u);
    EXPECT_EQ(part.parts[1].departures & kHeaderNotEnded, kHeaderNotEnded);
  }
}

TEST(MimeTreeTest, PrefersTheLongestBoundaryAndAmongEqualsTheInnermostOpen) {
  const std::string text =
      "Content-Type: multipart/mixed; boundary=x\n\n--x\n"
      "Content-Type: multipart/mixed; boundary=x\n\n--x\n\ninner\n--x--\n"
      "--x\n\nouter\n--x--\n";
  const Tree tree = Build(text);
  ASSERT_EQ(tree.parts.size(), 4u);
  EXPECT_EQ(tree.parts[2].parent, 1u);
  EXPECT_EQ(tree.parts[3].parent, 0u);
  EXPECT_EQ(Body(text, tree.parts[3]), "outer");
}

std::string Deep(size_t depth) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) {
    const std::string boundary = "b" + std::to_string(i) + "x";
    text +=
        "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n";
  }
  return text + "\r\ntext";
}

TEST(MimeTreeTest, DividesToTheDepthAllowedAndNoFurther) {
  const TreeLimits limits = {.depth_max = 5};
  const Tree at = Build(Deep(5), limits);
  EXPECT_EQ(at.verdict, TreeVerdict::kWhole);
  EXPECT_EQ(at.parts.size(), 6u);
  const Tree over = Build(Deep(6), limits);
  EXPECT_EQ(over.verdict, TreeVerdict::kTooDeep);
  EXPECT_EQ(over.parts.size(), 6u);
  EXPECT_NE(over.parts[5].departures & kNotDivided, 0u);
}

TEST(MimeTreeTest, HasThePartsAllowedAndNoMore) {
  const auto text = [](size_t parts) {
    std::string out = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (size_t i = 0; i < parts; ++i) out += "--b\r\n\r\nx\r\n";
    return out + "--b--\r\n";
  };
  const TreeLimits limits = {.parts_max = 4};
  EXPECT_EQ(Build(text(3), limits).verdict, TreeVerdict::kWhole);
  const Tree over = Build(text(4), limits);
  EXPECT_EQ(over.verdict, TreeVerdict::kTooManyParts);
  EXPECT_EQ(over.parts.size(), 4u);
  EXPECT_EQ(Body(text(4), over.parts[3]), "x\r\n--b\r\n\r\nx");
}

TEST(MimeTreeTest, IndexesTheFieldsAllowedAndNoMore) {
  const TreeLimits limits = {.fields_max = 2};
  EXPECT_EQ(Build("A: b\r\nB: c\r\n\r\n", limits).verdict, TreeVerdict::kWhole);
  const Tree over = Build("A: b\r\nB: c\r\nC: d\r\n\r\n", limits);
  EXPECT_EQ(over.verdict, TreeVerdict::kTooManyFields);
  EXPECT_EQ(over.fields.size(), 2u);
}

TEST(MimeTreeTest, AllocatesNothingForTheNextMessageOfTheSameKind) {
  Tree tree;
  TreeBuilder builder({});
  for (int round = 0; round < 2; ++round) {
    const Part* const before = tree.parts.data();
    builder.Start(tree);
    builder.Feed(kSimple);
    builder.Finish();
    if (round == 1) {
      EXPECT_EQ(tree.parts.data(), before);
    }
  }
}

TEST(TreeBuilder, ReadsABoundaryInTheFormsOfRfc2231) {
  for (const std::string_view parameter :
       {"boundary*=us-ascii'en'a%20b%2Dc", "boundary*=''a%20b-c",
        "boundary*0*=''a%20; boundary*1=b-c", "boundary*1=b-c; boundary*0=\"a \"",
        "boundary=plain; boundary*=''a%20b-c", "boundary*0=\"a \"; boundary*1*=b%2Dc"}) {
    const Tree tree = Build("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; " +
                            std::string(parameter) + "\r\n\r\n--a b-c\r\n\r\nx\r\n--a b-c--\r\n");
    EXPECT_EQ(tree.parts.size(), 2u) << parameter;
    EXPECT_EQ(tree.parts[0].departures, 0u) << parameter;
  }
}

}  // namespace
}  // namespace ringmail::message
