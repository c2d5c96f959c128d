// Turns MPI's return codes into errors that name rank, call and place.
#include "comm/mpi_check.h"

#include "core/error.h"
#include "core/log.h"

#include <string>
#include <string_view>

namespace regatta::detail {
namespace {

std::string describe(int code, const MpiCall& call) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) {
    length = 0;
  }
  const std::string_view file = call.file;
  const std::string_view name =
      std::string_view(call.call).substr(0, std::string_view(call.call).find('('));
  return fmt::format(
      "rank {}: {} failed at {}:{}: {} (code {}). Another rank may have ended or the network may "
      "be "
      "down; look for the first error of any rank, then restart the job.",
      call.rank,
      name,
      file.substr(file.find_last_of('/') + 1),
      call.line,
      length > 0 ? std::string_view(text, static_cast<std::size_t>(length)) : "unknown error",
      code);
}

}  // namespace

void check_mpi(int code, const MpiCall& call) {
  if (code != MPI_SUCCESS) {
    throw Error(ExitCode::kCommunication, describe(code, call));
  }
}

void report_mpi(int code, const MpiCall& call) noexcept {
  if (code == MPI_SUCCESS) {
    return;
  }
  try {
    log::error("{}", describe(code, call));
  } catch (...) {  // nothing is left to report it with
  }
}

}  // namespace regatta::detail
