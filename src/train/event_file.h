// TensorBoard's event files: records of a length, a protocol buffer `Event`, and two checksums.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace regatta {

using Scalars = std::vector<std::pair<std::string, double>>;  ///< tag and value

/// Writes scalars as TensorBoard reads them (TFRecord framing with masked CRC32C; Event and Summary
/// of tensorboard/compat/proto). Flushed after each call.
class EventFile {
 public:
  /// Starts an empty file. Throws Error(kStorage).
  explicit EventFile(const std::string& path);
  /// `wall_time`: seconds of 1970. Values are stored as float32. Throws Error(kStorage).
  void add(double wall_time, std::int64_t step, const Scalars& scalars);

 private:
  void write(const std::string& event);

  std::string path_;
  std::ofstream file_;
};

}  // namespace regatta
