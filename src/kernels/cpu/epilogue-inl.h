// y = activation(O + bias + residual) and its derivative, on vectors. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_EPILOGUE_INL_H_
#undef REGATTA_KERNELS_CPU_EPILOGUE_INL_H_
#else
#define REGATTA_KERNELS_CPU_EPILOGUE_INL_H_
#endif

#include "kernels/attention.h"
#include "kernels/cpu/storage_lanes-inl.h"

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> activate(D d, const AttentionEpilogue& epilogue, hn::Vec<D> x) {
  using W = hn::TFromD<D>;
  const auto zero = hn::Zero(d);
  switch (epilogue.activation) {
    case FusedActivation::kNone:
      return x;
    case FusedActivation::kElu:
      return hn::IfThenElse(hn::Gt(x, zero), x, hn::Expm1(d, hn::Min(x, zero)));
    case FusedActivation::kRelu:
      return hn::IfThenElse(hn::Gt(x, zero), x, hn::Mul(x, zero));
    case FusedActivation::kLeakyRelu:
      return hn::IfThenElse(
          hn::Gt(x, zero), x, hn::Mul(x, hn::Set(d, static_cast<W>(epilogue.slope))));
    case FusedActivation::kTanh:
      return hn::Tanh(d, x);
    case FusedActivation::kSigmoid:
      return hn::Div(hn::Set(d, W{1}), hn::Add(hn::Set(d, W{1}), hn::Exp(d, hn::Neg(x))));
  }
  return x;
}

/// The derivative, from the value y.
template <class D>
HWY_INLINE hn::Vec<D> activation_slope(D d, const AttentionEpilogue& epilogue, hn::Vec<D> y) {
  using W = hn::TFromD<D>;
  const auto one = hn::Set(d, W{1});
  const auto above = hn::Gt(y, hn::Zero(d));
  switch (epilogue.activation) {
    case FusedActivation::kNone:
      return one;
    case FusedActivation::kElu:
      return hn::IfThenElse(above, one, hn::Add(y, one));
    case FusedActivation::kRelu:
      return hn::IfThenElseZero(above, one);
    case FusedActivation::kLeakyRelu:
      return hn::IfThenElse(above, one, hn::Set(d, static_cast<W>(epilogue.slope)));
    case FusedActivation::kTanh:
      return hn::NegMulAdd(y, y, one);
    case FusedActivation::kSigmoid:
      return hn::Mul(y, hn::Sub(one, y));
  }
  return one;
}

/// y of `count` columns of row i from column `first` on; `o` is padded to whole vectors. `streamed`
/// as of stream_storage_n.
template <class S>
HWY_INLINE void store_epilogue(const AttentionEpilogue& epilogue,
                               std::size_t row_begin,
                               std::size_t first,
                               std::size_t count,
                               const Working<S>* o,
                               bool streamed) {
  using W = Working<S>;
  const BlockTag<W> d;
  const auto* bias = static_cast<const W*>(epilogue.bias);
  const auto* residual = static_cast<const S*>(epilogue.residual);
  for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
    auto x = hn::Load(d, o + k);
    if (bias != nullptr)
      x = hn::Add(x, load_storage_n(d, bias + first + k, count - k));
    if (residual != nullptr)
      x = hn::Add(x, load_storage_n(d, residual + row_begin + first + k, count - k));
    stream_storage_n(activate(d, epilogue, x),
                     d,
                     static_cast<S*>(epilogue.y) + row_begin + first + k,
                     count - k,
                     streamed);
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
