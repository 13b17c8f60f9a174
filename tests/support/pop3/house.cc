#include "tests/support/pop3/house.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ringmail/base/check.h"
#include "ringmail/codec/digest.h"
#include "ringmail/codec/hex.h"

namespace ringmail::pop3 {

constexpr storage::MailboxId kInbox(1);

class HouseSource final : public storage::ContentSource {
 public:
  HouseSource(House& house, std::string_view content, uint64_t fails_after)
      : house_(house), content_(content), fails_after_(fails_after) {}

  io::Task<StatusOr<storage::ContentPiece>> Next() override {
    if (pieces_++ >= fails_after_) co_return absl::DataLossError("damaged at offset 4096");
    ++house_.pieces;
    const std::string_view bytes = content_.substr(at_, house_.piece_bytes);
    dots_.clear();
    for (size_t i = 0; i < bytes.size(); ++i) {
      const size_t place = at_ + i;
      if (bytes[i] == '.' && (place == 0 || content_[place - 1] == '\n'))
        dots_.push_back(static_cast<uint32_t>(i));
    }
    at_ += bytes.size();
    Spoil();
    piece_ = std::make_unique<std::string>(bytes);
    co_return storage::ContentPiece{.bytes = *piece_, .dot_lines = dots_};
  }
  void Rewind() override { at_ = 0; }
  ~HouseSource() override { Spoil(); }

 private:
  // Who still shows the last piece to anybody is found out.
  void Spoil() {
    if (piece_ != nullptr) codec::Wipe(*piece_);
  }

  House& house_;
  const std::string_view content_;
  const uint64_t fails_after_;
  size_t at_ = 0;
  uint64_t pieces_ = 0;
  std::unique_ptr<std::string> piece_;
  std::vector<uint32_t> dots_;
};

class HouseMaildrop final : public Maildrop {
 public:
  HouseMaildrop(House& house, AccountId id)
      : house_(house), id_(id), view_(house.Find(id)->state.View(kInbox)) {}

  uint32_t count() const override { return view_.count(); }
  uint64_t bytes() const override { return view_.facts().bytes; }
  uint32_t uid_validity() const override { return view_.facts().uid_validity; }
  MaildropMessage at(uint32_t place) const override {
    return {.uid = view_.at(place).uid, .bytes = view_.at(place).bytes};
  }
  io::Task<StatusOr<OpenedMessage>> Open(uint32_t place) override {
    ++house_.opened;
    if (!house_.message_fails.ok()) co_return house_.message_fails;
    const House::Resident& resident = *house_.Find(id_);
    const auto found = resident.contents.find(view_.at(place).content.value);
    if (found == resident.contents.end()) co_return absl::NotFoundError("no such content");
    OpenedMessage message;
    // The first octet keeps the flags.
    message.flags = static_cast<uint8_t>(found->second.front());
    message.source = std::make_unique<HouseSource>(
        house_, std::string_view(found->second).substr(1), house_.fails_after_pieces);
    co_return message;
  }
  io::Task<Status> Update(std::vector<storage::UidRange> uids) override {
    if (!house_.update_fails.ok()) co_return house_.update_fails;
    CHECK(storage::Ascending(uids));
    ++house_.updates;
    storage::Expunge expunge;
    expunge.mailbox = kInbox;
    expunge.uids = std::move(uids);
    storage::AccountState& state = house_.Find(id_)->state;
    (void)state.Apply(storage::ModSeq(state.applied().value + 1),
                      {.changes = {std::move(expunge)}});
    co_return absl::OkStatus();
  }

 private:
  House& house_;
  const AccountId id_;
  const storage::MailboxView view_;
};

class HouseMaildrops final : public Maildrops {
 public:
  explicit HouseMaildrops(House& house) : house_(house) {}
  ShardIndex ShardOf(AccountId) const override { return house_.home; }
  io::Task<StatusOr<std::unique_ptr<Maildrop>>> Open(AccountId account) override {
    if (!house_.open_fails.ok()) co_return house_.open_fails;
    co_return std::make_unique<HouseMaildrop>(house_, account);
  }

 private:
  House& house_;
};

class HouseExchange final : public agent::AuthExchange {
 public:
  HouseExchange(House& house, session::SaslMechanism mechanism,
                const session::SaslServerOptions& options)
      : house_(house), server_(session::SaslServer::Make(mechanism, options)) {}

  io::Task<agent::AuthStep> Begin(std::optional<std::string_view> initial_response) override {
    co_return GoOn(server_->Begin(initial_response));
  }
  io::Task<agent::AuthStep> Respond(std::string_view response) override {
    co_return GoOn(server_->Respond(response));
  }

