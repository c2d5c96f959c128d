// Checks what MPI returns; included only by comm/mpi_*.cpp.
#pragma once

#include <mpi.h>

namespace regatta::detail {

/// Where an MPI call stands; `call` is its text.
struct MpiCall {
  const char* call;
  const char* file;
  int line;
  int rank;  ///< -1 when it is not known yet
};

/// Throws Error(kCommunication) naming rank, call, place and MPI's message unless `code` is
/// MPI_SUCCESS.
void check_mpi(int code, const MpiCall& call);

/// The same for destructors: logs instead of throwing.
void report_mpi(int code, const MpiCall& call) noexcept;

}  // namespace regatta::detail

#define REGATTA_MPI(rank, call) \
  ::regatta::detail::check_mpi((call), {#call, __FILE__, __LINE__, (rank)})
#define REGATTA_MPI_NO_THROW(rank, call) \
  ::regatta::detail::report_mpi((call), {#call, __FILE__, __LINE__, (rank)})
