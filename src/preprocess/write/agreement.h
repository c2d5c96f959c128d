// Errors that all ranks of a job learn of, so that none waits for one that has failed.
#pragma once

#include "comm/communicator.h"

#include <functional>

namespace regatta {

/// Collective: runs `work` on this rank. When it throws on any rank, every rank throws the Error of
/// the lowest such rank.
void run_on_all(Communicator& world, const std::function<void()>& work);

}  // namespace regatta
