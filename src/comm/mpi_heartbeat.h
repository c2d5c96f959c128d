// Heartbeats as small MPI messages on a communicator of their own; included only by mpi_*.cpp.
#pragma once

#include "comm/heartbeat.h"

#include <mpi.h>

#include <memory>

namespace regatta {

/// Collective over `parent`, which it duplicates.
std::unique_ptr<HeartbeatChannel> make_mpi_heartbeat(MPI_Comm parent);

}  // namespace regatta
