#include "nn/keyed_dropout.h"

#include <torch/torch.h>

#include <algorithm>

#include "core/parallel.h"

namespace regatta {
namespace {

constexpr std::int64_t kRowsAPiece = 256;

template <class Scalar>
void fill_mask(Scalar* mask,
               std::int64_t rows,
               std::int64_t width,
               const std::int64_t* id,
               double p,
               RandomKey key) {
  const std::uint32_t threshold = dropout_threshold(p);
  const auto scale = static_cast<Scalar>(1.0 / (1.0 - p));
  parallel_pieces((rows + kRowsAPiece - 1) / kRowsAPiece, [&](std::int64_t piece) {
    const std::int64_t end = std::min(rows, (piece + 1) * kRowsAPiece);
    for (std::int64_t i = piece * kRowsAPiece; i < end; ++i) {
      Scalar* row = mask + i * width;
      for (std::int64_t f = 0; f < width; f += 4) {
        const auto words =
            random_words(key, static_cast<std::uint64_t>(id[i]), static_cast<std::uint64_t>(f / 4));
        for (std::int64_t k = 0; k < std::min<std::int64_t>(4, width - f); ++k) {
          row[f + k] = words[static_cast<std::size_t>(k)] >= threshold ? scale : Scalar{0};
        }
      }
    }
  });
}

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x,
                         const at::Tensor& global_id,
                         double p,
                         RandomKey key) {
  if (p <= 0)
    return x;
  // The mask is made on the host; on a GPU it travels once per layer and step.
  at::Tensor mask = torch::empty(x.sizes(), torch::TensorOptions(x.scalar_type()));
  const auto* id = global_id.const_data_ptr<std::int64_t>();
  if (x.scalar_type() == torch::kFloat) {
    fill_mask(mask.mutable_data_ptr<float>(), x.size(0), x.size(1), id, p, key);
  } else {
    fill_mask(mask.mutable_data_ptr<double>(), x.size(0), x.size(1), id, p, key);
  }
  return x * mask.to(x.device());
}

}  // namespace regatta
