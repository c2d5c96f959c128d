// clang-format off: foreach_target.h re-includes this file, so it comes before everything else.
#include "kernels/cpu/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/tile_stores.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "kernels/cpu/epilogue-inl.h"
#include "kernels/cpu/kept_columns-inl.h"
#include "kernels/cpu/tile_stores.h"
#include "kernels/prepared_graph.h"

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace regatta::cpu::HWY_NAMESPACE {
namespace {

template <class S>
void store_output(const void* context,
                  std::int64_t item,
                  const ColumnTile& tile,
                  const void* first,
                  const void*) {
  using W = Working<S>;
  const BlockTag<W> d;
  const AttentionForwardArgs& args = *static_cast<const OutputStore*>(context)->args;
  const auto row = static_cast<std::size_t>(item * args.in.heads * args.in.width);
  const bool streamed = static_cast<const OutputStore*>(context)->streamed;
  const auto* o = static_cast<const W*>(first);
  if (args.out != nullptr) {
    S* to = static_cast<S*>(args.out) + row + tile.first;
    for (std::size_t k = 0; k < tile.count; k += hn::Lanes(d))
      stream_storage_n(hn::Load(d, o + k), d, to + k, tile.count - k, streamed);
  }
  if (args.epilogue.y != nullptr)
    store_epilogue<S>(args.epilogue, row, tile.first, tile.count, o, streamed);
}

template <class S>
class RowOfGradient {
  using W = Working<S>;
  using D = BlockTag<W>;

 public:
  RowOfGradient(const GradientStore& store, std::size_t item, const ColumnTile& tile)
      : store_(store),
        tile_(tile),
        kept_(store.kept == nullptr ? 0 : store.kept[item]),
        partial_(store.partial == nullptr
                     ? nullptr
                     : static_cast<W*>(store.partial) + item * tile.blocks * (64 / sizeof(W))),
        to_(store.rows == nullptr ? nullptr
                                  : static_cast<S*>(store.rows) + item * store.row + tile.first) {}

  void store(const W* sum) const {
    const D d;
    const auto scale = hn::Set(d, static_cast<W>(store_.kept_scale));
    for (std::size_t k = 0; k < tile_.count; k += hn::Lanes(d)) {
      const std::size_t left = tile_.count - k;
      auto value = hn::Load(d, sum + k);
      if (store_.kept != nullptr)
        value = kept_lanes(d, kept_, k, hn::Mul(value, scale));
      if (store_.vector != nullptr)
        value = hn::Mul(
            value, load_storage_n(d, static_cast<const W*>(store_.vector) + tile_.first + k, left));
      if (store_.add)
        value = hn::Add(value, hn::Load(d, partial_ + k));
      if (to_ == nullptr)
        hn::Store(value, d, partial_ + k);
      else
        stream_storage_n(value, d, to_ + k, left, store_.streamed);
    }
  }

 private:
  const GradientStore& store_;
  const ColumnTile& tile_;
  std::uint64_t kept_;
  W* partial_;
  S* to_;
};

template <class S>
void store_gradient(const void* context,
                    std::int64_t item,
                    const ColumnTile& tile,
                    const void* first,
                    const void*) {
  RowOfGradient<S>(
      *static_cast<const GradientStore*>(context), static_cast<std::size_t>(item), tile)
      .store(static_cast<const Working<S>*>(first));
}

}  // namespace

FinishSums output_store_target(KernelType dtype) {
  FinishSums store = nullptr;
  with_storage(dtype, [&]<class S>(S) { store = &store_output<S>; });
  return store;
}

FinishSums gradient_store_target(KernelType dtype) {
  FinishSums store = nullptr;
  with_storage(dtype, [&]<class S>(S) { store = &store_gradient<S>; });
  return store;
}

}  // namespace regatta::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace regatta::cpu {

HWY_EXPORT(output_store_target);
HWY_EXPORT(gradient_store_target);

FinishSums output_store(KernelType dtype) {
  return HWY_DYNAMIC_DISPATCH(output_store_target)(dtype);
}

FinishSums gradient_store(KernelType dtype) {
  return HWY_DYNAMIC_DISPATCH(gradient_store_target)(dtype);
}

std::size_t partial_bytes(std::int64_t items, const TableShape& table) {
  std::size_t blocks = 0;
  for (const ColumnTile& tile : column_tiles(table)) blocks = std::max(blocks, tile.blocks);
  return static_cast<std::size_t>(items) * blocks * 64;
}

}  // namespace regatta::cpu
#endif
