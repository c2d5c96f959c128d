#include "train/gradient_norm.h"

#include "core/parallel.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace regatta {
namespace {

template <class T>
double sum_of_squares(const T* value, std::int64_t count) {
  // Independent sums, so that the compiler may use vectors without changing an order of ours.
  constexpr std::int64_t kSums = 8;
  double sums[kSums] = {};
  std::int64_t k = 0;
  for (; k + kSums <= count; k += kSums)
    for (std::int64_t s = 0; s < kSums; ++s) {
      const auto v = static_cast<double>(value[k + s]);
      sums[s] += v * v;
    }
  double total = 0;
  for (; k < count; ++k) total += static_cast<double>(value[k]) * static_cast<double>(value[k]);
  for (const double sum : sums) total += sum;
  return total;
}

/// A run of elements of one gradient.
struct Piece {
  const at::Tensor* gradient;
  std::int64_t begin, count;
};

double sum_of_piece(const Piece& piece) {
  return piece.gradient->scalar_type() == torch::kDouble
             ? sum_of_squares(piece.gradient->const_data_ptr<double>() + piece.begin, piece.count)
             : sum_of_squares(piece.gradient->const_data_ptr<float>() + piece.begin, piece.count);
}

}  // namespace

double gradient_norm(const std::vector<at::Tensor>& parameters) {
  constexpr std::int64_t kElements = 16384;
  std::vector<at::Tensor> gradients, norms;
  double squares = 0;
  for (const at::Tensor& parameter : parameters) {
    if (!parameter.grad().defined())
      continue;
    if (parameter.is_cpu())
      gradients.push_back(parameter.grad().contiguous());
    else
      norms.push_back(parameter.grad().norm().to(torch::kDouble));
  }
  if (!norms.empty()) {
    // All of a device at once, lest the host wait for each.
    const at::Tensor host = torch::stack(norms).cpu();
    for (std::int64_t i = 0; i < host.size(0); ++i)
      squares += std::pow(host.const_data_ptr<double>()[i], 2);
  }
  std::vector<Piece> pieces;
  for (const at::Tensor& gradient : gradients)
    for (std::int64_t begin = 0; begin < gradient.numel(); begin += kElements)
      pieces.push_back({&gradient, begin, std::min(kElements, gradient.numel() - begin)});
  std::vector<double> sums(pieces.size());
  parallel_pieces(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t p) {
    sums[static_cast<std::size_t>(p)] = sum_of_piece(pieces[static_cast<std::size_t>(p)]);
  });
  for (const double sum : sums) squares += sum;
  return std::sqrt(squares);
}

}  // namespace regatta
