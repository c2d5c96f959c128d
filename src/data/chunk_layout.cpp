// Structure of a chunk file against the format and the manifest.
#include "data/chunk_layout.h"

#include "data/chunk_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace regatta {
namespace {

namespace names = chunk_format;
using Shape = std::vector<std::uint64_t>;

class LayoutCheck {
 public:
  LayoutCheck(const Hdf5Description& description,
              const ChunkReadRequest& request,
              ChunkFaults& faults)
      : description_(description), request_(request), faults_(faults) {}

  ChunkLayout run() {
    if (!check_format())
      return std::move(layout_);
    layout_.sizes_known = read_sizes();
    if (!layout_.sizes_known)
      return std::move(layout_);
    check_entry();
    check_reserved();
    check_topology();
    check_nodes();
    check_features();
    check_targets();
    check_ids();
    return std::move(layout_);
  }

 private:
  std::uint64_t extent(std::int64_t n) const { return static_cast<std::uint64_t>(n); }

  std::optional<std::int64_t> root_integer(const char* name) {
    const Hdf5Attribute* attribute = description_.attribute("/", name);
    if (attribute == nullptr || attribute->integers.size() != 1) {
      faults_.add("/", "attribute '{}' is missing or not one integer", name);
      return std::nullopt;
    }
    return attribute->integers[0];
  }

  bool check_format() {
    const Hdf5Attribute* format = description_.attribute("/", "format");
    if (format == nullptr || !format->is_text || format->text != names::kFormat) {
      faults_.add("/",
                  "attribute 'format' is {}, expected fixed-length text '{}'",
                  format != nullptr && format->is_text ? "'" + format->text + "'"
                                                       : "missing or not fixed-length text",
                  names::kFormat);
      return false;
    }
    const Hdf5Attribute* version = description_.attribute("/", "version");
    if (version == nullptr || version->integers.size() != 2) {
      faults_.add("/",
                  "attribute 'version' is missing or not two integers, expected [{}, {}]",
                  kFormatMajor,
                  kFormatMinor);
      return false;
    }
    if (version->integers[0] != kFormatMajor) {
      faults_.add_text("/",
                       fmt::format("version {}.{}, expected {}.x",
                                   version->integers[0],
                                   version->integers[1],
                                   kFormatMajor),
                       version->integers[0] > kFormatMajor
                           ? "it was made by a newer Regatta: update Regatta or preprocess again"
                           : ChunkFaults::kDamaged);
      return false;
    }
    return true;
  }

  bool read_sizes() {
    ChunkSizes& sizes = layout_.sizes;
    const std::pair<const char*, std::int64_t*> fields[] = {{"chunk", &sizes.chunk},
                                                            {"num_owned", &sizes.owned},
                                                            {"num_rows", &sizes.rows},
                                                            {"num_nodes", &sizes.nodes},
                                                            {"num_edges", &sizes.edges},
                                                            {"hops", &sizes.hops}};
    bool good = true;
    for (const auto& [name, field] : fields) {
      const auto value = root_integer(name);
      if (value && *value < 0)
        faults_.add("/", "attribute '{}' is {}, expected 0 or more", name, *value);
      good = good && value && *value >= 0;
      *field = value.value_or(0);
    }
    if (!good)
      return false;
    if (sizes.owned > sizes.rows || sizes.rows > sizes.nodes || sizes.nodes > names::kMaxNodes) {
      faults_.add("/",
                  "num_owned {}, num_rows {}, num_nodes {}, expected owned <= rows <= nodes < 2^31",
                  sizes.owned,
                  sizes.rows,
                  sizes.nodes);
      good = false;
    }
    if (sizes.hops > names::kMaxHops) {
      faults_.add("/", "hops is {}, expected at most {}", sizes.hops, names::kMaxHops);
      good = false;
    }
    return good;
  }

