// Sparse features times dense weights by rows, and the weights' gradient by columns: one writer a
// row each.
// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/sparse_projection.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/counter_words-inl.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/dropout_factors-inl.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"

#include <algorithm>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

// Vectors of a row whose sums stay in registers while the entries of a chunk go by.
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr std::size_t kTileVectors = 4;
#else
constexpr std::size_t kTileVectors = 8;
#endif

/// Entries of one row (or column) of X with the dense rows they meet.
struct Entries {
  const std::int32_t* index;
  const float* value;
  std::size_t count;
};

/// Gathers rows of `table` for kRows consecutive entries of an index list.
template <std::size_t kRows, class T>
struct Gathered {
  const T* row[kRows];
  HWY_INLINE Gathered(const T* table, std::size_t stride, const std::int32_t* index) {
    for (std::size_t q = 0; q < kRows; ++q)
      row[q] = table + static_cast<std::size_t>(index[q]) * stride;
  }
};

/// The dense side of one product: the weights, or the gradient of what came of them.
template <class T>
struct DenseSide {
  std::size_t width;
  const T* from;
  T* to;
};

template <class T>
class SparseProduct {
 public:
  SparseProduct(const SparseProjectionArgs& args, bool backward)
      : x_(*args.x), rows_(static_cast<std::size_t>(args.rows)), dropout_(args.input_dropout) {
    for (const auto* each = &args; each != nullptr; each = each->also)
      dense_.push_back({static_cast<std::size_t>(each->columns),
                        static_cast<const T*>(backward ? each->grad_out : each->weight),
                        static_cast<T*>(backward ? each->grad_weight : each->out)});
  }

  void run_rows(RowRange rows) const {
    Scratch scratch{};
    for (auto r = static_cast<std::size_t>(rows.begin); r < static_cast<std::size_t>(rows.end);
         ++r) {
      const auto begin = static_cast<std::size_t>(x_.row_ptr[r]);
      const Entries entries{x_.column.data() + begin,
                            x_.value.data() + begin,
                            static_cast<std::size_t>(x_.row_ptr[r + 1]) - begin};
      accumulate(entries, r, scratch, [&](std::size_t k) {
        return Element{id(r), static_cast<std::size_t>(entries.index[k])};
      });
    }
  }

  void run_columns(RowRange columns) const {
    Scratch scratch{};
    for (auto c = static_cast<std::size_t>(columns.begin);
         c < static_cast<std::size_t>(columns.end);
         ++c) {
      const std::int32_t* begin = x_.column_row.data() + x_.column_ptr[c];
      const std::int32_t* end = x_.column_row.data() + x_.column_ptr[c + 1];
      if (rows_ < static_cast<std::size_t>(x_.rows))
        end = std::lower_bound(begin, end, static_cast<std::int32_t>(rows_));
      const Entries entries{
          begin, x_.column_value.data() + x_.column_ptr[c], static_cast<std::size_t>(end - begin)};
      accumulate(entries, c, scratch, [&](std::size_t k) {
        return Element{id(static_cast<std::size_t>(entries.index[k])), c};
      });
    }
  }

 private:
  struct Element {
    std::int64_t id;
    std::size_t column;
  };
  struct Scratch {
    Counters counters;
    CounterWords words;
    T value[kChunk];
    std::int32_t index[kChunk];
    std::uint8_t word[kChunk];
  };

  std::int64_t id(std::size_t row) const { return dropout_.active ? x_.global_id[row] : 0; }

  /// Row `item` of every result = sum over entries of masked value times the dense row.
  template <class ElementOf>
  void accumulate(const Entries& entries,
                  std::size_t item,
                  Scratch& scratch,
                  const ElementOf& element) const {
    for (const DenseSide<T>& side : dense_)
      std::fill_n(side.to + item * side.width, side.width, T{0});
    for (std::size_t first = 0; first < entries.count; first += kChunk) {
      const Span part{first, std::min(first + kChunk, entries.count)};
      const std::size_t kept = load_entries(entries, part, scratch, element);
      for (const DenseSide<T>& side : dense_) add_tiles(side, scratch, kept, item);
    }
  }

