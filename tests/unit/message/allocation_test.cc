// What the tree of a message costs the allocator. A program of its own: it replaces operator new.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "ringmail/message/mime_tree.h"

#ifndef RINGMAIL_SANITIZED
namespace {
uint64_t allocations = 0;
}  // namespace

// NOLINTBEGIN: the replacement that the standard allows.
void* operator new(size_t bytes) {
  ++allocations;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
// NOLINTEND
#endif

namespace ringmail::message {
namespace {

#ifndef RINGMAIL_SANITIZED

// Parts of parts, with all that the builder keeps: boundaries, long and folded fields, lines that
// look like delimiters.
std::string Nested(int parts) {
  std::string out =
      "MIME-Version: 1.0\r\nFrom: a@b\r\nContent-Type: multipart/mixed;\r\n"
      "\tboundary*0=\"a boundary that is longer than a "
      "short\";\r\n\tboundary*1*=%20string\r\n\r\n";
  const std::string outer = "--a boundary that is longer than a short string";
  for (int i = 0; i < parts; ++i) {
    out += outer + "\r\nContent-Type: multipart/alternative;\r\n boundary=inner\r\n\r\n";
    out += "--inner\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\ntext\r\n-- \r\n--me\r\n";
    out += "--inner\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody\r\n--inner--\r\n";
  }
  return out + outer + "--\r\n";
}

uint64_t AllocationsOf(TreeBuilder& builder, Tree& tree, std::string_view text, size_t piece) {
  const uint64_t before = allocations;
  builder.Start(tree);
  for (size_t at = 0; at < text.size(); at += piece) builder.Feed(text.substr(at, piece));
  builder.Finish();
  return allocations - before;
}

// The promise of mime_tree.h: the next message uses what the tree and the builder have.
TEST(TreeAllocation, AMessageAfterOneThatIsAsLargeAllocatesNothing) {
  Tree tree;
  TreeBuilder builder({});
  const std::string large = Nested(20), small = Nested(3);
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1460}, SIZE_MAX / 2}) {
    AllocationsOf(builder, tree, large, piece);
    ASSERT_EQ(tree.parts.size(), 1u + 20 * 4);
    EXPECT_EQ(AllocationsOf(builder, tree, large, piece), 0u) << piece;
    EXPECT_EQ(AllocationsOf(builder, tree, small, piece), 0u) << piece;
  }
}

TEST(TreeAllocation, AFirstMessageAllocatesTheTreesArraysAndTheBuildersScratchOnly) {
  const std::string text = Nested(20);
  Tree tree;
  tree.parts.reserve(100);
  tree.fields.reserve(200);
  TreeBuilder builder({});
  EXPECT_LE(AllocationsOf(builder, tree, text, SIZE_MAX / 2), kBuilderAllocationsMax);
  // However many parts there are, and however the text is cut.
  Tree more;
  more.parts.reserve(1000);
  more.fields.reserve(2000);
  TreeBuilder other({});
  const std::string many = Nested(200);
  EXPECT_LE(AllocationsOf(other, more, many, 3), kBuilderAllocationsMax);
}

#else

TEST(TreeAllocation, IsCountedWithoutASanitizerOnly) {
  GTEST_SKIP() << "a sanitizer has its own operator new, which counts nothing";
}

#endif

}  // namespace
}  // namespace ringmail::message
