// All arrays of one attention layer at the kernels' interface, with random inputs, for any kind and
// type.
#pragma once

#include "kernels/attention.h"
#include "kernels/prepared_graph.h"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

/// A kind by the name users give it: "dot" has one table, "transformer" three.
struct KernelCaseShape {
  std::string kind = "gat";
  KernelType type = KernelType::kFloat32;
  std::int64_t heads = 1;
  std::int64_t width = 1;
  double attention_dropout = 0;
  double message_dropout = 0;
  std::uint64_t seed = 1;
};

KernelType kernel_type_of(const std::string& precision);  ///< "fp32", "bf16", "fp64"

/// Owns the arrays; `graph` must outlive it. Inputs are uniform in [-0.5, 0.5), keyed by the
/// array's name and the seed, and rounded to the storage type of `rounded_as`: so a case in fp64
/// can hold exactly what one in bf16 holds.
class KernelCase {
 public:
  KernelCase(const KernelCaseShape& shape, const PreparedGraph& graph, KernelType rounded_as);

  /// Arguments of a training pass, workspace included.
  AttentionForwardArgs forward(const KernelTable& table);
  AttentionBackwardArgs backward(const KernelTable& table);

  /// "out" and "grad_<array>" widened to double, by name.
  std::map<std::string, std::vector<double>> results() const;

 private:
  struct Array {
    std::unique_ptr<std::byte, void (*)(void*)> memory{nullptr, nullptr};
    std::int64_t count = 0;
    KernelType type = KernelType::kFloat32;
  };
  Array& make(const std::string& name, std::int64_t count, bool row);
  void* input(const std::string& name, std::int64_t count, bool row);
  void* array(const std::string& name);
  AttentionForwardArgs forward_arguments();
  AttentionBackwardArgs backward_arguments();
  void set_inputs();
  void make_outputs();
  void* workspace(std::size_t bytes);

  KernelCaseShape shape_;
  KernelType rounded_as_;
  AttentionInputs in_;
  std::map<std::string, Array> arrays_;
};

/// |a-b| / |b| in norm, by array.
std::map<std::string, double> relative_errors(const std::map<std::string, std::vector<double>>& a,
                                              const std::map<std::string, std::vector<double>>& b);

}  // namespace regatta
