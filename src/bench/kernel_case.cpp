#include "bench/kernel_case.h"

#include "core/error.h"
#include "core/huge_pages.h"
#include "core/rng.h"
#include "kernels/storage_types.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

namespace regatta {
namespace {

KernelType working_type(KernelType type) {
  return type == KernelType::kFloat64 ? KernelType::kFloat64 : KernelType::kFloat32;
}

/// Zeros, in huge pages as those of the trainer's tensors.
std::unique_ptr<std::byte, void (*)(void*)> aligned_bytes(std::size_t bytes) {
  const std::size_t page = bytes < kHugePage ? 64 : kHugePage;
  const std::size_t whole = std::max<std::size_t>(1, (bytes + page - 1) / page) * page;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(page, whole));
  if (memory == nullptr)
    throw std::bad_alloc();
  ask_for_huge_pages(memory, whole);
  std::memset(memory, 0, bytes);
  return {memory, &std::free};
}

}  // namespace

KernelType kernel_type_of(const std::string& precision) {
  if (precision == "fp32")
    return KernelType::kFloat32;
  if (precision == "bf16")
    return KernelType::kBFloat16;
  if (precision == "fp64")
    return KernelType::kFloat64;
  fail(ExitCode::kUsage, "precision: '{}' is none of fp32, bf16, fp64", precision);
}

KernelCase::KernelCase(const KernelCaseShape& shape,
                       const PreparedGraph& graph,
                       KernelType rounded_as)
    : shape_(shape), rounded_as_(rounded_as) {
  in_.dtype = shape.type;
  in_.rows = graph.in.rows;
  in_.nodes = graph.in.nodes;
  in_.heads = shape.heads;
  in_.width = shape.width;
  in_.graph = &graph;
  in_.attention_dropout = {shape.attention_dropout,
                           make_random_key(shape.seed, RandomPurpose::kAttentionDropout, 0, 0)};
  in_.message_dropout = {shape.message_dropout,
                         make_random_key(shape.seed, RandomPurpose::kMessageDropout, 0, 0)};
  set_inputs();
  make_outputs();
}

KernelCase::Array& KernelCase::make(const std::string& name, std::int64_t count, bool row) {
  const KernelType type = row ? shape_.type : working_type(shape_.type);
  Array& array = arrays_[name];
  array.memory = aligned_bytes(static_cast<std::size_t>(count) * storage_bytes(type));
  array.count = count;
  array.type = type;
  return array;
}

void* KernelCase::array(const std::string& name) {
  const auto found = arrays_.find(name);
  return found == arrays_.end() ? nullptr : found->second.memory.get();
}

void* KernelCase::input(const std::string& name, std::int64_t count, bool row) {
  Array& array = make(name, count, row);
  RandomStream stream(make_random_key(shape_.seed, RandomPurpose::kInitialWeights, name));
  const KernelType rounding = row ? rounded_as_ : working_type(rounded_as_);
  with_storage(array.type, [&]<class T>(T) {
    auto* values = reinterpret_cast<T*>(array.memory.get());
    with_storage(rounding, [&]<class Rounded>(Rounded) {
      for (std::int64_t k = 0; k < count; ++k)
        values[k] = static_cast<T>(
            static_cast<double>(static_cast<Rounded>(uniform_float(stream.next_word()) - 0.5F)));
    });
  });
  return array.memory.get();
}

void KernelCase::set_inputs() {
  const std::int64_t row = shape_.heads * shape_.width;
  in_.value = input("value", in_.nodes * row, true);
  input("grad_out", in_.rows * row, true);
  in_.scale = 1 / std::sqrt(static_cast<double>(shape_.width));
  if (shape_.kind == "gat") {
    in_.kind = AttentionKind::kGat;
    in_.source_logit = input("source_logit", in_.nodes * shape_.heads, false);
    in_.destination_logit = input("destination_logit", in_.rows * shape_.heads, false);
  } else if (shape_.kind == "gatv2") {
    in_.kind = AttentionKind::kGatv2;
    in_.query = input("query", in_.rows * row, true);
    in_.attention_vector = input("attention_vector", row, false);
  } else if (shape_.kind == "transformer") {
    in_.kind = AttentionKind::kDot;
    in_.query = input("query", in_.rows * row, true);
    in_.key = input("key", in_.nodes * row, true);
  } else if (shape_.kind == "dot") {
    in_.kind = AttentionKind::kDot;
    in_.query = in_.key = in_.value;
  } else {
    fail(ExitCode::kUsage, "kind: '{}' has no kernels", shape_.kind);
  }
}

