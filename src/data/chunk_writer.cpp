// Writes one chunk: temporary name, flush, sync, rename.
#include "data/chunk_writer.h"

#include "core/crc32c.h"
#include "core/error.h"
#include "core/file.h"
#include "data/chunk_format.h"
#include "data/hdf5_file.h"

#include <fmt/format.h>

#include <cstdio>

namespace regatta {
namespace {

namespace names = chunk_format;

std::uint64_t extent(std::int64_t n) {
  return static_cast<std::uint64_t>(n);
}

void write_vector(Hdf5Writer& file,
                  const std::string& name,
                  const SharedArray<std::int64_t>& values) {
  file.array(name, ElementType::kInt64, {values.size()}, values.data());
}
void write_vector(Hdf5Writer& file,
                  const std::string& name,
                  const SharedArray<std::int32_t>& values) {
  file.array(name, ElementType::kInt32, {values.size()}, values.data());
}

/// A chunk that breaks these was built wrongly by its caller.
void check_sizes(const GraphChunk& chunk) {
  const auto nodes = static_cast<std::size_t>(chunk.num_nodes());
  const auto owned = static_cast<std::size_t>(chunk.num_owned);
  const NodeFeatures& features = chunk.features;
  REGATTA_CHECK(chunk.graph.indptr.size() == static_cast<std::size_t>(chunk.num_rows()) + 1);
  REGATTA_CHECK(chunk.graph.edge_id.size() == chunk.graph.src.size());
  const std::size_t edges = chunk.graph.src.size();
  REGATTA_CHECK(chunk.edge_x.size() == edges * static_cast<std::size_t>(chunk.edge_width));
  REGATTA_CHECK(chunk.edge_type.size() == (chunk.typed_edges ? edges : 0));
  REGATTA_CHECK(chunk.global_id.size() == nodes);
  REGATTA_CHECK(chunk.ring_ptr.size() == static_cast<std::size_t>(chunk.hops) + 2);
  const std::size_t halo = chunk.hops > 0 ? nodes - owned : 0;
  REGATTA_CHECK(chunk.owner_chunk.size() == halo && chunk.owner_row.size() == halo);
  if (features.kind == FeatureKind::kDense)
    REGATTA_CHECK(features.x.size() == nodes * static_cast<std::size_t>(features.width));
  else
    REGATTA_CHECK(features.x_indptr.size() == nodes + 1 &&
                  features.x_index.size() == features.x_value.size());
  for (const NodeTarget& target : chunk.targets)
    REGATTA_CHECK(target.value.size() == owned &&
                  target.split.size() == owned * static_cast<std::size_t>(target.splittings));
}

void write_header(Hdf5Writer& file, const GraphChunk& chunk) {
  file.attribute("/", "format", std::string(names::kFormat));
  const std::int64_t minor = chunk.has_edge_attributes() ? kEdgeAttributesMinor : 0;
  file.attribute("/", "version", std::vector<std::int64_t>{kFormatMajor, minor});
  file.attribute("/", "chunk", chunk.chunk);
  file.attribute("/", "num_owned", chunk.num_owned);
  file.attribute("/", "num_rows", chunk.num_rows());
  file.attribute("/", "num_nodes", chunk.num_nodes());
  file.attribute("/", "num_edges", static_cast<std::int64_t>(chunk.graph.src.size()));
  file.attribute("/", "hops", chunk.hops);
}

void write_topology(Hdf5Writer& file, const GraphChunk& chunk) {
  write_vector(file, names::kIndptr, chunk.graph.indptr);
  write_vector(file, names::kSrc, chunk.graph.src);
  write_vector(file, names::kEdgeId, chunk.graph.edge_id);
  const std::uint64_t edges = chunk.graph.src.size();
  if (chunk.typed_edges)
    file.array(names::kEdgeType, ElementType::kUint16, {edges}, chunk.edge_type.data());
  if (chunk.edge_width > 0)
    file.array(names::kEdgeX,
               ElementType::kFloat32,
               {edges, extent(chunk.edge_width)},
               chunk.edge_x.data());
}

void write_nodes(Hdf5Writer& file, const GraphChunk& chunk) {
  write_vector(file, names::kGlobalId, chunk.global_id);
  write_vector(file, names::kRingPtr, chunk.ring_ptr);
  if (chunk.hops > 0) {
    write_vector(file, names::kOwnerChunk, chunk.owner_chunk);
    write_vector(file, names::kOwnerRow, chunk.owner_row);
  }
  const NodeFeatures& features = chunk.features;
  if (features.kind == FeatureKind::kDense) {
    file.array(names::kX,
               ElementType::kFloat32,
               {extent(chunk.num_nodes()), extent(features.width)},
               features.x.data());
    return;
  }
  write_vector(file, names::kXIndptr, features.x_indptr);
  write_vector(file, names::kXIndex, features.x_index);
  file.attribute(names::kXIndex, "columns", features.width);
  file.array(
      names::kXValue, ElementType::kFloat32, {features.x_value.size()}, features.x_value.data());
}

void write_targets(Hdf5Writer& file,
                   const GraphChunk& chunk,
                   const std::map<std::string, ManifestTarget>& targets) {
  for (const NodeTarget& target : chunk.targets) {
    const ManifestTarget& description = targets.at(target.name);
    write_vector(file, names::target_value(target.name), target.value);
    file.array(names::target_split(target.name),
               ElementType::kUint8,
               {extent(chunk.num_owned), extent(target.splittings)},
               target.split.data());
    file.attribute(names::target_group(target.name), "level", description.level);
    file.attribute(names::target_group(target.name), "kind", description.kind);
  }
}

void write_original_ids(Hdf5Writer& file, const OriginalIds& ids) {
  if (ids.is_text()) {
    file.array(
        names::kOriginalBytes, ElementType::kUint8, {ids.text_bytes.size()}, ids.text_bytes.data());
    write_vector(file, names::kOriginalOffset, ids.text_offset);
  } else if (!ids.integer.empty()) {
    write_vector(file, names::kOriginal, ids.integer);
  }
}

void count_classes(const GraphChunk& chunk,
                   const std::map<std::string, ManifestTarget>& targets,
                   ManifestChunk& entry) {
  for (const NodeTarget& target : chunk.targets) {
    auto& counts = entry.class_counts[target.name];
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest})
      counts[split_name(split)].resize(targets.at(target.name).classes.size());
    for (std::size_t i = 0; i < target.value.size(); ++i) {
      const auto split =
          static_cast<Split>(target.split[i * static_cast<std::size_t>(target.splittings)]);
      if (split != Split::kNone)
        ++counts.at(split_name(split)).at(static_cast<std::size_t>(target.value[i]));
    }
  }
}

}  // namespace

