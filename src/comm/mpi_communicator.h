// The communicator over MPI. Only comm/mpi_session.cpp and tests include this header.
#pragma once

#include "comm/communicator.h"

#include <mpi.h>

#include <cstdint>
#include <memory>

namespace regatta {

struct MpiLimits {
  /// Longest message of a collective. Above 16 MiB Open MPI's scratch memory faults halve the rate;
  /// far below 2^31, so counts fit MPI's int.
  std::int64_t piece_bytes = 16 << 20;
  /// Where a node has several ranks, sums of at least `share_from` bytes go through memory that
  /// they share, and between nodes by one rank of each.
  bool share_memory = true;
  std::int64_t share_from = 4 << 10;
  /// Above 0: so many ranks of a node are taken for a node, as tests of several nodes need it.
  int node_ranks = 0;
};

/// Works on a duplicate of `parent` whose errors are returned, not fatal. Collective over `parent`.
/// Throws Error(kCommunication).
std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm parent, MpiLimits limits = {});

}  // namespace regatta