  void expect(const char* what, std::int64_t found, std::int64_t expected) {
    if (found != expected)
      faults_.add(
          "/", "attribute '{}' is {}, expected {} as the manifest says", what, found, expected);
  }

  void check_entry() {
    if (request_.manifest == nullptr)
      return;
    const Manifest& manifest = *request_.manifest;
    const ManifestChunk& entry = manifest.chunks.at(static_cast<std::size_t>(request_.chunk));
    const ChunkSizes& sizes = layout_.sizes;
    expect("chunk", sizes.chunk, request_.chunk);
    expect("num_owned", sizes.owned, entry.owned);
    expect("num_rows", sizes.rows, entry.rows);
    expect("num_nodes", sizes.nodes, entry.nodes);
    expect("num_edges", sizes.edges, entry.edges);
    expect("hops", sizes.hops, manifest.halo_hops);
  }

  void check_reserved() {
    const auto below = [](const std::string& name, const std::string& prefix) {
      return name == prefix || name.starts_with(prefix + "/");
    };
    for (const auto& [name, dataset] : description_.datasets)
      for (const char* prefix : names::kReserved)
        if (below(name, prefix) && name != names::kEdgeX)
          faults_.add_text(
              name,
              "is reserved for a later version of the format, which this program does not read",
              "update Regatta or preprocess without it");
  }

  /// Accepts the array when present, typed and shaped as given.
  bool want(const std::string& name, std::initializer_list<ElementType> types, const Shape& shape) {
    const auto found = description_.datasets.find(name);
    if (found == description_.datasets.end()) {
      faults_.add(name,
                  "is missing, expected {} [{}]",
                  element_name(*types.begin()),
                  fmt::join(shape, ", "));
      return false;
    }
    const Hdf5Dataset& dataset = found->second;
    if (std::find(types.begin(), types.end(), dataset.type) == types.end()) {
      faults_.add(name,
                  "has element type {}, expected little-endian {}",
                  element_name(dataset.type),
                  element_name(*types.begin()));
      return false;
    }
    if (dataset.shape != shape) {
      faults_.add(name,
                  "has shape [{}], expected [{}]",
                  fmt::join(dataset.shape, ", "),
                  fmt::join(shape, ", "));
      return false;
    }
    const Hdf5Attribute* crc = description_.attribute(name, "crc32c");
    if (crc == nullptr || crc->integers.size() != 1)
      faults_.add(
          name,
          "its attribute 'crc32c' is missing or not one integer, expected the array's CRC32C");
    layout_.arrays[name] = &dataset;
    return true;
  }

  void check_topology() {
    const ChunkSizes& sizes = layout_.sizes;
    want(names::kIndptr, {ElementType::kInt64}, {extent(sizes.rows) + 1});
    want(names::kSrc, {ElementType::kInt32}, {extent(sizes.edges)});
    want(names::kEdgeId, {ElementType::kInt64}, {extent(sizes.edges)});
    check_edge_types();
    check_edge_features();
  }

  /// Whether the file has `name`; a manifest that says otherwise is a fault.
  bool expected_attribute(const char* name, const char* key, bool in_manifest) {
    if (request_.manifest == nullptr)
      return present(name);
    if (present(name) && !in_manifest)
      faults_.add(name,
                  "is present, but the manifest (version {}.{}) has no key {}",
                  request_.manifest->version_major,
                  request_.manifest->version_minor,
                  key);
    return in_manifest;
  }

  void check_edge_types() {
    const Manifest* manifest = request_.manifest;
    layout_.typed_edges = expected_attribute(
        names::kEdgeType, "edge_types", manifest != nullptr && !manifest->edge_types.names.empty());
    if (layout_.typed_edges)
      want(names::kEdgeType, {ElementType::kUint16}, {extent(layout_.sizes.edges)});
  }