 private:
  agent::AuthStep GoOn(session::SaslStep step) {
    while (step.kind == session::SaslStepKind::kAsk) {
      const credential::CredentialQuestion& question = server_->question();
      credential::CredentialAnswer answer;
      const auto found = house_.residents_.find(question.authentication_id);
      if (house_.unavailable) {
        answer.verdict = credential::CredentialVerdict::kUnavailable;
      } else if (found != house_.residents_.end()) {
        const std::string& password = found->second.password;
        answer.account = found->first;
        if (question.kind == credential::CredentialKind::kCramMd5)
          answer.cram_md5 = {codec::MakeHmacMd5Contexts(password)};
        if (question.kind == credential::CredentialKind::kCramMd5 ||
            (question.kind == credential::CredentialKind::kPassword &&
             question.password.view() == password))
          answer.verdict = credential::CredentialVerdict::kAccepted;
      }
      step = server_->Answer(answer);
    }
    if (step.kind == session::SaslStepKind::kSuccess) return house_.Success(server_->account());
    agent::AuthStep out;
    out.kind = step.kind;
    out.challenge = std::move(step.challenge);
    out.failure = step.failure;
    return out;
  }

  House& house_;
  const std::unique_ptr<session::SaslServer> server_;
};

House::House() { (void)Add("ann", "secret word"); }

House::Resident& House::Add(const std::string& name, const std::string& password) {
  Resident& resident = residents_[name];
  resident.id = AccountId(residents_.size());
  resident.password = password;
  return resident;
}

House::Resident* House::Find(AccountId id) {
  for (auto& [name, resident] : residents_) {
    if (resident.id == id) return &resident;
  }
  CHECK(false);
}

agent::AuthStep House::Success(const std::string& name) const {
  agent::AuthStep step;
  step.kind = session::SaslStepKind::kSuccess;
  step.account_id = residents_.at(name).id;
  step.account = name;
  return step;
}

void House::Deliver(const std::string& name, std::string content, uint8_t flags) {
  Resident& resident = residents_.at(name);
  if (std::any_of(content.begin(), content.end(),
                  [](char c) { return static_cast<unsigned char>(c) > 127; }))
    flags |= storage::kContent8Bit;
  storage::Append append;
  append.mailbox = kInbox;
  append.content = ContentId(resident.next_content);
  append.bytes = static_cast<uint32_t>(content.size());
  (void)resident.state.Apply(storage::ModSeq(resident.state.applied().value + 1),
                             {.changes = {std::move(append)}});
  resident.contents[resident.next_content++] = static_cast<char>(flags) + std::move(content);
}

void House::Expunge(const std::string& name, uint32_t uid) {
  Resident& resident = residents_.at(name);
  const storage::MailboxView view = resident.state.View(kInbox);
  const storage::MessageEntry* const entry = view.Find(storage::Uid(uid));
  CHECK(entry != nullptr);
  resident.contents.erase(entry->content.value);
  storage::Expunge expunge;
  expunge.mailbox = kInbox;
  expunge.uids = {{storage::Uid(uid), storage::Uid(uid)}};
  (void)resident.state.Apply(storage::ModSeq(resident.state.applied().value + 1),
                             {.changes = {std::move(expunge)}});
}

std::unique_ptr<Maildrops> House::MakeMaildrops() {
  return std::make_unique<HouseMaildrops>(*this);
}

session::SaslMechanismSet House::Offered(const session::SaslChannel& channel,
                                         session::SaslPlaintext plaintext) const {
  return session::OfferedMechanisms({.plaintext = plaintext, .cram_md5 = true, .scram = false},
                                    channel);
}

std::unique_ptr<agent::AuthExchange> House::Begin(session::SaslMechanism mechanism,
                                                  session::SaslMechanismSet offered,
                                                  const session::SaslChannel& channel,
                                                  const agent::AuthClient&) {
  return std::make_unique<HouseExchange>(
      *this, mechanism,
      session::SaslServerOptions{.channel = channel,
                                 .offered = offered,
                                 .hostname = "pop.example.org",
                                 .nonce = "0123456789abcdef0123456789",
                                 .server_secret = "of the test"});
}

io::Task<agent::AuthStep> House::LogIn(std::string_view name, std::string_view password,
                                       agent::AuthClient) {
  agent::AuthStep refused;
  refused.failure =
      unavailable ? session::SaslFailure::kUnavailable : session::SaslFailure::kRefused;
  const auto found = residents_.find(std::string(name));
  if (unavailable || found == residents_.end() || found->second.password != password)
    co_return refused;
  co_return Success(found->first);
}

io::Task<agent::AuthStep> House::Apop(std::string_view timestamp, std::string_view name,
                                      std::string_view digest, agent::AuthClient) {
  agent::AuthStep refused;
  refused.failure = session::SaslFailure::kRefused;
  const auto found = residents_.find(std::string(name));
  if (found == residents_.end()) co_return refused;
  codec::Digester md5(codec::DigestKind::kMd5);
  md5.Feed(timestamp);
  md5.Feed(found->second.password);
  const codec::DigestValue value = md5.Finish();
  char hex[32];
  CHECK_EQ(codec::HexEncode(value.view(), codec::HexCase::kLower, hex), sizeof hex);
  if (digest != std::string_view(hex, sizeof hex)) co_return refused;
  co_return Success(found->first);
}

std::string Letter(std::string_view subject, uint32_t lines) {
  std::string text = "From: bob@example.net\r\nSubject: ";
  text.append(subject).append("\r\n\r\n");
  for (uint32_t i = 1; i <= lines; ++i) text += "line " + std::to_string(i) + "\r\n";
  return text;
}

}  // namespace ringmail::pop3
