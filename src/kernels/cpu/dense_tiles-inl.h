// Register-tiled products of dense matrices in the manner of Goto and van de Geijn, "Anatomy of
// high-performance matrix multiplication", 2008: the right operand is packed into panels two
// vectors wide, a tile of the result stays in registers. Per-target header of Highway.
#if defined(REGATTA_KERNELS_CPU_DENSE_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef REGATTA_KERNELS_CPU_DENSE_TILES_INL_H_
#undef REGATTA_KERNELS_CPU_DENSE_TILES_INL_H_
#else
#define REGATTA_KERNELS_CPU_DENSE_TILES_INL_H_
#endif

#include "kernels/cpu/asked_ahead.h"
#include "kernels/cpu/dense_panels.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr std::size_t kTileRows = 12;  // 24 sums of 32 registers
#else
constexpr std::size_t kTileRows = 6;  // 12 sums of 16 registers
#endif

/// Rows of the left operand. Either its inner index or its row index is contiguous.
template <class T>
struct Left {
  const T* data;
  std::size_t stride;  ///< of the index that is not contiguous
};

/// What becomes of what is there: added to, replaced, or replaced past the caches (whole aligned
/// vectors; FlushStream must follow).
enum class Store { kAdd, kReplace, kStream };

/// A part of the result.
template <class T>
struct Target {
  T* data;
  std::size_t stride;
  std::size_t columns;
  Store store;
};

/// One row of a tile from its sums. A panel may be wider than the columns that are left.
template <std::size_t kVectors, class T, class V>
HWY_INLINE void store_row(const V* sum, T* to, std::size_t columns, Store store) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  if (columns >= kVectors * lanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      T* at = to + v * lanes;
      if (store == Store::kStream)
        hn::Stream(sum[v], d, at);
      else
        hn::StoreU(store == Store::kAdd ? hn::Add(hn::LoadU(d, at), sum[v]) : sum[v], d, at);
    }
    return;
  }
  alignas(64) T row[kPanelBytes / sizeof(T)];
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sum[v], d, row + v * lanes);
  for (std::size_t c = 0; c < columns; ++c) to[c] = store == Store::kAdd ? to[c] + row[c] : row[c];
}

/// kRows rows times one panel of kVectors vectors, `inner` long.
template <bool kInnerContiguous, std::size_t kRows, std::size_t kVectors, class T>
HWY_INLINE void multiply_tile(
    Left<T> a, const T* HWY_RESTRICT panel, std::size_t inner, Target<T> c, Asks asks) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<decltype(d)>;
  V sum[kRows][kVectors];
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  // A pointer for two rows: twelve would not leave registers for anything else.
  constexpr std::size_t kPairs = (kRows + 1) / 2;
  const T* pair[kPairs];
  for (std::size_t p = 0; p < kPairs; ++p)
    pair[p] = a.data + 2 * p * (kInnerContiguous ? a.stride : 1);
  const std::size_t within = kInnerContiguous ? a.stride : 1;
  const std::size_t step = kInnerContiguous ? 1 : a.stride;
  for (std::size_t k = 0; k < inner; ++k) {
    V b[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) b[v] = hn::Load(d, panel + v * lanes);
    panel += kVectors * lanes;
    __builtin_prefetch(reinterpret_cast<const void*>(asks.at), 0, 2);
    asks.at += asks.step;
    for (std::size_t r = 0; r < kRows; ++r) {
      const V left = hn::Set(d, pair[r / 2][(r % 2) * within]);
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(left, b[v], sum[r][v]);
    }
    for (std::size_t p = 0; p < kPairs; ++p) pair[p] += step;
  }
  for (std::size_t r = 0; r < kRows; ++r)
    store_row<kVectors>(sum[r], c.data + r * c.stride, c.columns, c.store);
}

/// The right operand in panels: element (k, c) is data[k * row + c * column].
template <class T>
struct Right {
  const T* data;
  std::size_t row;
  std::size_t column;
};

/// Vectors of the panel that begins where `columns` are left: the last one may be half as wide.
HWY_INLINE std::size_t panel_vectors(std::size_t columns, std::size_t lanes) {
  return columns > lanes ? 2 : 1;
}

/// panels of [inner, panel width], zeros beyond the columns. Goes row by row: the weight gradient's
/// rows come from memory, once.
template <class T>
void pack_panels(Right<T> from, std::size_t inner, std::size_t columns, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t k = 0; k < inner; ++k) {
    const T* row = from.data + k * from.row;
    for (std::size_t c = 0; c < columns;) {
      const std::size_t width = lanes * panel_vectors(columns - c, lanes);
      const std::size_t used = std::min(width, columns - c);
      T* line = to + c * inner + k * width;
      if (from.column == 1 && used == width) {
        for (std::size_t j = 0; j < width; j += lanes)
          hn::Store(hn::LoadU(d, row + c + j), d, line + j);
      } else {
        for (std::size_t j = 0; j < used; ++j) line[j] = row[(c + j) * from.column];
        std::fill(line + used, line + width, T{0});
      }
      c += width;
    }
  }
}

template <bool kInnerContiguous, std::size_t kRows, class T>
HWY_INLINE void multiply_rows_by_panel(
    Left<T> a, const T* panel, std::size_t inner, std::size_t vectors, Target<T> c, Asks asks) {
  if (vectors == 2)
    multiply_tile<kInnerContiguous, kRows, 2>(a, panel, inner, c, asks);
  else
    multiply_tile<kInnerContiguous, kRows, 1>(a, panel, inner, c, asks);
}

/// kRows rows times all panels.
template <bool kInnerContiguous, std::size_t kRows, class T>
HWY_NOINLINE void multiply_rows(
    Left<T> a, const T* panels, std::size_t inner, Target<T> c, Asks asks) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  while (c.columns > 0) {
    const std::size_t vectors = panel_vectors(c.columns, lanes);
    multiply_rows_by_panel<kInnerContiguous, kRows>(a, panels, inner, vectors, c, asks);
    asks.at += inner * asks.step;
    panels += inner * vectors * lanes;
    const std::size_t done = std::min(c.columns, vectors * lanes);
    c.data += done;
    c.columns -= done;
  }
}

/// Of one column of tiles.
inline std::size_t row_tiles(std::size_t rows) {
  return rows / kTileRows + rows % kTileRows / 4 + rows % kTileRows % 4;
}

/// Inner indices of one row of tiles.
template <class T>
std::size_t tile_indices(std::size_t inner, std::size_t columns) {
  const std::size_t panel = 2 * hn::Lanes(hn::ScalableTag<T>());
  return (columns + panel - 1) / panel * inner;
}

/// c (+)= a times packed panels, any number of rows; `ahead` is wanted next.
template <bool kInnerContiguous, class T>
void multiply_block(
    Left<T> a, std::size_t rows, const T* panels, std::size_t inner, Target<T> c, Ahead ahead) {
  const std::size_t row_stride = kInnerContiguous ? a.stride : 1;
  const std::size_t indices = tile_indices<T>(inner, c.columns);
  const auto run = [&]<std::size_t kRows>(std::integral_constant<std::size_t, kRows>) {
    for (; rows >= kRows; rows -= kRows) {
      multiply_rows<kInnerContiguous, kRows>(a, panels, inner, c, ahead.take(indices));
      a.data += kRows * row_stride;
      c.data += kRows * c.stride;
    }
  };
  run(std::integral_constant<std::size_t, kTileRows>());
  run(std::integral_constant<std::size_t, 4>());
  run(std::integral_constant<std::size_t, 1>());
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