  void check_edge_features() {
    const Manifest* manifest = request_.manifest;
    if (!expected_attribute(names::kEdgeX,
                            "edge_features",
                            manifest != nullptr && manifest->edge_features.width > 0))
      return;
    std::uint64_t width = 0;
    if (manifest != nullptr) {
      width = extent(manifest->edge_features.width);
    } else if (const Shape& shape = description_.datasets.at(names::kEdgeX).shape;
               shape.size() == 2) {
      width = shape[1];
    }
    layout_.edge_width = static_cast<std::int64_t>(width);
    want(names::kEdgeX, {ElementType::kFloat32}, {extent(layout_.sizes.edges), width});
  }

  void check_nodes() {
    const ChunkSizes& sizes = layout_.sizes;
    want(names::kGlobalId, {ElementType::kInt64}, {extent(sizes.nodes)});
    want(names::kRingPtr, {ElementType::kInt64}, {extent(sizes.hops) + 2});
    if (sizes.hops == 0)
      return;
    want(names::kOwnerChunk, {ElementType::kInt32}, {extent(sizes.nodes - sizes.owned)});
    want(names::kOwnerRow, {ElementType::kInt64}, {extent(sizes.nodes - sizes.owned)});
  }

  bool present(const std::string& name) const { return description_.datasets.contains(name); }

  void check_features() {
    const bool dense = present(names::kX);
    const bool sparse =
        present(names::kXIndptr) || present(names::kXIndex) || present(names::kXValue);
    if (dense == sparse) {
      faults_.add(names::kX,
                  "found {} features, expected one kind",
                  dense ? "both dense and sparse" : "no");
      return;
    }
    const Manifest* manifest = request_.manifest;
    if (manifest != nullptr && (manifest->feature_kind == "dense") != dense) {
      faults_.add(dense ? names::kX : names::kXIndptr,
                  "found {} features, expected {} as the manifest says",
                  dense ? "dense" : "sparse",
                  manifest->feature_kind);
      return;
    }
    if (dense)
      return check_dense();
    layout_.feature_kind = FeatureKind::kSparse;
    const Hdf5Attribute* columns = description_.attribute(names::kXIndex, "columns");
    if (columns == nullptr || columns->integers.size() != 1) {
      faults_.add(names::kXIndex, "attribute 'columns' is missing or not one integer");
    } else {
      layout_.feature_width = columns->integers[0];
      if (layout_.feature_width < 0 ||
          (manifest != nullptr && layout_.feature_width != manifest->feature_width))
        faults_.add(names::kXIndex,
                    "attribute 'columns' is {}, expected features.width of the manifest",
                    layout_.feature_width);
    }
    const Hdf5Dataset& index = description_.datasets.contains(names::kXIndex)
                                   ? description_.datasets.at(names::kXIndex)
                                   : Hdf5Dataset{};
    const std::uint64_t entries = index.shape.size() == 1 ? index.shape[0] : 0;
    want(names::kXIndptr, {ElementType::kInt64}, {extent(layout_.sizes.nodes) + 1});
    want(names::kXIndex, {ElementType::kInt32}, {entries});
    want(names::kXValue, {ElementType::kFloat32}, {entries});
  }

  void check_dense() {
    layout_.feature_kind = FeatureKind::kDense;
    const Hdf5Dataset& x = description_.datasets.at(names::kX);
    const Manifest* manifest = request_.manifest;
    const std::uint64_t width = manifest != nullptr   ? extent(manifest->feature_width)
                                : x.shape.size() == 2 ? x.shape[1]
                                                      : 0;
    const Shape shape = {extent(layout_.sizes.nodes), width};
    layout_.feature_width = static_cast<std::int64_t>(width);
    if (manifest == nullptr) {
      want(names::kX, {ElementType::kFloat32, ElementType::kFloat16, ElementType::kUint16}, shape);
    } else {
      const ElementType type = manifest->feature_dtype == "float16"    ? ElementType::kFloat16
                               : manifest->feature_dtype == "bfloat16" ? ElementType::kUint16
                                                                       : ElementType::kFloat32;
      want(names::kX, {type}, shape);
    }
  }

