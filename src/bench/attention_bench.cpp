// A random graph, its kernels' times, and the floors of docs/performance.md in the same call.
#include "bench/attention_bench.h"

#include "bench/memory_bound.h"
#include "core/error.h"
#include "core/options.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "core/timer.h"
#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <vector>

namespace regatta {
namespace {

using nlohmann::ordered_json;

std::string machine_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2);
  return "unknown";
}

/// Destinations and sources drawn evenly.
PreparedGraph random_graph(std::int64_t nodes, std::int64_t edges) {
  RandomStream stream(make_random_key(0, RandomPurpose::kSplit, 0, 0));
  const auto n = static_cast<std::uint64_t>(nodes);
  std::vector<std::int64_t> indptr(static_cast<std::size_t>(nodes) + 1, 0);
  for (std::int64_t e = 0; e < edges; ++e) ++indptr[stream.next_below(n) + 1];
  for (std::size_t i = 1; i < indptr.size(); ++i) indptr[i] += indptr[i - 1];
  std::vector<std::int32_t> src(static_cast<std::size_t>(edges));
  for (auto& source : src) source = static_cast<std::int32_t>(stream.next_below(n));
  for (std::size_t i = 0; i + 1 < indptr.size(); ++i)
    std::sort(src.begin() + indptr[i], src.begin() + indptr[i + 1]);
  std::vector<std::int64_t> edge_id(src.size());
  std::vector<std::int64_t> global_id(static_cast<std::size_t>(nodes));
  for (std::size_t e = 0; e < edge_id.size(); ++e) edge_id[e] = static_cast<std::int64_t>(e);
  for (std::size_t i = 0; i < global_id.size(); ++i) global_id[i] = static_cast<std::int64_t>(i);
  return prepare_graph({nodes, nodes, std::move(indptr), std::move(src), std::move(edge_id)},
                       std::move(global_id));
}

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  RandomStream stream(make_random_key(seed, RandomPurpose::kInitialWeights, 0, 0));
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = uniform_float(stream.next_word()) - 0.5F;
  return values;
}

/// Zeroed bytes with a start aligned as kernels ask.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t bytes) : memory_(bytes + 64) {}
  void* get() {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    return memory_.data() + (64 - address % 64) % 64;
  }

 private:
  std::vector<char> memory_;
};

/// All arrays of one layer.
struct Layer {
  Layer(const AttentionBenchOptions& options, const PreparedGraph& graph)
      : z(random_values(options.nodes * options.heads * options.width, 1)),
        s(random_values(options.nodes * options.heads, 2)),
        t(random_values(options.nodes * options.heads, 3)),
        grad_out(random_values(options.nodes * options.heads * options.width, 4)),
        out(z.size()),
        logsumexp(t.size()),
        correction(z.size()),
        grad_z(z.size()),
        grad_s(s.size()),
        grad_t(t.size()) {
    in.kind = options.kind == "gat" ? AttentionKind::kGat : AttentionKind::kDot;
    in.rows = in.nodes = options.nodes;
    in.heads = options.heads;
    in.width = options.width;
    in.graph = &graph;
    in.value = z.data();
    if (!gat())
      in.query = in.key = in.value;
    in.source_logit = s.data();
    in.destination_logit = t.data();
    in.scale = 1 / std::sqrt(static_cast<double>(options.width));
    in.attention_dropout = {options.dropout,
                            make_random_key(0, RandomPurpose::kAttentionDropout, 0, 0)};
    in.message_dropout = {options.dropout,
                          make_random_key(0, RandomPurpose::kMessageDropout, 0, 0)};
  }

  bool gat() const { return in.kind == AttentionKind::kGat; }
  AttentionForwardArgs forward() {
    AttentionForwardArgs args;
    args.in = in;
    args.out = out.data();
    args.logsumexp = logsumexp.data();
    args.correction = gat() ? correction.data() : nullptr;
    return args;
  }
  AttentionBackwardArgs backward() {
    AttentionBackwardArgs args;
    args.in = in;
    args.out = out.data();
    args.logsumexp = logsumexp.data();
    args.correction = gat() ? correction.data() : nullptr;
    args.grad_out = grad_out.data();
    args.grad_value = args.grad_query = args.grad_key = grad_z.data();
    args.grad_source_logit = grad_s.data();
    args.grad_destination_logit = grad_t.data();
    return args;
  }

  std::vector<float> z, s, t, grad_out, out, logsumexp, correction, grad_z, grad_s, grad_t;
  AttentionInputs in;
};

/// Bytes of a pass: all arrays once, and as rows fetched edge by edge plus the rest.
struct Traffic {
  double compulsory;
  double gathered;
  double streamed;
};

