#include "bench/gemm_rate.h"

#include "core/timer.h"

#include <torch/torch.h>

#include <algorithm>

namespace regatta {

double measure_gemm_rate(std::int64_t rows, std::int64_t inner, std::int64_t columns, bool fp64) {
  const torch::NoGradGuard no_grad;
  const auto type = torch::TensorOptions(fp64 ? torch::kDouble : torch::kFloat);
  const at::Tensor a = torch::rand({rows, inner}, type), b = torch::rand({inner, columns}, type);
  double best = 1e9;
  for (int run = 0; run < 6; ++run) {
    const Timer timer;
    torch::mm(a, b);
    best = std::min(best, timer.seconds());
  }
  return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) *
         static_cast<double>(columns) / best;
}

}  // namespace regatta
