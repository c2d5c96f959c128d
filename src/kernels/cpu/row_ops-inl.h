// Operations on a few gathered rows at once, for any width: full vectors first, then halves down to
// one lane. Per-target header of Highway: included once for each instruction set.
#if defined(REGATTA_KERNELS_CPU_ROW_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_ROW_OPS_INL_H_
#undef REGATTA_KERNELS_CPU_ROW_OPS_INL_H_
#else
#define REGATTA_KERNELS_CPU_ROW_OPS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Lanes of the widest vector: 64 bytes; Highway caps it at what the target has.
template <class T>
inline constexpr std::size_t kRowLanes = 64 / sizeof(T);

/// Elements [begin, end) of a row: one head.
struct Span {
  std::size_t begin;
  std::size_t end;
};

template <class T, std::size_t kLanes>
using RowTag = hn::CappedTag<T, kLanes>;

/// acc += sum_q coefficient[q] rows[q], q in order.
template <std::size_t kRows, class T, std::size_t kLanes = kRowLanes<T>>
REGATTA_ROW_OP void add_rows(const T* coefficient, const T* const* rows, Span span, T* acc) {
  const RowTag<T, kLanes> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t k = span.begin;
  for (; k + lanes <= span.end; k += lanes) {
    auto sum = hn::LoadU(d, acc + k);
    for (std::size_t q = 0; q < kRows; ++q)
      sum = hn::MulAdd(hn::Set(d, coefficient[q]), hn::LoadU(d, rows[q] + k), sum);
    hn::StoreU(sum, d, acc + k);
  }
  if constexpr (kLanes > 1)
    if (k < span.end)
      add_rows<kRows, T, kLanes / 2>(coefficient, rows, {k, span.end}, acc);
}

/// Calls body.template operator()<kRows>(e) for e = 0, 4, 8, ... and the remainder of 1 to 3.
template <class Body>
HWY_INLINE void by_four(std::size_t count, const Body& body) {
  std::size_t e = 0;
  for (; e + 4 <= count; e += 4) body.template operator()<4>(e);
  switch (count - e) {
    case 3:
      return body.template operator()<3>(e);
    case 2:
      return body.template operator()<2>(e);
    case 1:
      return body.template operator()<1>(e);
    default:
      return;
  }
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
