// What the reference kernels need of one edge: dropout factors and logits, all in double.
#pragma once

#include "core/rng.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"
#include "kernels/storage_types.h"

#include <cmath>
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
      dropout.key_now(), static_cast<std::uint64_t>(id), static_cast<std::uint64_t>(element / 4));
  const bool kept = words[index(element % 4)] >= dropout_threshold(dropout.probability);
  return kept ? 1 / (1 - dropout.probability) : 0;
}

/// Typed view of the inputs. Loops read e (edge), i (row), j (source), h (head), s (head of the
/// logits), d (element of the head), f (edge feature).
template <class T>
struct Edges {
  using W = Working<T>;

  explicit Edges(const AttentionInputs& inputs) : in(inputs) {}

  const AttentionInputs& in;

  static double load(const void* array, std::int64_t i) {
    return static_cast<double>(static_cast<const T*>(array)[i]);
  }
  /// Element of an array of the working type.
  static double working(const void* array, std::int64_t i) {
    return static_cast<double>(static_cast<const W*>(array)[i]);
  }

  std::int64_t begin(std::int64_t i) const { return in.graph->in.indptr[index(i)]; }
  std::int64_t end(std::int64_t i) const { return in.graph->in.indptr[index(i) + 1]; }
  std::int64_t source(std::int64_t e) const { return in.graph->in.src[index(e)]; }
  std::int64_t at(std::int64_t node, std::int64_t h, std::int64_t d) const {
    return (node * in.heads + h) * in.width + d;
  }
  /// Into query and key of dot.
  std::int64_t score_at(std::int64_t node, std::int64_t s, std::int64_t d) const {
    return (node * in.logit_heads() + s) * in.logit_width() + d;
  }
  /// The head of the logits that head h uses.
  std::int64_t logit_head(std::int64_t h) const { return in.logit_heads() == in.heads ? h : 0; }
  /// Heads that share the logits of head s.
  std::int64_t heads_of_logit() const { return in.heads / in.logit_heads(); }

  double edge_x(std::int64_t e, std::int64_t f) const {
    return working(in.edge.x, e * in.edge.features + f);
  }
  double edge_logit(std::int64_t e, std::int64_t s) const {
    return in.edge.logit == nullptr ? 0 : working(in.edge.logit, e * in.logit_heads() + s);
  }

  /// gat: u = s_j + t_i (+ term of the edge) before LeakyReLU.
  double sum_of_logits(std::int64_t e, std::int64_t i, std::int64_t h) const {
    return working(in.source_logit, source(e) * in.heads + h) +
           working(in.destination_logit, i * in.heads + h) + edge_logit(e, h);
  }
  /// gatv2: one element of u = l_i + r_j (+ x_ij W).
  double sum_of_rows(std::int64_t e, std::int64_t i, std::int64_t h, std::int64_t d) const {
    double u = load(in.query, at(i, h, d)) + load(in.value, at(source(e), h, d));
    if (in.edge.weight != nullptr)
      for (std::int64_t f = 0; f < in.edge.features; ++f)
        u += edge_x(e, f) * working(in.edge.weight, at(f, h, d));
    return u;
  }
  /// Derivative of LeakyReLU, strict at 0.
  double slope(double u) const { return u > 0 ? 1 : in.negative_slope; }

  double logit(std::int64_t e, std::int64_t i, std::int64_t s) const {
    switch (in.kind) {
      case AttentionKind::kGat: {
        const double u = sum_of_logits(e, i, s);
        return u * slope(u);
      }
      case AttentionKind::kGatv2:
        return gatv2_logit(e, i, s) + edge_logit(e, s);
      case AttentionKind::kDot:
        break;
    }
    return dot_logit(e, i, s) + edge_logit(e, s);
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

 private:
  double gatv2_logit(std::int64_t e, std::int64_t i, std::int64_t h) const {
    double sum = 0;
    for (std::int64_t d = 0; d < in.width; ++d) {
      const double u = sum_of_rows(e, i, h, d);
      sum += working(in.attention_vector, h * in.width + d) * u * slope(u);
    }
    return sum;
  }
  double dot_logit(std::int64_t e, std::int64_t i, std::int64_t s) const {
    double sum = 0;
    for (std::int64_t d = 0; d < in.logit_width(); ++d)
      sum += load(in.query, score_at(i, s, d)) * load(in.key, score_at(source(e), s, d));
    sum *= in.scale;
    if (in.edge.query != nullptr)
      for (std::int64_t f = 0; f < in.edge.features; ++f)
        sum += working(in.edge.query, (i * in.logit_heads() + s) * in.edge.features + f) *
               edge_x(e, f);
    return sum;
  }
};

/// The activation of an epilogue, and its derivative at the value y.
inline double activate(const AttentionEpilogue& epilogue, double x) {
  switch (epilogue.activation) {
    case FusedActivation::kNone:
      return x;
    case FusedActivation::kElu:
      return x > 0 ? x : std::expm1(x);
    case FusedActivation::kRelu:
      return x > 0 ? x : 0 * x;
    case FusedActivation::kLeakyRelu:
      return x > 0 ? x : x * epilogue.slope;
    case FusedActivation::kTanh:
      return std::tanh(x);
    case FusedActivation::kSigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}
inline double activation_slope(const AttentionEpilogue& epilogue, double y) {
  switch (epilogue.activation) {
    case FusedActivation::kNone:
      return 1;
    case FusedActivation::kElu:
      return y > 0 ? 1 : y + 1;
    case FusedActivation::kRelu:
      return y > 0 ? 1 : 0;
    case FusedActivation::kLeakyRelu:
      return y > 0 ? 1 : epilogue.slope;
    case FusedActivation::kTanh:
      return 1 - y * y;
    case FusedActivation::kSigmoid:
      return y * (1 - y);
  }
  return 1;
}

}  // namespace regatta::reference
