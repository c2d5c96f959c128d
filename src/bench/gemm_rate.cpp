#include "bench/gemm_rate.h"

#include "core/timer.h"
#include "nn/dense_product.h"
#include "nn/precision.h"

#include <torch/types.h>

#include <algorithm>

namespace regatta {

double measure_gemm_rate(std::int64_t rows,
                         std::int64_t inner,
                         std::int64_t columns,
                         at::ScalarType type) {
  const torch::NoGradGuard no_grad;
  const at::Tensor x = torch::rand({rows, inner}).to(type);
  const at::Tensor w = torch::rand({inner, columns}).to(type), wide = w.to(working_type(type));
  double best = 1e9;
  for (int run = 0; run < 6; ++run) {
    Timer timer;
    torch::mm(x, w);
    best = std::min(best, timer.seconds());
    timer.restart();
    dense_product(x, wide, type);
    best = std::min(best, timer.seconds());
  }
  return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) *
         static_cast<double>(columns) / best;
}

}  // namespace regatta
