#include "tests/sim/mail/receiver_kinds.h"

#include <algorithm>

#include "tests/sim/mail/receiver.h"
#include "tests/sim/mail/smtp_line.h"

namespace ringmail::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Independent dice of one fate.
enum Die : uint64_t {
  kAtConnection = 1,
  kAtMail,
  kAtRecipient,
  kAtData,
  kAtEnd,
  kHow,
  kForGood,
  kContentForGood,
  kOfPeer,
};

bool Percent(uint64_t dice, uint64_t percent) { return dice % 1000 < percent * 10; }

Turn Says(std::string_view reply) {
  Turn turn;
  turn.reply = reply;
  return turn;
}

}  // namespace

int Turn::code() const {
  if (reply.size() < 3) return 0;
  return (reply[0] - '0') * 100 + (reply[1] - '0') * 10 + (reply[2] - '0');
}

Manners::Manners(const Plan& plan, uint32_t index) : plan_(plan), index_(index) {
  if (index == kHomePeer) return;
  kind_ = plan.peers[index].kind;
  number_ = plan.peers[index].number;
  own_ = Mix(Mix(plan.seed, index), kOfPeer);
  // Two lies at most, so that a short run shows which; one at least.
  lies_ = 1u << (own_ >> 8) % 6 | 1u << (own_ >> 16) % 6;
  size_bytes_max_ = 1000 + (own_ >> 24) % 5000;
}

Offers Manners::offers() const {
  Offers offers{.size_bytes_max = 10u << 20};
  if (behaves_) return offers;
  switch (kind_) {
    case PeerKind::kOldHost:
      return {.ehlo = false,
              .pipelining = false,
              .eight_bit = false,
              .codes = false,
              .chunking = false,
              .dsn = false};
    case PeerKind::kSizeBreaker:
      offers.size_bytes_max = number_ != 0 ? number_ : 1u << 20;
      break;
    case PeerKind::kLiar:
      if (Lies(kLimits)) offers.limits_recipients_max = 100;
      break;
    case PeerKind::kOneAtATime:
      offers.chunking = own_ % 2 == 0;
      offers.pipelining = own_ % 3 != 0;
      break;
    case PeerKind::kTarpit:
      // Each reply has its wait; whoever waits for each has them all.
      offers.pipelining = own_ % 4 != 0;
      offers.chunking = own_ % 3 != 0;
      break;
    case PeerKind::kGreylister:
    case PeerKind::kRefuser:
    case PeerKind::kCloser:
    case PeerKind::kLate:
      // Content comes in the other form, too, and commands one by one.
      offers.chunking = own_ % 2 == 0;
      offers.pipelining = own_ % 5 != 0;
      offers.codes = own_ % 7 != 0;
      break;
    default:
      offers.chunking = index_ % 4 != 3;
      break;
  }
  return offers;
}

Nanoseconds Manners::patience() const {
  // Whoever holds its only connection must not hold it for long.
  if (kind_ == PeerKind::kOneAtATime && !behaves_) return seconds(20);
  return minutes(10);
}

Turn Manners::Closing(uint64_t dice, uint64_t percent) const {
  Turn turn;
  if (!Percent(dice, percent)) return turn;
  const uint64_t how = Mix(dice, kHow);
  turn.reset = how % 2 == 0;
  switch (how / 2 % 4) {
    case 0:
      turn.close = Turn::Close::kUnsaid;
      break;
    case 1:
      turn.close = Turn::Close::kWithin;
      break;
    case 2:
      turn.close = Turn::Close::kAfter;
      break;
    default:
      turn = Says("421 4.3.2 Closing now\r\n");
      turn.close = Turn::Close::kAfter;
      turn.taken = false;
  }
  return turn;
}

Turn Manners::Greeting(uint32_t sessions) {
  if (behaves_) return {};
  const uint64_t dice = Mix(Mix(own_, kAtConnection), connections_++);
  Turn turn;
  switch (kind_) {
    case PeerKind::kTarpit:
      turn.delay = milliseconds(number_);
      return turn;
    case PeerKind::kCloser:
      return Closing(dice, 20);
    case PeerKind::kLate:
      // RFC 5321 §4.5.3.2.1: the client waits for five minutes.
      if (Percent(dice, 10)) turn.delay = seconds(290 + (dice >> 20) % 120);
      return turn;
    case PeerKind::kOneAtATime:
      if (sessions <= 1) return turn;
      turn = Says("421 4.3.2 One at a time, please\r\n");
      turn.close = Turn::Close::kAfter;
      return turn;
    case PeerKind::kLiar:
      if (!Lies(kGarbage) || !Percent(dice, 10)) return turn;
      turn = Says("\x01\x02 this is not SMTP\r\n22O\r\n");
      turn.close = Turn::Close::kAfter;
      return turn;
    default:
      return turn;
  }
}

