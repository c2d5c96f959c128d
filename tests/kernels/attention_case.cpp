#include "kernels/attention_case.h"

#include "core/rng.h"
#include "kernels/storage_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

namespace regatta::test {
namespace {

constexpr std::int64_t kFirstId = (std::int64_t{1} << 33) + 5;

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

/// Memory as kernels want it: values of one type, first all NaN, so that a cell left unwritten
/// shows.
class Cells {
 public:
  Cells(KernelType type, std::int64_t count)
      : type_(type), count_(count), bytes_(size(count) * storage_bytes(type), 0xFF) {}
  Cells(KernelType type, const std::vector<double>& from)
      : Cells(type, static_cast<std::int64_t>(from.size())) {
    with_storage(type_, [&]<class T>(T) {
      for (std::size_t k = 0; k < from.size(); ++k)
        reinterpret_cast<T*>(bytes_.data())[k] = static_cast<T>(from[k]);
    });
  }
  void* data() { return bytes_.data(); }
  std::vector<double> widened() const {
    std::vector<double> values(size(count_));
    with_storage(type_, [&]<class T>(T) {
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] = static_cast<double>(reinterpret_cast<const T*>(bytes_.data())[k]);
    });
    return values;
  }

 private:
  KernelType type_;
  std::int64_t count_;
  std::vector<unsigned char> bytes_;
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

KernelType working_type(KernelType type) {
  return type == KernelType::kFloat64 ? KernelType::kFloat64 : KernelType::kFloat32;
}

/// Tables of rows are of the storage type, all else of the working type.
bool is_table(const std::string& array) {
  for (const char* name :
       {"value", "query", "key", "residual", "grad_out", "out", "correction", "y"})
    if (array == name)
      return true;
  return false;
}

/// All arrays of one run: inputs given, outputs made on demand.
class Memory {
 public:
  explicit Memory(const AttentionCase& test) : test_(test) {
    for (const auto& [name, values] : test.arrays)
      cells_.emplace(name, Cells(type_of(name), values));
  }
  KernelType type_of(const std::string& name) const {
    const std::string array = name.starts_with("grad.") ? name.substr(5) : name;
    return is_table(array) ? test_.dtype : working_type(test_.dtype);
  }
  /// An input, or null where the case has none.
  void* in(const std::string& name) {
    const auto found = cells_.find(name);
    return found == cells_.end() ? nullptr : found->second.data();
  }
  void* out(const std::string& name, std::int64_t count) {
    results_.push_back(name);
    return cells_.emplace(name, Cells(type_of(name), count)).first->second.data();
  }
  /// The gradient of an input that the case has.
  void* grad(const std::string& name) {
    const auto found = test_.arrays.find(name);
    return found == test_.arrays.end()
               ? nullptr
               : out("grad." + name, static_cast<std::int64_t>(found->second.size()));
  }
  Arrays results() const {
    Arrays all;
    for (const std::string& name : results_) all[name] = cells_.at(name).widened();
    return all;
  }

