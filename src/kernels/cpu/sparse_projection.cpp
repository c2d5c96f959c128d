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
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/dropout_factors-inl.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"

#include <algorithm>
#include <bit>
#include <span>
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
  const std::uint8_t* kept;   ///< 1 for each that survives dropout; null: all do
  const std::int32_t* place;  ///< of each entry's byte in `kept`; null: they lie in order
};

/// Entries [begin, end) of a list.
struct Span {
  std::size_t begin;
  std::size_t end;
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
      : x_(*args.x),
        rows_(static_cast<std::size_t>(args.rows)),
        dropout_(args.input_dropout),
        bytes_(args.kept) {
    for (const auto* each = &args; each != nullptr; each = each->also)
      dense_.push_back({static_cast<std::size_t>(each->columns),
                        static_cast<const T*>(backward ? each->grad_out : each->weight),
                        static_cast<T*>(backward ? each->grad_weight : each->out)});
  }

  /// Draws for the entries of the rows, into the caller's bytes where there are some.
  void run_rows(RowRange rows) const {
    const Span all = span_of(x_.row_ptr, rows);
    std::vector<std::uint8_t> own;
    const std::uint8_t* kept = nullptr;
    if (dropout_.active) {
      own.resize(bytes_ == nullptr ? all.end - all.begin : 0);
      std::uint8_t* to = bytes_ == nullptr ? own.data() : bytes_ + all.begin;
      draw(all, x_.row_ptr, rows, to, [&](std::size_t entry, std::size_t row) {
        return Element{static_cast<std::uint64_t>(x_.global_id[row]),
                       static_cast<std::uint64_t>(x_.column[entry])};
      });
      kept = to;
    }
    for (auto r = static_cast<std::size_t>(rows.begin); r < static_cast<std::size_t>(rows.end);
         ++r) {
      const auto begin = static_cast<std::size_t>(x_.row_ptr[r]);
      accumulate({x_.column.data() + begin,
                  x_.value.data() + begin,
                  static_cast<std::size_t>(x_.row_ptr[r + 1]) - begin,
                  kept == nullptr ? nullptr : kept + (begin - all.begin),
                  nullptr},
                 r);
    }
  }

  void run_columns(RowRange columns) const {
    const Span all = span_of(x_.column_ptr, columns);
    const bool known = bytes_ != nullptr && x_.column_entry.size() == x_.column.size();
    std::vector<std::uint8_t> own;
    if (dropout_.active && !known) {
      own.resize(all.end - all.begin);
      draw(all, x_.column_ptr, columns, own.data(), [&](std::size_t entry, std::size_t column) {
        const auto row = static_cast<std::size_t>(x_.column_row[entry]);
        return Element{static_cast<std::uint64_t>(x_.global_id[row]), column};
      });
    }
    for (auto c = static_cast<std::size_t>(columns.begin);
         c < static_cast<std::size_t>(columns.end);
         ++c) {
      const auto first = static_cast<std::size_t>(x_.column_ptr[c]);
      const std::int32_t* begin = x_.column_row.data() + first;
      const std::int32_t* end = x_.column_row.data() + x_.column_ptr[c + 1];
      if (rows_ < static_cast<std::size_t>(x_.rows))
        end = std::lower_bound(begin, end, static_cast<std::int32_t>(rows_));
      Entries entries{begin,
                      x_.column_value.data() + first,
                      static_cast<std::size_t>(end - begin),
                      nullptr,
                      nullptr};
      if (dropout_.active) {
        entries.kept = known ? bytes_ : own.data() + (first - all.begin);
        entries.place = known ? x_.column_entry.data() + first : nullptr;
      }
      accumulate(entries, c);
    }
  }

 private:
  /// What keys an entry's random word.
  struct Element {
    std::uint64_t id, column;
  };

  static Span span_of(std::span<const std::int64_t> ptr, RowRange lists) {
    return {static_cast<std::size_t>(ptr[static_cast<std::size_t>(lists.begin)]),
            static_cast<std::size_t>(ptr[static_cast<std::size_t>(lists.end)])};
  }

  /// to[e - all.begin] = whether entry e of the lists survives. Lists are short: vectors go across
  /// them.
  template <class ElementOf>
  void draw(Span all,
            std::span<const std::int64_t> ptr,
            RowRange lists,
            std::uint8_t* to,
            const ElementOf& element_of) const {
    alignas(64) std::uint64_t id[kChunk] = {};
    alignas(64) std::uint64_t column[kChunk] = {};
    auto list = static_cast<std::size_t>(lists.begin);
    std::size_t end = all.begin;  // of the list before
    for (std::size_t first = all.begin; first < all.end; first += kChunk) {
      const std::size_t last = std::min(first + kChunk, all.end);
      for (std::size_t e = first; e < last;) {
        while (end <= e) end = static_cast<std::size_t>(ptr[++list]);
        for (; e < std::min(end, last); ++e) {
          const Element element = element_of(e, list - 1);
          id[e - first] = element.id;
          column[e - first] = element.column;
        }
      }
      draw_chunk(id, column, last - first, to + (first - all.begin));
    }
  }

