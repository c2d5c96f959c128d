#include "kernels/attention_case.h"

#include "core/rng.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>

namespace regatta::test {
namespace {

constexpr std::int64_t kFirstId = (std::int64_t{1} << 33) + 5;

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

/// Memory as kernels want it: aligned to 64 bytes, filled with NaN so that a cell left unwritten
/// shows.
template <class T>
class Cells {
 public:
  explicit Cells(std::int64_t count) : values_(size(count), std::numeric_limits<T>::quiet_NaN()) {}
  explicit Cells(const std::vector<double>& from) : values_(from.begin(), from.end()) {}
  T* data() { return values_.data(); }
  std::vector<double> widened() const { return {values_.begin(), values_.end()}; }

 private:
  std::vector<T> values_;
};

struct Workspace {
  explicit Workspace(std::size_t bytes)
      : memory(bytes == 0 ? nullptr : std::aligned_alloc(64, (bytes + 63) / 64 * 64), &std::free) {
    // 0xFF bytes are NaN: reading what was never written shows in the result.
    if (bytes > 0)
      std::fill_n(static_cast<unsigned char*>(memory.get()), bytes, 0xFF);
  }
  std::unique_ptr<void, decltype(&std::free)> memory;
};

std::int64_t edges_of_rows(const AttentionCase& test) {
  return test.rows == 0 ? 0 : test.graph.in.indptr[size(test.rows)];
}

template <class T>
struct TypedInputs {
  explicit TypedInputs(const AttentionCase& test) : z(test.z), s(test.s), t(test.t) {
    in.kind = test.kind;
    in.dtype = sizeof(T) == 4 ? KernelType::kFloat32 : KernelType::kFloat64;
    in.rows = test.rows;
    in.nodes = test.graph.in.nodes;
    in.heads = test.heads;
    in.width = test.width;
    in.graph = &test.graph;
    in.z = z.data();
    in.source_logit = s.data();
    in.destination_logit = t.data();
    in.negative_slope = test.negative_slope;
    in.scale = test.scale;
    in.attention_dropout = {test.attention_dropout,
                            make_random_key(7, RandomPurpose::kAttentionDropout, 3, 1)};
    in.message_dropout = {test.message_dropout,
                          make_random_key(7, RandomPurpose::kMessageDropout, 3, 1)};
  }
  Cells<T> z, s, t;
  AttentionInputs in;
};

template <class T>
AttentionResult run_typed(const KernelTable& table, const AttentionCase& test) {
  TypedInputs<T> inputs(test);
  const std::int64_t row = test.heads * test.width;
  const bool gat = test.kind == AttentionKind::kGat;
  Cells<T> out(test.rows * row), logsumexp(test.rows * test.heads);
  Cells<T> correction(gat && test.with_correction ? test.rows * row : 0);
  AttentionForwardArgs forward{inputs.in, out.data(), logsumexp.data(), nullptr, nullptr};
  if (gat && test.with_correction)
    forward.correction = correction.data();
  const Workspace forward_space(table.forward_workspace_bytes(forward));
  forward.workspace = forward_space.memory.get();
  table.forward(forward);

  Cells<T> weights(edges_of_rows(test) * test.heads);
  table.weights({inputs.in, logsumexp.data(), weights.data()});

  Cells<T> grad_out(test.grad_out), grad_z(test.graph.in.nodes * row);
  Cells<T> grad_s(gat ? test.graph.in.nodes * test.heads : 0);
  Cells<T> grad_t(gat ? test.rows * test.heads : 0);
  AttentionBackwardArgs backward{inputs.in,
                                 out.data(),
                                 logsumexp.data(),
                                 forward.correction,
                                 grad_out.data(),
                                 grad_z.data(),
                                 grad_s.data(),
                                 grad_t.data(),
                                 nullptr};
  const Workspace backward_space(table.backward_workspace_bytes(backward));
  backward.workspace = backward_space.memory.get();
  table.backward(backward);
  return {out.widened(),
          logsumexp.widened(),
          correction.widened(),
          weights.widened(),
          grad_z.widened(),
          grad_s.widened(),
          grad_t.widened()};
}

template <class T>
std::vector<double> forward_typed(const KernelTable& table, const AttentionCase& test) {
  TypedInputs<T> inputs(test);
  Cells<T> out(test.rows * test.heads * test.width);
  AttentionForwardArgs args{inputs.in, out.data(), nullptr, nullptr, nullptr};
  const Workspace space(table.forward_workspace_bytes(args));
  args.workspace = space.memory.get();
  table.forward(args);
  return out.widened();
}

}  // namespace

GraphShape mixed_shape() {
  return {"mixed", 30, {3, 0, 5, 1, 9, 2, 4, 0, 7, 8, 1, 6, 3, 2, 5, 0, 4, 4, 1, 2, 3, 6, 0, 9}};
}
GraphShape chunks_shape() {
  return {"chunks", 12, {63, 64, 65, 0, 128, 129, 8, 16, 17, 1}};
}
GraphShape hub_shape() {
  GraphShape shape{"hub", 300, std::vector<std::int64_t>(200, 3)};
  shape.degrees[17] = 10000;
  return shape;
}
GraphShape single_node_shape() {
  return {"single_node", 1, {2}};
}
GraphShape no_edge_shape() {
  return {"no_edge", 4, {0, 0, 0}};
}
GraphShape empty_shape() {
  return {"empty", 0, {}};
}

PreparedGraph make_graph(const GraphShape& shape, std::uint64_t seed) {
  RandomStream stream(make_random_key(seed, RandomPurpose::kSplit, 0, 0));
  std::vector<std::int64_t> indptr{0};
  std::vector<std::int32_t> src;
  std::vector<std::int64_t> edge_id;
  for (const std::int64_t degree : shape.degrees) {
    const std::size_t first = src.size();
    for (std::int64_t e = 0; e < degree; ++e) {
      // Half of the sources are low numbers: parallel edges, and sources with many out-edges.
      const auto nodes = static_cast<std::uint64_t>(shape.nodes);
      const std::uint64_t range = e % 2 == 0 ? nodes : std::min<std::uint64_t>(nodes, 4);
      src.push_back(static_cast<std::int32_t>(stream.next_below(range)));
    }
    std::sort(src.begin() + static_cast<std::ptrdiff_t>(first), src.end());
    for (std::size_t e = first; e < src.size(); ++e)
      edge_id.push_back(kFirstId + 3 * static_cast<std::int64_t>(e));
    indptr.push_back(static_cast<std::int64_t>(src.size()));
  }
  std::vector<std::int64_t> global_id(size(shape.nodes));
  for (std::size_t j = 0; j < global_id.size(); ++j)
    global_id[j] = kFirstId + 7 * static_cast<std::int64_t>(j);
  CsrGraph graph{static_cast<std::int64_t>(shape.degrees.size()),
                 shape.nodes,
                 std::move(indptr),
                 std::move(src),
                 std::move(edge_id)};
  return prepare_graph(std::move(graph), std::move(global_id));
}

std::vector<double> random_values(std::int64_t count, std::uint64_t seed) {
  RandomStream stream(make_random_key(seed, RandomPurpose::kInitialWeights, 0, 0));
  std::vector<double> values(size(count));
  // Rounded to float, so that both types start from the same inputs.
  for (double& value : values) value = static_cast<float>(stream.next_normal());
  return values;
}

AttentionCase make_case(const GraphShape& shape, const CaseOptions& options, std::uint64_t seed) {
  AttentionCase test;
  test.kind = options.kind;
  test.dtype = options.dtype;
  test.rows = static_cast<std::int64_t>(shape.degrees.size());
  test.heads = options.heads;
  test.width = options.width;
  test.attention_dropout = options.attention_dropout;
  test.message_dropout = options.message_dropout;
  test.scale = 1 / std::sqrt(static_cast<double>(options.width));
  test.graph = make_graph(shape, seed);
  test.z = random_values(shape.nodes * options.heads * options.width, seed + 1);
  test.s = random_values(shape.nodes * options.heads, seed + 2);
  test.t = random_values(test.rows * options.heads, seed + 3);
  test.grad_out = random_values(test.rows * options.heads * options.width, seed + 4);
  return test;
}

std::string AttentionCase::name() const {
  return fmt::format("{} {} rows {} edges {} H {} D {} attention {} message {} correction {}",
                     kind == AttentionKind::kGat ? "gat" : "dot",
                     dtype == KernelType::kFloat32 ? "float" : "double",
                     rows,
                     graph.in.src.size(),
                     heads,
                     width,
                     attention_dropout,
                     message_dropout,
                     with_correction);
}

AttentionResult run_table(const KernelTable& table, const AttentionCase& test) {
  return test.dtype == KernelType::kFloat32 ? run_typed<float>(table, test)
                                            : run_typed<double>(table, test);
}

std::vector<double> run_forward(const KernelTable& table, const AttentionCase& test) {
  return test.dtype == KernelType::kFloat32 ? forward_typed<float>(table, test)
                                            : forward_typed<double>(table, test);
}

double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size())
    return std::numeric_limits<double>::infinity();
  double difference = 0;
  double norm = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    difference += (a[k] - b[k]) * (a[k] - b[k]);
    norm += b[k] * b[k];
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), 0.1);
}

}  // namespace regatta::test
