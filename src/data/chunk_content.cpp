// Values of a chunk against the format and the manifest.
#include "data/chunk_content.h"

#include "data/chunk_format.h"

#include <fmt/format.h>

#include <algorithm>

namespace regatta {
namespace {

namespace names = chunk_format;

class ContentCheck {
 public:
  ContentCheck(const GraphChunk& chunk,
               const ChunkLayout& layout,
               const ChunkReadRequest& request,
               ChunkFaults& faults)
      : chunk_(chunk), layout_(layout), request_(request), faults_(faults) {}

  void run() {
    check_edges();
    check_edge_types();
    rings_good_ = layout_.has(names::kRingPtr) && check_rings();
    if (rings_good_)
      check_rows();
    if (layout_.has(names::kGlobalId))
      check_global_ids();
    check_owners();
    if (layout_.feature_kind == FeatureKind::kSparse)
      check_sparse();
    for (const NodeTarget& target : chunk_.targets) check_target(target);
    if (layout_.has(names::kOriginalOffset) && layout_.has(names::kOriginalBytes))
      check_text_ids();
  }

 private:
  void check_edges() {
    if (!layout_.has(names::kIndptr) || !layout_.has(names::kSrc) || !layout_.has(names::kEdgeId))
      return;
    try {
      validate_csr(chunk_.graph.view(), (faults_.path() + ": /topology").c_str());
    } catch (const Error& error) {
      faults_.pass_on(std::string(error.what()) + "; " + ChunkFaults::kDamaged);
    }
  }

  void check_edge_types() {
    if (request_.manifest == nullptr || !layout_.has(names::kEdgeType))
      return;
    const std::size_t types = request_.manifest->edge_types.names.size();
    const auto& found = chunk_.edge_type;
    const auto bad = std::find_if(
        found.begin(), found.end(), [types](std::uint16_t type) { return type >= types; });
    if (bad != found.end())
      faults_.add(names::kEdgeType,
                  "[{}] is {}, expected a type in [0, {})",
                  bad - found.begin(),
                  *bad,
                  types);
  }

  bool check_rings() {
    const auto& rings = chunk_.ring_ptr;
    bool good = rings[0] == 0 && rings[rings.size() - 1] == chunk_.num_nodes();
    for (std::size_t r = 0; good && r + 1 < rings.size(); ++r) good = rings[r] <= rings[r + 1];
    if (!good)
      faults_.add(names::kRingPtr, "is not ascending from 0 to num_nodes, {}", chunk_.num_nodes());
    if (good && rings[1] != chunk_.num_owned) {
      faults_.add(
          names::kRingPtr, "ring 0 ends at {}, expected num_owned, {}", rings[1], chunk_.num_owned);
      good = false;
    }
    return good;
  }

  /// Which destinations have rows follows from the halo mode.
  void check_rows() {
    const std::int64_t exact = chunk_.hops == 0
                                   ? chunk_.num_owned
                                   : chunk_.ring_ptr[static_cast<std::size_t>(chunk_.hops)];
    const std::int64_t rows = chunk_.num_rows();
    const Manifest* manifest = request_.manifest;
    if (manifest == nullptr
            ? rows == exact || rows == chunk_.num_nodes()
            : rows == (manifest->halo_mode == "one_hop" ? chunk_.num_nodes() : exact))
      return;
    faults_.add("/",
                "attribute 'num_rows' is {}, expected {} (exact halo: the rings but the last) or "
                "{} (one_hop)",
                rows,
                exact,
                chunk_.num_nodes());
  }

  void check_global_ids() {
    const auto& ids = chunk_.global_id;
    const std::int64_t limit = request_.manifest == nullptr ? INT64_MAX : request_.manifest->nodes;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || ids[i] >= limit)
        return faults_.add(
            names::kGlobalId, "[{}] is {}, expected a node in [0, {})", i, ids[i], limit);
    if (!rings_good_)
      return;
    for (std::size_t r = 0; r + 1 < chunk_.ring_ptr.size(); ++r)
      for (std::int64_t i = chunk_.ring_ptr[r] + 1; i < chunk_.ring_ptr[r + 1]; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (ids[at - 1] >= ids[at])
          return faults_.add(names::kGlobalId,
                             "[{}] is {} after {}, expected ascending ids within ring {}",
                             i,
                             ids[at],
                             ids[at - 1],
                             r);
      }
    if (faults_.collecting())
      check_each_node_once();
  }

  /// Costs a sort, so only `regatta verify` does it.
  void check_each_node_once() {
    std::vector<std::int64_t> sorted(chunk_.global_id.begin(), chunk_.global_id.end());
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end())
      faults_.add(names::kGlobalId, "node {} occurs in two rings, expected once", *twice);
  }

