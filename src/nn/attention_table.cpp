// The table of attention kinds: a new kind is one file in nn/attention/ and one row here.
#include "core/error.h"
#include "nn/attention_mechanism.h"

#include <fmt/ranges.h>

#include <array>

namespace regatta {
namespace {

struct Row {
  const char* name;
  std::shared_ptr<AttentionMechanism> (*make)(const LayerOptions&, const MechanismShape&);
};

constexpr std::array<Row, 4> kAttentions = {{
    {"gat", &make_gat_attention},
    {"gatv2", &make_gatv2_attention},
    {"transformer", &make_transformer_attention},
    {"dot", &make_dot_attention},
}};

}  // namespace

std::vector<std::string> attention_names() {
  std::vector<std::string> names;
  for (const Row& row : kAttentions) names.emplace_back(row.name);
  return names;
}

std::shared_ptr<AttentionMechanism> make_attention(const LayerOptions& options,
                                                   const MechanismShape& shape) {
  for (const Row& row : kAttentions) {
    if (options.attention == row.name)
      return row.make(options, shape);
  }
  fail(ExitCode::kUsage,
       "unknown attention '{}'; known: {}",
       options.attention,
       fmt::join(attention_names(), ", "));
}

}  // namespace regatta
