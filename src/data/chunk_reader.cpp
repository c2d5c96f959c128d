// Describe, check the structure, take the bytes, check the content.
#include "data/chunk_reader.h"

#include "core/crc32c.h"
#include "core/parallel.h"
#include "data/chunk_bytes.h"
#include "data/chunk_content.h"
#include "data/chunk_faults.h"
#include "data/chunk_format.h"
#include "data/chunk_layout.h"
#include "data/hdf5_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <sys/vfs.h>

namespace regatta {
namespace {

namespace names = chunk_format;

template <class T>
SharedArray<T> array_of(const Payloads& payloads,
                        const ChunkLayout& layout,
                        const std::string& name) {
  if (!layout.has(name))
    return {};
  const Payload& payload = payloads.arrays.at(name);
  return {payload.owner,
          {reinterpret_cast<const T*>(payload.bytes.data()), payload.bytes.size() / sizeof(T)}};
}

/// IEEE 754 binary16 to binary32, exact.
float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t magnitude = half & 0x7FFFU;
  std::uint32_t bits = 0;
  if (magnitude >= 0x7C00U) {
    bits = 0x7F800000U | (magnitude & 0x3FFU) << 13;
  } else {
    // The exponents' biases differ by 112; scaling by 2^112 also makes subnormal numbers come out
    // right.
    bits = magnitude << 13;
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    value *= 0x1.0p112F;
    std::memcpy(&bits, &value, sizeof(value));
  }
  bits |= sign;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float float_from_bfloat16(std::uint16_t half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

SharedArray<float> dense_features(const Payloads& payloads, const ChunkLayout& layout) {
  if (!layout.has(names::kX))
    return {};
  const ElementType type = layout.arrays.at(names::kX)->type;
  if (type == ElementType::kFloat32)
    return array_of<float>(payloads, layout, names::kX);
  const auto half = array_of<std::uint16_t>(payloads, layout, names::kX);
  std::vector<float> values(half.size());
  constexpr std::size_t kPiece = std::size_t{1} << 18;
  const auto pieces = static_cast<std::int64_t>((half.size() + kPiece - 1) / kPiece);
  parallel_pieces(pieces, [&](std::int64_t piece) {
    const std::size_t begin = static_cast<std::size_t>(piece) * kPiece;
    const std::size_t end = std::min(begin + kPiece, half.size());
    for (std::size_t i = begin; i < end; ++i)
      values[i] =
          type == ElementType::kFloat16 ? float_from_half(half[i]) : float_from_bfloat16(half[i]);
  });
  return values;
}

GraphChunk assemble(const Payloads& payloads, const ChunkLayout& layout) {
  GraphChunk chunk;
  chunk.chunk = layout.sizes.chunk;
  chunk.num_owned = layout.sizes.owned;
  chunk.hops = layout.sizes.hops;
  chunk.graph.rows = layout.sizes.rows;
  chunk.graph.nodes = layout.sizes.nodes;
  chunk.graph.indptr = array_of<std::int64_t>(payloads, layout, names::kIndptr);
  chunk.graph.src = array_of<std::int32_t>(payloads, layout, names::kSrc);
  chunk.graph.edge_id = array_of<std::int64_t>(payloads, layout, names::kEdgeId);
  chunk.edge_width = layout.edge_width;
  chunk.edge_x = array_of<float>(payloads, layout, names::kEdgeX);
  chunk.typed_edges = layout.typed_edges;
  chunk.edge_type = array_of<std::uint16_t>(payloads, layout, names::kEdgeType);
  chunk.global_id = array_of<std::int64_t>(payloads, layout, names::kGlobalId);
  chunk.ring_ptr = array_of<std::int64_t>(payloads, layout, names::kRingPtr);
  chunk.owner_chunk = array_of<std::int32_t>(payloads, layout, names::kOwnerChunk);
  chunk.owner_row = array_of<std::int64_t>(payloads, layout, names::kOwnerRow);
  chunk.features.kind = layout.feature_kind;
  chunk.features.width = layout.feature_width;
  chunk.features.x = dense_features(payloads, layout);
  chunk.features.x_indptr = array_of<std::int64_t>(payloads, layout, names::kXIndptr);
  chunk.features.x_index = array_of<std::int32_t>(payloads, layout, names::kXIndex);
  chunk.features.x_value = array_of<float>(payloads, layout, names::kXValue);
  for (const std::string& name : layout.targets) {
    NodeTarget target;
    target.name = name;
    target.value = array_of<std::int64_t>(payloads, layout, names::target_value(name));
    target.split = array_of<std::uint8_t>(payloads, layout, names::target_split(name));
    target.splittings =
        static_cast<std::int64_t>(layout.arrays.at(names::target_split(name))->shape[1]);
    chunk.targets.push_back(std::move(target));
  }
  chunk.original.integer = array_of<std::int64_t>(payloads, layout, names::kOriginal);
  chunk.original.text_bytes = array_of<std::uint8_t>(payloads, layout, names::kOriginalBytes);
  chunk.original.text_offset = array_of<std::int64_t>(payloads, layout, names::kOriginalOffset);
  return chunk;
}

bool check_array_sums(const Hdf5Description& description,
                      const Payloads& payloads,
                      ChunkFaults& faults) {
  const int before = faults.count();
  for (const auto& [name, payload] : payloads.arrays) {
    const Hdf5Attribute* attribute = description.attribute(name, "crc32c");
    if (attribute == nullptr || attribute->integers.size() != 1)
      continue;  // reported with the layout
    const std::int64_t expected = attribute->integers[0];
    if (expected != static_cast<std::int64_t>(payload.crc32c))
      faults.add(name,
                 "its bytes have CRC32C {}, expected {} as its attribute says",
                 crc32c_text(payload.crc32c),
                 crc32c_text(static_cast<std::uint32_t>(expected)));
  }
  return faults.count() == before;
}

void check_sums(const Hdf5Description& description,
                const Payloads& payloads,
                const ChunkReadRequest& request,
                ChunkFaults& faults) {
  const bool arrays_good = check_array_sums(description, payloads, faults);
  if (request.manifest == nullptr || !arrays_good)
    return;
  const std::uint32_t expected =
      request.manifest->chunks[static_cast<std::size_t>(request.chunk)].crc32c;
  if (payloads.file_crc32c != expected)
    faults.add("",
               "the whole file has CRC32C {}, expected {} as the manifest says; it may belong to "
               "another run of preprocess",
               crc32c_text(payloads.file_crc32c),
               crc32c_text(expected));
}

void check_finite(const Payloads& payloads, const ChunkReadRequest& request, ChunkFaults& faults) {
  if (request.allow_non_finite)
    return;
  for (const char* name : {names::kX, names::kXValue, names::kEdgeX}) {
    const auto found = payloads.arrays.find(name);
    if (found != payloads.arrays.end() && found->second.first_non_finite >= 0)
      faults.add_text(name,
                      fmt::format("element {} is NaN or Inf, expected finite features",
                                  found->second.first_non_finite),
                      "fill gaps in `regatta preprocess`, or set `allow_non_finite: true`");
  }
}

void check_size(const ChunkFile& file, const ChunkReadRequest& request, ChunkFaults& faults) {
  if (request.manifest == nullptr)
    return;
  const std::uint64_t expected =
      request.manifest->chunks.at(static_cast<std::size_t>(request.chunk)).bytes;
  if (file.bytes() != expected)
    faults.add("", "has {} bytes, expected {} as the manifest says", file.bytes(), expected);
}

struct OpenChunk {
  std::shared_ptr<const ChunkFile> file;
  Hdf5Description description;
  ChunkLayout layout;
};

std::unique_ptr<OpenChunk> open_chunk(const ChunkReadRequest& request, ChunkFaults& faults) {
  auto open = std::make_unique<OpenChunk>();
  open->file = std::make_shared<const ChunkFile>(request.path, request.map);
  check_size(*open->file, request, faults);
  open->description = describe_hdf5(
      request.path,
      [&](const std::string& object, const std::string& what) { faults.add(object, "{}", what); });
  // The library saw the file by its name, the bytes come from the descriptor.
  if (!open->file->still_at_path())
    fail(ExitCode::kData,
         "{}: was replaced or changed while being read, expected a dataset at rest",
         request.path);
  open->layout = check_layout(open->description, request, faults);
  return open;
}

GraphChunk read_checked(const ChunkReadRequest& request, ChunkFaults& faults) {
  const auto open = open_chunk(request, faults);
  PayloadRequest wanted{{}, request.check_crc, !request.allow_non_finite};
  for (const auto& [name, dataset] : open->layout.arrays) wanted.datasets.push_back(dataset);
  const Payloads payloads = load_payloads(open->file, wanted, faults);
  if (request.check_crc)
    check_sums(open->description, payloads, request, faults);
  check_finite(payloads, request, faults);
  GraphChunk chunk = assemble(payloads, open->layout);
  if (open->layout.sizes_known)
    check_content(chunk, open->layout, request, faults);
  return chunk;
}

}  // namespace

GraphChunk read_chunk_file(const ChunkReadRequest& request) {
  ChunkFaults faults(request.path, nullptr);
  return read_checked(request, faults);
}

GraphChunk verify_chunk_file(const ChunkReadRequest& request,
                             const std::function<void(const std::string& fault)>& report) {
  ChunkFaults faults(request.path, report);
  try {
    return read_checked(request, faults);
  } catch (const Error& error) {
    report(error.what());
    return {};
  }
}

SharedArray<std::int64_t> read_global_ids(const ChunkReadRequest& request) {
  ChunkFaults faults(request.path, nullptr);
  const auto open = open_chunk(request, faults);
  const PayloadRequest wanted{{open->layout.arrays.at(names::kGlobalId)}, false, false};
  Payloads payloads = load_payloads(open->file, wanted, faults);
  if (request.check_crc) {
    Payload& payload = payloads.arrays.at(names::kGlobalId);
    payload.crc32c = crc32c(payload.bytes.data(), payload.bytes.size());
    check_array_sums(open->description, payloads, faults);
  }
  return array_of<std::int64_t>(payloads, open->layout, names::kGlobalId);
}

bool on_network_filesystem(const std::string& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0)
    return false;
  // Magic numbers of linux/magic.h and of the file systems' own sources.
  constexpr std::uint32_t kNetwork[] = {0x00006969U /* NFS */,
                                        0x0BD00BD0U /* Lustre */,
                                        0x47504653U /* GPFS */,
                                        0xFF534D42U /* CIFS */,
                                        0xFE534D42U /* SMB2 */,
                                        0x0000517BU /* SMB */,
                                        0x00C36400U /* Ceph */,
                                        0x19830326U /* BeeGFS */,
                                        0x20030528U /* OrangeFS */,
                                        0xAAD7AAEAU /* PanFS */,
                                        0x01021997U /* 9p */,
                                        0x65735546U /* FUSE: GlusterFS, sshfs */,
                                        0x5346414FU /* AFS */,
                                        0x6B414653U /* kAFS */};
  const auto type = static_cast<std::uint32_t>(status.f_type);
  return std::find(std::begin(kNetwork), std::end(kNetwork), type) != std::end(kNetwork);
}

}  // namespace regatta
