#include "ringmail/message/envelope.h"

#include <gtest/gtest.h>

#include <random>

namespace ringmail::message {
namespace {

Envelope Sample() {
  return {.reverse_path = "a@example.org",
          .parameters = {.body = BodyType::kBinaryMime,
                         .smtp_utf8 = true,
                         .dsn_return = DsnReturn::kHeaders,
                         .envelope_id = "id+2B1",
                         .declared_bytes = 123456789},
          .recipients = {{.path = "b@example.net",
                          .original_recipient = "rfc822;b@example.net",
                          .notify = kNotifySuccess | kNotifyDelay},
                         {.path = "postmaster"},
                         {.path = std::string(254, 'x'), .notify = kNotifyNever}},
          .arrival = FromUnixSeconds(1795412528) + Nanoseconds(123)};
}

void ExpectSame(const Envelope& a, const Envelope& b) {
  EXPECT_EQ(a.reverse_path, b.reverse_path);
  EXPECT_EQ(a.parameters.body, b.parameters.body);
  EXPECT_EQ(a.parameters.smtp_utf8, b.parameters.smtp_utf8);
  EXPECT_EQ(a.parameters.dsn_return, b.parameters.dsn_return);
  EXPECT_EQ(a.parameters.envelope_id, b.parameters.envelope_id);
  EXPECT_EQ(a.parameters.declared_bytes, b.parameters.declared_bytes);
  EXPECT_EQ(a.arrival, b.arrival);
  ASSERT_EQ(a.recipients.size(), b.recipients.size());
  for (size_t i = 0; i < a.recipients.size(); ++i) {
    EXPECT_EQ(a.recipients[i].path, b.recipients[i].path);
    EXPECT_EQ(a.recipients[i].original_recipient, b.recipients[i].original_recipient);
    EXPECT_EQ(a.recipients[i].notify, b.recipients[i].notify);
  }
}

TEST(EnvelopeTest, WhatIsPackedIsReadBack) {
  const Envelope sample = Sample();
  std::string packed = "before";
  PackEnvelope(sample, packed);
  const auto view = EnvelopeView::Parse(std::string_view(packed).substr(6));
  ASSERT_TRUE(view.has_value());
  ExpectSame(view->Unpack(), sample);
  EXPECT_EQ(view->reverse_path(), sample.reverse_path);
  EXPECT_EQ(view->envelope_id(), "id+2B1");
  EXPECT_EQ(view->declared_bytes(), 123456789u);
  EXPECT_EQ(view->recipient(1).path, "postmaster");
  EXPECT_EQ(view->recipient(0).original_recipient, "rfc822;b@example.net");
}

TEST(EnvelopeTest, TheEmptyEnvelopeAndTheNullReversePathAreReadBack) {
  std::string packed;
  PackEnvelope({.arrival = WallTime(Nanoseconds(-1))}, packed);
  const auto view = EnvelopeView::Parse(packed);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->reverse_path(), "");
  EXPECT_EQ(view->recipient_count(), 0u);
  EXPECT_EQ(view->arrival(), WallTime(Nanoseconds(-1)));
  EnvelopeView::RecipientView recipient;
  EnvelopeView::Cursor cursor = view->recipients();
  EXPECT_FALSE(cursor.Next(recipient));
}

TEST(EnvelopeTest, ARecipientCostsAtMostTwoOctetsMoreThanItsPath) {
  Envelope envelope;
  std::string before, after;
  PackEnvelope(envelope, before);
  envelope.recipients.resize(100, {.path = "someone@example.org", .notify = kNotifyFailure});
  PackEnvelope(envelope, after);
  EXPECT_LE(after.size() - before.size(),
            100 * (std::string_view("someone@example.org").size() + 2));
}

TEST(EnvelopeTest, EveryTruncationAndEveryTrailingOctetIsRefused) {
  std::string packed;
  PackEnvelope(Sample(), packed);
  for (size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(EnvelopeView::Parse(std::string_view(packed).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(EnvelopeView::Parse(packed + '\0').has_value());
}

TEST(EnvelopeTest, DamagedOctetsNeverReadBackAsTheSameEnvelope) {
  std::string packed;
  PackEnvelope(Sample(), packed);
  for (size_t at = 0; at < packed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = packed;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto view = EnvelopeView::Parse(damaged);
      if (!view) continue;
      std::string again;
      PackEnvelope(view->Unpack(), again);
      ASSERT_EQ(again, damaged) << "one envelope has one packed form";
    }
  }
}

TEST(EnvelopeTest, LongFormsOfVarintsAreRefused) {
  Envelope envelope;
  std::string packed;
  PackEnvelope(envelope, packed);
  // The last octet is the number of recipients.
  std::string longer = packed;
  longer.back() = static_cast<char>(0x80);
  longer += '\0';
  EXPECT_FALSE(EnvelopeView::Parse(longer).has_value());
  std::string huge = packed;
  huge.pop_back();
  huge += std::string(9, '\xFF') + '\x01';
  EXPECT_FALSE(EnvelopeView::Parse(huge).has_value()) << "more recipients than octets";
}

TEST(EnvelopeTest, RandomEnvelopesAreReadBack) {
  std::mt19937_64 random(8);
  const auto text = [&random](size_t bytes_max) {
    std::string out(random() % (bytes_max + 1), '\0');
    for (char& c : out) c = static_cast<char>(random());
    return out;
  };
  for (int i = 0; i < 300; ++i) {
    Envelope envelope{.reverse_path = text(300),
                      .parameters = {.body = static_cast<BodyType>(random() % 3),
                                     .smtp_utf8 = random() % 2 == 0,
                                     .dsn_return = static_cast<DsnReturn>(random() % 3),
                                     .envelope_id = text(100),
                                     .declared_bytes = random() >> (random() % 64)},
                      .arrival = WallTime(Nanoseconds(static_cast<int64_t>(random())))};
    for (size_t n = random() % 50; n > 0; --n) {
      envelope.recipients.push_back({.path = text(256),
                                     .original_recipient = random() % 2 == 0 ? text(500) : "",
                                     .notify = static_cast<uint8_t>(random() % 16)});
    }
    std::string packed;
    PackEnvelope(envelope, packed);
    const auto view = EnvelopeView::Parse(packed);
    ASSERT_TRUE(view.has_value());
    ExpectSame(view->Unpack(), envelope);
  }
}

TEST(EnvelopeDeathTest, ARecipientThatIsNotThereIsABug) {
  std::string packed;
  PackEnvelope(Sample(), packed);
  const auto view = EnvelopeView::Parse(packed);
  EXPECT_DEATH(static_cast<void>(view->recipient(3)), "CHECK failed");
}

}  // namespace
}  // namespace ringmail::message
