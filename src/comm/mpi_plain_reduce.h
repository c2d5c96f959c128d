// What MPI itself takes for a sum: the yardstick of `regatta bench reduce`.
#pragma once

#include "comm/communicator.h"

#include <cstdint>

namespace regatta {

/// Blocking MPI_Allreduce, in place and on MPI_COMM_WORLD, by pieces of at most `piece_bytes`
/// (below 2 GiB). Sums kInt64, kFloat32 or kFloat64. Throws Error(kCommunication). Collective over
/// the world of an MpiSession.
void plain_mpi_all_reduce(void* data,
                          std::int64_t count,
                          ReduceType type,
                          std::int64_t piece_bytes);

}  // namespace regatta
