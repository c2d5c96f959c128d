// The header of a safetensors file: which tensor lies where. Private to checkpoint/.
#pragma once

#include "checkpoint/safetensors.h"
#include "core/error.h"

#include <ATen/core/Tensor.h>

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace regatta::detail {

/// A tensor's place in the file: bytes [begin, end) behind the header.
struct TensorExtent {
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Where each tensor's bytes go. The widest types come first, so that every tensor is aligned to
/// its own size (readers that map the file need that); ties keep the given order.
std::vector<TensorExtent> lay_out_tensors(const NamedTensors& tensors);

/// JSON in the order given, padded with blanks to a multiple of 8 bytes.
std::string format_header(const std::vector<TensorExtent>& extents,
                          const std::map<std::string, std::string>& metadata);

/// Extents in the order of the header. They fill [0, data_bytes) exactly; anything else throws
/// Error(kData) naming `path` and the tensor.
std::vector<TensorExtent> parse_header(const std::string& text,
                                       std::uint64_t data_bytes,
                                       const std::string& path);

template <class... Args>
[[noreturn]] void refuse_safetensors(const std::string& path,
                                     fmt::format_string<Args...> format,
                                     Args&&... args) {
  fail(ExitCode::kData,
       "{}: {}; the file is damaged or not a safetensors file: use another checkpoint",
       path,
       fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace regatta::detail
