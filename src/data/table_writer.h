// Results of `regatta predict` as one HDF5 file of plain one- and two-dimensional arrays.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace regatta {

/// Column-wise table; each array has `rows` rows. Written atomically; readable with h5py and
/// h5dump.
class Hdf5Table {
 public:
  void add(std::string name, std::vector<std::int64_t> values);
  void add(std::string name, std::vector<float> values, std::int64_t columns);
  void add(std::string name, std::vector<std::string> values);  ///< UTF-8, variable length
  /// Throws Error(kStorage) naming `path`.
  void write(const std::string& path) const;

 private:
  struct Column {
    std::string name;
    std::vector<std::int64_t> integers;
    std::vector<float> reals;
    std::vector<std::string> texts;
    std::int64_t width = 1;
    int type = 0;
  };
  std::vector<Column> columns_;
};

std::string hdf5_version();

}  // namespace regatta
