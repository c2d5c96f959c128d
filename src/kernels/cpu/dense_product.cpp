// Register-tiled matrix products in the manner of Goto and van de Geijn, "Anatomy of
// high-performance matrix multiplication", 2008: the right operand is packed into panels two
// vectors wide, a tile of the result stays in registers.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dense_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/dense_product.h"
#include "kernels/storage_types.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#ifndef REGATTA_KERNELS_CPU_DENSE_PRODUCT_SIZES_
#define REGATTA_KERNELS_CPU_DENSE_PRODUCT_SIZES_
namespace regatta::cpu {

// Widest panel in bytes: two vectors of 64. Workspaces are sized for it on every target.
inline constexpr std::size_t kPanelBytes = 128;
// Inner indices summed in one run before they are added to the result.
inline constexpr std::size_t kInnerRun = 256;
// Rows that one thread takes at a time; a multiple of every tile's height.
inline constexpr std::int64_t kPieceRows = 240;
// The weight gradient: rows of a block, rows of a run within it, and the most partial sums kept.
inline constexpr std::int64_t kBlockRows = 512;
inline constexpr std::size_t kRunRows = 128;
inline constexpr std::int64_t kMaxPartials = 64;

inline std::size_t padded_columns(std::int64_t columns, KernelType dtype) {
  const std::size_t panel = kPanelBytes / storage_bytes(dtype);
  return (static_cast<std::size_t>(columns) + panel - 1) / panel * panel;
}

/// How the weight gradient cuts its rows: by their number alone.
struct RowBlocks {
  explicit RowBlocks(std::int64_t all) : rows(all) {
    const std::int64_t blocks = (all + kBlockRows - 1) / kBlockRows;
    each = kBlockRows * std::max<std::int64_t>(1, (blocks + kMaxPartials - 1) / kMaxPartials);
    count = (all + each - 1) / each;
  }
  std::int64_t rows, each, count;
};

}  // namespace regatta::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

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
HWY_INLINE void multiply_tile(Left<T> a,
                              const T* HWY_RESTRICT panel,
                              std::size_t inner,
                              Target<T> c) {
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
    Left<T> a, const T* panel, std::size_t inner, std::size_t vectors, Target<T> c) {
  if (vectors == 2)
    multiply_tile<kInnerContiguous, kRows, 2>(a, panel, inner, c);
  else
    multiply_tile<kInnerContiguous, kRows, 1>(a, panel, inner, c);
}

/// kRows rows times all panels.
template <bool kInnerContiguous, std::size_t kRows, class T>
HWY_NOINLINE void multiply_rows(Left<T> a, const T* panels, std::size_t inner, Target<T> c) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  while (c.columns > 0) {
    const std::size_t vectors = panel_vectors(c.columns, lanes);
    multiply_rows_by_panel<kInnerContiguous, kRows>(a, panels, inner, vectors, c);
    panels += inner * vectors * lanes;
    const std::size_t done = std::min(c.columns, vectors * lanes);
    c.data += done;
    c.columns -= done;
  }
}

/// c (+)= a times packed panels, any number of rows.
template <bool kInnerContiguous, class T>
void multiply_block(Left<T> a, std::size_t rows, const T* panels, std::size_t inner, Target<T> c) {
  const std::size_t row_stride = kInnerContiguous ? a.stride : 1;
  const auto advance = [&](std::size_t by) {
    a.data += by * row_stride;
    c.data += by * c.stride;
    rows -= by;
  };
  for (; rows >= kTileRows; advance(kTileRows))
    multiply_rows<kInnerContiguous, kTileRows>(a, panels, inner, c);
  for (; rows >= 4; advance(4)) multiply_rows<kInnerContiguous, 4>(a, panels, inner, c);
  for (; rows >= 1; advance(1)) multiply_rows<kInnerContiguous, 1>(a, panels, inner, c);
}

/// y (+)= x right: one operand of a pass over rows.
template <class T>
struct Operand {
  const T* x;
  Right<T> right;
  std::size_t inner, columns;
  T* y;
  T* panels;  ///< `right` packed, in runs of kInnerRun
  bool add;   ///< to what operands before it left in y