  void expect_text(const std::string& object, const char* name, const std::string& expected) {
    const Hdf5Attribute* attribute = description_.attribute(object, name);
    if (attribute == nullptr || !attribute->is_text || attribute->text != expected)
      faults_.add(object,
                  "attribute '{}' is {}, expected fixed-length text '{}'",
                  name,
                  attribute != nullptr && attribute->is_text ? "'" + attribute->text + "'"
                                                             : "missing or not fixed-length text",
                  expected);
  }

  /// Targets that the file has, from the names of its arrays.
  std::vector<std::string> targets_present() const {
    std::vector<std::string> found;
    const std::string prefix = std::string(names::kTargets) + "/";
    for (const auto& [name, dataset] : description_.datasets) {
      if (!name.starts_with(prefix))
        continue;
      const std::string target =
          name.substr(prefix.size(), name.find('/', prefix.size()) - prefix.size());
      if (std::find(found.begin(), found.end(), target) == found.end())
        found.push_back(target);
    }
    return found;
  }

  void check_targets() {
    std::vector<std::string> wanted = targets_present();
    if (request_.manifest != nullptr) {
      for (const std::string& name : wanted)
        if (!request_.manifest->targets.contains(name))
          faults_.add(names::target_group(name), "is not among the manifest's targets");
      wanted.clear();
      for (const auto& [name, target] : request_.manifest->targets) wanted.push_back(name);
    }
    for (const std::string& name : wanted) check_target(name);
  }

  void check_target(const std::string& name) {
    const std::uint64_t owned = extent(layout_.sizes.owned);
    expect_text(names::target_group(name), "level", "node");
    expect_text(names::target_group(name), "kind", "class");
    const auto split = description_.datasets.find(names::target_split(name));
    const bool two = split != description_.datasets.end() && split->second.shape.size() == 2;
    const std::uint64_t splittings = two ? std::max<std::uint64_t>(split->second.shape[1], 1) : 1;
    const bool value_good = want(names::target_value(name), {ElementType::kInt64}, {owned});
    const bool split_good =
        want(names::target_split(name), {ElementType::kUint8}, {owned, splittings});
    if (value_good && split_good)
      layout_.targets.push_back(name);
  }

  void check_ids() {
    const bool integer = present(names::kOriginal);
    const bool text = present(names::kOriginalBytes) || present(names::kOriginalOffset);
    const std::string found = integer && text ? "both"
                              : integer       ? "integer"
                              : text          ? "text"
                                              : "none";
    const std::string expected = request_.manifest != nullptr ? request_.manifest->original_ids
                                                              : (found == "both" ? "none" : found);
    // A chunk without nodes may leave its empty arrays out.
    if (found == "none" && layout_.sizes.nodes == 0)
      return;
    if (found != expected) {
      faults_.add(names::kOriginal, "found {} original ids, expected {}", found, expected);
      return;
    }
    const std::uint64_t nodes = extent(layout_.sizes.nodes);
    if (integer)
      want(names::kOriginal, {ElementType::kInt64}, {nodes});
    if (!text)
      return;
    const auto bytes = description_.datasets.find(names::kOriginalBytes);
    const bool one = bytes != description_.datasets.end() && bytes->second.shape.size() == 1;
    want(names::kOriginalBytes, {ElementType::kUint8}, {one ? bytes->second.shape[0] : 0});
    want(names::kOriginalOffset, {ElementType::kInt64}, {nodes + 1});
  }

  const Hdf5Description& description_;
  const ChunkReadRequest& request_;
  ChunkFaults& faults_;
  ChunkLayout layout_;
};

}  // namespace

ChunkLayout check_layout(const Hdf5Description& description,
                         const ChunkReadRequest& request,
                         ChunkFaults& faults) {
  return LayoutCheck(description, request, faults).run();
}

}  // namespace regatta
