#include "kernels/cpu/amx_product.h"

#include "core/amx.h"
#include "core/parallel.h"
#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/column_tiles.h"
#include "kernels/cpu/row_blocks.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace regatta::cpu {
namespace {

std::size_t planes(bool rounded) {
  return rounded ? kRoundedPlanes : kExactPlanes;
}

/// Packed rows of the thread that runs, kept from piece to piece.
class PackedRows {
 public:
  std::uint16_t* at_least(std::size_t size) {
    lines_.resize(std::max(lines_.size(), (size + kNumbers - 1) / kNumbers));
    return lines_.front().numbers;
  }

 private:
  static constexpr std::size_t kNumbers = 32;
  struct alignas(64) Line {
    std::uint16_t numbers[kNumbers];
  };
  std::vector<Line> lines_;
};

/// Rows that a thread packs at a time: they stay in its second-level cache.
std::int64_t piece_rows(std::size_t inner) {
  constexpr std::size_t kNumbers = 65536, kMost = 256;
  const std::size_t fit = kNumbers / std::max<std::size_t>(1, inner) / kTileBlock * kTileBlock;
  return static_cast<std::int64_t>(std::clamp(fit, kTileBlock, kMost));
}

/// Calls body(first row, rows) for all rows, by threads.
template <class Body>
void for_pieces(std::int64_t rows, std::size_t inner, const Body& body) {
  const std::int64_t each = piece_rows(inner);
  parallel_pieces((rows + each - 1) / each, [&](std::int64_t p) {
    body(static_cast<std::size_t>(p * each),
         static_cast<std::size_t>(std::min(each, rows - p * each)));
    hwy::FlushStream();
  });
}

using Bytes = std::span<const std::byte>;

/// Dense rows of an operand.
struct OperandRows {
  const void* data;
  std::size_t columns;
  bool narrow;
  std::int64_t all;

  TileSource from(std::size_t row) const { return {bytes() + row * row_bytes(), columns, narrow}; }
  /// The `count` rows from `row` on that there are.
  Bytes bytes_of(std::size_t row, std::size_t count) const {
    const auto end = static_cast<std::size_t>(all);
    return {bytes() + std::min(row, end) * row_bytes(),
            (std::min(row + count, end) - std::min(row, end)) * row_bytes()};
  }

 private:
  const std::byte* bytes() const { return static_cast<const std::byte*>(data); }
  std::size_t row_bytes() const { return columns * (narrow ? 2 : 4); }
};

OperandRows rows_of_x(const DenseProductArgs& args) {
  return {args.x, static_cast<std::size_t>(args.inner), args.narrow_x, args.rows};
}
OperandRows rows_of_dy(const DenseProductArgs& args) {
  return {args.dy, static_cast<std::size_t>(args.columns), args.narrow_y, args.rows};
}

/// Where [rows, columns] of which `first` begins go.
TileResult result_rows(
    void* data, bool narrow, std::size_t columns, std::int64_t all, std::size_t first) {
  const std::size_t bytes = columns * (narrow ? 2 : 4);
  const bool large = stored_past_caches(static_cast<std::size_t>(all) * columns,
                                        narrow ? KernelType::kBFloat16 : KernelType::kFloat32);
  const bool lines = bytes % 64 == 0 && reinterpret_cast<std::uintptr_t>(data) % 64 == 0;
  return {static_cast<char*>(data) + first * bytes, columns, narrow, false, large && lines};
}

std::uint16_t* packed_weights(const DenseProductArgs& args) {
  return static_cast<std::uint16_t*>(args.workspace);
}

void pack_weights(const DenseProductArgs& args,
                  SourceRows rows,
                  std::size_t outer,
                  std::size_t inner) {
  const TileSource weights{args.w, static_cast<std::size_t>(args.columns), false};
  pack_operand(rows, weights, outer, inner, planes(args.narrow_y), packed_weights(args));
}

}  // namespace

bool suits_amx(std::span<const DenseProductArgs> products) {
  if (!amx_in_use() || products.front().dtype != KernelType::kFloat32)
    return false;
  std::size_t numbers = 0, padded = 0;
  bool rounded = false;
  for (const DenseProductArgs& args : products) {
    const auto inner = static_cast<std::size_t>(args.inner);
    const auto columns = static_cast<std::size_t>(args.columns);
    numbers += inner * columns;
    padded += packed_size(inner, columns, 1);
    rounded = rounded || args.narrow_y;
  }
  // Exact products gain less than twice, rounded ones so much that padding is no matter.
  return numbers > 0 && (rounded || 4 * padded <= 5 * numbers);
}

std::size_t amx_workspace_bytes(const DenseProductArgs& args) {
  return sizeof(std::uint16_t) * packed_size(static_cast<std::size_t>(args.inner),
                                             static_cast<std::size_t>(args.columns),
                                             planes(args.narrow_y));
}

