#include "tests/sim/mail/shrink.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ringmail::sim {
namespace {

class Shrinker {
 public:
  Shrinker(Plan plan, const std::function<bool(const Plan& plan)>& fails, uint32_t trials)
      : plan_(std::move(plan)), fails_(fails), trials_(trials) {}

  // Delta debugging (Zeller): halves, then quarters, down to single items.
  template <typename T>
  bool Reduce(std::vector<T> Plan::*list) {
    bool any = false;
    for (size_t chunk = (plan_.*list).size(); chunk > 0; chunk /= 2) {
      for (size_t at = 0; at < (plan_.*list).size();) {
        Plan smaller = plan_;
        auto& items = smaller.*list;
        const auto begin = items.begin() + static_cast<ptrdiff_t>(at);
        items.erase(begin, begin + static_cast<ptrdiff_t>(std::min(chunk, items.size() - at)));
        if (Try(std::move(smaller))) {
          any = true;
        } else {
          at += chunk;
        }
      }
    }
    return any;
  }

  void Simplify() {
    for (size_t i = 0; i < plan_.messages.size(); ++i) {
      Change([i](Plan& p) { p.messages[i].recipients.resize(1); });
      Change([i](Plan& p) { p.messages[i].bytes = std::min(p.messages[i].bytes, 10u); });
      Change([i](Plan& p) {
        MessagePlan& m = p.messages[i];
        m.null_path = m.eight_bit = m.chunks = m.dots = false;
      });
    }
    for (size_t i = 0; i < plan_.visits.size(); ++i) {
      Change([i](Plan& p) { p.visits[i].lingers = Nanoseconds(0); });
      Change([i](Plan& p) { p.visits[i].ending = VisitPlan::Ending::kQuit; });
    }
    for (size_t i = 0; i < plan_.peers.size(); ++i) Change([i](Plan& p) { p.peers[i] = {}; });
    for (size_t i = 0; i < plan_.faults.size(); ++i)
      Change([i](Plan& p) { p.faults[i].number = 0; });
    Change([](Plan& p) { p.shards = 1; });
    Change([](Plan& p) {
      p.senders = 1;
      for (MessagePlan& m : p.messages) m.sender = 0;
    });
  }

  Plan Take() { return std::move(plan_); }

 private:
  bool Try(Plan smaller) {
    if (trials_ == 0 || smaller == plan_) return false;
    --trials_;
    if (!fails_(smaller)) return false;
    plan_ = std::move(smaller);
    return true;
  }
  template <typename F>
  void Change(F change) {
    Plan changed = plan_;
    change(changed);
    Try(std::move(changed));
  }

  Plan plan_;
  const std::function<bool(const Plan& plan)>& fails_;
  uint32_t trials_;
};

}  // namespace

Plan Shrink(Plan plan, const std::function<bool(const Plan& plan)>& fails, uint32_t trials_max) {
  Shrinker shrinker(std::move(plan), fails, trials_max);
  for (bool smaller = true; smaller;) {
    smaller = shrinker.Reduce(&Plan::faults);
    smaller = shrinker.Reduce(&Plan::messages) || smaller;
    smaller = shrinker.Reduce(&Plan::visits) || smaller;
  }
  shrinker.Simplify();
  (void)shrinker.Reduce(&Plan::messages);
  return shrinker.Take();
}

}  // namespace ringmail::sim
