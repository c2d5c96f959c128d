// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/edge_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "core/parallel.h"
#include "kernels/cpu/edge_products.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/cpu/storage_lanes-inl.h"
#include "kernels/prepared_graph.h"

#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

constexpr std::size_t kAhead = 12;
constexpr std::size_t kMostColumns = 64;  ///< four blocks of floats

template <class S>
class RowProducts {
  using W = Working<S>;
  using D = BlockTag<W>;

 public:
  explicit RowProducts(const EdgeProducts& pass)
      : pass_(pass),
        rows_(static_cast<const S*>(pass.table.base)),
        columns_(pass.tile.blocks * (64 / sizeof(W))),
        one_head_(pass.tile.first / pass.width ==
                  (pass.tile.first + pass.tile.count - 1) / pass.width) {}

  void run(RowRange rows) const {
    const D d;
    const auto& graph = pass_.in->graph->in;
    alignas(64) W fixed[kMostColumns];
    for (auto i = static_cast<std::size_t>(rows.begin); i < static_cast<std::size_t>(rows.end);
         ++i) {
      const S* from = static_cast<const S*>(pass_.fixed) + i * pass_.row + pass_.tile.first;
      for (std::size_t k = 0; k < columns_; k += hn::Lanes(d))
        hn::Store(
            k < pass_.tile.count ? load_storage_n(d, from + k, pass_.tile.count - k) : hn::Zero(d),
            d,
            fixed + k);
      for (auto e = static_cast<std::size_t>(graph.indptr[i]);
           e < static_cast<std::size_t>(graph.indptr[i + 1]);
           ++e)
        edge(e, fixed);
    }
  }

 private:
  HWY_INLINE void edge(std::size_t e, const W* fixed) const {
    const D d;
    const auto& src = pass_.in->graph->in.src;
    if (pass_.table.prefetch && e + kAhead < src.size()) {
      const S* later = rows_ + static_cast<std::size_t>(src[e + kAhead]) * pass_.table.stride;
      for (std::size_t k = 0; k < columns_; k += 64 / sizeof(S)) hwy::Prefetch(later + k);
    }
    const S* row = rows_ + static_cast<std::size_t>(src[e]) * pass_.table.stride;
    W* to = static_cast<W*>(pass_.product) + e * pass_.group.stride;
    auto sum = hn::Zero(d);
    if (one_head_) {
      for (std::size_t k = 0; k < columns_; k += hn::Lanes(d))
        sum = hn::MulAdd(hn::Load(d, fixed + k), load_storage(d, row + k), sum);
      to[pass_.tile.first / pass_.width - pass_.group.first] += hn::GetLane(hn::SumOfLanes(d, sum));
      return;
    }
    alignas(64) W terms[kMostColumns];
    for (std::size_t k = 0; k < columns_; k += hn::Lanes(d))
      hn::Store(hn::Mul(hn::Load(d, fixed + k), load_storage(d, row + k)), d, terms + k);
    for (std::size_t k = 0; k < pass_.tile.count; ++k)
      to[(pass_.tile.first + k) / pass_.width - pass_.group.first] += terms[k];
  }

  const EdgeProducts& pass_;
  const S* rows_;
  std::size_t columns_;
  bool one_head_;
};

}  // namespace

void edge_products_target(const EdgeProducts& pass) {
  const RowPieces pieces(pass.in->graph->in.indptr.data(), pass.in->rows);
  with_storage(pass.in->dtype, [&]<class S>(S) {
    const RowProducts<S> rows(pass);
    parallel_pieces(pieces.count(), [&](std::int64_t p) { rows.run(pieces.piece(p)); });
  });
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(edge_products_target);

void edge_products(const EdgeProducts& pass) {
  HWY_DYNAMIC_DISPATCH(edge_products_target)(pass);
}

}  // namespace regatta::cpu
#endif
