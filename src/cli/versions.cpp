#include "cli/versions.h"

#include "comm/communicator.h"
#include "core/version.h"
#include "data/table_writer.h"

#include <torch/version.h>

#include <fmt/format.h>

namespace regatta {

std::string versions_text() {
  return fmt::format("regatta {}\nLibTorch {}\n{}\nHDF5 {}",
                     kVersion,
                     TORCH_VERSION,
                     mpi_version(),
                     hdf5_version());
}

}  // namespace regatta
