// The program behind tools/sim: plays seeds, says which failed and why, and makes each failure
// small.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "ringmail/base/canary.h"
#include "tests/sim/mail/mail_world.h"
#include "tests/sim/mail/plan.h"
#include "tests/sim/mail/shrink.h"

namespace ringmail::sim {
namespace {

constexpr std::string_view kUsage =
    "usage: mail_sim [OPTION...]\n"
    "  --seed N           plays one seed\n"
    "  --seeds A..B       plays them all\n"
    "  --step K           of them every K-th\n"
    "  --minutes M        plays from --seed on until the time is up\n"
    "  --scenario S       instead of the mix; --list names them\n"
    "  --faults A,B,...   only faults of these kinds\n"
    "  --plan FILE        plays a plan, as a failure printed it\n"
    "  --twice            plays each twice and compares the traces\n"
    "  --timeline         prints what happened\n"
    "  --print            prints the plan, too\n"
    "  --keep-going       after a failure; otherwise the first ends it\n"
    "  --no-shrink        leaves failures as they are\n"
#ifdef RINGMAIL_CANARIES
    "  --canary NAME      plants a known fault; --canaries names them\n"
#endif
    "exit code: 0 good, 1 a violation, 2 a wrong option\n";

struct Options {
  uint64_t first = 1, last = 1, step = 1;
  double minutes = 0;
  std::string scenario = "mix";
  std::string faults;
  std::string plan_file;
  bool twice = false, timeline = false, print = false, keep_going = false, shrink = true;
};

char current[256];  // what is played, for when the process dies of it

void Died(int signal) {
  (void)!write(2, current, strlen(current));
  std::signal(signal, SIG_DFL);
  raise(signal);
}

struct Totals {
  uint64_t plans = 0, failures = 0, power_cuts = 0, kills = 0, restarts = 0;
  Counts counts;
  std::array<uint64_t, static_cast<size_t>(FaultKind::kCount)> faults{};
  Nanoseconds virtual_time{0};
  uint64_t hash = 0;

  void Add(const Outcome& one) {
    ++plans;
    power_cuts += one.power_cuts;
    kills += one.kills;
    restarts += one.restarts;
    counts.messages += one.counts.messages;
    counts.recipients += one.counts.recipients;
    counts.deliveries += one.counts.deliveries;
    counts.reports += one.counts.reports;
    counts.duplicates += one.counts.duplicates;
    counts.refusals += one.counts.refusals;
    counts.boxed += one.counts.boxed;
    counts.deleted += one.counts.deleted;
    counts.transactions += one.counts.transactions;
    for (size_t i = 0; i < faults.size(); ++i) faults[i] += one.faults[i];
    virtual_time += one.virtual_time;
    hash = Mix(hash, one.trace_hash);
  }