  void pack(std::size_t padded) const {
    for (std::size_t k = 0; k < inner; k += kInnerRun)
      pack_panels(Right<T>{right.data + k * right.row, right.row, right.column},
                  std::min(kInnerRun, inner - k),
                  columns,
                  panels + k * padded);
  }
  void multiply(std::size_t first, std::size_t rows, std::size_t padded, Store store) const {
    if (inner == 0 && !add)
      std::fill_n(y + first * columns, rows * columns, T{0});
    for (std::size_t k = 0; k < inner; k += kInnerRun)
      multiply_block<true>(
          Left<T>{x + first * inner + k, inner},
          rows,
          panels + k * padded,
          std::min(kInnerRun, inner - k),
          Target<T>{y + first * columns, columns, columns, k > 0 || add ? Store::kAdd : store});
  }
  /// Whether whole vectors of y go past the caches: where y would not stay in them.
  bool streams(std::int64_t rows, KernelType dtype) const {
    const std::size_t vector = hn::Lanes(hn::ScalableTag<T>()) * sizeof(T);
    return stored_past_caches(static_cast<std::size_t>(rows) * columns, dtype) &&
           inner <= kInnerRun && columns * sizeof(T) % vector == 0 &&
           reinterpret_cast<std::uintptr_t>(y) % vector == 0;
  }
};

/// All operands for a piece of rows before the next piece: what they share is read once.
template <class T>
void multiply_operands(const DenseProductArgs& args, const std::vector<Operand<T>>& operands) {
  const auto padded = [&](const Operand<T>& operand) {
    return padded_columns(static_cast<std::int64_t>(operand.columns), args.dtype);
  };
  const bool sum = operands.back().add;
  for (const Operand<T>& operand : operands) operand.pack(padded(operand));
  parallel_pieces((args.rows + kPieceRows - 1) / kPieceRows, [&](std::int64_t piece) {
    const std::int64_t first = piece * kPieceRows;
    const auto rows = static_cast<std::size_t>(std::min(kPieceRows, args.rows - first));
    for (const Operand<T>& operand : operands) {
      const bool streamed = !sum && operand.streams(args.rows, args.dtype);
      operand.multiply(static_cast<std::size_t>(first),
                       rows,
                       padded(operand),
                       streamed ? Store::kStream : Store::kReplace);
    }
    hwy::FlushStream();
  });
}

template <class T>
void forward_typed(std::span<const DenseProductArgs> products) {
  std::vector<Operand<T>> operands;
  for (const DenseProductArgs& args : products) {
    const auto columns = static_cast<std::size_t>(args.columns);
    operands.push_back({static_cast<const T*>(products.front().x),
                        Right<T>{static_cast<const T*>(args.w), columns, 1},
                        static_cast<std::size_t>(products.front().inner),
                        columns,
                        static_cast<T*>(args.result),
                        static_cast<T*>(args.workspace),
                        false});
  }
  multiply_operands(products.front(), operands);
}

template <class T>
void input_gradient_typed(std::span<const DenseProductArgs> products) {
  std::vector<Operand<T>> operands;
  for (const DenseProductArgs& args : products) {
    const auto columns = static_cast<std::size_t>(args.columns);
    operands.push_back({static_cast<const T*>(args.dy),
                        Right<T>{static_cast<const T*>(args.w), 1, columns},
                        columns,
                        static_cast<std::size_t>(products.front().inner),
                        static_cast<T*>(products.front().result),
                        static_cast<T*>(args.workspace),
                        !operands.empty()});
  }
  multiply_operands(products.front(), operands);
}

/// Partial sum of one block of rows, run by run.
template <class T>
void block_weight_gradient(
    const DenseProductArgs& args, RowBlocks blocks, std::int64_t block, T* panels, T* to) {
  const auto inner = static_cast<std::size_t>(args.inner);
  const auto columns = static_cast<std::size_t>(args.columns);
  const auto begin = static_cast<std::size_t>(block * blocks.each);
  const auto end = static_cast<std::size_t>(std::min(blocks.rows, (block + 1) * blocks.each));
  const auto* x = static_cast<const T*>(args.x);
  const auto* dy = static_cast<const T*>(args.dy);
  const T one{1};
  for (std::size_t row = begin; row < end; row += kRunRows) {
    const std::size_t count = std::min(kRunRows, end - row);
    pack_panels(Right<T>{dy + row * columns, columns, 1}, count, columns, panels);
    const Left<T> left = x == nullptr ? Left<T>{&one, 0} : Left<T>{x + row * inner, inner};
    multiply_block<false>(
        left,
        inner,
        panels,
        count,
        Target<T>{to, columns, columns, row > begin ? Store::kAdd : Store::kReplace});
  }
}

/// dw = partials added in their order; the pieces share out the elements.
template <class T>
void add_partials(const T* partials, std::int64_t count, std::size_t size, T* dw) {
  constexpr std::size_t kElements = 4096;
  const std::size_t pieces = (size + kElements - 1) / kElements;
  parallel_pieces(static_cast<std::int64_t>(pieces), [&](std::int64_t piece) {
    const std::size_t begin = static_cast<std::size_t>(piece) * kElements;
    const std::size_t end = std::min(size, begin + kElements);
    for (std::int64_t p = 0; p < count; ++p) {
      const T* from = partials + static_cast<std::size_t>(p) * size;
      for (std::size_t k = begin; k < end; ++k) dw[k] += from[k];
    }
  });
}

