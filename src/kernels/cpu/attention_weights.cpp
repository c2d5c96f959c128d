// Attention weights for people to read; not a hot path, so the reference's loops over threads.
#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"
#include "kernels/reference/reference_attention.h"

namespace regatta::cpu {

void attention_weights(const AttentionWeightsArgs& args) {
  check_weights(args);
  const RowPieces pieces(args.in.graph->in.indptr.data(), args.in.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) {
    const RowRange rows = pieces.piece(p);
    reference::weights_of_rows(args, rows.begin, rows.end);
  });
}

}  // namespace regatta::cpu
