// Products of dense rows by blocks that depend on the shape alone; dense_tiles-inl.h multiplies
// them.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dense_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/error.h"
#include "core/parallel.h"
#include "kernels/cpu/amx_product.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/dense_tiles-inl.h"
#include "kernels/cpu/row_blocks.h"
#include "kernels/cpu/storage_lanes-inl.h"
#include "kernels/dense_product.h"
#include "kernels/storage_types.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#ifndef REGATTA_KERNELS_CPU_DENSE_PRODUCT_SIZES_
#define REGATTA_KERNELS_CPU_DENSE_PRODUCT_SIZES_
namespace regatta::cpu {

// Inner indices summed in one run before they are added to the result.
inline constexpr std::size_t kInnerRun = 256;
// Rows that one thread takes at a time; a multiple of every tile's height.
inline constexpr std::int64_t kPieceRows = 240;

inline std::size_t padded_columns(std::int64_t columns, KernelType dtype) {
  const std::size_t panel = kPanelBytes / storage_bytes(dtype);
  return (static_cast<std::size_t>(columns) + panel - 1) / panel * panel;
}

}  // namespace regatta::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

/// Rows of an operand; narrow ones are widened where they are used.
template <class T>
struct DenseRows {
  const void* data;
  std::size_t columns;
  bool narrow;

  /// Rows [first, first + rows) as T: where they lie, or copied to `wide`.
  const T* rows(std::size_t first, std::size_t rows, std::vector<T>& wide) const {
    if constexpr (std::is_same_v<T, float>) {
      if (narrow)
        return widened(static_cast<const BFloat16*>(data) + first * columns, rows * columns, wide);
    }
    return static_cast<const T*>(data) + first * columns;
  }

  /// Of rows [first, first + rows).
  Ahead::Bytes bytes(std::size_t first, std::size_t rows) const {
    const std::size_t row = columns * (narrow ? sizeof(BFloat16) : sizeof(T));
    return {reinterpret_cast<std::uintptr_t>(data) + first * row, data == nullptr ? 0 : rows * row};
  }

 private:
  static const T* widened(const BFloat16* from, std::size_t count, std::vector<T>& wide) {
    const BlockTag<T> d;
    wide.resize(std::max(wide.size(), count));
    for (std::size_t k = 0; k < count; k += hn::Lanes(d))
      store_storage_n(load_storage_n(d, from + k, count - k), d, wide.data() + k, count - k);
    return wide.data();
  }
};

/// y (+)= x right: one operand of a pass over rows.
template <class T>
struct Operand {
  DenseRows<T> x;
  Right<T> right;
  std::size_t columns;
  void* y;
  bool narrow;  ///< y is bf16: rounded once its sum is whole
  T* panels;    ///< `right` packed, in runs of kInnerRun
  bool add;     ///< to what operands before it left in y

  std::size_t inner() const { return x.columns; }
  std::size_t padded() const { return padded_columns(static_cast<std::int64_t>(columns), kWide); }
  void pack() const {
    for (std::size_t k = 0; k < inner(); k += kInnerRun)
      pack_panels(Right<T>{right.data + k * right.row, right.row, right.column},
                  std::min(kInnerRun, inner() - k),
                  columns,
                  panels + k * padded());
  }
  void multiply(const T* from, std::size_t rows, T* to, Store store, Ahead::Bytes wanted) const {
    if (inner() == 0 && !add)
      std::fill_n(to, rows * columns, T{0});
    for (std::size_t k = 0; k < inner(); k += kInnerRun) {
      const std::size_t run = std::min(kInnerRun, inner() - k);
      multiply_block<true>(Left<T>{from + k, inner()},
                           rows,
                           panels + k * padded(),
                           run,
                           Target<T>{to, columns, columns, k > 0 || add ? Store::kAdd : store},
                           Ahead(wanted, {}, row_tiles(rows) * tile_indices<T>(run, columns)));
      wanted.count = 0;
    }
  }
  /// Whether y is too large to stay in a cache.
  bool large(std::int64_t rows) const {
    return stored_past_caches(static_cast<std::size_t>(rows) * columns,
                              narrow ? KernelType::kBFloat16 : kWide);
  }
  /// Whether whole vectors of y go past the caches from the registers.
  bool streams(std::int64_t rows) const {
    const std::size_t vector = hn::Lanes(hn::ScalableTag<T>()) * sizeof(T);
    return large(rows) && inner() <= kInnerRun && columns * sizeof(T) % vector == 0 &&
           reinterpret_cast<std::uintptr_t>(y) % vector == 0;
  }
  void round(const T* from, std::size_t first, std::size_t rows, bool streamed) const {
    if constexpr (std::is_same_v<T, float>) {
      const BlockTag<T> d;
      const std::size_t count = rows * columns;
      BFloat16* to = static_cast<BFloat16*>(y) + first * columns;
      for (std::size_t k = 0; k < count; k += hn::Lanes(d))
        stream_storage_n(load_storage_n(d, from + k, count - k), d, to + k, count - k, streamed);
    }
  }