  /// No byte past the last: the next entry may be another thread's.
  void draw_chunk(const std::uint64_t* id,
                  const std::uint64_t* column,
                  std::size_t count,
                  std::uint8_t* to) const {
    const hn::ScalableTag<std::uint64_t> d;
    const hn::Rebind<std::uint8_t, decltype(d)> d8;
    alignas(64) std::uint8_t held[kChunk];
    for (std::size_t k = 0; k < count; k += hn::Lanes(d)) {
      const auto keep = survive(d, hn::Load(d, id + k), hn::Load(d, column + k));
      hn::StoreU(
          hn::TruncateTo(d8, hn::IfThenElseZero(keep, hn::Set(d, std::uint64_t{1}))), d8, held + k);
    }
    std::copy_n(held, count, to);
  }

  /// Entries that survive dropout, each the index in the low and the float value in the high half.
  struct Kept {
    std::uint64_t entry[kChunk + 1];  ///< one that is dropped is overwritten by the next

    std::size_t index(std::size_t e) const { return static_cast<std::uint32_t>(entry[e]); }
    T value(std::size_t e) const {
      return static_cast<T>(std::bit_cast<float>(static_cast<std::uint32_t>(entry[e] >> 32)));
    }
  };

  /// Row `item` of every result = sum over entries of masked value times the dense row.
  void accumulate(const Entries& entries, std::size_t item) const {
    Kept kept;
    std::size_t first = 0;
    do {
      const Span part{first, std::min(first + kChunk, entries.count)};
      const std::size_t count = load_entries(entries, part, kept);
      for (const DenseSide<T>& side : dense_) add_entries(side, kept, count, item, first > 0);
      first = part.end;
    } while (first < entries.count);
  }

  /// Entries of the part that survive dropout; returns how many. Without branches: which ones do is
  /// as good as random.
  std::size_t load_entries(const Entries& entries, Span part, Kept& kept) const {
    std::size_t count = 0;
    const auto take = [&](std::size_t k) {
      kept.entry[count] = static_cast<std::uint32_t>(entries.index[k]) |
                          std::uint64_t{std::bit_cast<std::uint32_t>(entries.value[k])} << 32;
    };
    if (entries.kept == nullptr) {
      for (std::size_t k = part.begin; k < part.end; ++k, ++count) take(k);
    } else if (entries.place == nullptr) {
      for (std::size_t k = part.begin; k < part.end; count += entries.kept[k++]) take(k);
    } else {
      for (std::size_t k = part.begin; k < part.end; count += entries.kept[entries.place[k++]])
        take(k);
    }
    return count;
  }

  template <class D>
  HWY_INLINE hn::Mask<D> survive(D d, hn::Vec<D> id, hn::Vec<D> column) const {
    const auto words = philox(d, dropout_.key, id, hn::ShiftRight<2>(column));
    const auto odd = hn::Ne(hn::And(column, hn::Set(d, std::uint64_t{1})), hn::Zero(d));
    const auto second = hn::Ne(hn::And(column, hn::Set(d, std::uint64_t{2})), hn::Zero(d));
    const auto word = hn::IfThenElse(
        second, hn::IfThenElse(odd, words.c3, words.c2), hn::IfThenElse(odd, words.c1, words.c0));
    return hn::Not(dropped(d, word, dropout_.threshold));
  }

  /// Row `item` of the result = or += sum of value times row.
  void add_entries(const DenseSide<T>& side,
                   const Kept& kept,
                   std::size_t count,
                   std::size_t item,
                   bool add) const {
    const Sum sum{&side, &kept, count, side.to + item * side.width, add};
    const hn::ScalableTag<T> d;
    std::size_t column = add_tiles<kTileVectors>(d, sum, 0);
    column = add_tiles<1>(d, sum, column);
    add_rest<64 / sizeof(T)>(sum, column);
  }

  /// One row of a result and what is added to it.
  struct Sum {
    const DenseSide<T>* side;
    const Kept* kept;
    std::size_t count;
    T* to;
    bool add;
  };

  /// The columns left of `column`, by vectors of falling length.
  template <std::size_t kLanes>
  HWY_INLINE void add_rest(const Sum& sum, std::size_t column) const {
    column = add_tiles<1>(hn::CappedTag<T, kLanes>(), sum, column);
    if constexpr (kLanes > 1)
      add_rest<kLanes / 2>(sum, column);
  }

  /// Tiles of kVectors vectors from `column` on, whose sums stay in registers; returns the next
  /// column.
  template <std::size_t kVectors, class D>
  HWY_INLINE std::size_t add_tiles(D d, const Sum& sum, std::size_t column) const {
    const std::size_t lanes = hn::Lanes(d);
    const std::size_t width = sum.side->width;
    for (; column + kVectors * lanes <= width; column += kVectors * lanes) {
      hn::Vec<D> total[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v)
        total[v] = sum.add ? hn::LoadU(d, sum.to + column + v * lanes) : hn::Zero(d);
      for (std::size_t e = 0; e < sum.count; ++e) {
        const T* row = sum.side->from + sum.kept->index(e) * width + column;
        const auto value = hn::Set(d, sum.kept->value(e) * dropout_.scale);
        for (std::size_t v = 0; v < kVectors; ++v)
          total[v] = hn::MulAdd(value, hn::LoadU(d, row + v * lanes), total[v]);
      }
      for (std::size_t v = 0; v < kVectors; ++v)
        hn::StoreU(total[v], d, sum.to + column + v * lanes);
    }
    return column;
  }

  const PreparedSparse& x_;
  std::size_t rows_;
  DropoutPlan<T> dropout_;
  std::uint8_t* bytes_;  ///< args.kept
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