Traffic traffic_of(const AttentionBenchOptions& o, bool forward) {
  const auto n = static_cast<double>(o.nodes);
  const auto e = static_cast<double>(o.edges);
  const auto h = static_cast<double>(o.heads);
  const double row = 4.0 * h * static_cast<double>(o.width);
  if (o.kind == "gat" && forward)
    return {3 * n * row + 12 * n * h + 4 * n + 4 * e,
            e * (row + 4 * h),
            2 * n * row + 8 * n * h + 4 * n + 4 * e};
  if (o.kind == "gat")
    return {6 * n * row + 44 * n * h + 4 * n + 4 * e,
            e * (row + 12 * h),
            5 * n * row + 32 * n * h + 4 * n + 4 * e};
  // dot: z is read and O written; backward reads z, g, O and writes grad z, in two passes.
  if (forward)
    return {
        2 * n * row + 4 * n * h + 4 * n + 4 * e, e * row, 2 * n * row + 4 * n * h + 4 * n + 4 * e};
  return {4 * n * row + 12 * n * h + 8 * n + 8 * e,
          e * (3 * row + 8 * h),
          6 * n * row + 12 * n * h + 8 * n + 8 * e};
}

std::vector<double> times_of(std::int64_t repeats, const std::function<void()>& pass) {
  pass();
  std::vector<double> seconds;
  for (std::int64_t run = 0; run < repeats; ++run) {
    const Timer timer;
    pass();
    seconds.push_back(timer.seconds());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

ordered_json pass_report(const char* table,
                         const char* pass,
                         const std::vector<double>& times,
                         const Traffic& traffic,
                         const MemoryBound& bound) {
  const double median = times[times.size() / 2];
  const double compulsory = traffic.compulsory / bound.copy_rate;
  const double gather = traffic.gathered / bound.gather_rate + traffic.streamed / bound.copy_rate;
  return {
      {"table", table},
      {"pass", pass},
      {"time", {{"median", median}, {"minimum", times.front()}, {"maximum", times.back()}}},
      {"floor", {{"compulsory", compulsory}, {"gather", gather}}},
      {"percent", {{"compulsory", 100 * compulsory / median}, {"gather", 100 * gather / median}}}};
}

/// Times both passes of a table.
void time_table(const KernelTable& table,
                const AttentionBenchOptions& options,
                Layer& layer,
                const MemoryBound& bound,
                ordered_json& passes) {
  AttentionForwardArgs forward = layer.forward();
  AttentionBackwardArgs backward = layer.backward();
  AlignedBytes workspace(
      std::max(table.forward_workspace_bytes(forward), table.backward_workspace_bytes(backward)));
  forward.workspace = backward.workspace = workspace.get();
  const auto forward_times = times_of(options.repeats, [&] { table.forward(forward); });
  passes.push_back(
      pass_report(table.name, "forward", forward_times, traffic_of(options, true), bound));
  const auto backward_times = times_of(options.repeats, [&] { table.backward(backward); });
  passes.push_back(
      pass_report(table.name, "backward", backward_times, traffic_of(options, false), bound));
}

}  // namespace

void AttentionBenchOptions::declare(OptionGroup& group) {
  constexpr std::int64_t kMost = 2147483647;
  group.integer("nodes", nodes, {.min = 1, .max = kMost}, "nodes of the random graph");
  group.integer("edges", edges, {.min = 1, .max = kMost}, "edges of the random graph");
  group.integer("heads", heads, {.min = 1, .max = 1024}, "attention heads");
  group.integer("width", width, {.min = 1, .max = 65536}, "width of a head");
  group.choice("kind", kind, {"gat", "dot"}, "kind of attention");
  group.number("dropout",
               dropout,
               {.min = 0, .max = 1, .max_exclusive = true},
               "attention and message dropout");
  group.integer("repeats", repeats, {.min = 1, .max = 10000}, "timed runs after the warm-up");
}

ordered_json bench_attention(const AttentionBenchOptions& options) {
  // Above this many multiplications the reference would take minutes.
  constexpr double kMostReferenceWork = 2e7;
  const PreparedGraph graph = random_graph(options.nodes, options.edges);
  Layer layer(options, graph);
  const std::int64_t row_bytes = 4 * options.heads * options.width;
  const std::int64_t copy_bytes =
      std::clamp<std::int64_t>(options.nodes * row_bytes, 1 << 20, 1 << 28);
  const MemoryBound bound =
      measure_memory_bound(copy_bytes, options.nodes, row_bytes, graph.in.src.span());
  ordered_json passes = ordered_json::array();
  time_table(cpu_kernels(), options, layer, bound, passes);
  const double work =
      static_cast<double>(options.edges) * static_cast<double>(options.heads * options.width);
  if (work <= kMostReferenceWork)
    time_table(reference_kernels(), options, layer, bound, passes);
  return {{"machine", machine_name()},
          {"threads", compute_threads()},
          {"case",
           {{"bench", "attention"},
            {"kind", options.kind},
            {"type", "float32"},
            {"nodes", options.nodes},
            {"edges", options.edges},
            {"heads", options.heads},
            {"width", options.width},
            {"dropout", options.dropout},
            {"repeats", options.repeats}}},
          {"bounds",
           {{"copy_bytes_per_second", bound.copy_rate},
            {"gather_bytes_per_second", bound.gather_rate}}},
          {"passes", passes}};
}

}  // namespace regatta
