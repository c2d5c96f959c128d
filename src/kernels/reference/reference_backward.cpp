// Reference backward pass: for each edge, its share of every gradient.
#include "kernels/attention_checks.h"
#include "kernels/reference/edge_math.h"
#include "kernels/reference/reference_attention.h"

#include <cmath>
#include <vector>

namespace regatta::reference {
namespace {

template <class T>
class BackwardPass {
 public:
  explicit BackwardPass(const AttentionBackwardArgs& args)
      : args_(args),
        edges_(args.in),
        out_(static_cast<const T*>(args.out)),
        logsumexp_(static_cast<const T*>(args.logsumexp)),
        grad_out_(static_cast<const T*>(args.grad_out)),
        grad_z_(index(args.in.nodes * args.in.heads * args.in.width), 0.0),
        grad_s_(index(args.in.nodes * args.in.heads), 0.0),
        grad_t_(index(args.in.rows * args.in.heads), 0.0) {}

  void run() {
    for (std::int64_t i = 0; i < args_.in.rows; ++i)
      for (std::int64_t h = 0; h < args_.in.heads; ++h) {
        const double delta = inner(grad_out_, out_, i, h);
        for (std::int64_t e = edges_.begin(i); e < edges_.end(i); ++e) add_edge(e, i, h, delta);
      }
    store(grad_z_, args_.grad_z);
    if (args_.in.kind != AttentionKind::kGat)
      return;
    store(grad_s_, args_.grad_source_logit);
    store(grad_t_, args_.grad_destination_logit);
  }

 private:
  double inner(const T* a, const T* b, std::int64_t i, std::int64_t h) const {
    double sum = 0;
    for (std::int64_t d = 0; d < args_.in.width; ++d)
      sum +=
          static_cast<double>(a[edges_.at(i, h, d)]) * static_cast<double>(b[edges_.at(i, h, d)]);
    return sum;
  }

  void add_edge(std::int64_t e, std::int64_t i, std::int64_t h, double delta) {
    const std::int64_t j = edges_.source(e);
    const double l = static_cast<double>(logsumexp_[i * args_.in.heads + h]);
    const double alpha = std::exp(edges_.logit(i, j, h) - l);
    const double factor = edges_.edge_factor(e, h);
    double p = 0;
    for (std::int64_t d = 0; d < args_.in.width; ++d) {
      const double g = static_cast<double>(grad_out_[edges_.at(i, h, d)]);
      const double mu = edges_.message_factor(j, h, d);
      p += g * mu * static_cast<double>(edges_.z[edges_.at(j, h, d)]);
      grad_z_[index(edges_.at(j, h, d))] += alpha * factor * mu * g;
    }
    add_logit_gradient(i, j, h, alpha * (factor * p - delta));
  }

  void add_logit_gradient(std::int64_t i, std::int64_t j, std::int64_t h, double gradient) {
    if (args_.in.kind == AttentionKind::kGat) {
      const double delta = gradient * edges_.slope(i, j, h);
      grad_s_[index(j * args_.in.heads + h)] += delta;
      grad_t_[index(i * args_.in.heads + h)] += delta;
      return;
    }
    const double gamma = gradient * args_.in.scale;
    for (std::int64_t d = 0; d < args_.in.width; ++d) {
      grad_z_[index(edges_.at(i, h, d))] +=
          gamma * static_cast<double>(edges_.z[edges_.at(j, h, d)]);
      grad_z_[index(edges_.at(j, h, d))] +=
          gamma * static_cast<double>(edges_.z[edges_.at(i, h, d)]);
    }
  }

  static void store(const std::vector<double>& values, void* target) {
    for (std::size_t k = 0; k < values.size(); ++k)
      static_cast<T*>(target)[k] = static_cast<T>(values[k]);
  }

  const AttentionBackwardArgs& args_;
  Edges<T> edges_;
  const T* out_;
  const T* logsumexp_;
  const T* grad_out_;
  std::vector<double> grad_z_;
  std::vector<double> grad_s_;
  std::vector<double> grad_t_;
};

}  // namespace

void backward(const AttentionBackwardArgs& args) {
  check_backward(args, 0);
  if (args.in.dtype == KernelType::kFloat32)
    BackwardPass<float>(args).run();
  else
    BackwardPass<double>(args).run();
}

}  // namespace regatta::reference
