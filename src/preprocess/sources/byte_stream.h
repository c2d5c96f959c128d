// Bytes of a plain or gzip file, piece by piece. gzip is recognised by content and unpacked by
// ISA-L.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace regatta {

/// Sequential reader; joined gzip members read as one file. Throws Error(kData) naming the path for
/// a file that cannot be read, a truncated or damaged gzip stream, and bytes after it that are not
/// gzip.
class ByteStream {
 public:
  explicit ByteStream(const std::string& path);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// Fills up to `size` bytes; fewer only at the end, 0 when there are none left.
  std::size_t read(char* out, std::size_t size);
  const std::string& path() const { return path_; }

 private:
  struct Gzip;
  std::size_t read_raw(unsigned char* out, std::size_t size);
  std::size_t read_gzip(char* out, std::size_t size);
  bool refill();
  void start_next_member();

  std::string path_;
  int descriptor_ = -1;
  std::unique_ptr<Gzip> gzip_;
  std::string head_;  ///< first bytes, read to look for the magic number
  std::size_t head_used_ = 0;
};

}  // namespace regatta
