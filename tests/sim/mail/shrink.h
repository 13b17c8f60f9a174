// Makes a plan that fails small: takes messages, visits, faults, recipients and peculiar peers out
// while it still fails in the same way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/mail/plan.h"

namespace ringmail::sim {

// The smallest plan found for which `fails` still holds, in at most `trials_max` calls of it.
// REQUIRES: fails(plan).
Plan Shrink(Plan plan, const std::function<bool(const Plan& plan)>& fails, uint32_t trials_max);

}  // namespace ringmail::sim
