// Attention weights for people to read; not a hot path, so plain loops over threads.
#include "core/parallel.h"
#include "kernels/attention_checks.h"
#include "kernels/cpu/cpu_attention.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/prepared_graph.h"

#include <cmath>

namespace regatta::cpu {
namespace {

template <class T>
T logit_of(const AttentionInputs& in, std::int64_t i, std::int64_t j, std::int64_t h) {
  if (in.kind == AttentionKind::kGat) {
    const T u = static_cast<const T*>(in.source_logit)[j * in.heads + h] +
                static_cast<const T*>(in.destination_logit)[i * in.heads + h];
    return u > 0 ? u : u * static_cast<T>(in.negative_slope);
  }
  const T* query = static_cast<const T*>(in.value) + (i * in.heads + h) * in.width;
  const T* key = static_cast<const T*>(in.value) + (j * in.heads + h) * in.width;
  T sum = 0;
  for (std::int64_t d = 0; d < in.width; ++d) sum += query[d] * key[d];
  return sum * static_cast<T>(in.scale);
}

template <class T>
void weights_of_rows(const AttentionWeightsArgs& args, RowRange rows) {
  const AttentionInputs& in = args.in;
  const auto* logsumexp = static_cast<const T*>(args.logsumexp);
  auto* weights = static_cast<T*>(args.weights);
  for (std::int64_t i = rows.begin; i < rows.end; ++i)
    for (std::int64_t e = in.graph->in.indptr[static_cast<std::size_t>(i)];
         e < in.graph->in.indptr[static_cast<std::size_t>(i) + 1];
         ++e)
      for (std::int64_t h = 0; h < in.heads; ++h)
        weights[e * in.heads + h] =
            std::exp(logit_of<T>(in, i, in.graph->in.src[static_cast<std::size_t>(e)], h) -
                     logsumexp[i * in.heads + h]);
}

}  // namespace

void attention_weights(const AttentionWeightsArgs& args) {
  check_weights(args);
  const RowPieces pieces(args.in.graph->in.indptr.data(), args.in.rows);
  parallel_pieces(pieces.count(), [&](std::int64_t p) {
    args.in.dtype == KernelType::kFloat32 ? weights_of_rows<float>(args, pieces.piece(p))
                                          : weights_of_rows<double>(args, pieces.piece(p));
  });
}

}  // namespace regatta::cpu