Turn Manners::Mail(std::string_view reverse_path, bool has_parameters, uint64_t size_bytes) {
  Turn turn;
  if (behaves_ || kind_ == PeerKind::kCorrect) return turn;
  if (kind_ == PeerKind::kTarpit) turn.delay = milliseconds(number_);
  if (kind_ == PeerKind::kSizeBreaker && own_ % 3 == 0 && size_bytes > size_bytes_max_) {
    return Says("552 5.3.4 Too big for me after all\r\n");
  }
  if (Lies(kSize) && size_bytes > size_bytes_max_) return Says("552 5.3.4 Too big\r\n");
  // The null reverse-path is nobody's in particular.
  if (reverse_path.empty()) return turn;
  const uint64_t hash = HashOf(reverse_path);
  const uint64_t dice = Mix(Mix(Mix(own_, hash), ++asked_[hash].times), kAtMail);
  if (Lies(kParameters) && has_parameters && Percent(dice, 30)) {
    return Says("555 5.5.4 Parameters are not known here\r\n");
  }
  if (Lies(kGarbage) && Percent(dice, 8)) {
    turn = Says("250-2.1.0 Fine\r\n250\x80OK\r\nwhat?\r\n");
    turn.close = Turn::Close::kAfter;
  }
  if (kind_ == PeerKind::kCloser) return Closing(dice, 7);
  if (kind_ == PeerKind::kRefuser && Percent(dice, number_ / 8)) {
    return Says("451 4.3.0 Not now\r\n");
  }
  if (kind_ == PeerKind::kLate && Percent(dice, 4)) turn.delay = seconds(290 + (dice >> 20) % 60);
  return turn;
}

uint64_t Manners::FateOf(std::string_view path) const {
  if (kind_ == PeerKind::kCorrect) return 0;
  const uint64_t hash = HashOf(path);
  const auto found = asked_.find(hash);
  return Mix(Mix(own_, hash), found == asked_.end() ? 0 : found->second.times);
}

Turn Manners::RefuserRecipient(uint64_t fate, uint64_t hash) const {
  // Half of the 5yz are of recipients, the others of contents; these are for good, so the attempt
  // has no say.
  if (Percent(Mix(Mix(own_, hash), kForGood), number_ / 2)) {
    return Says(hash % 2 == 0 ? "550 5.1.1 No such mailbox\r\n" : "553 5.1.3 Not here\r\n");
  }
  if (!behaves_ && Percent(Mix(fate, kAtRecipient), std::min<uint32_t>(number_, 80))) {
    return Says(fate % 2 == 0 ? "450 4.2.1 Mailbox busy\r\n" : "452 4.2.2 Mailbox full\r\n");
  }
  return {};
}

Turn Manners::Recipient(std::string_view path, size_t position, size_t accepted,
                        MonotonicTime now) {
  if (kind_ == PeerKind::kCorrect || (behaves_ && kind_ != PeerKind::kRefuser)) return {};
  const uint64_t hash = HashOf(path);
  Asked& asked = asked_[hash];
  if (asked.times++ == 0) asked.first = now;
  const uint64_t fate = Mix(Mix(own_, hash), asked.times);
  const uint64_t dice = Mix(fate, kAtRecipient);
  Turn turn;
  switch (kind_) {
    case PeerKind::kGreylister:
      if (now - asked.first < seconds(number_)) return Says("451 4.7.1 Greylisted\r\n");
      return turn;
    case PeerKind::kTarpit:
      turn.delay = milliseconds(number_);
      return turn;
    case PeerKind::kRefuser:
      return RefuserRecipient(fate, hash);
    case PeerKind::kCloser:
      return Closing(dice, position == 0 ? 7 : 1);
    case PeerKind::kLate:
      if (position == 0 && Percent(dice, 4)) turn.delay = seconds(290 + (dice >> 20) % 60);
      return turn;
    case PeerKind::kOneAtATime:
      if (accepted > 0) return Says("452 4.5.3 One recipient at a time\r\n");
      return turn;
    case PeerKind::kLiar:
      if (Lies(kLimits) && accepted >= 2) return Says("452 4.5.3 Too many recipients\r\n");
      if (Lies(kPipelining) && position == 0 && Percent(dice, 25)) turn.deaf = true;
      return turn;
    default:
      return turn;
  }
}

