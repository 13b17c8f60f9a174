#include "tests/sim/mail/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "tests/sim/mail/mail_server.h"
#include "tests/sim/mail/pop3_line.h"

namespace ringmail::sim {
namespace {

using Said = Pop3Line::Said;
using std::chrono::seconds;

constexpr Nanoseconds kDelayFirst = seconds(1);
constexpr Nanoseconds kDelayMax = seconds(60);
// How often an account with a quota is emptied.
constexpr Nanoseconds kEmptiesEvery = seconds(20);

// A message by its number in the session.
struct Listed {
  uint32_t number = 0;
  MaildropLine line;
  friend bool operator==(const Listed&, const Listed&) = default;
};

// "1 2" and the like; what is not there is 0.
std::pair<uint64_t, std::string_view> SplitNumber(std::string_view text) {
  uint64_t number = 0;
  const auto part = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(part.ptr - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return {number, text};
}

uint64_t NumberOf(std::string_view text) { return SplitNumber(text).first; }

std::vector<std::pair<uint64_t, std::string>> Rows(std::string_view lines) {
  std::vector<std::pair<uint64_t, std::string>> rows;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find("\r\n"), lines.size());
    const auto [number, rest] = SplitNumber(lines.substr(0, end));
    rows.emplace_back(number, rest);
    lines.remove_prefix(std::min(end + 2, lines.size()));
  }
  return rows;
}

}  // namespace

// RFC 1939 §4: one session has the maildrop. Once another has logged in, the server has ended this
// one.
struct Reader::Session {
  Session(std::set<Session*>& sessions, Ledger& ledger, const io::Endpoint& server)
      : all(sessions), line(ledger, server) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { all.erase(this); }
  void LoggedIn() {
    for (Session* const other : all) other->superseded = true;
    all.insert(this);
  }

  std::set<Session*>& all;  // that have logged in, of this account
  Pop3Line line;
  bool superseded = false;
};

struct Reader::Work {
  Node& node;
  const Plan& plan;
  const uint32_t account;
  const std::vector<VisitPlan> visits;
  Ledger& ledger;
  const io::Endpoint server;
  const bool disk_may_fail;
  size_t visits_over = 0;
  bool behaves = false, rests = false, visiting = false;
  std::set<Session*> sessions;  // that have logged in

  static io::Task<void> Main(void* context);
  static io::Task<void> Come(Work* work, const VisitPlan* visit, MonotonicTime at);
  io::Task<bool> Visit(const VisitPlan& visit);
  io::Task<bool> LogIn(Pop3Line& line);
  io::Task<bool> Look(Session& session, std::vector<Listed>& listed);
  io::Task<bool> Read(Pop3Line& line, const VisitPlan& visit, const std::vector<Listed>& listed,
                      std::vector<Listed>& read);
  io::Task<bool> Mark(Pop3Line& line, const VisitPlan& visit, const std::vector<Listed>& read,
                      std::vector<Listed>& listed, std::vector<std::string>& marked);
  io::Task<void> End(Pop3Line& line, const VisitPlan& visit,
                     const std::vector<std::string>& marked);
  bool Chosen(const VisitPlan& visit, const Listed& one, uint32_t percent, uint64_t die) const {
    return Mix(Mix(plan.seed ^ visit.number, one.number), die) % 100 < percent;
  }
  void Wrong(std::string_view to_what, const Pop3Line& line) {
    ledger.Violation("pop3",
                     fmt::format("box{}: {} was answered with: {}", account, to_what, line.text()));
  }
};

Reader::Reader(Node& node, const Plan& plan, uint32_t account, std::vector<VisitPlan> visits,
               Ledger& ledger, io::Endpoint server)
    : work_(new Work{.node = node,
                     .plan = plan,
                     .account = account,
                     .visits = std::move(visits),
                     .ledger = ledger,
                     .server = std::move(server),
                     .disk_may_fail = std::any_of(plan.faults.begin(), plan.faults.end(),
                                                  [](const FaultPlan& fault) {
                                                    return fault.kind == FaultKind::kDiskError;
                                                  })}) {}
Reader::~Reader() = default;

void Reader::Start() { work_->node.Start(&Work::Main, work_.get()); }
void Reader::Behave() { work_->behaves = true; }
void Reader::Rest() { work_->rests = true; }
bool Reader::done() const { return work_->visits_over == work_->visits.size() && !work_->visiting; }

io::Task<void> Reader::Work::Main(void* context) {
  auto& work = *static_cast<Work*>(context);
  const MonotonicTime begin = io::Now();
  io::Gate gate;
  for (const VisitPlan& visit : work.visits) gate.Spawn(Come(&work, &visit, begin + visit.at));
  const VisitPlan empty{.account = work.account, .delete_percent = 100};
  while (work.plan.accounts[work.account].quota_messages > 0 && !work.rests) {
    co_await io::SleepUntil(io::Now() + kEmptiesEvery);
    if (!work.behaves || work.rests) continue;
    work.visiting = true;
    (void)co_await work.Visit(empty);
    work.visiting = false;
  }
  co_await gate.Close();
}

io::Task<void> Reader::Work::Come(Work* work, const VisitPlan* visit, MonotonicTime at) {
  co_await io::SleepUntil(at);
  Nanoseconds delay = kDelayFirst;
  while (!co_await work->Visit(*visit)) {
    co_await io::SleepUntil(io::Now() + delay);
    delay = std::min(delay * 2, kDelayMax);
  }
  ++work->visits_over;
}