 private:
  static constexpr KernelType kWide = sizeof(T) == 8 ? KernelType::kFloat64 : KernelType::kFloat32;
};

/// All operands for a piece of rows before the next piece: what they share is read once. Either
/// each has a y of its own, or all but the first add to that of the first.
template <class T>
class OperandPass {
 public:
  OperandPass(std::int64_t rows, std::vector<Operand<T>> operands)
      : rows_(rows), operands_(std::move(operands)), sum_(operands_.back().add) {}

  void run() const {
    for (const Operand<T>& operand : operands_) operand.pack();
    parallel_pieces((rows_ + kPieceRows - 1) / kPieceRows, [&](std::int64_t p) { piece(p); });
  }

 private:
  void piece(std::int64_t p) const {
    // Kept: a fresh block of this size would be mapped and cleared for every piece.
    static thread_local std::vector<T> wide_x, wide_y;
    const auto first = static_cast<std::size_t>(p * kPieceRows);
    const auto rows = static_cast<std::size_t>(std::min(kPieceRows, rows_ - p * kPieceRows));
    const T* x = nullptr;
    const void* x_of = nullptr;
    for (const Operand<T>& operand : operands_) {
      if (x == nullptr || x_of != operand.x.data)
        x = operand.x.rows(first, rows, wide_x);
      x_of = operand.x.data;
      T* to = static_cast<T*>(operand.y) + first * operand.columns;
      if (operand.narrow) {
        wide_y.resize(std::max(wide_y.size(), rows * operand.columns));
        to = wide_y.data();
      }
      const bool streamed = !sum_ && !operand.narrow && operand.streams(rows_);
      // Narrow rows were all widened: those of the next piece are wanted, else those of a tile.
      const Ahead::Bytes wanted = operand.x.narrow ? operand.x.bytes(first + rows, rows)
                                                   : operand.x.bytes(first + kTileRows, rows);
      operand.multiply(x, rows, to, streamed ? Store::kStream : Store::kReplace, wanted);
      if (operand.narrow && (!sum_ || &operand == &operands_.back()))
        operand.round(to, first, rows, operand.large(rows_));
    }
    hwy::FlushStream();
  }

  std::int64_t rows_;
  std::vector<Operand<T>> operands_;
  bool sum_;
};

template <class T>
void forward_typed(std::span<const DenseProductArgs> products) {
  std::vector<Operand<T>> operands;
  const DenseProductArgs& first = products.front();
  for (const DenseProductArgs& args : products) {
    const auto columns = static_cast<std::size_t>(args.columns);
    operands.push_back({{first.x, static_cast<std::size_t>(first.inner), first.narrow_x},
                        {static_cast<const T*>(args.w), columns, 1},
                        columns,
                        args.result,
                        args.narrow_y,
                        static_cast<T*>(args.workspace),
                        false});
  }
  OperandPass<T>(first.rows, std::move(operands)).run();
}

template <class T>
void input_gradient_typed(std::span<const DenseProductArgs> products) {
  std::vector<Operand<T>> operands;
  const DenseProductArgs& first = products.front();
  for (const DenseProductArgs& args : products) {
    const auto columns = static_cast<std::size_t>(args.columns);
    operands.push_back({{args.dy, columns, args.narrow_y},
                        {static_cast<const T*>(args.w), 1, columns},
                        static_cast<std::size_t>(first.inner),
                        first.result,
                        first.narrow_x,
                        static_cast<T*>(args.workspace),
                        !operands.empty()});
  }
  OperandPass<T>(first.rows, std::move(operands)).run();
}

