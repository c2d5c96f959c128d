// Formats and checks safetensors headers. Nothing a header says is used before it is compared with
// the file's size.
#include "checkpoint/safetensors_header.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <utility>

namespace regatta::detail {
namespace {

constexpr int kMaxDepth = 3;  // header / tensor / shape

struct DtypeName {
  at::ScalarType type;
  const char* name;
};
constexpr std::array<DtypeName, 8> kDtypes{{{at::kFloat, "F32"},
                                            {at::kDouble, "F64"},
                                            {at::kBFloat16, "BF16"},
                                            {at::kHalf, "F16"},
                                            {at::kLong, "I64"},
                                            {at::kInt, "I32"},
                                            {at::kByte, "U8"},
                                            {at::kBool, "BOOL"}}};

const char* dtype_name(at::ScalarType type, const std::string& tensor) {
  const auto* found = std::ranges::find(kDtypes, type, &DtypeName::type);
  REGATTA_CHECK(
      found != kDtypes.end(), "tensor {}: safetensors has no name for this type here", tensor);
  return found->name;
}

struct ParsedHeader {
  nlohmann::json json;
  std::vector<std::string> names;  ///< in the order of the file, "__metadata__" included
};

/// Parses the header, refusing what a JSON library lets pass: keys given twice and deep nesting.
ParsedHeader parse_json(const std::string& text, const std::string& path) {
  using Event = nlohmann::json::parse_event_t;
  ParsedHeader header;
  std::set<std::string> names;
  std::set<std::string> fields;  // of the tensor being read
  const auto check = [&](int depth, Event event, nlohmann::json& value) {
    if (depth > kMaxDepth) {
      refuse_safetensors(path, "header nests deeper than {} levels", kMaxDepth);
    }
    if (event == Event::object_start) {
      fields.clear();
    }
    if (event == Event::key) {
      const auto key = value.get<std::string>();
      if (!(depth == 1 ? names : fields).insert(key).second) {
        refuse_safetensors(path, "header names '{}' twice", key);
      }
      if (depth == 1) {
        header.names.push_back(key);
      }
    }
    return true;
  };
  try {
    header.json = nlohmann::json::parse(text, check);
  } catch (const nlohmann::json::exception& error) {
    refuse_safetensors(path, "header is not valid JSON ({})", error.what());
  }
  if (text.front() != '{' || !header.json.is_object()) {
    refuse_safetensors(path, "header is not a JSON object");
  }
  return header;
}

std::uint64_t natural(const nlohmann::json& value,
                      const std::string& path,
                      const std::string& tensor,
                      const char* what) {
  if (!value.is_number_unsigned()) {
    refuse_safetensors(path,
                       "tensor '{}': {} holds {}, expected a non-negative integer",
                       tensor,
                       what,
                       value.dump());
  }
  return value.get<std::uint64_t>();
}

/// Bytes of a tensor of this shape; refuses products beyond 63 bits.
std::uint64_t byte_count(const TensorExtent& extent, const std::string& path) {
  std::uint64_t bytes = c10::elementSize(extent.type);
  bool empty = false;
  for (const std::int64_t length : extent.shape) {
    empty = empty || length == 0;
    // Multiplied even for empty tensors, by 1: strides of [0, huge, huge] would overflow as well.
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(length, 1));
    if (__builtin_mul_overflow(bytes, factor, &bytes) || bytes > INT64_MAX) {
      refuse_safetensors(path, "tensor '{}': the product of its shape overflows", extent.name);
    }
  }
  return empty ? 0 : bytes;
}

TensorExtent parse_extent(const std::string& name,
                          const nlohmann::json& entry,
                          const std::string& path) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets") || !entry["dtype"].is_string() ||
      !entry["shape"].is_array() || !entry["data_offsets"].is_array() ||
      entry["data_offsets"].size() != 2) {
    refuse_safetensors(path, "tensor '{}': expected exactly dtype, shape and data_offsets", name);
  }
  TensorExtent extent;
  extent.name = name;
  const auto dtype = entry["dtype"].get<std::string>();
  const auto* known =
      std::ranges::find(kDtypes, dtype, [](const DtypeName& d) { return std::string(d.name); });
  if (known == kDtypes.end()) {
    refuse_safetensors(
        path,
        "tensor '{}': unknown dtype '{}', expected F32 F64 BF16 F16 I64 I32 U8 or BOOL",
        name,
        dtype);
  }
  extent.type = known->type;
  for (const auto& length : entry["shape"]) {
    const std::uint64_t value = natural(length, path, name, "shape");
    if (value > INT64_MAX) {
      refuse_safetensors(path, "tensor '{}': the product of its shape overflows", name);
    }
    extent.shape.push_back(static_cast<std::int64_t>(value));
  }
  extent.begin = natural(entry["data_offsets"][0], path, name, "data_offsets");
  extent.end = natural(entry["data_offsets"][1], path, name, "data_offsets");
  const std::uint64_t bytes = byte_count(extent, path);
  if (extent.end < extent.begin || extent.end - extent.begin != bytes) {
    refuse_safetensors(path,
                       "tensor '{}': data_offsets [{}, {}], expected {} bytes for its shape",
                       name,
                       extent.begin,
                       extent.end,
                       bytes);
  }
  return extent;
}