 private:
  const AttentionCase& test_;
  std::map<std::string, Cells> cells_;
  std::vector<std::string> results_;
};

AttentionInputs inputs_of(const AttentionCase& test, Memory& memory) {
  AttentionInputs in;
  in.kind = test.kind;
  in.dtype = test.dtype;
  in.rows = test.rows;
  in.nodes = test.graph.in.nodes;
  in.heads = test.heads;
  in.width = test.width;
  in.graph = &test.graph;
  in.value = memory.in("value");
  in.query = memory.in("query");
  in.key = memory.in("key");
  if (test.kind == AttentionKind::kDot && test.shared)
    in.query = in.key = in.value;
  if (test.kind == AttentionKind::kDot && !test.shared) {
    in.score_heads = test.score_heads;
    in.score_width = test.score_width;
  }
  in.source_logit = memory.in("s");
  in.destination_logit = memory.in("t");
  in.attention_vector = memory.in("a");
  in.negative_slope = test.negative_slope;
  in.scale = test.scale;
  in.edge.logit = memory.in("edge.logit");
  in.edge.features = test.edge_features;
  in.edge.x = memory.in("edge.x");
  in.edge.query = memory.in("edge.query");
  in.edge.weight = memory.in("edge.weight");
  in.attention_dropout = {test.attention_dropout,
                          make_random_key(7, RandomPurpose::kAttentionDropout, 3, 1)};
  in.message_dropout = {test.message_dropout,
                        make_random_key(7, RandomPurpose::kMessageDropout, 3, 1)};
  return in;
}

AttentionEpilogue epilogue_of(const AttentionCase& test, Memory& memory) {
  AttentionEpilogue epilogue;
  if (!test.epilogue)
    return epilogue;
  epilogue.activation = test.activation;
  epilogue.bias = memory.in("bias");
  epilogue.residual = memory.in("residual");
  epilogue.y = memory.out("y", test.rows * test.heads * test.width);
  return epilogue;
}

void* edge_out_of(const AttentionCase& test, Memory& memory) {
  return memory.in("edge.query") == nullptr
             ? nullptr
             : memory.out("edge_out", test.rows * test.heads * test.edge_features);
}

AttentionBackwardArgs backward_of(const AttentionCase& test,
                                  const AttentionForwardArgs& forward,
                                  Memory& memory) {
  AttentionBackwardArgs args;
  args.in = forward.in;
  args.out = forward.out;
  args.logsumexp = forward.logsumexp;
  args.correction = forward.correction;
  args.edge_out = forward.edge_out;
  args.epilogue = forward.epilogue;
  args.grad_out = memory.in("grad_out");
  args.grad_edge_out = memory.in("grad_edge_out");
  args.grad_logsumexp = memory.in("grad_logsumexp");
  args.grad_value = memory.grad("value");
  args.grad_query = memory.grad("query");
  args.grad_key = memory.grad("key");
  if (args.in.shares_table())
    args.grad_query = args.grad_key = args.grad_value;
  args.grad_source_logit = memory.grad("s");
  args.grad_destination_logit = memory.grad("t");
  args.grad_attention_vector = memory.grad("a");
  args.grad_edge_logit = memory.grad("edge.logit");
  args.grad_edge_query = memory.grad("edge.query");
  args.grad_edge_weight = memory.grad("edge.weight");
  args.grad_bias = memory.grad("bias");
  args.grad_residual = memory.grad("residual");
  return args;
}

/// Arrays beside the tables of rows: terms of edges, epilogue, gradients that come in.
void add_terms(AttentionCase& test, std::uint64_t seed) {
  const std::int64_t row = test.heads * test.width;
  const bool dot = test.kind == AttentionKind::kDot;
  const std::int64_t logit_heads = dot && test.score_heads != 0 ? test.score_heads : test.heads;
  const std::int64_t edges = edges_of_rows(test);
  if (test.edge_logit)
    test.arrays["edge.logit"] = random_values(edges * logit_heads, seed + 5);
  if (test.edge_features > 0)
    test.arrays["edge.x"] = random_values(edges * test.edge_features, seed + 6);
  if (test.edge_features > 0 && dot) {
    test.arrays["edge.query"] =
        random_values(test.rows * logit_heads * test.edge_features, seed + 7);
    test.arrays["grad_edge_out"] =
        random_values(test.rows * test.heads * test.edge_features, seed + 8);
  }
  if (test.edge_features > 0 && test.kind == AttentionKind::kGatv2)
    test.arrays["edge.weight"] = random_values(test.edge_features * row, seed + 9);
  if (test.logsumexp_gradient)
    test.arrays["grad_logsumexp"] = random_values(test.rows * logit_heads, seed + 10);
  if (test.epilogue) {
    test.arrays["bias"] = random_values(row, seed + 11);
    test.arrays["residual"] = random_values(test.rows * row, seed + 12);
  }
}

void add_tables(AttentionCase& test, std::uint64_t seed) {
  const std::int64_t nodes = test.graph.in.nodes;
  const std::int64_t row = test.heads * test.width;
  test.arrays["value"] = random_values(nodes * row, seed + 1);
  test.arrays["grad_out"] = random_values(test.rows * row, seed + 4);
  if (test.kind == AttentionKind::kGat) {
    test.arrays["s"] = random_values(nodes * test.heads, seed + 2);
    test.arrays["t"] = random_values(test.rows * test.heads, seed + 3);
  } else if (test.kind == AttentionKind::kGatv2) {
    test.arrays["query"] = random_values(test.rows * row, seed + 2);
    test.arrays["a"] = random_values(row, seed + 3);
    for (double& a : test.arrays["a"]) a /= std::sqrt(static_cast<double>(test.width));
  } else if (!test.shared) {
    const std::int64_t score_row = (test.score_heads == 0 ? test.heads : test.score_heads) *
                                   (test.score_width == 0 ? test.width : test.score_width);
    test.arrays["query"] = random_values(test.rows * score_row, seed + 2);
    test.arrays["key"] = random_values(nodes * score_row, seed + 3);
  }
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

GraphShape bipartite_shape() {
  return {"bipartite", 3, {3, 0, 5, 1, 9, 2, 4, 0, 7}};
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
      const std::int64_t range =
          e % 2 == 0 ? shape.nodes : std::min(shape.nodes, shape.low_sources);
      src.push_back(
          static_cast<std::int32_t>(stream.next_below(static_cast<std::uint64_t>(range))));
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

std::string kind_name(const CaseOptions& options) {
  if (options.kind == AttentionKind::kDot)
    return options.shared ? "dot" : "transformer";
  return options.kind == AttentionKind::kGat ? "gat" : "gatv2";
}

const char* type_name(KernelType type) {
  return type == KernelType::kFloat32   ? "float"
         : type == KernelType::kFloat64 ? "double"
                                        : "bfloat";
}

std::vector<CaseOptions> all_kinds() {
  std::vector<CaseOptions> all(4);
  all[1].kind = all[2].kind = AttentionKind::kDot;
  all[2].shared = false;
  all[3].kind = AttentionKind::kGatv2;
  return all;
}

AttentionCase make_case(const GraphShape& shape, const CaseOptions& options, std::uint64_t seed) {
  AttentionCase test;
  static_cast<CaseOptions&>(test) = options;
  test.rows = static_cast<std::int64_t>(shape.degrees.size());
  test.scale = 1 / std::sqrt(static_cast<double>(options.width));
  test.graph = make_graph(shape, seed);
  test.seed = seed;
  set_rows(test, test.rows);
  return test;
}

void set_rows(AttentionCase& test, std::int64_t rows) {
  test.rows = rows;
  test.arrays.clear();
  add_tables(test, test.seed);
  add_terms(test, test.seed);
}

std::string AttentionCase::name() const {
  return fmt::format(
      "{} {} rows {} edges {} H {} D {} scores {}x{} attention {} message {} correction {} edge "
      "logit {} features {} "
      "epilogue {} logsumexp {}",
      kind_name(*this),
      type_name(dtype),
      rows,
      graph.in.src.size(),
      heads,
      width,
      score_heads,
      score_width,
      attention_dropout,
      message_dropout,
      with_correction,
      edge_logit,
      edge_features,
      epilogue,
      logsumexp_gradient);
}

Arrays run_table(const KernelTable& table, const AttentionCase& test) {
  Memory memory(test);
  AttentionForwardArgs forward;
  forward.in = inputs_of(test, memory);
  const std::int64_t row = test.heads * test.width;
  forward.out = memory.out("out", test.rows * row);
  forward.logsumexp = memory.out("logsumexp", test.rows * forward.in.logit_heads());
  if (test.kind == AttentionKind::kGat && test.with_correction)
    forward.correction = memory.out("correction", test.rows * row);
  forward.edge_out = edge_out_of(test, memory);
  std::vector<std::uint64_t> kept_messages;
  std::vector<std::uint8_t> kept_edges;
  if (test.keeps_bits) {
    kept_messages.resize(static_cast<std::size_t>(forward.in.nodes * KeptBits::message_words(row)),
                         ~0ULL);
    kept_edges.resize(static_cast<std::size_t>((test.heads + 3) / 4 * edges_of_rows(test)), 255);
    forward.kept = {kept_messages.data(), kept_edges.data()};
  }
  forward.epilogue = epilogue_of(test, memory);
  const Workspace forward_space(table.forward_workspace_bytes(forward));
  forward.workspace = forward_space.memory.get();
  table.forward(forward);

  table.weights({forward.in,
                 forward.logsumexp,
                 memory.out("weights", edges_of_rows(test) * forward.in.logit_heads())});

  AttentionBackwardArgs backward = backward_of(test, forward, memory);
  backward.kept = forward.kept;
  const Workspace backward_space(table.backward_workspace_bytes(backward));
  backward.workspace = backward_space.memory.get();
  table.backward(backward);
  return memory.results();
}

namespace {

AttentionForwardArgs forward_alone(const AttentionCase& test, Memory& memory) {
  AttentionForwardArgs args;
  args.in = inputs_of(test, memory);
  args.epilogue = epilogue_of(test, memory);
  if (args.epilogue.y == nullptr)
    args.out = memory.out("out", test.rows * test.heads * test.width);
  args.edge_out = edge_out_of(test, memory);
  return args;
}

}  // namespace

std::size_t forward_workspace_bytes(const KernelTable& table, const AttentionCase& test) {
  Memory memory(test);
  return table.forward_workspace_bytes(forward_alone(test, memory));
}

Arrays run_forward(const KernelTable& table, const AttentionCase& test) {
  Memory memory(test);
  AttentionForwardArgs args = forward_alone(test, memory);
  const Workspace space(table.forward_workspace_bytes(args));
  args.workspace = space.memory.get();
  table.forward(args);
  return memory.results();
}

double relative_error(const std::vector<double>& a, const std::vector<double>& b, double floor) {
  if (a.size() != b.size())
    return std::numeric_limits<double>::infinity();
  double difference = 0;
  double norm = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    difference += (a[k] - b[k]) * (a[k] - b[k]);
    norm += b[k] * b[k];
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), floor);
}

bool same_bits(const Arrays& a, const Arrays& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&b](const auto& item) {
           const std::vector<double>& x = item.second;
           const std::vector<double>& y = b.at(item.first);
           return x.size() == y.size() &&
                  (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
         });
}

double error_limit(const CaseOptions& options) {
  switch (options.dtype) {
    case KernelType::kFloat32:  // logits that are sums over rows round more than sums of two
                                // scalars
      return options.kind == AttentionKind::kGat ? 1e-5 : 3e-5;
    case KernelType::kFloat64:
      return 1e-10;
    case KernelType::kBFloat16:
      break;
  }
  return 1.2e-2;  // outputs, gradients and C are stored with 8 bits
}

// Gradients of logits are differences of products over the width, which cancel: below fp64 they are
// held to the scale of those products. So is all of bf16, where O is stored with 8 bits.
double error_floor(const std::string& array, std::size_t values, std::int64_t width, double limit) {
  const bool gradient = array.starts_with("grad.");
  if (limit < 1e-8 || (!gradient && limit < 1e-2))
    return 0.1;
  const auto terms = static_cast<double>(values) * (gradient ? static_cast<double>(width) : 1);
  return std::max(0.1, std::sqrt(terms));
}

}  // namespace regatta::test
