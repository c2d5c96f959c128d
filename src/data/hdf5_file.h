// The door to the HDF5 C library: describes a file of plain arrays and writes one. No HDF5 type
// leaves it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace regatta {

/// Element types of the chunk format, all little-endian; kOther is whatever the format does not
/// know.
enum class ElementType { kInt32, kInt64, kUint8, kUint16, kFloat16, kFloat32, kOther };

std::size_t element_size(ElementType type);  ///< bytes; 0 for kOther
const char* element_name(ElementType type);  ///< "int64", ...

/// A small attribute: integers (scalar or one-dimensional) or fixed-length text.
struct Hdf5Attribute {
  std::vector<std::int64_t> integers;
  std::string text;
  bool is_text = false;
};

/// One contiguous array. Its bytes lie at [offset, offset + bytes) of the file; offset is 0 when
/// bytes is 0.
struct Hdf5Dataset {
  std::string name;  ///< absolute, "/topology/src"
  ElementType type = ElementType::kOther;
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct Hdf5Description {
  std::map<std::string, Hdf5Dataset> datasets;      ///< by name
  std::map<std::string, Hdf5Attribute> attributes;  ///< "/@format", "/nodes/x@crc32c"

  const Hdf5Attribute* attribute(const std::string& object, const std::string& name) const;
};

/// Gets the object within the file ("/nodes/x", or "" for the file itself) and what is wrong with
/// it.
using Hdf5Fault = std::function<void(const std::string& object, const std::string& what)>;

/// Walks a file without reading any array. Whatever cannot be read at a plain offset (links other
/// than hard ones, external storage, virtual datasets, filters, other layouts, arrays beyond the
/// file's end) goes to `fault` and is left out. Plug-ins stay off and files are not locked.
/// Thread-safe: the library's calls are serialised here, because Debian's HDF5 is not thread-safe.
Hdf5Description describe_hdf5(const std::string& path, const Hdf5Fault& fault);

/// Writes one file whose bytes depend on its content alone: no time stamps. Arrays are contiguous
/// and start at multiples of 4096. Holds the library's lock while it lives. All members throw
/// Error(kStorage) naming the path.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::string& path);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  /// Groups of an absolute name, created where they are missing.
  void group(const std::string& name);
  /// An array of prod(shape) elements, with its CRC32C as the attribute `crc32c`.
  void array(const std::string& name,
             ElementType type,
             const std::vector<std::uint64_t>& shape,
             const void* data);
  /// A one-dimensional array of variable-length UTF-8 text.
  void texts(const std::string& name, const std::vector<std::string>& values);
  void attribute(const std::string& object, const std::string& name, std::int64_t value);
  void attribute(const std::string& object,
                 const std::string& name,
                 const std::vector<std::int64_t>& values);
  void attribute(const std::string& object, const std::string& name, const std::string& text);
  /// Flushes and closes; errors of the last writes surface here.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace regatta
