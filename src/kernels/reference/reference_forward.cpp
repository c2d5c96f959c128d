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

/// logsumexp of one row and head of the logits; 0 for an empty row.
template <class T>
double row_logsumexp(const Edges<T>& edges, std::int64_t i, std::int64_t s) {
  if (edges.begin(i) == edges.end(i))
    return 0;
  double maximum = -std::numeric_limits<double>::infinity();
  for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e)
    maximum = std::max(maximum, edges.logit(e, i, s));
  double sum = 0;
  for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e)
    sum += std::exp(edges.logit(e, i, s) - maximum);
  return maximum + std::log(sum);
}

/// Sums of one row and head: over all edges, and over those with u > 0; and of the edges' features.
struct RowSums {
  std::vector<double> all;
  std::vector<double> positive;
  std::vector<double> features;
  double positive_weight = 0;
};

template <class T>
RowSums row_sums(const Edges<T>& edges, std::int64_t i, std::int64_t h, double logsumexp) {
  const AttentionInputs& in = edges.in;
  RowSums sums;
  sums.all.assign(index(in.width), 0);
  sums.positive.assign(index(in.width), 0);
  sums.features.assign(index(in.edge.query == nullptr ? 0 : in.edge.features), 0);
  for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e) {
    const std::int64_t j = edges.source(e);
    const double alpha = std::exp(edges.logit(e, i, edges.logit_head(h)) - logsumexp);
    const bool positive = in.kind == AttentionKind::kGat && edges.sum_of_logits(e, i, h) > 0;
    const double weight = alpha * edges.edge_factor(e, h);
    if (positive)
      sums.positive_weight += alpha;
    for (std::int64_t d = 0; d < in.width; ++d) {
      const double message =
          weight * edges.message_factor(j, h, d) * edges.load(in.value, edges.at(j, h, d));
      sums.all[index(d)] += message;
      if (positive)
        sums.positive[index(d)] += message;
    }
    for (std::size_t f = 0; f < sums.features.size(); ++f)
      sums.features[f] += weight * edges.edge_x(e, static_cast<std::int64_t>(f));
  }
  return sums;
}

template <class T>
class ForwardPass {
 public:
  explicit ForwardPass(const AttentionForwardArgs& args) : args_(args), edges_(args.in) {}

  void run() const {
    const std::int64_t logit_heads = args_.in.logit_heads();
    for (std::int64_t i = 0; i < args_.in.rows; ++i) {
      for (std::int64_t h = 0; h < args_.in.heads; ++h) {
        const std::int64_t s = edges_.logit_head(h);
        const double row_l = row_logsumexp(edges_, i, s);
        store_working(args_.logsumexp, i * logit_heads + s, row_l);
        store(i, h, row_sums(edges_, i, h, row_l));
      }
    }
  }

 private:
  static void store_working(void* array, std::int64_t at, double value) {
    if (array != nullptr)
      static_cast<Working<T>*>(array)[at] = static_cast<Working<T>>(value);
  }
  static void store_row(void* array, std::int64_t at, double value) {
    if (array != nullptr)
      static_cast<T*>(array)[at] = static_cast<T>(value);
  }

  void store(std::int64_t i, std::int64_t h, const RowSums& sums) const {
    for (std::int64_t d = 0; d < args_.in.width; ++d) {
      const std::int64_t at = edges_.at(i, h, d);
      const double o = sums.all[index(d)];
      store_row(args_.out, at, o);
      if (args_.in.kind == AttentionKind::kGat)
        store_row(args_.correction, at, sums.positive[index(d)] - sums.positive_weight * o);
      store_row(args_.epilogue.y, at, finished(o, at, h * args_.in.width + d));
    }
    for (std::size_t f = 0; f < sums.features.size(); ++f)
      store_working(
          args_.edge_out,
          (i * args_.in.heads + h) * args_.in.edge.features + static_cast<std::int64_t>(f),
          sums.features[f]);
  }

  double finished(double o, std::int64_t at, std::int64_t column) const {
    const AttentionEpilogue& epilogue = args_.epilogue;
    if (epilogue.bias != nullptr)
      o += edges_.working(epilogue.bias, column);
    if (epilogue.residual != nullptr)
      o += edges_.load(epilogue.residual, at);
    return activate(epilogue, o);
  }

  const AttentionForwardArgs& args_;
  Edges<T> edges_;
};

template <class T>
void weights_typed(const AttentionWeightsArgs& args, std::int64_t first, std::int64_t last) {
  const Edges<T> edges(args.in);
  auto* weights = static_cast<Working<T>*>(args.weights);
  const std::int64_t heads = args.in.logit_heads();
  for (std::int64_t i = first; i < last; ++i)
    for (std::int64_t e = edges.begin(i); e < edges.end(i); ++e)
      for (std::int64_t s = 0; s < heads; ++s)
        weights[e * heads + s] = static_cast<Working<T>>(
            std::exp(edges.logit(e, i, s) - edges.working(args.logsumexp, i * heads + s)));
}

}  // namespace

void forward(const AttentionForwardArgs& args) {
  check_forward(args, 0);
  with_storage(args.in.dtype, [&]<class T>(T) { ForwardPass<T>(args).run(); });
}

void weights(const AttentionWeightsArgs& args) {
  check_weights(args);
  weights_of_rows(args, 0, args.in.rows);
}

void weights_of_rows(const AttentionWeightsArgs& args, std::int64_t begin, std::int64_t end) {
  with_storage(args.in.dtype, [&]<class T>(T) { weights_typed<T>(args, begin, end); });
}

}  // namespace regatta::reference