  /// Entries of the part that survive dropout, as index and value; returns how many.
  template <class ElementOf>
  std::size_t load_entries(const Entries& entries,
                           Span part,
                           Scratch& scratch,
                           const ElementOf& element) const {
    const std::size_t count = part.end - part.begin;
    if (!dropout_.active) {
      for (std::size_t k = 0; k < count; ++k)
        scratch.value[k] = static_cast<T>(entries.value[part.begin + k]);
      std::copy_n(entries.index + part.begin, count, scratch.index);
      return count;
    }
    for (std::size_t k = 0; k < count; ++k) {
      const Element at = element(part.begin + k);
      scratch.counters.id[k] = static_cast<std::uint64_t>(at.id);
      scratch.counters.group[k] = at.column / 4;
      scratch.word[k] = static_cast<std::uint8_t>(at.column % 4);
    }
    const auto counter_at = [&](auto d, std::size_t k) HWY_ATTR {
      return CounterVectors<decltype(d)>{hn::Load(d, scratch.counters.id + k),
                                         hn::Load(d, scratch.counters.group + k)};
    };
    counter_words(dropout_.key, count, counter_at, scratch.words);
    std::size_t kept = 0;
    for (std::size_t k = 0; k < count; ++k) {
      scratch.value[kept] = static_cast<T>(entries.value[part.begin + k]) * dropout_.scale;
      scratch.index[kept] = entries.index[part.begin + k];
      kept += scratch.words.word(k, scratch.word[k]) >= dropout_.threshold ? 1 : 0;
    }
    return kept;
  }

  /// to += sum of value times row: sums of full tiles of columns stay in registers.
  void add_tiles(const DenseSide<T>& side,
                 const Scratch& scratch,
                 std::size_t count,
                 std::size_t item) const {
    T* to = side.to + item * side.width;
    const hn::ScalableTag<T> d;
    const std::size_t tile = kTileVectors * hn::Lanes(d);
    std::size_t column = 0;
    for (; column + tile <= side.width; column += tile) {
      hn::Vec<decltype(d)> sum[kTileVectors];
      for (std::size_t v = 0; v < kTileVectors; ++v)
        sum[v] = hn::LoadU(d, to + column + v * hn::Lanes(d));
      for (std::size_t e = 0; e < count; ++e) {
        const T* row = side.from + static_cast<std::size_t>(scratch.index[e]) * side.width + column;
        const auto value = hn::Set(d, scratch.value[e]);
        for (std::size_t v = 0; v < kTileVectors; ++v)
          sum[v] = hn::MulAdd(value, hn::LoadU(d, row + v * hn::Lanes(d)), sum[v]);
      }
      for (std::size_t v = 0; v < kTileVectors; ++v)
        hn::StoreU(sum[v], d, to + column + v * hn::Lanes(d));
    }
    if (column == side.width)
      return;
    by_four(count, [&]<std::size_t kRows>(std::size_t e) HWY_ATTR {
      const Gathered<kRows, T> rows(side.from, side.width, scratch.index + e);
      add_rows<kRows>(scratch.value + e, rows.row, Span{column, side.width}, to);
    });
  }

  const PreparedSparse& x_;
  std::size_t rows_;
  DropoutPlan<T> dropout_;
  std::vector<DenseSide<T>> dense_;
};

template <class T>
void project_typed(const SparseProjectionArgs& args) {
  const SparseProduct<T> product(args, false);
  const RowPieces pieces(args.x->row_ptr.data(), args.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { product.run_rows(pieces.piece(p)); });
}

template <class T>
void project_backward_typed(const SparseProjectionArgs& args) {
  const SparseProduct<T> product(args, true);
  const RowPieces pieces(args.x->column_ptr.data(), args.x->columns);
  parallel_pieces(pieces.count(), [&](std::int64_t p) { product.run_columns(pieces.piece(p)); });
}

}  // namespace

void project_target(const SparseProjectionArgs& args) {
  args.dtype == KernelType::kFloat32 ? project_typed<float>(args) : project_typed<double>(args);
}

void project_backward_target(const SparseProjectionArgs& args) {
  args.dtype == KernelType::kFloat32 ? project_backward_typed<float>(args)
                                     : project_backward_typed<double>(args);
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(project_target);
HWY_EXPORT(project_backward_target);

void sparse_project(const SparseProjectionArgs& args) {
  check_sparse_projection(args, false);
  HWY_DYNAMIC_DISPATCH(project_target)(args);
}

void sparse_project_backward(const SparseProjectionArgs& args) {
  check_sparse_projection(args, true);
  HWY_DYNAMIC_DISPATCH(project_backward_target)(args);
}

}  // namespace regatta::cpu
#endif
