#include "preprocess/pipeline.h"

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "data/chunk_writer.h"
#include "preprocess/construct/chunk_builder.h"
#include "preprocess/construct/dataset_plan.h"
#include "preprocess/write/agreement.h"
#include "preprocess/write/dataset_folder.h"

#include <array>
#include <cstring>
#include <span>
#include <utility>

namespace regatta {
namespace {

/// Sizes of one written chunk in the form ranks exchange.
struct ChunkSizes {
  std::int64_t chunk, bytes, crc32c, owned, rows, nodes, edges;
};

void check_ranks_agree(const DatasetPlan& plan, Communicator& world) {
  const std::uint32_t mine = plan_digest(plan);
  const auto all = world.all_gather(std::as_bytes(std::span(&mine, 1)));
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    std::uint32_t theirs = 0;
    std::memcpy(&theirs, all[rank].data(), sizeof theirs);
    if (theirs == mine)
      continue;
    fail(ExitCode::kUsage,
         "ranks {} and {} read different data; give every rank the same configuration and the same "
         "raw "
         "files",
         world.rank(),
         rank);
  }
}

std::vector<ChunkSizes> write_my_chunks(const DatasetPlan& plan,
                                        const HaloOptions& halo,
                                        const std::string& folder,
                                        Communicator& world) {
  std::vector<ChunkSizes> written;
  for (std::int64_t c = world.rank(); c < plan.partition.chunks; c += world.size()) {
    const ManifestChunk entry = write_chunk_file(
        folder, build_chunk(plan.data, plan.partition, halo, c), plan.manifest.targets);
    written.push_back({c,
                       static_cast<std::int64_t>(entry.bytes),
                       entry.crc32c,
                       entry.owned,
                       entry.rows,
                       entry.nodes,
                       entry.edges});
  }
  return written;
}

/// Class counts of every chunk by split; known to all ranks.
void count_classes(const DatasetPlan& plan, std::vector<ManifestChunk>& chunks) {
  const GraphData& data = plan.data;
  if (!data.has_target)
    return;
  for (ManifestChunk& chunk : chunks) {
    for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
      chunk.class_counts[kLabelTarget][split_name(split)].assign(data.classes.size(), 0);
    }
  }
  for (std::size_t node = 0; node < data.split.size(); ++node) {
    if (data.split[node] == 0)
      continue;
    auto& counts = chunks[plan.partition.owner[node]].class_counts[kLabelTarget];
    ++counts[split_name(static_cast<Split>(data.split[node]))][data.label[node]];
  }
}

Manifest gather_manifest(const DatasetPlan& plan,
                         const std::vector<ChunkSizes>& written,
                         Communicator& world) {
  Manifest manifest = plan.manifest;
  manifest.chunks.resize(static_cast<std::size_t>(plan.partition.chunks));
  std::int64_t nodes = 0;
  for (const auto& bytes : world.all_gather(std::as_bytes(std::span(written)))) {
    std::vector<ChunkSizes> sizes(bytes.size() / sizeof(ChunkSizes));
    if (!bytes.empty())
      std::memcpy(sizes.data(), bytes.data(), bytes.size());
    for (const ChunkSizes& size : sizes) {
      ManifestChunk& chunk = manifest.chunks[size.chunk];
      chunk.file = chunk_file_name(size.chunk);
      chunk.bytes = static_cast<std::uint64_t>(size.bytes);
      chunk.crc32c = static_cast<std::uint32_t>(size.crc32c);
      chunk.owned = size.owned;
      chunk.rows = size.rows;
      chunk.nodes = size.nodes;
      chunk.edges = size.edges;
      nodes += size.nodes;
    }
  }
  manifest.replication = static_cast<double>(nodes) / static_cast<double>(manifest.nodes);
  count_classes(plan, manifest.chunks);
  return manifest;
}

void finish_folder(const std::string& folder, const DatasetPlan& plan, const Manifest& manifest) {
  const bool lists_rows = plan.report.lists_rows();
  remove_stale_files(folder, plan.partition.chunks, lists_rows);
  if (lists_rows)
    replace_file(folder + "/" + kBadRowsFile, plan.report.table());
  write_manifest(folder, manifest);  // last: only now is the folder a dataset
}

Manifest write_dataset(const DatasetPlan& plan,
                       const HaloOptions& halo,
                       const std::string& folder,
                       Communicator& world) {
  run_on_all(world, [&] {
    if (world.rank() == 0)
      open_dataset_folder(folder);
  });
  std::vector<ChunkSizes> written;
  run_on_all(world, [&] { written = write_my_chunks(plan, halo, folder, world); });
  const Manifest manifest = gather_manifest(plan, written, world);
  run_on_all(world, [&] {
    if (world.rank() == 0)
      finish_folder(folder, plan, manifest);
  });
  return manifest;
}

}  // namespace

Manifest preprocess_dataset(const PreprocessOptions& options,
                            const std::string& folder,
                            Communicator& world) {
  DatasetPlan plan;
  run_on_all(world, [&] {
    if (world.rank() == 0)
      check_dataset_folder(folder);
    plan = plan_dataset(options);
  });
  run_on_all(world, [&] { check_ranks_agree(plan, world); });
  log_plan(plan);
  if (plan.partition.chunks < options.partition.chunks) {
    log::warn("partition.chunks is {}, but there are only {} nodes: {} chunks are written",
              options.partition.chunks,
              plan.manifest.nodes,
              plan.partition.chunks);
  }
  try {
    Manifest manifest = write_dataset(plan, options.halo, folder, world);
    log::info("{} chunk files in {}, replication {:.2f}",
              manifest.chunks.size(),
              folder,
              manifest.replication);
    return manifest;
  } catch (const Error&) {
    // run_on_all has brought every rank here, and no rank writes any more.
    if (world.rank() == 0)
      discard_dataset(folder);
    throw;
  }
}

DatasetInMemory build_chunks(const PreprocessOptions& options) {
  DatasetPlan plan = plan_dataset(options);
  DatasetInMemory dataset;
  std::int64_t nodes = 0;
  for (std::int64_t c = 0; c < plan.partition.chunks; ++c) {
    dataset.chunks.push_back(build_chunk(plan.data, plan.partition, options.halo, c));
    nodes += dataset.chunks.back().num_nodes();
  }
  dataset.manifest = std::move(plan.manifest);
  dataset.manifest.replication =
      static_cast<double>(nodes) / static_cast<double>(dataset.manifest.nodes);
  return dataset;
}

}  // namespace regatta
