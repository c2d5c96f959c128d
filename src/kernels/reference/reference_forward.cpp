// Reference forward pass and attention weights.
#include "kernels/attention_checks.h"
#include "kernels/reference/edge_math.h"
#include "kernels/reference/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace regatta::reference {
namespace {

/// logsumexp of one row and head; 0 for an empty row.
template <class T>
double row_logsumexp(const Edges<T>& edges, std::int64_t i, std::int64_t h) {
  if (edges.begin(i) == edges.end(i))
    return 0;
  double maximum = -std::numeric_limits<double>::infinity();
  for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e)
    maximum = std::max(maximum, edges.logit(i, edges.source(e), h));
  double sum = 0;
  for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e)
    sum += std::exp(edges.logit(i, edges.source(e), h) - maximum);
  return maximum + std::log(sum);
}

/// Sums of one row and head: over all edges, and over those with u > 0.
struct RowSums {
  std::vector<double> all;
  std::vector<double> positive;
  double positive_weight = 0;
};

template <class T>
RowSums row_sums(const Edges<T>& edges, std::int64_t i, std::int64_t h, double logsumexp) {
  const bool gat = edges.in.kind == AttentionKind::kGat;
  RowSums sums;
  sums.all.assign(index(edges.in.width), 0);
  sums.positive.assign(index(edges.in.width), 0);
  for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e) {
    const std::int64_t j = edges.source(e);
    const double alpha = std::exp(edges.logit(i, j, h) - logsumexp);
    const bool positive = gat && edges.sum_of_logits(i, j, h) > 0;
    const double weight = alpha * edges.edge_factor(e, h);
    if (positive)
      sums.positive_weight += alpha;
    for (std::int64_t d = 0; d < edges.in.width; ++d) {
      const double message =
          weight * edges.message_factor(j, h, d) * static_cast<double>(edges.z[edges.at(j, h, d)]);
      sums.all[index(d)] += message;
      if (positive)
        sums.positive[index(d)] += message;
    }
  }
  return sums;
}

template <class T>
void forward_typed(const AttentionForwardArgs& args) {
  const Edges<T> edges(args.in);
  auto* out = static_cast<T*>(args.out);
  auto* logsumexp = static_cast<T*>(args.logsumexp);
  auto* correction = static_cast<T*>(args.correction);
  for (std::int64_t i = 0; i < args.in.rows; ++i) {
    for (std::int64_t h = 0; h < args.in.heads; ++h) {
      const double row_l = row_logsumexp(edges, i, h);
      const RowSums sums = row_sums(edges, i, h, row_l);
      if (logsumexp != nullptr)
        logsumexp[i * args.in.heads + h] = static_cast<T>(row_l);
      for (std::int64_t d = 0; d < args.in.width; ++d) {
        const double o = sums.all[index(d)];
        out[edges.at(i, h, d)] = static_cast<T>(o);
        if (correction != nullptr && args.in.kind == AttentionKind::kGat)
          correction[edges.at(i, h, d)] =
              static_cast<T>(sums.positive[index(d)] - sums.positive_weight * o);
      }
    }
  }
}

template <class T>
void weights_typed(const AttentionWeightsArgs& args) {
  const Edges<T> edges(args.in);
  const auto* logsumexp = static_cast<const T*>(args.logsumexp);
  auto* weights = static_cast<T*>(args.weights);
  const std::int64_t heads = args.in.heads;
  for (std::int64_t i = 0; i < args.in.rows; ++i)
    for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e)
      for (std::int64_t h = 0; h < heads; ++h)
        weights[e * heads + h] = static_cast<T>(std::exp(
            edges.logit(i, edges.source(e), h) - static_cast<double>(logsumexp[i * heads + h])));
}

}  // namespace

void forward(const AttentionForwardArgs& args) {
  check_forward(args, 0);
  args.in.dtype == KernelType::kFloat32 ? forward_typed<float>(args) : forward_typed<double>(args);
}

void weights(const AttentionWeightsArgs& args) {
  check_weights(args);
  args.in.dtype == KernelType::kFloat32 ? weights_typed<float>(args) : weights_typed<double>(args);
}

}  // namespace regatta::reference
