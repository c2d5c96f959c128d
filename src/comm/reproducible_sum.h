// Sums over ranks that do not depend on which rank holds which number.
#pragma once

#include "comm/communicator.h"

#include <span>

namespace regatta {

/// Sum of the `mine` of all ranks, in fixed point: the same bits for the same numbers, however they
/// are shared out. Relative error 2^-50 of the largest; NaN where one is not finite. Collective
/// (two messages of a few bytes); at most 2^12 numbers in all.
double reproducible_sum(std::span<const double> mine, Communicator& world);

}  // namespace regatta