  void Print(double seconds) const {
    fmt::print(
        "{} plans, {} failed; {} messages acknowledged for {} recipients; {} deliveries in {} "
        "transactions, {} reports, {} "
        "duplicates (each with a lost answer behind it); {} messages in mailboxes, {} deleted "
        "there; "
        "{} power cuts, {} kills, {} restarts; "
        "{:.0f} h of virtual time\n",
        plans, failures, counts.messages, counts.recipients, counts.deliveries, counts.transactions,
        counts.reports, counts.duplicates, counts.boxed, counts.deleted, power_cuts, kills,
        restarts, std::chrono::duration<double>(virtual_time).count() / 3600);
    fmt::print("faults:");
    for (size_t i = 0; i < faults.size(); ++i) {
      if (faults[i] > 0) fmt::print(" {} {}", Name(static_cast<FaultKind>(i)), faults[i]);
    }
    fmt::print("\n{:.1f} s: {:.0f} messages/s, {:.0f} crashes/s; trace {:016x}\n", seconds,
               static_cast<double>(counts.messages) / seconds,
               static_cast<double>(power_cuts + kills) / seconds, hash);
    std::fflush(stdout);
  }
};

std::string KindOf(const std::string& violation) {
  return violation.substr(0, violation.find(':'));
}

void KeepOnly(Plan& plan, std::string_view kinds) {
  if (kinds.empty()) return;
  std::erase_if(plan.faults, [kinds](const FaultPlan& fault) {
    const std::string all = fmt::format(",{},", kinds);
    return all.find(fmt::format(",{},", Name(fault.kind))) == all.npos;
  });
}

void Report(const Plan& plan, const Outcome& outcome, const Options& options) {
  fmt::print("FAILED: --scenario {} --seed {}\n", plan.scenario, plan.seed);
  for (const std::string& one : outcome.violations) fmt::print("  {}\n", one);
  std::fflush(stdout);
  if (!options.shrink) return;
  const std::string kind = KindOf(outcome.violations.front());
  const Plan small = Shrink(
      plan,
      [&kind](const Plan& smaller) {
        const Outcome again = Play(smaller);
        return !again.violations.empty() && KindOf(again.violations.front()) == kind;
      },
      600);
  const Outcome last = Play(small, {.timeline = true});
  fmt::print("made small:\n{}", Print(small));
  for (const std::string& one : last.violations) fmt::print("  {}\n", one);
  fmt::print("{}\n", last.timeline);
  std::fflush(stdout);
}

// Whether it was good.
bool PlayOne(const Plan& plan, const Options& options, Totals& totals) {
  std::strcpy(
      current,
      fmt::format("\nwhile playing --scenario {} --seed {}\n", plan.scenario, plan.seed).c_str());
  if (options.print) {
    fmt::print("{}", Print(plan));
    std::fflush(stdout);
  }
  alarm(300);
  Outcome outcome = Play(plan, {.timeline = options.timeline, .print = options.timeline});
  if (options.twice && outcome.violations.empty()) {
    const Outcome again = Play(plan);
    if (again.trace_hash != outcome.trace_hash)
      outcome.violations.push_back("trace: a second run went another way");
  }
  totals.Add(outcome);
  if (options.timeline) fmt::print("{}", outcome.timeline);
  if (outcome.violations.empty()) return true;
  ++totals.failures;
  alarm(0);
  Report(plan, outcome, options);
  return false;
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool SetSeeds(std::string_view text, Options& options) {
  const size_t dots = text.find("..");
  const auto first = Number(text.substr(0, dots));
  const auto last = dots == text.npos ? first : Number(text.substr(dots + 2));
  if (!first || !last || *last < *first) return false;
  options.first = *first;
  options.last = *last;
  return true;
}

// One option and its value; false: wrong. `used` tells whether the value was taken.
bool Set(std::string_view name, std::string_view value, bool& used, Options& options) {
  used = true;
  if (name == "--seed" || name == "--seeds") return SetSeeds(value, options);
  if (name == "--step" || name == "--minutes") {
    const auto number = Number(value);
    if (!number || *number == 0) return false;
    if (name == "--step") options.step = *number;
    if (name == "--minutes") options.minutes = static_cast<double>(*number);
    return true;
  }
  if (name == "--scenario") return IsScenario(options.scenario = value);
  if (name == "--faults") return !(options.faults = value).empty();
  if (name == "--plan") return !(options.plan_file = value).empty();
#ifdef RINGMAIL_CANARIES
  if (name == "--canary") {
    const auto canary = FindCanary(value);
    if (canary) SetCanary(*canary);
    return canary.has_value();
  }
#endif
  used = false;
  if (name == "--twice") return options.twice = true;
  if (name == "--timeline") return options.timeline = true;
  if (name == "--print") return options.print = true;
  if (name == "--keep-going") return options.keep_going = true;
  if (name == "--no-shrink") return !(options.shrink = false);
  return false;
}

int PlayFile(const Options& options, Totals& totals) {
  std::ifstream file(options.plan_file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const StatusOr<Plan> plan = ParsePlan(text);
  if (!file || !plan.ok()) {
    fmt::print(stderr, "mail_sim: {}: {}\n", options.plan_file,
               file ? Std(plan.status().message()) : "cannot be read");
    return 2;
  }
  return PlayOne(*plan, options, totals) ? 0 : 1;
}

int PlaySeeds(const Options& options, Totals& totals) {
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  double said = 0;
  for (uint64_t seed = options.first; options.minutes > 0 || seed <= options.last;
       seed += options.step) {
    if (options.minutes > 0 && passed() > options.minutes * 60) break;
    Plan plan = MakePlan(options.scenario, seed);
    KeepOnly(plan, options.faults);
    if (!PlayOne(plan, options, totals) && !options.keep_going) break;
    if (passed() - said > 60) {
      said = passed();
      fmt::print("seed {}: ", seed);
      totals.Print(said);
    }
  }
  totals.Print(passed());
  return totals.failures == 0 ? 0 : 1;
}

// Whether `name` only asks for words.
bool Tell(std::string_view name) {
  if (name == "--help") fmt::print("{}", kUsage);
  if (name == "--list") {
    for (const Scenario& one : Scenarios()) fmt::print("{:10} {}\n", one.name, one.about);
  }
#ifdef RINGMAIL_CANARIES
  if (name == "--canaries") {
    for (const CanaryRow& one : AllCanaries()) fmt::print("{:26} {}\n", one.name, one.description);
    return true;
  }
#endif
  return name == "--help" || name == "--list";
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    bool used = false;
    if (Tell(name)) return 0;
    if (!Set(name, i + 1 < argc ? argv[i + 1] : "", used, options)) {
      fmt::print(stderr, "mail_sim: {} is wrong, or its value is\n{}", name, kUsage);
      return 2;
    }
    i += used ? 1 : 0;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGALRM, SIGBUS, SIGFPE}) std::signal(signal, Died);
  Totals totals;
  return options.plan_file.empty() ? PlaySeeds(options, totals) : PlayFile(options, totals);
}

}  // namespace
}  // namespace ringmail::sim

int main(int argc, char** argv) { return ringmail::sim::Main(argc, argv); }
