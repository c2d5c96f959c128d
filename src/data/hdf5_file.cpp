// Describes a file of plain arrays. Treats the file as hostile: bounded counts, sizes and depth,
// and nothing is followed that leads out of it.
#include "data/hdf5_file.h"

#include "data/hdf5_calls.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <utility>

namespace regatta {
namespace {

constexpr int kMaxDepth = 6;
constexpr std::size_t kMaxObjects = 4096;
constexpr std::size_t kMaxAttributes = 256;
constexpr int kMaxRank = 4;
constexpr hssize_t kMaxAttributeValues = 16;
constexpr std::size_t kMaxAttributeText = 256;

struct Link {
  std::string name;
  H5L_type_t type;
};

extern "C" herr_t collect_link(hid_t, const char* name, const H5L_info_t* info, void* links) {
  auto& list = *static_cast<std::vector<Link>*>(links);
  if (list.size() >= kMaxObjects)
    return 1;
  list.push_back({name, info->type});
  return 0;
}

extern "C" herr_t collect_attribute(hid_t, const char* name, const H5A_info_t*, void* names) {
  auto& list = *static_cast<std::vector<std::string>*>(names);
  if (list.size() >= kMaxAttributes)
    return 1;
  list.emplace_back(name);
  return 0;
}

ElementType element_type(hid_t type) {
  for (const auto candidate : {ElementType::kInt32,
                               ElementType::kInt64,
                               ElementType::kUint8,
                               ElementType::kUint16,
                               ElementType::kFloat16,
                               ElementType::kFloat32})
    if (called(H5Tequal(type, hdf5_type(candidate).get()), "H5Tequal") > 0)
      return candidate;
  return ElementType::kOther;
}

/// Elements of a shape times their size; false when it does not fit 63 bits.
bool array_bytes(const std::vector<std::uint64_t>& shape,
                 std::size_t element,
                 std::uint64_t* bytes) {
  std::uint64_t total = element;
  for (const std::uint64_t extent : shape)
    if (__builtin_mul_overflow(total, extent, &total))
      return false;
  *bytes = total;
  return total <= std::uint64_t{INT64_MAX};
}

class Walker {
 public:
  Walker(std::uint64_t file_bytes, const Hdf5Fault& fault)
      : file_bytes_(file_bytes), fault_(fault) {}

  void walk(hid_t group, const std::string& prefix, int depth) {
    read_attributes(group, prefix.empty() ? "/" : prefix);
    std::vector<Link> links;
    hsize_t position = 0;
    called(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &position, collect_link, &links),
           "H5Literate");
    for (const Link& link : links) {
      const std::string name = prefix + "/" + link.name;
      if (++objects_ > kMaxObjects)
        return fault_("", "holds more objects than a chunk has");
      try {
        visit(group, link, name, depth);
      } catch (const Hdf5CallError& error) {
        fault_(name, error.what());
      }
    }
  }

  Hdf5Description take() { return std::move(result_); }

 private:
  void visit(hid_t group, const Link& link, const std::string& name, int depth) {
    if (link.type == H5L_TYPE_SOFT)
      return fault_(name, "is a soft link, expected the array itself");
    if (link.type == H5L_TYPE_EXTERNAL)
      return fault_(name, "is an external link, expected the array itself");
    if (link.type != H5L_TYPE_HARD)
      return fault_(name, "is a link of unknown kind");
    const Hdf5Id object(H5Oopen(group, link.name.c_str(), H5P_DEFAULT), "H5Oopen");
    switch (H5Iget_type(object.get())) {
      case H5I_GROUP:
        if (depth >= kMaxDepth)
          return fault_(name, "is nested deeper than the format goes");
        return walk(object.get(), name, depth + 1);
      case H5I_DATASET:
        return describe(object.get(), name);
      default:
        return fault_(name, "is neither a group nor an array");
    }
  }

  /// What keeps an array from being read at its offset; empty when nothing does.
  static std::string obstacle(hid_t dataset) {
    const Hdf5Id creation(H5Dget_create_plist(dataset), "H5Dget_create_plist");
    if (called(H5Pget_nfilters(creation.get()), "H5Pget_nfilters") > 0)
      return "is stored through a filter (compression or checksum), expected plain contiguous "
             "bytes";
    switch (called(H5Pget_layout(creation.get()), "H5Pget_layout")) {
      case H5D_CONTIGUOUS:
        break;
      case H5D_VIRTUAL:
        return "is a virtual dataset, expected plain contiguous bytes";
      default:
        return "has a chunked or compact layout, expected contiguous";
    }
    if (called(H5Pget_external_count(creation.get()), "H5Pget_external_count") > 0)
      return "keeps its bytes in another file (external storage), expected them in this one";
    return "";
  }

  void describe(hid_t dataset, const std::string& name) {
    read_attributes(dataset, name);
    if (const std::string why = obstacle(dataset); !why.empty())
      return fault_(name, why);

    Hdf5Dataset found;
    found.name = name;
    const Hdf5Id space(H5Dget_space(dataset), "H5Dget_space");
    if (H5Sget_simple_extent_type(space.get()) == H5S_NULL)
      return fault_(name, "has no extent, expected an array");
    const int rank = called(H5Sget_simple_extent_ndims(space.get()), "H5Sget_simple_extent_ndims");
    if (rank > kMaxRank)
      return fault_(name, fmt::format("has {} dimensions", rank));
    std::array<hsize_t, kMaxRank> extents{};
    called(H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr),
           "H5Sget_simple_extent_dims");
    found.shape.assign(extents.begin(), extents.begin() + rank);
    const Hdf5Id type(H5Dget_type(dataset), "H5Dget_type");
    found.type = element_type(type.get());
    if (place(dataset, H5Tget_size(type.get()), found))
      result_.datasets[name] = std::move(found);
  }