template <class T>
void weight_gradient_typed(const DenseProductArgs& args) {
  const RowBlocks blocks(args.rows);
  const std::size_t size = static_cast<std::size_t>(args.inner * args.columns);
  const std::size_t panels = kRunRows * padded_columns(args.columns, args.dtype);
  auto* scratch = static_cast<T*>(args.workspace);
  T* partials = scratch + static_cast<std::size_t>(blocks.count) * panels;
  auto* dw = static_cast<T*>(args.result);
  if (blocks.count == 0)
    std::fill_n(dw, size, T{0});
  // The first block writes the result itself, the others are added to it.
  parallel_pieces(blocks.count, [&](std::int64_t block) {
    const auto b = static_cast<std::size_t>(block);
    block_weight_gradient(
        args, blocks, block, scratch + b * panels, b == 0 ? dw : partials + (b - 1) * size);
  });
  if (blocks.count > 1)
    add_partials(partials, blocks.count - 1, size, dw);
}

}  // namespace

void product_target(std::span<const DenseProductArgs> products) {
  products.front().dtype == KernelType::kFloat32 ? forward_typed<float>(products)
                                                 : forward_typed<double>(products);
}
void input_gradient_target(std::span<const DenseProductArgs> products) {
  products.front().dtype == KernelType::kFloat32 ? input_gradient_typed<float>(products)
                                                 : input_gradient_typed<double>(products);
}
void weight_gradient_target(const DenseProductArgs& args) {
  args.dtype == KernelType::kFloat32 ? weight_gradient_typed<float>(args)
                                     : weight_gradient_typed<double>(args);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta {
namespace cpu {
namespace {

HWY_EXPORT(product_target);
HWY_EXPORT(input_gradient_target);
HWY_EXPORT(weight_gradient_target);

void check(const DenseProductArgs& args, bool needs_workspace) {
  REGATTA_CHECK(args.rows >= 0 && args.inner >= 0 && args.columns >= 0,
                "dense product of negative size {} x {} x {}",
                args.rows,
                args.inner,
                args.columns);
  REGATTA_CHECK(args.dtype != KernelType::kBFloat16, "dense products are fp32 or fp64");
  REGATTA_CHECK(args.workspace != nullptr || !needs_workspace, "dense product without a workspace");
}

void check_all(std::span<const DenseProductArgs> products) {
  REGATTA_CHECK(!products.empty(), "no dense product given");
  const DenseProductArgs& first = products.front();
  for (const DenseProductArgs& args : products) {
    check(args, dense_product_workspace_bytes(args) > 0);
    REGATTA_CHECK(args.rows == first.rows && args.inner == first.inner && args.dtype == first.dtype,
                  "dense products of one x differ in rows, inner width or type");
  }
}

}  // namespace
}  // namespace cpu

std::size_t dense_product_workspace_bytes(const DenseProductArgs& args) {
  using cpu::padded_columns;
  // One layout serves both directions.
  const std::size_t forward =
      static_cast<std::size_t>(args.inner) * padded_columns(args.columns, args.dtype);
  const std::size_t backward =
      static_cast<std::size_t>(args.columns) * padded_columns(args.inner, args.dtype);
  return std::max(forward, backward) * storage_bytes(args.dtype);
}

std::size_t dense_weight_gradient_workspace_bytes(const DenseProductArgs& args) {
  const auto blocks = static_cast<std::size_t>(cpu::RowBlocks(args.rows).count);
  const std::size_t panels = cpu::kRunRows * cpu::padded_columns(args.columns, args.dtype);
  const auto partial = static_cast<std::size_t>(args.inner * args.columns);
  return (blocks * panels + (blocks > 1 ? (blocks - 1) * partial : 0)) * storage_bytes(args.dtype);
}

void multiply_dense(std::span<const DenseProductArgs> products) {
  cpu::check_all(products);
  HWY_DYNAMIC_DISPATCH(cpu::product_target)(products);
}
void dense_input_gradient(std::span<const DenseProductArgs> products) {
  cpu::check_all(products);
  HWY_DYNAMIC_DISPATCH(cpu::input_gradient_target)(products);
}
void dense_weight_gradient(const DenseProductArgs& args) {
  cpu::check(args, dense_weight_gradient_workspace_bytes(args) > 0);
  HWY_DYNAMIC_DISPATCH(cpu::weight_gradient_target)(args);
}

}  // namespace regatta
#endif