std::string chunk_file_name(std::int64_t chunk) {
  return fmt::format("chunk-{:06d}.h5", chunk);
}

ManifestChunk write_chunk_file(const std::string& folder,
                               const GraphChunk& chunk,
                               const std::map<std::string, ManifestTarget>& targets) {
  ManifestChunk entry;
  entry.file = chunk_file_name(chunk.chunk);
  const std::string path = folder + "/" + entry.file;
  if (chunk.num_nodes() > names::kMaxNodes)
    fail(ExitCode::kData,
         "{}: the chunk would hold {} nodes, at most {} are possible; make more chunks",
         path,
         chunk.num_nodes(),
         names::kMaxNodes);
  check_sizes(chunk);
  entry.owned = chunk.num_owned;
  entry.rows = chunk.num_rows();
  entry.nodes = chunk.num_nodes();
  entry.edges = static_cast<std::int64_t>(chunk.graph.src.size());
  count_classes(chunk, targets, entry);

  const std::string temporary = path + ".tmp";
  try {
    Hdf5Writer file(temporary);
    write_header(file, chunk);
    write_topology(file, chunk);
    write_nodes(file, chunk);
    write_targets(file, chunk, targets);
    write_original_ids(file, chunk.original);
    file.close();
    entry.crc32c = crc32c_of_file(temporary, &entry.bytes);
    publish_file(temporary, path);
  } catch (...) {
    std::remove(temporary.c_str());
    throw;
  }
  return entry;
}

}  // namespace regatta
