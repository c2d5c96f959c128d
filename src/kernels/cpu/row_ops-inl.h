// Operations on a few gathered rows at once, for any width: full vectors first, then halves down to
// one lane. Per-target header of Highway: included once for each instruction set.
#if defined(REGATTA_KERNELS_CPU_ROW_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_ROW_OPS_INL_H_
#undef REGATTA_KERNELS_CPU_ROW_OPS_INL_H_
#else
#define REGATTA_KERNELS_CPU_ROW_OPS_INL_H_
#endif

#include <hwy/cache_control.h>
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

/// Two accumulators from one load of the rows.
template <std::size_t kRows, class T, std::size_t kLanes = kRowLanes<T>>
REGATTA_ROW_OP void add_rows_twice(
    const T* first, const T* second, const T* const* rows, Span span, T* const* acc) {
  const RowTag<T, kLanes> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t k = span.begin;
  for (; k + lanes <= span.end; k += lanes) {
    auto sum0 = hn::LoadU(d, acc[0] + k);
    auto sum1 = hn::LoadU(d, acc[1] + k);
    for (std::size_t q = 0; q < kRows; ++q) {
      const auto row = hn::LoadU(d, rows[q] + k);
      sum0 = hn::MulAdd(hn::Set(d, first[q]), row, sum0);
      sum1 = hn::MulAdd(hn::Set(d, second[q]), row, sum1);
    }
    hn::StoreU(sum0, d, acc[0] + k);
    hn::StoreU(sum1, d, acc[1] + k);
  }
  if constexpr (kLanes > 1)
    if (k < span.end)
      add_rows_twice<kRows, T, kLanes / 2>(first, second, rows, {k, span.end}, acc);
}

/// product[q] += <fixed, rows[q]>.
template <std::size_t kRows, class T, std::size_t kLanes = kRowLanes<T>>
REGATTA_ROW_OP void dot_rows(const T* fixed, const T* const* rows, Span span, T* product) {
  const RowTag<T, kLanes> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t k = span.begin;
  if (k + lanes <= span.end) {
    hn::Vec<decltype(d)> sum[kRows];
    for (std::size_t q = 0; q < kRows; ++q) sum[q] = hn::Zero(d);
    for (; k + lanes <= span.end; k += lanes) {
      const auto f = hn::LoadU(d, fixed + k);
      for (std::size_t q = 0; q < kRows; ++q)
        sum[q] = hn::MulAdd(f, hn::LoadU(d, rows[q] + k), sum[q]);
    }
    for (std::size_t q = 0; q < kRows; ++q) product[q] += hn::GetLane(hn::SumOfLanes(d, sum[q]));
  }
  if constexpr (kLanes > 1)
    if (k < span.end)
      dot_rows<kRows, T, kLanes / 2>(fixed, rows, {k, span.end}, product);
}

/// Both of the above from one load of the rows.
template <std::size_t kRows, class T, std::size_t kLanes = kRowLanes<T>>
REGATTA_ROW_OP void dot_and_add_rows(
    const T* fixed, const T* coefficient, const T* const* rows, Span span, T* product, T* acc) {
  const RowTag<T, kLanes> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t k = span.begin;
  if (k + lanes <= span.end) {
    hn::Vec<decltype(d)> dot[kRows];
    for (std::size_t q = 0; q < kRows; ++q) dot[q] = hn::Zero(d);
    for (; k + lanes <= span.end; k += lanes) {
      const auto f = hn::LoadU(d, fixed + k);
      auto sum = hn::LoadU(d, acc + k);
      for (std::size_t q = 0; q < kRows; ++q) {
        const auto row = hn::LoadU(d, rows[q] + k);
        dot[q] = hn::MulAdd(f, row, dot[q]);
        sum = hn::MulAdd(hn::Set(d, coefficient[q]), row, sum);
      }
      hn::StoreU(sum, d, acc + k);
    }
    for (std::size_t q = 0; q < kRows; ++q) product[q] += hn::GetLane(hn::SumOfLanes(d, dot[q]));
  }
  if constexpr (kLanes > 1)
    if (k < span.end)
      dot_and_add_rows<kRows, T, kLanes / 2>(fixed, coefficient, rows, {k, span.end}, product, acc);
}

/// row[k] *= factor.
template <class T, std::size_t kLanes = kRowLanes<T>>
HWY_INLINE void scale_row(T factor, Span span, T* row) {
  const RowTag<T, kLanes> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto f = hn::Set(d, factor);
  std::size_t k = span.begin;
  for (; k + lanes <= span.end; k += lanes)
    hn::StoreU(hn::Mul(f, hn::LoadU(d, row + k)), d, row + k);
  if constexpr (kLanes > 1)
    if (k < span.end)
      scale_row<T, kLanes / 2>(factor, {k, span.end}, row);
}

/// to = a b, element by element; `to` may be one of them.
template <class T, std::size_t kLanes = kRowLanes<T>>
HWY_INLINE void multiply_rows(const T* a, const T* b, Span span, T* to) {
  const RowTag<T, kLanes> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t k = span.begin;
  for (; k + lanes <= span.end; k += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, a + k), hn::LoadU(d, b + k)), d, to + k);
  if constexpr (kLanes > 1)
    if (k < span.end)
      multiply_rows<T, kLanes / 2>(a, b, {k, span.end}, to);
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

/// Brings a row that will be gathered soon towards the core.
template <class T>
HWY_INLINE void prefetch_row(const T* row, std::size_t width) {
  for (std::size_t k = 0; k < width; k += 64 / sizeof(T)) hwy::Prefetch(row + k);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
