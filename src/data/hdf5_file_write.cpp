// Writes a file of plain arrays whose bytes depend on their content alone.
#include "core/crc32c.h"
#include "core/error.h"
#include "data/hdf5_calls.h"
#include "data/table_writer.h"

#include <fmt/format.h>

namespace regatta {
namespace {

constexpr hsize_t kAlignment = 4096;

Hdf5Id file_creation() {
  Hdf5Id creation(H5Pcreate(H5P_FILE_CREATE), "H5Pcreate");
  called(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  return creation;
}

Hdf5Id file_access() {
  Hdf5Id access = unlocked_file_access();
  called(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110),
         "H5Pset_libver_bounds");
  called(H5Pset_alignment(access.get(), 1, kAlignment), "H5Pset_alignment");
  return access;
}

/// Contiguous, allocated at once (so that the offset exists), never filled before it is written.
Hdf5Id dataset_creation() {
  Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
  called(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  called(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), "H5Pset_layout");
  called(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time");
  called(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "H5Pset_fill_time");
  return creation;
}

void write_attribute(
    hid_t object, const std::string& name, hid_t type, hid_t space, const void* data) {
  const Hdf5Id attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                         "H5Acreate2");
  called(H5Awrite(attribute.get(), type, data), "H5Awrite");
}

}  // namespace

struct Hdf5Writer::State {
  std::unique_lock<std::recursive_mutex> lock;
  std::string path;
  Hdf5Id file;

  /// Runs `body`; a failed call becomes Error(kStorage) naming the path and the object.
  template <class Body>
  void guarded(const std::string& object, const Body& body) {
    try {
      body();
    } catch (const Hdf5CallError& error) {
      fail(ExitCode::kStorage,
           "{}: cannot write {}: {}; is the disk full or read-only?",
           path,
           object,
           error.what());
    }
  }

  Hdf5Id open(const std::string& object) const {
    return {H5Oopen(file.get(), object.c_str(), H5P_DEFAULT), "H5Oopen"};
  }
};

Hdf5Writer::Hdf5Writer(const std::string& path) : state_(std::make_unique<State>()) {
  state_->lock = lock_hdf5();
  state_->path = path;
  state_->guarded("the file", [&] {
    state_->file =
        Hdf5Id(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, file_creation().get(), file_access().get()),
               "H5Fcreate");
  });
}

Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::group(const std::string& name) {
  state_->guarded(name, [&] {
    Hdf5Id creation(H5Pcreate(H5P_GROUP_CREATE), "H5Pcreate");
    called(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
    for (std::size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
      const std::string prefix = name.substr(0, slash);
      if (called(H5Lexists(state_->file.get(), prefix.c_str(), H5P_DEFAULT), "H5Lexists") == 0)
        Hdf5Id(H5Gcreate2(
                   state_->file.get(), prefix.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
               "H5Gcreate2");
      if (slash == std::string::npos)
        break;
    }
  });
}

void Hdf5Writer::array(const std::string& name,
                       ElementType type,
                       const std::vector<std::uint64_t>& shape,
                       const void* data) {
  if (const std::size_t slash = name.rfind('/'); slash != 0)
    group(name.substr(0, slash));
  std::uint64_t bytes = element_size(type);
  for (const std::uint64_t extent : shape) bytes *= extent;
  const std::uint32_t checksum = crc32c(data, bytes);
  state_->guarded(name, [&] {
    const Hdf5Id element = hdf5_type(type);
    const std::vector<hsize_t> extents(shape.begin(), shape.end());
    const Hdf5Id space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                       "H5Screate_simple");
    const Hdf5Id dataset(H5Dcreate2(state_->file.get(),
                                    name.c_str(),
                                    element.get(),
                                    space.get(),
                                    H5P_DEFAULT,
                                    dataset_creation().get(),
                                    H5P_DEFAULT),
                         "H5Dcreate2");
    if (bytes > 0)
      called(H5Dwrite(dataset.get(), element.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
             "H5Dwrite");
    const Hdf5Id scalar(H5Screate(H5S_SCALAR), "H5Screate");
    write_attribute(dataset.get(), "crc32c", H5T_STD_U32LE, scalar.get(), &checksum);
  });
}

void Hdf5Writer::texts(const std::string& name, const std::vector<std::string>& values) {
  state_->guarded(name, [&] {
    const Hdf5Id type(H5Tcopy(H5T_C_S1), "H5Tcopy");
    called(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size");
    called(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
    const hsize_t count = values.size();
    const Hdf5Id space(H5Screate_simple(1, &count, nullptr), "H5Screate_simple");
    const Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
    called(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
    const Hdf5Id dataset(H5Dcreate2(state_->file.get(),
                                    name.c_str(),
                                    type.get(),
                                    space.get(),
                                    H5P_DEFAULT,
                                    creation.get(),
                                    H5P_DEFAULT),
                         "H5Dcreate2");
    std::vector<const char*> pointers;
    pointers.reserve(values.size());
    for (const std::string& value : values) pointers.push_back(value.c_str());
    if (count > 0)
      called(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()),
             "H5Dwrite");
  });
}

void Hdf5Writer::attribute(const std::string& object, const std::string& name, std::int64_t value) {
  state_->guarded(object + "@" + name, [&] {
    const Hdf5Id space(H5Screate(H5S_SCALAR), "H5Screate");
    write_attribute(state_->open(object).get(), name, H5T_STD_I64LE, space.get(), &value);
  });
}

void Hdf5Writer::attribute(const std::string& object,
                           const std::string& name,
                           const std::vector<std::int64_t>& values) {
  state_->guarded(object + "@" + name, [&] {
    const hsize_t count = values.size();
    const Hdf5Id space(H5Screate_simple(1, &count, nullptr), "H5Screate_simple");
    write_attribute(state_->open(object).get(), name, H5T_STD_I64LE, space.get(), values.data());
  });
}

void Hdf5Writer::attribute(const std::string& object,
                           const std::string& name,
                           const std::string& text) {
  state_->guarded(object + "@" + name, [&] {
    const Hdf5Id type(H5Tcopy(H5T_C_S1), "H5Tcopy");
    called(H5Tset_size(type.get(), text.size() + 1), "H5Tset_size");
    const Hdf5Id space(H5Screate(H5S_SCALAR), "H5Screate");
    write_attribute(state_->open(object).get(), name, type.get(), space.get(), text.c_str());
  });
}

void Hdf5Writer::close() {
  state_->guarded("the file", [&] {
    called(H5Fflush(state_->file.get(), H5F_SCOPE_GLOBAL), "H5Fflush");
    if (!state_->file.reset())
      throw_hdf5_error("H5Fclose");
  });
}

std::string hdf5_version() {
  const auto lock = lock_hdf5();
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  called(H5get_libversion(&major, &minor, &release), "H5get_libversion");
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace regatta
