// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/output_gradient.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/epilogue-inl.h"
#include "kernels/cpu/output_gradient.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/cpu/tile_lanes-inl.h"

#include <algorithm>
#include <bit>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class S>
class RowGradients {
  using W = Working<S>;
  using D = BlockTag<W>;

 public:
  explicit RowGradients(const OutputGradient& pass)
      : args_(*pass.args),
        rows_(args_.in.rows),
        heads_(static_cast<std::size_t>(args_.in.heads)),
        width_(static_cast<std::size_t>(args_.in.width)),
        width_bits_(std::countr_zero(width_)),
        activated_(args_.epilogue.changes_gradient()),
        y_(static_cast<const S*>(args_.epilogue.y)),
        from_(static_cast<const S*>(args_.grad_out)),
        to_(static_cast<S*>(pass.grad_out)),
        residual_(static_cast<S*>(args_.grad_residual)),
        out_(static_cast<const S*>(args_.out)),
        correction_(pass.correction == nullptr ? nullptr : static_cast<const S*>(args_.correction)),
        delta_(static_cast<W*>(pass.delta)),
        correction_product_(static_cast<W*>(pass.correction)),
        bias_(static_cast<W*>(args_.grad_bias)),
        parts_(static_cast<W*>(pass.bias_parts)) {}

  static std::int64_t pieces() { return RowPieces::kMaxPieces; }

  void run(std::int64_t piece) const {
    W* bias =
        bias_ == nullptr ? nullptr : parts_ + static_cast<std::size_t>(piece) * heads_ * width_;
    if (bias != nullptr)
      std::fill_n(bias, heads_ * width_, W{0});
    const std::int64_t end = rows_ * (piece + 1) / pieces();
    // Heads that share vectors evenly go by whole vectors of the row.
    const bool narrow = width_ < hn::Lanes(D()) && (width_ & (width_ - 1)) == 0;
    for (std::int64_t i = rows_ * piece / pieces(); i < end; ++i) {
      if (narrow)
        row(static_cast<std::size_t>(i), bias);
      else
        for (std::size_t h = 0; h < heads_; ++h) head(static_cast<std::size_t>(i), h, bias);
    }
  }

  void add_bias_parts() const {
    if (bias_ == nullptr)
      return;
    std::fill_n(bias_, heads_ * width_, W{0});
    for (std::int64_t p = 0; p < pieces(); ++p)
      for (std::size_t k = 0; k < heads_ * width_; ++k)
        bias_[k] += parts_[static_cast<std::size_t>(p) * heads_ * width_ + k];
  }

 private:
  HWY_INLINE void head(std::size_t i, std::size_t h, W* bias) const {
    const D d;
    auto delta = hn::Zero(d);
    auto product = hn::Zero(d);
    const std::size_t begin = (i * heads_ + h) * width_;
    for (std::size_t k = 0; k < width_; k += hn::Lanes(d)) {
      const std::size_t at = begin + k;
      const std::size_t left = width_ - k;
      const auto g = gradient(d, at, h * width_ + k, left, bias);
      delta = hn::MulAdd(g, load_storage_n(d, out_ + at, left), delta);
      if (correction_ != nullptr)
        product = hn::MulAdd(g, load_storage_n(d, correction_ + at, left), product);
    }
    delta_[i * heads_ + h] = hn::GetLane(hn::SumOfLanes(d, delta)) + edge_part(i * heads_ + h);
    if (correction_ != nullptr)
      correction_product_[i * heads_ + h] = hn::GetLane(hn::SumOfLanes(d, product));
  }

  HWY_INLINE void row(std::size_t i, W* bias) const {
    const D d;
    const std::size_t columns = heads_ * width_;
    for (std::size_t k = 0; k < columns; k += hn::Lanes(d)) {
      const std::size_t at = i * columns + k;
      const std::size_t left = columns - k;
      const std::size_t first = at >> width_bits_;  // widths of whole rows are powers of two
      const std::size_t count = std::min(left, hn::Lanes(d)) >> width_bits_;
      const auto g = gradient(d, at, k, left, bias);
      const auto store = [&](const S* factor, W* to) HWY_ATTR {
        alignas(64) W lane[hn::MaxLanes(D())];
        const auto product = hn::Mul(g, load_storage_n(d, factor + at, left));
        hn::Store(sum_segments(d, product, width_), d, lane);
        for (std::size_t h = 0; h < count; ++h) to[first + h] = lane[h * width_];
      };
      store(out_, delta_);
      if (args_.grad_edge_out != nullptr)
        for (std::size_t h = 0; h < count; ++h) delta_[first + h] += edge_part(first + h);
      if (correction_ != nullptr)
        store(correction_, correction_product_);
    }
  }

  HWY_INLINE hn::Vec<D> gradient(
      D d, std::size_t at, std::size_t column, std::size_t left, W* bias) const {
    auto g = load_storage_n(d, from_ + at, left);
    if (activated_) {
      // Lanes past the end carry the slope of 0 times a gradient of 0.
      g = hn::Mul(g, activation_slope(d, args_.epilogue, load_storage_n(d, y_ + at, left)));
      store_storage_n(g, d, to_ + at, left);
    }
    if (residual_ != nullptr && !(activated_ && residual_ == to_))
      store_storage_n(g, d, residual_ + at, left);
    if (bias != nullptr)
      store_storage_n(hn::Add(g, load_storage_n(d, static_cast<const W*>(bias) + column, left)),
                      d,
                      bias + column,
                      left);
    return g;
  }

  W edge_part(std::size_t at) const {
    if (args_.grad_edge_out == nullptr)
      return 0;
    const auto features = static_cast<std::size_t>(args_.in.edge.features);
    const auto* g = static_cast<const W*>(args_.grad_edge_out) + at * features;
    const auto* out = static_cast<const W*>(args_.edge_out) + at * features;
    W sum = 0;
    for (std::size_t f = 0; f < features; ++f) sum += g[f] * out[f];
    return sum;
  }

  const AttentionBackwardArgs& args_;
  std::int64_t rows_;
  std::size_t heads_, width_;
  int width_bits_;  ///< of a width that is a power of two
  bool activated_;
  const S* y_;
  const S* from_;
  S* to_;
  S* residual_;
  const S* out_;
  const S* correction_;
  W* delta_;
  W* correction_product_;
  W* bias_;
  W* parts_;
};

}  // namespace

void output_gradient_target(const OutputGradient& pass) {
  with_storage(pass.args->in.dtype, [&]<class S>(S) {
    const RowGradients<S> rows(pass);
    parallel_pieces(rows.pieces(), [&](std::int64_t p) { rows.run(p); });
    rows.add_bias_parts();
  });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(output_gradient_target);

std::size_t bias_parts_bytes(const AttentionBackwardArgs& args) {
  if (args.grad_bias == nullptr)
    return 0;
  return static_cast<std::size_t>(RowPieces::kMaxPieces * args.in.heads * args.in.width) *
         working_bytes(args.in.dtype);
}

void output_gradient(const OutputGradient& pass) {
  HWY_DYNAMIC_DISPATCH(output_gradient_target)(pass);
}

}  // namespace regatta::cpu
#endif
