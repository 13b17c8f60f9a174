#include "ringmail/message/external_body.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace ringmail::message {
namespace {

struct Message {
  explicit Message(std::string_view fields, std::string_view body) {
    text = "MIME-Version: 1.0\r\nContent-Type: message/external-body;\r\n " + std::string(fields) +
           "\r\n\r\n" + std::string(body);
    content.Add(0, text);
    TreeBuilder builder({});
    builder.Start(tree);
    builder.Feed(text);
    builder.Finish();
  }
  std::optional<ExternalBody> Read() const { return ReadExternalBody({tree, content}, 0); }
  std::string_view Text(Extent extent) const {
    return std::string_view(text).substr(extent.offset, extent.bytes);
  }
  std::string text;
  Tree tree;
  ContentView content;
};

// RFC 2046 §5.2.3.7.
TEST(ReadExternalBodyTest, ReadsTheExamplesOfRfc2046) {
  const Message ftp(
      "name=\"BodyFormats.ps\"; site=\"thumper.bellcore.com\"; mode=\"image\";\r\n"
      " access-type=ANON-FTP; directory=\"pub\";\r\n"
      " expiration=\"Fri, 14 Jun 1991 19:13:14 -0400 (EDT)\"",
      "Content-type: application/postscript\r\nContent-ID: <id42@guppylake.bellcore.com>\r\n\r\n");
  const auto read = ftp.Read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->access_type, "anon-ftp");
  EXPECT_EQ(read->name, "BodyFormats.ps");
  EXPECT_EQ(read->site, "thumper.bellcore.com");
  EXPECT_EQ(read->directory, "pub");
  EXPECT_EQ(read->mode, "image");
  EXPECT_EQ(read->expiration, ParseDate("Fri, 14 Jun 1991 19:13:14 -0400"));
  EXPECT_FALSE(read->writable);
  EXPECT_EQ(read->type.type + "/" + read->type.subtype, "application/postscript");
  EXPECT_EQ(read->content_id, "id42@guppylake.bellcore.com");
  EXPECT_EQ(read->fields.size(), 2u);
  EXPECT_EQ(ftp.Text({read->fields[0].offset, read->fields[0].bytes}),
            "Content-type: application/postscript\r\n");
  EXPECT_EQ(read->body.bytes, 0u);

  const Message server(
      "access-type=mail-server; server=\"listserv@bogus.bitnet\"; size=120; "
      "permission=Read-Write;\r\n"
      " expiration=\"Fri, 14 Jun 1991 19:13:14 -0400 (EDT)\"",
      "Content-type: application/postscript\r\nContent-Transfer-Encoding: BASE64\r\n"
      "Content-ID: <id42@guppylake.bellcore.com>\r\n\r\nget RFC-MIME.DOC\r\n");
  const auto other = server.Read();
  ASSERT_TRUE(other);
  EXPECT_EQ(other->access_type, "mail-server");
  EXPECT_EQ(other->server, "listserv@bogus.bitnet");
  EXPECT_EQ(other->size, 120u);
  EXPECT_TRUE(other->writable);
  EXPECT_EQ(other->encoding, codec::TransferEncoding::kBase64);
  EXPECT_EQ(server.Text(other->body), "get RFC-MIME.DOC\r\n");
}

// RFC 2017 §3, RFC 2231 §3.
TEST(ReadExternalBodyTest, ReadsAUrlHoweverItIsFolded) {
  const Message message("access-type=URL; URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub /moore\"",
                        "Content-type: text/html\r\n\r\nTHIS IS NOT REALLY THE BODY!\r\n");
  const auto read = message.Read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->url, "ftp://cs.utk.edu/pub/moore");
  EXPECT_EQ(read->content_id, "");
  EXPECT_EQ(message.Text(read->body), "THIS IS NOT REALLY THE BODY!\r\n");
}

TEST(ReadExternalBodyTest, GivesDefaultsForAPhantomThatSaysNothing) {
  const auto empty = Message("access-type=tftp; size=12x", "").Read();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->type.type + "/" + empty->type.subtype, "text/plain");
  EXPECT_EQ(empty->encoding, codec::TransferEncoding::k7Bit);
  EXPECT_FALSE(empty->size);
  EXPECT_FALSE(empty->expiration);
  EXPECT_EQ(empty->body.bytes, 0u);
  EXPECT_FALSE(Message("name=x", "Content-Type: text/plain\r\n\r\n").Read());
}

}  // namespace
}  // namespace ringmail::message
