// Ranks exchange a description of each parameter and compare them with rank 0's.
#include "reducer/parameter_agreement.h"

#include "comm/gather_texts.h"
#include "core/crc32c.h"
#include "core/error.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace regatta {
namespace {

bool usable(const at::Tensor& parameter) {
  return parameter.defined() && parameter.is_leaf() &&
         (!parameter.requires_grad() ||
          parameter.scalar_type() == at::kFloat || parameter.scalar_type() == at::kDouble);
}

/// "Float [16, 8]", one line a parameter.
std::string description(const at::Tensor& parameter) {
  if (!parameter.defined()) {
    return "undefined";
  }
  std::string text = fmt::format(
      "{} [{}]", c10::toString(parameter.scalar_type()), fmt::join(parameter.sizes(), ", "));
  if (!parameter.requires_grad()) {
    text += " frozen";
  }
  if (!parameter.is_leaf()) {
    text += " not a leaf";
  }
  return text;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    lines.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

/// Line 0 is the bucket size, line i + 1 parameter i.
void compare_with_rank_zero(const std::vector<std::string>& first,
                            const std::vector<std::string>& other,
                            std::size_t rank) {
  const std::size_t common = std::min(first.size(), other.size());
  const auto differs = std::mismatch(
      first.begin(), first.begin() + static_cast<std::ptrdiff_t>(common), other.begin());
  const auto at = static_cast<std::size_t>(differs.first - first.begin());
  constexpr const char* kRemedy =
      "Start every rank with the same configuration and the same build.";
  if (at == 0) {
    fail(ExitCode::kUsage,
         "gradient buckets: rank {} has {}, rank 0 has {}. {}",
         rank,
         other[0],
         first[0],
         kRemedy);
  }
  if (at < common) {
    fail(ExitCode::kUsage,
         "parameter {}: rank {} has {}, rank 0 has {}. {}",
         at - 1,
         rank,
         other[at],
         first[at],
         kRemedy);
  }
  if (first.size() != other.size()) {
    fail(ExitCode::kUsage,
         "parameters: rank {} has {}, rank 0 has {}; the first that only one has is parameter {}. "
         "{}",
         rank,
         other.size() - 1,
         first.size() - 1,
         common - 1,
         kRemedy);
  }
}

}  // namespace

void check_parameters_agree(const std::vector<at::Tensor>& parameters,
                            const ReducerOptions& options,
                            Communicator& communicator) {
  const std::int64_t bucket_bytes = options.bucket_bytes;
  std::string text = fmt::format("{} bytes a bucket, {} sums, {} scalars\n",
                                 bucket_bytes,
                                 options.reproducible ? "reproducible" : "fast",
                                 options.scalars);
  for (const at::Tensor& parameter : parameters) {
    text += description(parameter) + "\n";
  }
  // Exchanged before any local check, so that no rank waits for one that has thrown.
  const auto gathered = gather_texts(text, communicator);
  const auto first = lines_of(gathered[0]);
  for (std::size_t rank = 1; rank < gathered.size(); ++rank) {
    compare_with_rank_zero(first, lines_of(gathered[rank]), rank);
  }
  if (bucket_bytes < 1) {
    fail(
        ExitCode::kUsage, "gradient buckets: {} bytes a bucket, expected at least 1", bucket_bytes);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!usable(parameters[i])) {
      fail(ExitCode::kUsage,
           "parameter {}: found {}, expected a leaf, of float32 or float64 unless it is frozen",
           i,
           description(parameters[i]));
    }
  }
}

void check_parameters_equal(const std::vector<at::Tensor>& parameters,
                            Communicator& communicator) {
  std::string text;
  for (const at::Tensor& parameter : parameters) {
    text += description(parameter);
    if (parameter.defined()) {
      const at::Tensor host = parameter.detach().to(at::kCPU).contiguous();
      text += " with checksum " + crc32c_text(crc32c(host.data_ptr(), host.nbytes()));
    }
    text += "\n";
  }
  const auto gathered = gather_texts(text, communicator);
  const auto first = lines_of(gathered[0]);
  for (std::size_t rank = 1; rank < gathered.size(); ++rank) {
    const auto other = lines_of(gathered[rank]);
    for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
      const std::string ours = i < first.size() ? first[i] : "no such parameter";
      const std::string theirs = i < other.size() ? other[i] : "no such parameter";
      if (ours != theirs)
        fail(ExitCode::kInternal,
             "replicas differ in parameter {}: rank {} has {}, rank 0 has {}",
             i,
             rank,
             theirs,
             ours);
    }
  }
}

}  // namespace regatta