/// The tensors together must fill [0, data_bytes) exactly.
void check_coverage(const std::vector<TensorExtent>& extents,
                    std::uint64_t data_bytes,
                    const std::string& path) {
  std::vector<const TensorExtent*> order;
  for (const TensorExtent& extent : extents) {
    order.push_back(&extent);
  }
  std::ranges::sort(order, {}, [](const TensorExtent* e) { return std::pair(e->begin, e->end); });
  std::uint64_t offset = 0;
  for (const TensorExtent* extent : order) {
    if (extent->end > data_bytes) {
      refuse_safetensors(path,
                         "tensor '{}': ends at byte {}, the data has {}",
                         extent->name,
                         extent->end,
                         data_bytes);
    }
    if (extent->begin != offset) {
      refuse_safetensors(path,
                         "tensor '{}': begins at byte {}, expected {} ({})",
                         extent->name,
                         extent->begin,
                         offset,
                         extent->begin > offset ? "a hole" : "an overlap");
    }
    offset = extent->end;
  }
  if (offset != data_bytes) {
    refuse_safetensors(path, "{} bytes behind the last tensor", data_bytes - offset);
  }
}

}  // namespace

std::vector<TensorExtent> lay_out_tensors(const NamedTensors& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, std::greater<>{}, [&](std::size_t i) { return tensors[i].second.element_size(); });
  std::vector<TensorExtent> extents(tensors.size());
  std::uint64_t offset = 0;
  for (const std::size_t i : order) {
    const auto& [name, tensor] = tensors[i];
    const std::uint64_t size = static_cast<std::uint64_t>(tensor.nbytes());
    extents[i] = {name, tensor.scalar_type(), tensor.sizes().vec(), offset, offset + size};
    offset += size;
  }
  return extents;
}

std::string format_header(const std::vector<TensorExtent>& extents,
                          const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::set<std::string> names{"__metadata__"};
  if (!metadata.empty()) {
    header["__metadata__"] = metadata;
  }
  for (const TensorExtent& extent : extents) {
    REGATTA_CHECK(
        names.insert(extent.name).second, "tensor name {} twice or reserved", extent.name);
    header[extent.name] = {{"dtype", dtype_name(extent.type, extent.name)},
                           {"shape", extent.shape},
                           {"data_offsets", {extent.begin, extent.end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

std::vector<TensorExtent> parse_header(const std::string& text,
                                       std::uint64_t data_bytes,
                                       const std::string& path) {
  const ParsedHeader header = parse_json(text, path);
  std::vector<TensorExtent> extents;
  for (const std::string& name : header.names) {
    if (name != "__metadata__") {
      extents.push_back(parse_extent(name, header.json[name], path));
    }
  }
  check_coverage(extents, data_bytes, path);
  return extents;
}

}  // namespace regatta::detail
