// The world communicator of a test started by mpirun.
#pragma once

#include "comm/communicator.h"

namespace regatta::testing {
Communicator& mpi_world();
}  // namespace regatta::testing
