#include "comm/mpi_plain_reduce.h"

#include "comm/mpi_check.h"
#include "core/error.h"

#include <mpi.h>

#include <algorithm>
#include <limits>

namespace regatta {

void plain_mpi_all_reduce(void* data,
                          std::int64_t count,
                          ReduceType type,
                          std::int64_t piece_bytes) {
  REGATTA_CHECK(type != ReduceType::kByte, "bytes have no sum");
  const std::int64_t width = type == ReduceType::kFloat32 ? 4 : 8;
  const MPI_Datatype element = type == ReduceType::kInt64     ? MPI_INT64_T
                               : type == ReduceType::kFloat32 ? MPI_FLOAT
                                                              : MPI_DOUBLE;
  const std::int64_t piece = piece_bytes / width;
  REGATTA_CHECK(piece > 0 && piece <= std::numeric_limits<int>::max());
  for (std::int64_t start = 0; start < count; start += piece) {
    auto* begin = static_cast<std::byte*>(data) + start * width;
    const int length = static_cast<int>(std::min(piece, count - start));
    REGATTA_MPI(-1,
                MPI_Allreduce(MPI_IN_PLACE, begin, length, element, MPI_SUM, MPI_COMM_WORLD));
  }
}

}  // namespace regatta
