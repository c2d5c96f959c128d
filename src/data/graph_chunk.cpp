// Small queries on a chunk.
#include "data/graph_chunk.h"

#include "core/error.h"

#include <algorithm>

namespace regatta {

Split split_from_name(const std::string& name) {
  if (name == "none")
    return Split::kNone;
  if (name == "train")
    return Split::kTrain;
  if (name == "val" || name == "validation")
    return Split::kValidation;
  if (name == "test")
    return Split::kTest;
  fail(ExitCode::kUsage, "unknown split '{}'; known: train, val (or validation), test, none", name);
}

const char* split_name(Split split) {
  switch (split) {
    case Split::kNone:
      return "none";
    case Split::kTrain:
      return "train";
    case Split::kValidation:
      return "val";
    case Split::kTest:
      return "test";
  }
  REGATTA_CHECK(false, "split {}", static_cast<int>(split));
  return "";
}

std::string OriginalIds::at(std::int64_t node) const {
  const auto i = static_cast<std::size_t>(node);
  if (!is_text())
    return std::to_string(integer[i]);
  const auto* bytes = reinterpret_cast<const char*>(text_bytes.data());
  return {bytes + text_offset[i], bytes + text_offset[i + 1]};
}

std::int64_t GraphChunk::rows_for(std::int64_t layers_after) const {
  if (hops == 0)
    return num_rows();
  const auto ring = static_cast<std::size_t>(std::min(layers_after, hops) + 1);
  return std::min(ring_ptr[ring], num_rows());
}

const NodeTarget& GraphChunk::target(const std::string& name) const {
  for (const NodeTarget& candidate : targets)
    if (candidate.name == name)
      return candidate;
  std::string known;
  for (const NodeTarget& candidate : targets) known += (known.empty() ? "" : ", ") + candidate.name;
  fail(ExitCode::kData,
       "chunk {}: no target '{}'; present: {}; choose one of these or preprocess with labels",
       chunk,
       name,
       known.empty() ? "none" : known);
}

}  // namespace regatta
