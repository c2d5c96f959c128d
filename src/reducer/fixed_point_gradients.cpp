#include "reducer/fixed_point_gradients.h"

#include "comm/fixed_point.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace regatta {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<FixedPointBits> bits_of_blocks(const std::vector<at::Tensor>& parameters,
                                           std::int64_t scalars) {
  std::vector<FixedPointBits> bits;
  for (const at::Tensor& parameter : parameters)
    bits.push_back(parameter.scalar_type() == at::kDouble ? kDoubleBits : kFloatBits);
  bits.insert(bits.end(), static_cast<std::size_t>(scalars), kDoubleBits);
  return bits;
}

template <class T>
std::span<T> span_of(const at::Tensor& tensor) {
  return {static_cast<T*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.numel())};
}

template <class T>
double absorb_values(std::span<const T> values,
                     std::optional<int> shift,
                     double limit,
                     std::span<std::int64_t> sums,
                     bool first) {
  if (!shift)
    return largest_magnitude(values);
  return first ? store_fixed_point(values, *shift, limit, sums)
               : add_fixed_point(values, *shift, limit, sums);
}

}  // namespace

FixedPointGradients::FixedPointGradients(const std::vector<at::Tensor>& parameters,
                                         std::int64_t scalars,
                                         at::Device device)
    : parameters_(parameters.size()),
      shifts_(bits_of_blocks(parameters, scalars)),
      used_(shifts_.size()),
      agreed_(shifts_.size()),
      largest_(shifts_.size()) {
  if (!device.is_cpu())
    device_largest_ = at::zeros({static_cast<std::int64_t>(shifts_.size())},
                                at::TensorOptions(at::kDouble).device(device));
}

void FixedPointGradients::begin(std::int64_t micro_batches) {
  micro_batches_ = micro_batches;
  for (std::size_t b = 0; b < shifts_.size(); ++b) used_[b] = shifts_.shift(b);
  std::fill(largest_.begin(), largest_.end(), 0.0);
  if (device_largest_.defined())
    device_largest_.zero_();
}

void FixedPointGradients::absorb(std::size_t block,
                                 const at::Tensor& gradient,
                                 const at::Tensor& sums,
                                 bool first) {
  if (sums.is_cpu())
    absorb_on_host(block, gradient, sums, first);
  else
    absorb_on_device(block, gradient, sums, first);
}

void FixedPointGradients::absorb_on_host(std::size_t block,
                                         const at::Tensor& gradient,
                                         const at::Tensor& sums,
                                         bool first) {
  const at::Tensor values = gradient.cpu().contiguous();
  const double limit = BlockShifts::limit(micro_batches_);
  const auto into = span_of<std::int64_t>(sums);
  const double found =
      values.scalar_type() == at::kDouble
          ? absorb_values<double>(span_of<const double>(values), used_[block], limit, into, first)
          : absorb_values<float>(span_of<const float>(values), used_[block], limit, into, first);
  largest_[block] = std::max(largest_[block], found);
}

/// What does not fit its shift leaves senseless integers here; settle() then asks for a repetition.
void FixedPointGradients::absorb_on_device(std::size_t block,
                                           const at::Tensor& gradient,
                                           const at::Tensor& sums,
                                           bool first) {
  if (gradient.numel() == 0)
    return;
  at::Tensor largest = device_largest_.select(0, static_cast<std::int64_t>(block));
  largest.copy_(at::maximum(largest, gradient.abs().max().to(at::kDouble)));
  if (!used_[block])
    return;
  const at::Tensor integers =
      gradient.to(at::kDouble).mul_(fixed_point_scale(*used_[block])).round_().to(at::kLong);
  if (first)
    sums.copy_(integers);
  else
    sums.add_(integers);
}

void FixedPointGradients::absorb_scalar(std::size_t scalar,
                                        double value,
                                        std::int64_t& sum,
                                        bool first) {
  const std::size_t block = parameters_ + scalar;
  const double found = absorb_values<double>({&value, 1},
                                             used_[block],
                                             BlockShifts::limit(micro_batches_),
                                             {&sum, 1},
                                             first);
  largest_[block] = std::max(largest_[block], found);
}

at::Tensor FixedPointGradients::magnitudes() const {
  // Doubles that are not negative order as their bits do.
  at::Tensor host = at::empty({static_cast<std::int64_t>(largest_.size())}, at::kDouble);
  std::copy(largest_.begin(), largest_.end(), host.data_ptr<double>());
  if (!device_largest_.defined())
    return host.view(at::kLong);
  return at::maximum(device_largest_, host.to(device_largest_.device())).view(at::kLong);
}

bool FixedPointGradients::settle(const at::Tensor& agreed) {
  const at::Tensor host = agreed.cpu();
  for (std::size_t b = 0; b < agreed_.size(); ++b) {
    const auto largest = std::bit_cast<double>(host.const_data_ptr<std::int64_t>()[b]);
    agreed_[b] = std::isfinite(largest) ? largest : kInfinity;
  }
  return shifts_.settle(agreed_, micro_batches_);
}

void FixedPointGradients::write(std::size_t block,
                                const at::Tensor& sums,
                                at::Tensor& gradient) const {
  if (!std::isfinite(agreed_[block])) {
    gradient.fill_(std::numeric_limits<double>::quiet_NaN());
  } else if (agreed_[block] == 0 || !used_[block]) {
    gradient.zero_();
  } else if (gradient.is_cpu()) {
    const auto from = span_of<const std::int64_t>(sums);
    if (gradient.scalar_type() == at::kDouble)
      from_fixed_point(from, *used_[block], span_of<double>(gradient));
    else
      from_fixed_point(from, *used_[block], span_of<float>(gradient));
  } else {
    gradient.copy_(
        sums.to(gradient.device()).to(at::kDouble).mul_(fixed_point_scale(-*used_[block])));
  }
}

double FixedPointGradients::scalar(std::size_t scalar, std::int64_t sum) const {
  const std::size_t block = parameters_ + scalar;
  if (!std::isfinite(agreed_[block]))
    return std::numeric_limits<double>::quiet_NaN();
  if (agreed_[block] == 0 || !used_[block])
    return 0;
  double value = 0;
  from_fixed_point({&sum, 1}, *used_[block], std::span<double>(&value, 1));
  return value;
}

}  // namespace regatta
