#include "bench/npy_file.h"

#include "core/error.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace regatta {
namespace {

static_assert(std::endian::native == std::endian::little,
              "arrays are written as they lie in memory");

/// The header's dictionary, padded so that the data starts at a multiple of 64 bytes.
std::string npy_header(const char* type, const std::vector<std::int64_t>& shape) {
  std::string sizes;
  for (const std::int64_t size : shape) sizes += fmt::format("{},", size);
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, sizes);
  constexpr std::size_t kPreamble = 10;
  text.append(63 - (kPreamble + text.size()) % 64, ' ');
  text += '\n';
  const auto length = static_cast<unsigned>(text.size());
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(length & 0xFFU);
  header += static_cast<char>(length >> 8);
  return header + text;
}

void write_array(const std::string& path,
                 const char* type,
                 const std::vector<std::int64_t>& shape,
                 std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const std::string header = npy_header(type, shape);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    fail(ExitCode::kStorage, "{}: cannot be written: {}", path, std::strerror(errno));
}

}  // namespace

void write_npy(const std::string& path,
               std::span<const float> values,
               const std::vector<std::int64_t>& shape) {
  write_array(path, "<f4", shape, std::as_bytes(values));
}

void write_npy(const std::string& path, std::span<const std::int32_t> values) {
  write_array(path, "<i4", {static_cast<std::int64_t>(values.size())}, std::as_bytes(values));
}

void write_npy(const std::string& path, std::span<const std::int64_t> values) {
  write_array(path, "<i8", {static_cast<std::int64_t>(values.size())}, std::as_bytes(values));
}

}  // namespace regatta
