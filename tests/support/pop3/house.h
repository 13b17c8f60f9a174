// Accounts and their maildrops in memory, for tests: who lives here, what was delivered, and what
// goes wrong. The mailboxes are what the store's own state makes of them; only log and directory
// are missing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/pop3/maildrop.h"
#include "ringmail/agent/authenticator.h"
#include "ringmail/protocol/pop3.h"
#include "storage/mailbox/account_state.h"

namespace ringmail::pop3 {

class House final : public agent::Authenticator {
 public:
  struct Resident {
    AccountId id;
    std::string password;
    storage::AccountState state{7};
    std::map<uint64_t, std::string> contents;
    uint64_t next_content = 1;
  };

  House();

  // Everybody has an account from the start: "ann", whose password is "secret word".
  Resident& Add(const std::string& name, const std::string& password);
  Resident& resident(const std::string& name) { return residents_.at(name); }
  void Deliver(const std::string& name, std::string content, uint8_t flags = 0);
  // As somebody else does, by IMAP.
  void Expunge(const std::string& name, uint32_t uid);
  uint32_t messages(const std::string& name) const { return residents_.at(name).state.messages(); }

  // Of this house. REQUIRES: outlived by it.
  std::unique_ptr<Maildrops> MakeMaildrops();

  // What goes wrong, and how content is cut.
  Status open_fails, message_fails, update_fails;
  uint64_t fails_after_pieces = UINT64_MAX;  // kDataLoss from this piece of a message on
  size_t piece_bytes = 64u << 10;
  bool unavailable = false;  // nobody knows the passwords
  bool apop = true;
  ShardIndex home{0};

  // What was done.
  uint32_t updates = 0, opened = 0, pieces = 0;

  bool banned = false;

  // --- agent::Authenticator ---
  void Start(std::vector<agent::Authenticator*>) override {}
  session::SaslMechanismSet Offered(const session::SaslChannel& channel,
                                    session::SaslPlaintext plaintext) const override;
  std::unique_ptr<agent::AuthExchange> Begin(session::SaslMechanism mechanism,
                                             session::SaslMechanismSet offered,
                                             const session::SaslChannel& channel,
                                             const agent::AuthClient& client) override;
  io::Task<agent::AuthStep> LogIn(std::string_view name, std::string_view password,
                                  agent::AuthClient client) override;
  bool KnowsApop() const override { return apop; }
  io::Task<agent::AuthStep> Apop(std::string_view timestamp, std::string_view name,
                                 std::string_view digest, agent::AuthClient client) override;
  bool Banned(const IpAddress&) const override { return banned; }
  void Reconfigure(agent::AuthenticatorOptions) override {}
  void RegisterMetrics(MetricRegistry&) override {}
  void EndPenalties() override {}
  io::Task<void> Stop() override { co_return; }

 private:
  friend class HouseExchange;
  friend class HouseMaildrop;
  friend class HouseMaildrops;
  Resident* Find(AccountId id);
  agent::AuthStep Success(const std::string& name) const;

  std::map<std::string, Resident> residents_;
};

// "From: ...\r\n\r\nline 1\r\n..." with so many lines.
std::string Letter(std::string_view subject, uint32_t lines);

}  // namespace ringmail::pop3