  /// Finds the bytes and checks that they lie inside the file.
  bool place(hid_t dataset, std::size_t element, Hdf5Dataset& found) {
    const auto refuse = [&](const std::string& what) {
      fault_(found.name, what);
      return false;
    };
    if (!array_bytes(found.shape, element, &found.bytes))
      return refuse(
          fmt::format("declares the impossible shape [{}]", fmt::join(found.shape, ", ")));
    if (found.bytes == 0)
      return true;
    if (found.bytes > file_bytes_)
      return refuse(fmt::format("declares shape [{}], {} bytes, but the whole file has {}",
                                fmt::join(found.shape, ", "),
                                found.bytes,
                                file_bytes_));
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF)
      return refuse("has a shape but no stored bytes");
    if (const hsize_t stored = H5Dget_storage_size(dataset); stored != found.bytes)
      return refuse(fmt::format("stores {} bytes, expected {}", stored, found.bytes));
    if (offset > file_bytes_ || found.bytes > file_bytes_ - offset)
      return refuse(fmt::format("claims bytes {} to {}, but the file ends at {}",
                                offset,
                                offset + found.bytes,
                                file_bytes_));
    found.offset = offset;
    return true;
  }

  void read_attributes(hid_t object, const std::string& name) {
    std::vector<std::string> names;
    hsize_t position = 0;
    called(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, collect_attribute, &names),
           "H5Aiterate2");
    for (const std::string& attribute : names) {
      try {
        read_attribute(object, name, attribute);
      } catch (const Hdf5CallError& error) {
        fault_(name + "@" + attribute, error.what());
      }
    }
  }

  /// Keeps integers and fixed-length text. Variable-length text lives in a heap without a checksum,
  /// so it is left out like every other kind; whoever needs the attribute reports it as missing.
  void read_attribute(hid_t object, const std::string& owner, const std::string& name) {
    const Hdf5Id attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), "H5Aopen");
    const Hdf5Id type(H5Aget_type(attribute.get()), "H5Aget_type");
    const Hdf5Id space(H5Aget_space(attribute.get()), "H5Aget_space");
    const hssize_t count =
        called(H5Sget_simple_extent_npoints(space.get()), "H5Sget_simple_extent_npoints");
    const H5T_class_t kind = H5Tget_class(type.get());
    Hdf5Attribute value;
    if (kind == H5T_INTEGER && count >= 1 && count <= kMaxAttributeValues) {
      value.integers.resize(static_cast<std::size_t>(count));
      called(H5Aread(attribute.get(), H5T_NATIVE_INT64, value.integers.data()), "H5Aread");
    } else if (kind == H5T_STRING && count == 1 && H5Tis_variable_str(type.get()) == 0 &&
               H5Tget_size(type.get()) <= kMaxAttributeText) {
      value.is_text = true;
      value.text.resize(H5Tget_size(type.get()));
      called(H5Aread(attribute.get(), type.get(), value.text.data()), "H5Aread");
      value.text.resize(std::min(value.text.size(), value.text.find('\0')));
    } else {
      return;
    }
    result_.attributes[owner + "@" + name] = std::move(value);
  }

  std::uint64_t file_bytes_;
  const Hdf5Fault& fault_;
  std::size_t objects_ = 0;
  Hdf5Description result_;
};

/// Only the checksummed metadata of superblock 2 and 3 is let through to the library: damage in
/// older metadata would reach its parsers unseen.
std::string signature_fault(const std::string& path) {
  static constexpr std::array<char, 8> kSignature = {
      '\x89', 'H', 'D', 'F', '\r', '\n', '\x1a', '\n'};
  std::array<char, 9> head{};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(head.data(), head.size()))
    return "is too short for an HDF5 file";
  if (!std::equal(kSignature.begin(), kSignature.end(), head.begin()))
    return "is not an HDF5 file: its signature is missing at byte 0";
  if (head[8] != 2 && head[8] != 3)
    return fmt::format("has HDF5 superblock version {}, expected 2 or 3 (in h5py: libver=\"v110\")",
                       static_cast<int>(static_cast<unsigned char>(head[8])));
  return "";
}

}  // namespace

const Hdf5Attribute* Hdf5Description::attribute(const std::string& object,
                                                const std::string& name) const {
  const auto found = attributes.find(object + "@" + name);
  return found == attributes.end() ? nullptr : &found->second;
}

Hdf5Description describe_hdf5(const std::string& path, const Hdf5Fault& fault) {
  std::error_code status;
  const std::uint64_t bytes = std::filesystem::file_size(path, status);
  if (status) {
    fault("", "cannot be read: " + status.message());
    return {};
  }
  if (const std::string what = signature_fault(path); !what.empty()) {
    fault("", what);
    return {};
  }
  const auto lock = lock_hdf5();
  try {
    const Hdf5Id access = unlocked_file_access();
    const Hdf5Id file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), "H5Fopen");
    const Hdf5Id root(H5Gopen2(file.get(), "/", H5P_DEFAULT), "H5Gopen2");
    Walker walker(bytes, fault);
    walker.walk(root.get(), "", 0);
    return walker.take();
  } catch (const Hdf5CallError& error) {
    fault("", std::string("cannot be opened: ") + error.what());
    return {};
  }
}

}  // namespace regatta
