// What becomes of the sums over a tile: FinishSums callbacks and their contexts.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/weighted_sums.h"

#include <cstddef>

namespace regatta::cpu {

/// O and y of the forward.
struct OutputStore {
  const AttentionForwardArgs* args = nullptr;
  bool streamed = false;  ///< past the caches, as `stored_past_caches` says
};
/// Calls finish with sums of the rows of `store.args`.
FinishSums output_store(KernelType dtype);

/// A row of a gradient: mu * vector * sum + partial, each where given.
struct GradientStore {
  KernelType dtype = KernelType::kFloat32;
  const std::uint64_t* kept = nullptr;  ///< [items] mu as find_kept_messages tells; null: 1
  double kept_scale = 1;                ///< mu of what is kept
  const void* vector = nullptr;         ///< (w) [row]; null: 1
  bool add = false;                     ///< `partial`
  void* partial =
      nullptr;  ///< (w) [items, whole blocks of a tile]: sums of several passes over one tile
  void* rows = nullptr;  ///< storage [items,row]; null: the result goes to `partial`
  std::size_t row = 0;
  bool streamed = false;  ///< `rows` go past the caches, as `stored_past_caches` says
};
FinishSums gradient_store(KernelType dtype);

/// Bytes of GradientStore::partial for tiles of `table`.
std::size_t partial_bytes(std::int64_t items, const TableShape& table);

}  // namespace regatta::cpu
