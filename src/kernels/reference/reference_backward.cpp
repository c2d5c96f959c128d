// Reference backward pass: plain sums over edges in double, never the correction C.
#include "kernels/attention_checks.h"
#include "kernels/reference/edge_math.h"
#include "kernels/reference/reference_attention.h"

#include <cmath>
#include <vector>

namespace regatta::reference {
namespace {

/// A gradient summed in double and stored at the end.
class Sum {
 public:
  Sum(void* target, std::int64_t count)
      : target_(target), value_(index(target == nullptr ? 0 : count)) {}
  void add(std::int64_t at, double value) {
    if (target_ != nullptr)
      value_[index(at)] += value;
  }
  template <class T>
  void store() const {
    for (std::size_t k = 0; k < value_.size(); ++k)
      static_cast<T*>(target_)[k] = static_cast<T>(value_[k]);
  }

 private:
  void* target_;
  std::vector<double> value_;
};

template <class T>
class BackwardPass {
 public:
  explicit BackwardPass(const AttentionBackwardArgs& args)
      : args_(args),
        in_(args.in),
        edges_(args.in),
        grad_out_(index(in_.rows * row())),
        value_(args.grad_value, in_.nodes * row()),
        query_(in_.shares_table() ? nullptr : args.grad_query, in_.rows * query_row()),
        key_(in_.shares_table() ? nullptr : args.grad_key, in_.nodes * query_row()),
        source_logit_(args.grad_source_logit, in_.nodes * in_.heads),
        destination_logit_(args.grad_destination_logit, in_.rows * in_.heads),
        attention_vector_(args.grad_attention_vector, row()),
        edge_logit_(args.grad_edge_logit, edges_of(in_) * in_.logit_heads()),
        edge_query_(args.grad_edge_query, in_.rows * in_.logit_heads() * in_.edge.features),
        edge_weight_(args.grad_edge_weight, in_.edge.features * row()),
        bias_(args.grad_bias, row()),
        residual_(args.grad_residual, in_.rows * row()) {}

  void run() {
    undo_epilogue();
    for (std::int64_t i = 0; i < in_.rows; ++i)
      for (std::int64_t s = 0; s < in_.logit_heads(); ++s) {
        const double delta = row_delta(i, s);
        for (std::int64_t e = edges_.begin(i); e < edges_.end(i); ++e) add_edge(e, i, s, delta);
      }
    store();
  }

 private:
  std::int64_t row() const { return in_.heads * in_.width; }
  std::int64_t query_row() const {
    return in_.kind == AttentionKind::kDot ? in_.logit_heads() * in_.logit_width() : row();
  }
  Sum& query_sum() { return in_.shares_table() ? value_ : query_; }
  Sum& key_sum() { return in_.shares_table() ? value_ : key_; }

  void store() const {
    using W = Working<T>;
    for (const Sum* sum : {&value_, &query_, &key_, &residual_}) sum->template store<T>();
    for (const Sum* sum : {&source_logit_,
                           &destination_logit_,
                           &attention_vector_,
                           &edge_logit_,
                           &edge_query_,
                           &edge_weight_,
                           &bias_})
      sum->template store<W>();
  }

  /// The gradient of O from that of y.
  void undo_epilogue() {
    for (std::int64_t k = 0; k < in_.rows * row(); ++k) {
      double g = edges_.load(args_.grad_out, k);
      if (args_.epilogue.y != nullptr)
        g *= activation_slope(args_.epilogue, edges_.load(args_.epilogue.y, k));
      grad_out_[index(k)] = g;
      bias_.add(k % row(), g);
      residual_.add(k, g);
    }
  }

  /// Sum of Delta over the heads of logit s, less what comes through L.
  double row_delta(std::int64_t i, std::int64_t s) const {
    double delta = 0;
    for (std::int64_t h = s * edges_.heads_of_logit(); h < (s + 1) * edges_.heads_of_logit(); ++h) {
      for (std::int64_t d = 0; d < in_.width; ++d)
        delta += grad_out_[index(edges_.at(i, h, d))] * edges_.load(args_.out, edges_.at(i, h, d));
      if (args_.grad_edge_out != nullptr)
        for (std::int64_t f = 0; f < in_.edge.features; ++f) {
          const std::int64_t k = (i * in_.heads + h) * in_.edge.features + f;
          delta += edges_.working(args_.grad_edge_out, k) * edges_.working(args_.edge_out, k);
        }
    }
    if (args_.grad_logsumexp != nullptr)
      delta -= edges_.working(args_.grad_logsumexp, i * in_.logit_heads() + s);
    return delta;
  }

