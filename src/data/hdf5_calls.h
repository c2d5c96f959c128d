// RAII and error handling over the HDF5 C API; included by hdf5_*.cpp only.
#pragma once

#include "data/hdf5_file.h"

#include <hdf5.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace regatta {

/// A failed call of the library: its name and the library's innermost message.
class Hdf5CallError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void throw_hdf5_error(const char* call);

/// Passes a result through; negative means failure for every call of the C API used here.
template <class T>
T called(T result, const char* call) {
  if (result < 0)
    throw_hdf5_error(call);
  return result;
}

/// Owns one identifier of any kind.
class Hdf5Id {
 public:
  Hdf5Id() = default;
  Hdf5Id(hid_t id, const char* call) : id_(called(id, call)) {}
  Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  Hdf5Id(const Hdf5Id&) = delete;
  Hdf5Id& operator=(const Hdf5Id&) = delete;
  ~Hdf5Id() { reset(); }

  hid_t get() const { return id_; }
  /// Closes; false when the library reports a failure.
  bool reset() { return id_ < 0 || H5Idec_ref(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_ = -1;
};

/// Locks the library for this thread; the first call also silences its own error printing and turns
/// plug-ins off.
std::unique_lock<std::recursive_mutex> lock_hdf5();

/// File access without file locking (network file systems often refuse locks).
Hdf5Id unlocked_file_access();

/// The library's type for `type`, always little-endian. kOther is a defect of the caller.
Hdf5Id hdf5_type(ElementType type);

}  // namespace regatta
