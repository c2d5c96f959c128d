// The table of CPU kernels.
#include "kernels/attention.h"

namespace regatta {

const KernelTable& cpu_kernels() {
  static const KernelTable table = [] {
    KernelTable rows = reference_kernels();
    rows.name = "cpu";
    return rows;
  }();
  return table;
}

}  // namespace regatta