Turn Manners::Data(uint64_t fate) const {
  Turn turn;
  if (behaves_) return turn;
  const uint64_t dice = Mix(fate, kAtData);
  if (kind_ == PeerKind::kTarpit) turn.delay = milliseconds(number_);
  if (kind_ == PeerKind::kCloser) return Closing(dice, 8);
  if (kind_ == PeerKind::kLate && Percent(dice, 4)) turn.delay = seconds(115 + (dice >> 20) % 60);
  if (kind_ == PeerKind::kRefuser && Percent(dice, number_ / 8)) {
    return Says("451 4.3.0 No room for content\r\n");
  }
  if (Lies(kPipelining) && Percent(dice, 10)) turn.deaf = true;
  return turn;
}

Turn Manners::Chunk(uint64_t fate, uint64_t bytes_so_far) const {
  Turn turn;
  if (behaves_) return turn;
  const uint64_t dice = Mix(fate, kAtData);
  if (kind_ == PeerKind::kTarpit) turn.delay = milliseconds(number_);
  if (kind_ == PeerKind::kCloser) return Closing(dice, 8);
  if (kind_ == PeerKind::kRefuser && Percent(dice, number_ / 8)) {
    return Says("451 4.3.0 No room for this chunk\r\n");
  }
  if (Lies(kChunking)) return Says("503 5.5.1 BDAT is not for now\r\n");
  if (RefusesWithin(bytes_so_far)) return Says("552 5.3.4 Enough\r\n");
  return turn;
}

bool Manners::KnowsBdat() const { return !Lies(kChunking) || own_ % 2 == 0; }

bool Manners::RefusesWithin(uint64_t bytes) const {
  return kind_ == PeerKind::kSizeBreaker && !behaves_ && own_ % 3 == 1 && bytes > size_bytes_max_;
}

// Refused for good is a message, not an attempt; where the null reverse-path does not tell which,
// its first recipient.
Turn Manners::RefuserEnd(std::string_view reverse_path, std::string_view first_path,
                         uint64_t fate) const {
  const uint64_t key = HashOf(reverse_path.empty() ? first_path : reverse_path);
  if (Percent(Mix(Mix(own_, key), kContentForGood), number_ / 2)) {
    return Says("554 5.6.0 We do not like what it says\r\n");
  }
  if (!behaves_ && Percent(Mix(fate, kAtEnd), std::min<uint32_t>(number_, 80))) {
    return Says(fate % 2 == 0 ? "451 4.3.0 Try again\r\n" : "452 4.3.1 No space\r\n");
  }
  return {};
}

Turn Manners::End(std::string_view reverse_path, std::string_view first_path, uint64_t fate,
                  uint64_t bytes, bool by_chunks) const {
  Turn turn;
  if (kind_ == PeerKind::kRefuser) return RefuserEnd(reverse_path, first_path, fate);
  if (kind_ == PeerKind::kCorrect || behaves_) return turn;
  const uint64_t dice = Mix(fate, kAtEnd);
  switch (kind_) {
    case PeerKind::kTarpit:
      turn.delay = milliseconds(number_);
      return turn;
    case PeerKind::kCloser:
      turn = Closing(dice, 35);
      if (turn.close == Turn::Close::kUnsaid) turn.taken = Mix(dice, kAtEnd) % 2 == 0;
      return turn;
    case PeerKind::kLate:
      // RFC 5321 §4.5.3.2.6: the client waits for ten minutes.
      if (Percent(dice, 20)) turn.delay = seconds(660 + (dice >> 20) % 240);
      return turn;
    case PeerKind::kSizeBreaker:
      if (bytes > size_bytes_max_) return Says("552 5.3.4 More than I can keep\r\n");
      return turn;
    case PeerKind::kLiar:
      if (by_chunks && Lies(kChunking)) return Chunk(fate, bytes);
      if (Lies(kSize) && bytes > size_bytes_max_) return Says("552 5.3.4 Too big\r\n");
      // An answer that nobody can read is none.
      if (Lies(kGarbage) && Percent(dice, 10)) {
        turn = Says("25x done\r\n");
        turn.close = Turn::Close::kAfter;
        turn.taken = Mix(dice, kAtEnd) % 2 == 0;
      }
      return turn;
    default:
      return turn;
  }
}

}  // namespace ringmail::sim