void multiply_by_amx(std::span<const DenseProductArgs> products) {
  const DenseProductArgs& first = products.front();
  const auto inner = static_cast<std::size_t>(first.inner);
  const OperandRows x = rows_of_x(first);
  for (const DenseProductArgs& args : products)
    pack_weights(args, SourceRows::kRightInner, static_cast<std::size_t>(args.columns), inner);
  for_pieces(first.rows, inner, [&](std::size_t row, std::size_t rows) {
    static thread_local PackedRows kept;
    std::uint16_t* packed = kept.at_least(packed_size(rows, inner, kExactPlanes));
    std::size_t packed_planes = 0;
    std::vector<Bytes> ahead{x.bytes_of(row + rows, rows)};
    for (const DenseProductArgs& args : products) {
      const std::size_t row_planes = planes(args.narrow_x || args.narrow_y);
      if (packed_planes != row_planes)
        pack_operand(SourceRows::kLeftOuter, x.from(row), rows, inner, row_planes, packed);
      packed_planes = row_planes;
      const auto columns = static_cast<std::size_t>(args.columns);
      const TileTerm term{packed, row_planes, packed_weights(args), planes(args.narrow_y), inner};
      multiply_packed({&term, 1},
                      rows,
                      columns,
                      result_rows(args.result, args.narrow_y, columns, args.rows, row),
                      ahead);
      ahead.clear();
    }
  });
}

void input_gradient_by_amx(std::span<const DenseProductArgs> products) {
  const DenseProductArgs& first = products.front();
  const auto inner = static_cast<std::size_t>(first.inner);
  std::size_t columns = 0;
  for (const DenseProductArgs& args : products) {
    pack_weights(args, SourceRows::kRightOuter, inner, static_cast<std::size_t>(args.columns));
    columns += tile_blocks(static_cast<std::size_t>(args.columns)) * kTileBlock;
  }
  for_pieces(first.rows, columns, [&](std::size_t row, std::size_t rows) {
    static thread_local PackedRows kept;
    std::uint16_t* packed = kept.at_least(packed_size(rows, columns, kExactPlanes));
    std::vector<TileTerm> terms;
    std::vector<Bytes> ahead;
    for (const DenseProductArgs& args : products) {
      const OperandRows dy = rows_of_dy(args);
      const std::size_t both = planes(args.narrow_y);
      pack_operand(SourceRows::kLeftOuter, dy.from(row), rows, dy.columns, both, packed);
      terms.push_back({packed, both, packed_weights(args), both, dy.columns});
      packed += packed_size(rows, dy.columns, both);
      ahead.push_back(dy.bytes_of(row + rows, rows));
    }
    multiply_packed(terms,
                    rows,
                    inner,
                    result_rows(first.result, first.narrow_x, inner, first.rows, row),
                    ahead);
  });
}

namespace {

/// Adds x^T dy of some rows to the sums of a block, one for each product.
void add_run(std::span<const DenseProductArgs> products,
             std::size_t row,
             std::size_t rows,
             std::int64_t block,
             bool add) {
  static thread_local PackedRows kept_x, kept_dy;
  const OperandRows x = rows_of_x(products.front());
  const std::size_t inner = x.columns;
  std::uint16_t* packed_x = kept_x.at_least(packed_size(inner, rows, kExactPlanes));
  std::size_t packed_planes = 0;
  for (const DenseProductArgs& args : products) {
    const OperandRows dy = rows_of_dy(args);
    const std::size_t x_planes = planes(args.narrow_x || args.narrow_y);
    const std::size_t dy_planes = planes(args.narrow_y);
    std::vector<Bytes> ahead{dy.bytes_of(row + rows, rows)};
    if (packed_planes != x_planes) {
      pack_operand(SourceRows::kLeftInner, x.from(row), inner, rows, x_planes, packed_x);
      ahead.push_back(x.bytes_of(row + rows, rows));
    }
    packed_planes = x_planes;
    std::uint16_t* packed_dy = kept_dy.at_least(packed_size(dy.columns, rows, kExactPlanes));
    pack_operand(SourceRows::kRightInner, dy.from(row), dy.columns, rows, dy_planes, packed_dy);
    const TileTerm term{packed_x, x_planes, packed_dy, dy_planes, rows};
    float* sum = static_cast<float*>(block == 0 ? args.result : args.workspace);
    if (block > 0)
      sum += static_cast<std::size_t>(block - 1) * inner * dy.columns;
    multiply_packed({&term, 1}, inner, dy.columns, {sum, dy.columns, false, add, false}, ahead);
  }
}

}  // namespace

void weight_gradient_by_amx(std::span<const DenseProductArgs> products) {
  const RowBlocks blocks(products.front().rows);
  parallel_pieces(blocks.count, [&](std::int64_t block) {
    const auto begin = static_cast<std::size_t>(block * blocks.each);
    const auto end = static_cast<std::size_t>(std::min(blocks.rows, (block + 1) * blocks.each));
    for (std::size_t row = begin; row < end; row += kRunRows)
      add_run(products, row, std::min(kRunRows, end - row), block, row > begin);
  });
}

}  // namespace regatta::cpu
