// A communicator that notes every collective, so that a watchdog can say where a rank waits.
#pragma once

#include "comm/communicator.h"
#include "comm/progress.h"

#include <memory>

namespace regatta {

/// Passes everything to `inner`; both must outlive the result and the Work it hands out.
std::unique_ptr<Communicator> watch_communicator(Communicator& inner, Progress& progress);

}  // namespace regatta