// False: it did not come to its end, and comes again.
io::Task<bool> Reader::Work::Visit(const VisitPlan& visit) {
  const MonotonicTime began = io::Now();
  Session session(sessions, ledger, server);
  Pop3Line& line = session.line;
  if (!co_await LogIn(line)) co_return false;
  session.LoggedIn();
  std::vector<Listed> listed;
  if (!co_await Look(session, listed)) co_return false;
  std::vector<MaildropLine> lines;
  for (const Listed& one : listed) lines.push_back(one.line);
  ledger.mailbook().Listed(account, lines, began);
  std::vector<Listed> read;
  if (!co_await Read(line, visit, listed, read)) co_return false;
  std::vector<std::string> marked;
  if (!co_await Mark(line, visit, read, listed, marked)) co_return false;
  if (visit.lingers.count() > 0) co_await io::SleepUntil(io::Now() + visit.lingers);
  // RFC 1939 §8: nothing that comes meanwhile changes what the session shows.
  std::vector<Listed> again;
  if (!co_await Look(session, again)) co_return false;
  if (again != listed)
    ledger.Violation("unstable", fmt::format("a session shows box{} in two ways", account));
  co_await End(line, visit, marked);
  co_return true;
}

io::Task<bool> Reader::Work::LogIn(Pop3Line& line) {
  Said said = co_await line.Open();
  if (said == Said::kOk) said = co_await line.Ask("USER " + AddressOfAccount(account));
  if (said == Said::kOk) said = co_await line.Ask(fmt::format("PASS {}", kReaderPassword));
  if (said == Said::kOk) co_return true;
  const bool later = line.text().starts_with("[SYS/TEMP]") || line.text().starts_with("[IN-USE]");
  if (said == Said::kError && !later) Wrong("a login", line);
  line.Drop();
  co_return false;
}

// STAT, UIDL and LIST agree (RFC 1939 §5, §7).
io::Task<bool> Reader::Work::Look(Session& session, std::vector<Listed>& listed) {
  Pop3Line& line = session.line;
  const bool superseded = session.superseded;
  if (co_await line.Ask("STAT") != Said::kOk) co_return false;
  if (superseded)
    ledger.Violation("shared", fmt::format("two sessions have the maildrop of box{}", account));
  const auto [count, rest] = SplitNumber(line.text());
  const uint64_t bytes = NumberOf(rest);
  if (co_await line.AskForLines("UIDL") != Said::kOk) co_return false;
  const auto ids = Rows(line.lines());
  if (co_await line.AskForLines("LIST") != Said::kOk) co_return false;
  const auto sizes = Rows(line.lines());
  uint64_t sum = 0;
  bool agree = ids.size() == count && sizes.size() == count;
  for (size_t i = 0; agree && i < count; ++i) {
    agree = ids[i].first == sizes[i].first && ids[i].first > 0;
    listed.push_back(
        {static_cast<uint32_t>(ids[i].first), {ids[i].second, NumberOf(sizes[i].second)}});
    sum += listed.back().line.bytes;
  }
  if (!agree || sum != bytes) {
    ledger.Violation("maildrop",
                     fmt::format("box{}: STAT says {} messages of {} octets, UIDL has {}, LIST {} "
                                 "of {}",
                                 account, count, bytes, ids.size(), sizes.size(), sum));
  }
  co_return true;
}

io::Task<bool> Reader::Work::Read(Pop3Line& line, const VisitPlan& visit,
                                  const std::vector<Listed>& listed, std::vector<Listed>& read) {
  for (const Listed& one : listed) {
    if (!Chosen(visit, one, visit.read_percent, 1)) continue;
    const Said said = co_await line.AskForLines(fmt::format("RETR {}", one.number));
    if (said == Said::kLost) co_return false;
    if (said == Said::kError) {
      if (!disk_may_fail) Wrong("RETR", line);
      continue;
    }
    ledger.mailbook().Retrieved(account, one.line, line.lines());
    read.push_back(one);
  }
  co_return true;
}

// What is marked is no longer in `listed`.
io::Task<bool> Reader::Work::Mark(Pop3Line& line, const VisitPlan& visit,
                                  const std::vector<Listed>& read, std::vector<Listed>& listed,
                                  std::vector<std::string>& marked) {
  for (const Listed& one : read) {
    if (!Chosen(visit, one, visit.delete_percent, 2)) continue;
    const Said said = co_await line.Ask(fmt::format("DELE {}", one.number));
    if (said == Said::kLost) co_return false;
    if (said == Said::kError) Wrong("DELE", line);
    marked.push_back(one.line.unique_id);
    std::erase(listed, one);
  }
  co_return true;
}

io::Task<void> Reader::Work::End(Pop3Line& line, const VisitPlan& visit,
                                 const std::vector<std::string>& marked) {
  if (visit.ending == VisitPlan::Ending::kVanish) {
    line.Drop();
    co_return;
  }
  ledger.mailbook().Deleting(account, marked, io::Now());
  if (visit.ending == VisitPlan::Ending::kLeave) {
    co_await line.Leave("QUIT");
    co_return;
  }
  if (co_await line.Ask("QUIT") == Said::kOk) ledger.mailbook().Deleted(account, marked);
  line.Drop();
}

}  // namespace ringmail::sim
