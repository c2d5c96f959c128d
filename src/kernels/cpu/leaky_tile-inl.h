// The sum inside gatv2's logit, by columns of a tile. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_LEAKY_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_LEAKY_TILE_INL_H_
#undef REGATTA_KERNELS_CPU_LEAKY_TILE_INL_H_
#else
#define REGATTA_KERNELS_CPU_LEAKY_TILE_INL_H_
#endif

#include "kernels/cpu/row_products.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// u and LeakyReLU of gatv2 for the columns of a tile; kFeatures: u has a term of the edge.
template <class W, std::size_t kColumns, bool kFeatures>
class LeakyTile {
  using D = BlockTag<W>;

 public:
  LeakyTile(const LeakyTerms* terms, const ColumnTile& tile) : count_(tile.count) {
    if (terms == nullptr)
      return;
    slope_ = static_cast<W>(terms->slope);
    features_ = terms->weight == nullptr ? 0 : terms->features;
    row_ = terms->row;
    x_ = static_cast<const W*>(terms->x);
    weight_ = features_ == 0 ? nullptr : static_cast<const W*>(terms->weight) + tile.first;
    if (terms->vector != nullptr)
      std::copy_n(
          static_cast<const W*>(terms->vector) + tile.first, std::min(count_, kColumns), vector_);
  }

  /// From here on vector() has its columns by pairs, as for_columns has them.
  void pair_columns() {
    constexpr std::size_t kLanes = hn::MaxLanes(D());
    for (std::size_t c = 0; c + 2 * kLanes <= kColumns; c += 2 * kLanes) {
      W ordered[2 * kLanes];
      std::copy_n(vector_ + c, 2 * kLanes, ordered);
      for (std::size_t k = 0; k < kLanes; ++k) {
        vector_[c + k] = ordered[2 * k];
        vector_[c + kLanes + k] = ordered[2 * k + 1];
      }
    }
  }

  HWY_INLINE hn::Vec<D> vector(D d, std::size_t v) const {
    return hn::Load(d, vector_ + v * hn::Lanes(d));
  }
  /// u plus x_e weight.
  HWY_INLINE hn::Vec<D> add(D d, std::size_t v, std::int64_t e, hn::Vec<D> u) const {
    if constexpr (kFeatures) {
      const W* x = x_ + static_cast<std::size_t>(e) * features_;
      const std::size_t done = v * hn::Lanes(d);
      if (done < count_)
        for (std::size_t f = 0; f < features_; ++f)
          u = hn::MulAdd(
              hn::Set(d, x[f]), load_storage_n(d, weight_ + f * row_ + done, count_ - done), u);
    }
    return u;
  }
  /// LeakyReLU of u, which is above 0 where `above` says so.
  HWY_INLINE hn::Vec<D> activate(D d, hn::Mask<D> above, hn::Vec<D> u) const {
    return hn::IfThenElse(above, u, hn::Mul(u, hn::Set(d, slope_)));
  }
  /// The same without a mask, for a slope of at most 1; where the product is NaN, u.
  HWY_INLINE hn::Vec<D> maximum(D d, hn::Vec<D> u) const {
    return hn::Max(hn::Mul(u, hn::Set(d, slope_)), u);
  }

 private:
  std::size_t count_;
  W slope_ = 0;
  std::size_t features_ = 0;
  std::size_t row_ = 0;
  const W* x_ = nullptr;
  const W* weight_ = nullptr;
  alignas(64) W vector_[kColumns] = {};
};

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