  void check_owners() {
    if (!layout_.has(names::kOwnerChunk) || !layout_.has(names::kOwnerRow))
      return;
    const Manifest* manifest = request_.manifest;
    const std::int64_t chunks =
        manifest == nullptr ? INT32_MAX : static_cast<std::int64_t>(manifest->chunks.size());
    for (std::size_t i = 0; i < chunk_.owner_chunk.size(); ++i) {
      const std::int64_t owner = chunk_.owner_chunk[i];
      if (owner < 0 || owner >= chunks || owner == chunk_.chunk)
        return faults_.add(
            names::kOwnerChunk, "[{}] is {}, expected another chunk in [0, {})", i, owner, chunks);
      const std::int64_t rows =
          manifest == nullptr ? INT64_MAX : manifest->chunks[static_cast<std::size_t>(owner)].owned;
      if (chunk_.owner_row[i] < 0 || chunk_.owner_row[i] >= rows)
        return faults_.add(names::kOwnerRow,
                           "[{}] is {}, expected a node that chunk {} owns, in [0, {})",
                           i,
                           chunk_.owner_row[i],
                           owner,
                           rows);
    }
  }

  /// Ascending offsets from 0 to `end`.
  bool check_offsets(const char* name, const SharedArray<std::int64_t>& offsets, std::size_t end) {
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const std::int64_t before = i == 0 ? 0 : offsets[i - 1];
      if (offsets[i] < before || (i == 0 && offsets[i] != 0)) {
        faults_.add(
            name, "[{}] is {}, expected offsets that start at 0 and never fall", i, offsets[i]);
        return false;
      }
    }
    if (offsets[offsets.size() - 1] == static_cast<std::int64_t>(end))
      return true;
    faults_.add(name, "ends at {}, expected {}", offsets[offsets.size() - 1], end);
    return false;
  }

  void check_sparse() {
    if (!layout_.has(names::kXIndptr) || !layout_.has(names::kXIndex))
      return;
    const NodeFeatures& features = chunk_.features;
    if (!check_offsets(names::kXIndptr, features.x_indptr, features.x_index.size()))
      return;
    for (std::size_t row = 0; row + 1 < features.x_indptr.size(); ++row) {
      std::int64_t before = -1;
      for (std::int64_t i = features.x_indptr[row]; i < features.x_indptr[row + 1]; ++i) {
        const std::int64_t column = features.x_index[static_cast<std::size_t>(i)];
        if (column <= before || column >= features.width)
          return faults_.add(names::kXIndex,
                             "[{}] is {}, expected a column in [0, {}), ascending within row {}",
                             i,
                             column,
                             features.width,
                             row);
        before = column;
      }
    }
  }

  void check_target(const NodeTarget& target) {
    const Manifest* manifest = request_.manifest;
    const std::int64_t classes =
        manifest == nullptr
            ? INT64_MAX
            : static_cast<std::int64_t>(manifest->targets.at(target.name).classes.size());
    const auto splittings = static_cast<std::size_t>(target.splittings);
    for (std::size_t i = 0; i < target.value.size(); ++i) {
      const std::int64_t value = target.value[i];
      if (value < -1 || value >= classes)
        return faults_.add(names::target_value(target.name),
                           "[{}] is {}, expected a class in [0, {}) or -1",
                           i,
                           value,
                           classes);
      for (std::size_t s = 0; s < splittings; ++s) {
        const std::uint8_t split = target.split[i * splittings + s];
        if (split > static_cast<std::uint8_t>(Split::kTest))
          return faults_.add(
              names::target_split(target.name), "[{}, {}] is {}, expected 0 to 3", i, s, split);
        if (value < 0 && split != 0)
          return faults_.add(names::target_value(target.name),
                             "[{}] is unknown (-1) but in split '{}', expected a class",
                             i,
                             split_name(static_cast<Split>(split)));
      }
    }
    if (manifest != nullptr)
      check_counts(target, classes);
  }

  void check_counts(const NodeTarget& target, std::int64_t classes) {
    std::map<std::string, std::vector<std::int64_t>> counts;
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
      counts[split_name(split)].resize(static_cast<std::size_t>(classes));
    for (std::size_t i = 0; i < target.value.size(); ++i) {
      const auto split =
          static_cast<Split>(target.split[i * static_cast<std::size_t>(target.splittings)]);
      if (split != Split::kNone)
        ++counts.at(split_name(split))[static_cast<std::size_t>(target.value[i])];
    }
    const auto& entry = request_.manifest->chunks[static_cast<std::size_t>(request_.chunk)];
    const auto expected = entry.class_counts.find(target.name);
    if (expected == entry.class_counts.end() || expected->second != counts)
      faults_.add(names::target_group(target.name),
                  "has other counts of classes by split than the manifest's class_counts");
  }

  void check_text_ids() {
    check_offsets(
        names::kOriginalOffset, chunk_.original.text_offset, chunk_.original.text_bytes.size());
  }

  const GraphChunk& chunk_;
  const ChunkLayout& layout_;
  const ChunkReadRequest& request_;
  ChunkFaults& faults_;
  bool rings_good_ = false;
};

}  // namespace

void check_content(const GraphChunk& chunk,
                   const ChunkLayout& layout,
                   const ChunkReadRequest& request,
                   ChunkFaults& faults) {
  ContentCheck(chunk, layout, request, faults).run();
}

}  // namespace regatta