  void add_edge(std::int64_t e, std::int64_t i, std::int64_t s, double delta) {
    const double l = edges_.working(args_.logsumexp, i * in_.logit_heads() + s);
    const double alpha = std::exp(edges_.logit(e, i, s) - l);
    double product = 0;
    for (std::int64_t h = s * edges_.heads_of_logit(); h < (s + 1) * edges_.heads_of_logit(); ++h)
      product += edges_.edge_factor(e, h) * add_message(e, i, h, alpha);
    add_logit_gradient(e, i, s, alpha * (product - delta));
  }

  /// Adds to the gradient of the message; returns p = <g_i, mu value_j> (+ the edge's features).
  double add_message(std::int64_t e, std::int64_t i, std::int64_t h, double alpha) {
    const std::int64_t j = edges_.source(e);
    const double weight = alpha * edges_.edge_factor(e, h);
    double p = 0;
    for (std::int64_t d = 0; d < in_.width; ++d) {
      const double g = grad_out_[index(edges_.at(i, h, d))] * edges_.message_factor(j, h, d);
      p += g * edges_.load(in_.value, edges_.at(j, h, d));
      value_.add(edges_.at(j, h, d), weight * g);
    }
    if (args_.grad_edge_out != nullptr)
      for (std::int64_t f = 0; f < in_.edge.features; ++f)
        p += edges_.working(args_.grad_edge_out, (i * in_.heads + h) * in_.edge.features + f) *
             edges_.edge_x(e, f);
    return p;
  }

  void add_logit_gradient(std::int64_t e, std::int64_t i, std::int64_t s, double gradient) {
    if (in_.kind == AttentionKind::kGat) {
      const double delta = gradient * edges_.slope(edges_.sum_of_logits(e, i, s));
      source_logit_.add(edges_.source(e) * in_.heads + s, delta);
      destination_logit_.add(i * in_.heads + s, delta);
      edge_logit_.add(e * in_.heads + s, delta);
      return;
    }
    edge_logit_.add(e * in_.logit_heads() + s, gradient);
    in_.kind == AttentionKind::kGatv2 ? add_gatv2(e, i, s, gradient) : add_dot(e, i, s, gradient);
  }

  void add_gatv2(std::int64_t e, std::int64_t i, std::int64_t h, double gradient) {
    for (std::int64_t d = 0; d < in_.width; ++d) {
      const double u = edges_.sum_of_rows(e, i, h, d);
      const std::int64_t column = h * in_.width + d;
      const double du = gradient * edges_.working(in_.attention_vector, column) * edges_.slope(u);
      attention_vector_.add(column, gradient * u * edges_.slope(u));
      query_.add(edges_.at(i, h, d), du);
      value_.add(edges_.at(edges_.source(e), h, d), du);
      if (in_.edge.weight != nullptr)
        for (std::int64_t f = 0; f < in_.edge.features; ++f)
          edge_weight_.add(edges_.at(f, h, d), du * edges_.edge_x(e, f));
    }
  }

  void add_dot(std::int64_t e, std::int64_t i, std::int64_t s, double gradient) {
    const std::int64_t j = edges_.source(e);
    for (std::int64_t d = 0; d < in_.logit_width(); ++d) {
      const std::int64_t qi = edges_.score_at(i, s, d), kj = edges_.score_at(j, s, d);
      query_sum().add(qi, gradient * in_.scale * edges_.load(in_.key, kj));
      key_sum().add(kj, gradient * in_.scale * edges_.load(in_.query, qi));
    }
    if (in_.edge.query != nullptr)
      for (std::int64_t f = 0; f < in_.edge.features; ++f)
        edge_query_.add((i * in_.logit_heads() + s) * in_.edge.features + f,
                        gradient * edges_.edge_x(e, f));
  }

  const AttentionBackwardArgs& args_;
  const AttentionInputs& in_;
  Edges<T> edges_;
  std::vector<double> grad_out_;
  Sum value_, query_, key_, source_logit_, destination_logit_, attention_vector_;
  Sum edge_logit_, edge_query_, edge_weight_, bias_, residual_;
};

}  // namespace

void backward(const AttentionBackwardArgs& args) {
  check_backward(args, 0);
  with_storage(args.in.dtype, [&]<class T>(T) { BackwardPass<T>(args).run(); });
}

}  // namespace regatta::reference
