// `regatta bench reduce`: our all-reduce beside the best that MPI does with as many bytes.
#pragma once

#include "comm/communicator.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <vector>

namespace regatta {

class OptionGroup;

struct ReduceBenchOptions {
  std::vector<std::int64_t> kib = {64, 256, 1024, 4096, 16384, 65536};  ///< sizes of an array

  void declare(OptionGroup& group);
};

/// Sums of arrays of int64 and of float32 over the ranks of `world`, which is MPI's world: by
/// Communicator::start_all_reduce, and by MPI_Allreduce in place, whole and in pieces of 1, 4 and
/// 16 MiB. All ways take turns, `repeats` times each. Returns {machine, commit, date, threads, amx,
/// world_size, cases: [{type, bytes, regatta, mpi, mpi_1_mib, ..., best, percent}]}: seconds until
/// the last rank has its sum, as {median, minimum, maximum}; `best` names MPI's way with the least
/// minimum and `percent` is that minimum over ours, null in a world of one. Checks the sums of
/// both. Collective; the same on every rank.
nlohmann::ordered_json bench_reduce(const ReduceBenchOptions& options,
                                    std::int64_t repeats,
                                    Communicator& world);

}  // namespace regatta
