// Start and end of MPI, and its world communicator.
#include "comm/communicator.h"
#include "comm/mpi_check.h"
#include "comm/mpi_communicator.h"
#include "core/error.h"

#include <mpi.h>

#include <exception>
#include <regex>

namespace regatta {

MpiSession::MpiSession(int* argc, char*** argv) {
  int provided = MPI_THREAD_SINGLE;
  REGATTA_MPI(-1, MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided));
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    fail(ExitCode::kDevice,
         "{} grants thread level {}, Regatta needs MPI_THREAD_MULTIPLE ({}). Use an MPI built with "
         "it (Open MPI: "
         "--enable-mpi-thread-multiple).",
         mpi_version(),
         provided,
         static_cast<int>(MPI_THREAD_MULTIPLE));
  }
  REGATTA_MPI(-1, MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  int size = 0;
  REGATTA_MPI(-1, MPI_Comm_size(MPI_COMM_WORLD, &size));
  world_ = size == 1 ? make_self_communicator() : make_mpi_communicator(MPI_COMM_WORLD);
}

MpiSession::~MpiSession() {
  // MPI_Finalize waits for the other ranks, which wait for this one in a collective.
  if (std::uncaught_exceptions() > 0 && world_->size() > 1) {
    world_->abort(static_cast<int>(ExitCode::kInternal));
  }
  world_.reset();
  REGATTA_MPI_NO_THROW(-1, MPI_Finalize());
}

Communicator& MpiSession::world() {
  return *world_;
}

std::string mpi_version() {
  char buffer[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  if (MPI_Get_library_version(buffer, &length) != MPI_SUCCESS) {
    return "MPI (unknown)";
  }
  // "Open MPI v4.1.4, package: ..." or "MPICH Version:      4.0.2\n...": the name, then the first
  // number.
  const std::string text(buffer, static_cast<std::size_t>(length));
  const std::regex pattern(R"(^(\D*?)\s*(?:v|Version:)?\s*(\d[^\s,]*))");
  std::smatch match;
  return std::regex_search(text, match, pattern) ? match[1].str() + " " + match[2].str()
                                                 : text.substr(0, text.find('\n'));
}

}  // namespace regatta