/// Partial sum of one block of rows, run by run.
template <class T>
void block_weight_gradient(
    const DenseProductArgs& args, RowBlocks blocks, std::int64_t block, T* panels, T* to) {
  const auto inner = static_cast<std::size_t>(args.inner);
  const auto columns = static_cast<std::size_t>(args.columns);
  const auto begin = static_cast<std::size_t>(block * blocks.each);
  const auto end = static_cast<std::size_t>(std::min(blocks.rows, (block + 1) * blocks.each));
  const DenseRows<T> x{args.x, inner, args.narrow_x};
  const DenseRows<T> dy{args.dy, columns, args.narrow_y};
  static thread_local std::vector<T> wide_x, wide_dy;
  const T one{1};
  for (std::size_t row = begin; row < end; row += kRunRows) {
    const std::size_t count = std::min(kRunRows, end - row);
    const std::size_t next = std::min(kRunRows, static_cast<std::size_t>(args.rows) - row - count);
    pack_panels(Right<T>{dy.rows(row, count, wide_dy), columns, 1}, count, columns, panels);
    const Left<T> left =
        args.x == nullptr ? Left<T>{&one, 0} : Left<T>{x.rows(row, count, wide_x), inner};
    multiply_block<false>(
        left,
        inner,
        panels,
        count,
        Target<T>{to, columns, columns, row > begin ? Store::kAdd : Store::kReplace},
        Ahead(dy.bytes(row + count, next),
              x.bytes(row + count, next),
              row_tiles(inner) * tile_indices<T>(count, columns)));
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
void add_amx_partials_target(const DenseProductArgs& args) {
  const std::int64_t blocks = RowBlocks(args.rows).count;
  if (blocks > 1)
    add_partials(static_cast<const float*>(args.workspace),
                 blocks - 1,
                 static_cast<std::size_t>(args.inner * args.columns),
                 static_cast<float*>(args.result));
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
HWY_EXPORT(add_amx_partials_target);

void check(const DenseProductArgs& args, bool needs_workspace) {
  REGATTA_CHECK(args.rows >= 0 && args.inner >= 0 && args.columns >= 0,
                "dense product of negative size {} x {} x {}",
                args.rows,
                args.inner,
                args.columns);
  REGATTA_CHECK(args.dtype == KernelType::kFloat32 ||
                    (args.dtype == KernelType::kFloat64 && !args.narrow_x && !args.narrow_y),
                "dense products are fp32, with rows in fp32 or bf16, or fp64");
  REGATTA_CHECK(args.workspace != nullptr || !needs_workspace, "dense product without a workspace");
}

void check_all(std::span<const DenseProductArgs> products,
               std::size_t (*workspace_bytes)(const DenseProductArgs&)) {
  REGATTA_CHECK(!products.empty(), "no dense product given");
  const DenseProductArgs& first = products.front();
  for (const DenseProductArgs& args : products) {
    check(args, workspace_bytes(args) > 0);
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
  return std::max(std::max(forward, backward) * storage_bytes(args.dtype),
                  cpu::amx_workspace_bytes(args));
}

std::size_t dense_weight_gradient_workspace_bytes(const DenseProductArgs& args) {
  const auto blocks = static_cast<std::size_t>(cpu::RowBlocks(args.rows).count);
  const std::size_t panels = cpu::kRunRows * cpu::padded_columns(args.columns, args.dtype);
  const auto partial = static_cast<std::size_t>(args.inner * args.columns);
  return (blocks * panels + (blocks > 1 ? (blocks - 1) * partial : 0)) * storage_bytes(args.dtype);
}

void multiply_dense(std::span<const DenseProductArgs> products) {
  cpu::check_all(products, &dense_product_workspace_bytes);
  if (cpu::suits_amx(products))
    return cpu::multiply_by_amx(products);
  HWY_DYNAMIC_DISPATCH(cpu::product_target)(products);
}
void dense_input_gradient(std::span<const DenseProductArgs> products) {
  cpu::check_all(products, &dense_product_workspace_bytes);
  if (cpu::suits_amx(products))
    return cpu::input_gradient_by_amx(products);
  HWY_DYNAMIC_DISPATCH(cpu::input_gradient_target)(products);
}
void dense_weight_gradient(std::span<const DenseProductArgs> products) {
  cpu::check_all(products, &dense_weight_gradient_workspace_bytes);
  const DenseProductArgs& first = products.front();
  if (first.x != nullptr && first.rows > 0 && cpu::suits_amx(products)) {
    cpu::weight_gradient_by_amx(products);
    for (const DenseProductArgs& args : products)
      HWY_DYNAMIC_DISPATCH(cpu::add_amx_partials_target)(args);
    return;
  }
  for (const DenseProductArgs& args : products)
    HWY_DYNAMIC_DISPATCH(cpu::weight_gradient_target)(args);
}

}  // namespace regatta
#endif
