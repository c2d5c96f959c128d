// Sums through memory that the ranks of a node share, and between nodes by one rank of each;
// included only by comm/mpi_*.cpp.
#pragma once

#include "comm/communicator.h"

#include <mpi.h>

#include <cstdint>
#include <memory>

namespace regatta {

/// Each rank has a ring of slots that the others read. An array goes through in pieces: a rank
/// copies a piece into its next slot, and when all have, adds up the slots in the order of ranks,
/// so floating-point sums do not depend on time. Nothing is allocated but the ring. With several
/// nodes a node's leader, its first rank, adds its node's piece up with those of the other leaders
/// before all take it.
///
/// Started sums move on inside start(), progress() and waits, never by themselves, in the order in
/// which they were started. Who waits polls and lets MPI move on meanwhile, so that a rank which
/// waits for a message of this one gets it.
class NodeSum {
 public:
  virtual ~NodeSum() = default;
  /// kInt64, kFloat32 or kFloat64; in place, as Communicator::start_all_reduce.
  virtual std::unique_ptr<Work> start(void* data, std::int64_t count, ReduceType type) = 0;
  /// Does what can be done without waiting.
  virtual void progress() = 0;
  /// Waits until every started sum is complete: before a call that blocks inside MPI, where nobody
  /// would move them on.
  virtual void finish_all() = 0;
};

/// Null on every rank where one node has no shared memory. `node`: the ranks of `world` that share
/// memory with this one, in its order; both must outlive the result. Collective over `world`.
std::unique_ptr<NodeSum> make_node_sum(MPI_Comm world, MPI_Comm node);

}  // namespace regatta
