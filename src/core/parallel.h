// Data parallel loops over threads of this process (OpenMP inside; results never depend on the
// number).
#pragma once

#include <cstdint>
#include <functional>

namespace regatta {

/// Threads a rank may use for compute; set once at start, 1 by default.
void set_compute_threads(int threads);
int compute_threads();

/// Calls `body(piece)` for piece in [0, pieces): each thread its own, then what others left. Which
/// one runs a piece is not fixed. The first exception is rethrown in the caller.
void parallel_pieces(std::int64_t pieces, const std::function<void(std::int64_t)>& body);

}  // namespace regatta
