// What the reference kernels need of one edge: dropout factors and logits, all in double.
#pragma once

#include "core/rng.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <cstddef>
#include <cstdint>

namespace regatta::reference {

inline std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// 0 or 1/(1-p) for element `element` of the thing with this global id.
inline double dropout_factor(const DropoutArgs& dropout, std::int64_t id, std::int64_t element) {
  if (dropout.probability == 0)
    return 1;
  const auto words = random_words(
      dropout.key, static_cast<std::uint64_t>(id), static_cast<std::uint64_t>(element / 4));
  const bool kept = words[index(element % 4)] >= dropout_threshold(dropout.probability);
  return kept ? 1 / (1 - dropout.probability) : 0;
}

/// Typed view of the inputs. Loops read e (edge), i (row), j (source), h (head), d (element of the
/// head).
template <class T>
struct Edges {
  explicit Edges(const AttentionInputs& inputs)
      : in(inputs),
        z(static_cast<const T*>(inputs.z)),
        s(static_cast<const T*>(inputs.source_logit)),
        t(static_cast<const T*>(inputs.destination_logit)) {}

  const AttentionInputs& in;
  const T* z;
  const T* s;
  const T* t;

  std::int64_t begin(std::int64_t i) const { return in.graph->in.indptr[index(i)]; }
  std::int64_t end(std::int64_t i) const { return in.graph->in.indptr[index(i) + 1]; }
  std::int64_t source(std::int64_t e) const { return in.graph->in.src[index(e)]; }
  std::int64_t at(std::int64_t node, std::int64_t h, std::int64_t d) const {
    return (node * in.heads + h) * in.width + d;
  }

  /// gat: u = s_j + t_i before LeakyReLU.
  double sum_of_logits(std::int64_t i, std::int64_t j, std::int64_t h) const {
    return static_cast<double>(s[j * in.heads + h]) + static_cast<double>(t[i * in.heads + h]);
  }
  /// Derivative of LeakyReLU, strict at 0.
  double slope(std::int64_t i, std::int64_t j, std::int64_t h) const {
    return sum_of_logits(i, j, h) > 0 ? 1 : in.negative_slope;
  }
  double logit(std::int64_t i, std::int64_t j, std::int64_t h) const {
    if (in.kind == AttentionKind::kGat)
      return sum_of_logits(i, j, h) * slope(i, j, h);
    double sum = 0;
    for (std::int64_t d = 0; d < in.width; ++d)
      sum += static_cast<double>(z[at(i, h, d)]) * static_cast<double>(z[at(j, h, d)]);
    return sum * in.scale;
  }
  /// m_ij
  double edge_factor(std::int64_t e, std::int64_t h) const {
    if (in.attention_dropout.probability == 0)
      return 1;
    return dropout_factor(in.attention_dropout, in.graph->in.edge_id[index(e)], h);
  }
  /// mu_jd
  double message_factor(std::int64_t j, std::int64_t h, std::int64_t d) const {
    if (in.message_dropout.probability == 0)
      return 1;
    return dropout_factor(in.message_dropout, in.graph->global_id[index(j)], h * in.width + d);
  }
};

}  // namespace regatta::reference