void KernelCase::make_outputs() {
  make("out", in_.rows * in_.heads * in_.width, true);
  make("logsumexp", in_.rows * in_.heads, false);
  if (in_.kind == AttentionKind::kGat)
    make("correction", in_.rows * in_.heads * in_.width, true);
  for (const char* name :
       {"value", "query", "key", "source_logit", "destination_logit", "attention_vector"}) {
    const auto found = arrays_.find(name);
    if (found != arrays_.end())
      make(std::string("grad_") + name, found->second.count, found->second.type == shape_.type);
  }
}

void* KernelCase::workspace(std::size_t bytes) {
  Array& array = arrays_["workspace"];
  if (static_cast<std::size_t>(array.count) < bytes) {
    array.memory = aligned_bytes(bytes);
    array.count = static_cast<std::int64_t>(bytes);
  }
  return array.memory.get();
}

AttentionForwardArgs KernelCase::forward_arguments() {
  AttentionForwardArgs args;
  args.in = in_;
  args.out = array("out");
  args.logsumexp = array("logsumexp");
  args.correction = array("correction");
  return args;
}

AttentionBackwardArgs KernelCase::backward_arguments() {
  AttentionBackwardArgs args;
  args.in = in_;
  args.out = array("out");
  args.logsumexp = array("logsumexp");
  args.correction = array("correction");
  args.grad_out = array("grad_out");
  args.grad_value = array("grad_value");
  args.grad_query = in_.shares_table() ? args.grad_value : array("grad_query");
  args.grad_key = in_.shares_table() ? args.grad_value : array("grad_key");
  args.grad_source_logit = array("grad_source_logit");
  args.grad_destination_logit = array("grad_destination_logit");
  args.grad_attention_vector = array("grad_attention_vector");
  return args;
}

AttentionForwardArgs KernelCase::forward(const KernelTable& table) {
  AttentionForwardArgs args = forward_arguments();
  args.workspace = workspace(table.forward_workspace_bytes(args));
  return args;
}

AttentionBackwardArgs KernelCase::backward(const KernelTable& table) {
  AttentionBackwardArgs args = backward_arguments();
  args.workspace = workspace(table.backward_workspace_bytes(args));
  return args;
}

std::map<std::string, std::vector<double>> KernelCase::results() const {
  std::map<std::string, std::vector<double>> all;
  for (const auto& [name, array] : arrays_) {
    if (name != "out" && (!name.starts_with("grad_") || name == "grad_out"))
      continue;
    std::vector<double>& values = all[name];
    values.resize(static_cast<std::size_t>(array.count));
    with_storage(array.type, [&]<class T>(T) {
      const auto* from = reinterpret_cast<const T*>(array.memory.get());
      for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<double>(from[k]);
    });
  }
  return all;
}

std::map<std::string, double> relative_errors(const std::map<std::string, std::vector<double>>& a,
                                              const std::map<std::string, std::vector<double>>& b) {
  std::map<std::string, double> errors;
  for (const auto& [name, exact] : b) {
    const std::vector<double>& found = a.at(name);
    double difference = 0, norm = 0;
    for (std::size_t k = 0; k < exact.size(); ++k) {
      difference += (found[k] - exact[k]) * (found[k] - exact[k]);
      norm += exact[k] * exact[k];
    }
    errors[name] = norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  }
  return errors;
}

}  // namespace regatta
