// What a session costs: memory while it is idle, allocations while it sends message after message.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "gtest/gtest.h"
#include "protocol/smtp/session.h"
#include "tests/unit/protocol/smtp/conversation.h"
#include "tests/unit/protocol/smtp/counting_frames.h"

#ifndef RINGMAIL_SANITIZED
namespace {
uint64_t allocations = 0;
}  // namespace

// NOLINTBEGIN: the replacement that the standard allows.
void* operator new(size_t bytes) {
  ++allocations;
  void* memory = std::malloc(bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
// NOLINTEND
#endif

namespace ringmail::smtp {
namespace {

// What an idle connection takes beside the stream: of the 2 KiB that it may,
// io::kConnectionBytesMax are the stream's, and 256 the frames of Service::Serve and of the gate,
// which do not run here.
constexpr size_t kIdleBytesMax = 2048 - io::kConnectionBytesMax - 256;

void NoteFrames(void* context) { *static_cast<size_t*>(context) = io::LiveFrameBytes(); }

TEST(IdleSession, TakesLittleMemoryWhileItWaitsForACommand) {
  NewRecord().keep = false;
  io::ResetStillIo();
  SmtpOptions options;
  options.hostname = "mx.example.org";
  const agent::MailLimits limits;
  const auto door = MakeDoor(limits);
  Settings settings(options, limits);
  SmtpListenerOptions listener;
  auto shared = std::unique_ptr<Shared>(new Shared{.door = *door});
  std::vector<io::Happening> script;
  script.push_back({.bytes = "EHLO client.example.org\r\n"});
  script.push_back({.bytes = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"});
  script.push_back({.bytes = "x\r\n.\r\n"});
  io::Connection connection(std::move(script));
  const size_t before = io::LiveFrameBytes();
  size_t at_last_wait = 0;
  connection.at_wait = &NoteFrames;
  connection.context = &at_last_wait;
  {
    auto session = std::make_unique<Session>(*shared, settings, listener, io::Stream(&connection));
    io::RunStill(session->Run());
  }
  ASSERT_EQ(shared->metrics.messages_accepted.value(), 1u);
  EXPECT_EQ(io::LiveFrameBytes(), before);
  const size_t bytes = at_last_wait - before + sizeof("client.example.org");
  std::printf("idle: %zu bytes, of which Session %zu; a transaction: %zu\n", bytes, sizeof(Session),
              sizeof(Transaction));
  EXPECT_LE(bytes, kIdleBytesMax);
}

#ifndef RINGMAIL_SANITIZED

struct Watch {
  uint64_t at_wait[64] = {};
  size_t waits = 0;
};

void NoteWait(void* context) {
  auto* watch = static_cast<Watch*>(context);
  if (watch->waits < std::size(watch->at_wait)) watch->at_wait[watch->waits++] = allocations;
}

// Of each message on a kept connection: the door's list of recipients, which the recording door
// makes as the real one does.
constexpr uint64_t kAllocationsOfTheDoor = 1;

TEST(KeptSession, AllocatesNothingOfItsOwnForAMessage) {
  NewRecord().keep = false;
  io::ResetStillIo();
  SmtpOptions options;
  options.hostname = "mx.example.org";
  const agent::MailLimits limits;
  const auto door = MakeDoor(limits);
  Settings settings(options, limits);
  SmtpListenerOptions listener;
  auto shared = std::unique_ptr<Shared>(new Shared{.door = *door});

  std::vector<io::Happening> script;
  script.push_back({.bytes = "EHLO client.example\r\n"});
  for (int i = 0; i < 20; ++i) {
    script.push_back({.bytes = "MAIL FROM:<a.rather.long.address@client.example> SIZE=5000\r\n"
                               "RCPT TO:<c@d>\r\nDATA\r\n"});
    script.push_back({.bytes = std::string(4000, 'x') + "\r\n.\r\n"});
  }
  io::Connection connection(std::move(script));
  connection.keep_output = false;
  connection.output.reserve(4096);
  Watch watch;
  connection.at_wait = &NoteWait;
  connection.context = &watch;
  {
    Session session(*shared, settings, listener, io::Stream(&connection));
    io::RunStill(session.Run());
  }
  ASSERT_EQ(shared->metrics.messages_accepted.value(), 20u);
  // After the second message everything that is kept has its size.
  const uint64_t before = watch.at_wait[6], after = watch.at_wait[36];
  EXPECT_EQ(after - before, 15 * kAllocationsOfTheDoor);
}

#else

TEST(KeptSession, AllocatesNothingOfItsOwnForAMessage) {
  GTEST_SKIP() << "a sanitizer has its own operator new, which counts nothing";
}

#endif

}  // namespace
}  // namespace ringmail::smtp
