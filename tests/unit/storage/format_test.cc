#include "storage/format.h"

#include <gtest/gtest.h>

#include "ringmail/codec/crc32c.h"
#include "storage/limits.h"

namespace ringmail::storage {
namespace {

TEST(Format, ASegmentHeaderIsReadFromEitherCopy) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader({.sequence = 7, .log_key = 9, .previous_end = 4096, .log = LogId(5)},
                      bytes.data());
  for (const size_t hit : {size_t{20}, io::kBlockBytes + 20}) {
    std::string damaged = bytes;
    damaged[hit] = static_cast<char>(damaged[hit] ^ 1);
    const auto read = DecodeSegmentHeader(damaged);
    EXPECT_EQ(read.copies, 1);
    ASSERT_TRUE(read.header.has_value());
    EXPECT_EQ(read.header->sequence, 7u);
    EXPECT_EQ(read.header->log, LogId(5));
  }
  EXPECT_EQ(DecodeSegmentHeader(bytes).copies, 2);
  EXPECT_EQ(DecodeSegmentHeader("").copies, 0);
}

std::string OneRecordBatch(SegmentSalt salt, uint64_t offset, std::string_view meta) {
  std::string batch(io::kBlockBytes, '\0');
  RecordHeader header{.bytes = static_cast<uint32_t>(sizeof(RecordHeader) + meta.size()),
                      .meta_bytes = static_cast<uint32_t>(meta.size()),
                      .type = static_cast<uint8_t>(RecordType::kUpdate)};
  std::memcpy(batch.data() + sizeof(BatchHeader), &header, sizeof(header));
  std::memcpy(batch.data() + sizeof(BatchHeader) + sizeof(header), meta.data(), meta.size());
  SealBatch(batch, salt, 3, offset, 11,
            static_cast<uint32_t>(sizeof(BatchHeader) + RecordBytes(meta.size(), 0)), 1);
  return batch;
}

TEST(Format, ABatchCountsOnlyWhereItWasWritten) {
  const SegmentSalt salt = SegmentSalt::Of(1234, 3);
  const std::string batch = OneRecordBatch(salt, 8192, "metadata");
  EXPECT_TRUE(DecodeBatchHeader(batch, salt, 3, 8192).has_value());
  EXPECT_FALSE(DecodeBatchHeader(batch, salt, 3, 12288).has_value()) << "another place";
  EXPECT_FALSE(DecodeBatchHeader(batch, salt, 4, 8192).has_value()) << "another segment";
  EXPECT_FALSE(DecodeBatchHeader(batch, SegmentSalt::Of(1234, 4), 3, 8192).has_value())
      << "another life of the file";
  EXPECT_FALSE(DecodeBatchHeader(batch, SegmentSalt::Of(1235, 3), 3, 8192).has_value())
      << "another log";
}

TEST(Format, ARecordThatAMessageImitatesIsNoRecord) {
  // A message whose text is a whole batch, as a stranger without the key would make it.
  const SegmentSalt ours = SegmentSalt::Of(99, 3), theirs = SegmentSalt::Of(98, 3);
  const std::string forged = OneRecordBatch(theirs, 8192, "forged");
  EXPECT_FALSE(DecodeBatchHeader(forged, ours, 3, 8192).has_value());
  EXPECT_FALSE(DecodeRecord(std::string_view(forged).substr(sizeof(BatchHeader)), ours,
                            8192 + sizeof(BatchHeader))
                   .has_value());
}

TEST(Format, OutcomesComeBackAsTheyWere) {
  const message::Reply busy{.code = 451, .status = {4, 3, 0}, .text = "try later\nreally"},
      no{.code = 550, .text = ""};
  std::string packed;
  OutcomeEncoder encoder(packed, 1024);
  encoder.Add(
      {.recipient = 0, .state = RecipientState::kPending, .reply = &busy, .remote_host = "mx"});
  encoder.Add({.recipient = 70000, .state = RecipientState::kFailed, .reply = &no});
  encoder.Add(
      {.recipient = 3, .state = RecipientState::kPending, .reply = &busy, .remote_host = "mx"});
  encoder.Add({.recipient = 4, .state = RecipientState::kDropped});
  DecodedOutcomes out;
  ASSERT_TRUE(DecodeOutcomes(packed, out));
  ASSERT_EQ(out.outcomes.size(), 4u);
  ASSERT_EQ(out.replies.size(), 2u) << "a reply that comes again is written once";
  EXPECT_EQ(out.replies[0].reply, busy);
  EXPECT_EQ(out.replies[0].remote_host, "mx");
  EXPECT_EQ(out.outcomes[1].recipient, 70000u);
  EXPECT_EQ(out.outcomes[1].state, RecipientState::kFailed);
  EXPECT_EQ(out.outcomes[2].reply, 1u);
  EXPECT_EQ(out.outcomes[3].reply, 0u);
  for (size_t cut = 1; cut < packed.size(); ++cut)
    (void)DecodeOutcomes(std::string_view(packed).substr(0, cut), out);
}

TEST(Format, DotLinesThatCannotBeAreRefused) {
  std::string meta;
  const std::vector<uint32_t> lines = {0, 5, 9};
  EncodeContentMeta({.content = ContentId(1), .body_crc = codec::Crc32c(0, "0123456789")}, lines,
                    meta);
  ASSERT_TRUE(DecodeContentMeta(meta, 10).has_value());
  EXPECT_EQ(DecodeContentMeta(meta, 10)->dot_count(), 3u);
  EXPECT_FALSE(DecodeContentMeta(meta, 9).has_value()) << "beyond the body";
  std::string backwards;
  const std::vector<uint32_t> wrong = {5, 5};
  EncodeContentMeta({.content = ContentId(1)}, wrong, backwards);
  EXPECT_FALSE(DecodeContentMeta(backwards, 10).has_value());
}

TEST(Format, APrefixThatIsLongerThanItsContentIsRefused) {
  const auto decoded = [](ContentMeta meta) {
    std::string packed;
    meta.content = ContentId(1);
    EncodeContentMeta(meta, {}, packed);
    return DecodeContentMeta(packed, 10);
  };
  EXPECT_EQ(decoded({.total_bytes = 10, .last = true, .prefix_bytes = 10})->prefix_bytes, 10);
  EXPECT_FALSE(decoded({.total_bytes = 10, .last = true, .prefix_bytes = 11}).has_value());
  EXPECT_FALSE(decoded({.prefix_bytes = 11}).has_value()) << "the first piece holds all of it";
  EXPECT_TRUE(decoded({.piece = 1, .prefix_bytes = 11}).has_value());
  EXPECT_FALSE(
      decoded({.total_bytes = 9, .piece = 1, .last = true, .prefix_bytes = 10}).has_value());
}

}  // namespace
}  // namespace ringmail::storage
