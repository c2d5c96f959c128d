// Start-up, errors, and element types of the HDF5 library.
#include "data/hdf5_calls.h"

#include "core/error.h"

#include <array>

namespace regatta {
namespace {

extern "C" herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* text) {
  if (depth == 0 && error->desc != nullptr)
    *static_cast<std::string*>(text) = error->desc;
  return 0;
}

}  // namespace

void throw_hdf5_error(const char* call) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  throw Hdf5CallError(std::string(call) + ": " + (reason.empty() ? "failed" : reason));
}

std::unique_lock<std::recursive_mutex> lock_hdf5() {
  static std::recursive_mutex mutex;
  std::unique_lock<std::recursive_mutex> lock(mutex);
  static const bool ready = [] {
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    return true;
  }();
  static_cast<void>(ready);
  return lock;
}

Hdf5Id unlocked_file_access() {
  Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate");
  called(H5Pset_file_locking(access.get(), false, true), "H5Pset_file_locking");
  called(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "H5Pset_fclose_degree");
  return access;
}

Hdf5Id hdf5_type(ElementType type) {
  const auto copy = [](hid_t id) { return Hdf5Id(H5Tcopy(id), "H5Tcopy"); };
  switch (type) {
    case ElementType::kInt32:
      return copy(H5T_STD_I32LE);
    case ElementType::kInt64:
      return copy(H5T_STD_I64LE);
    case ElementType::kUint8:
      return copy(H5T_STD_U8LE);
    case ElementType::kUint16:
      return copy(H5T_STD_U16LE);
    case ElementType::kFloat32:
      return copy(H5T_IEEE_F32LE);
    case ElementType::kFloat16: {
      // The library has no name for it: IEEE 754 binary16 described field by field.
      Hdf5Id half = copy(H5T_IEEE_F32LE);
      called(H5Tset_fields(half.get(), 15, 10, 5, 0, 10), "H5Tset_fields");
      called(H5Tset_size(half.get(), 2), "H5Tset_size");
      called(H5Tset_ebias(half.get(), 15), "H5Tset_ebias");
      return half;
    }
    case ElementType::kOther:
      break;
  }
  REGATTA_CHECK(false, "no HDF5 type");
  return {};
}

std::size_t element_size(ElementType type) {
  constexpr std::array<std::size_t, 7> kSizes = {4, 8, 1, 2, 2, 4, 0};
  return kSizes[static_cast<std::size_t>(type)];
}

const char* element_name(ElementType type) {
  constexpr std::array<const char*, 7> kNames = {
      "int32", "int64", "uint8", "uint16", "float16", "float32", "another type"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace regatta
