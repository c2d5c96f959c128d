// Writes and reads safetensors files. The reader trusts nothing: every length is checked against
// the file's size before memory is taken for it.
#include "checkpoint/safetensors.h"

#include "checkpoint/safetensors_header.h"
#include "core/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <numeric>
#include <sys/stat.h>
#include <unistd.h>

namespace regatta {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 30;

class FileDescriptor {
 public:
  FileDescriptor(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~FileDescriptor() { close(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  /// Network file systems report a failed write only here.
  int close() {
    const int result = fd_ >= 0 ? ::close(fd_) : 0;
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

[[noreturn]] void fail_write(const std::string& path) {
  fail(ExitCode::kStorage,
       "cannot write {}: {}; free space or choose another folder",
       path,
       std::strerror(errno));
}

void write_all(int fd, const void* bytes, std::uint64_t size, const std::string& path) {
  const char* next = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t written = ::write(fd, next, std::min(size, kPieceBytes));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      fail_write(path);
    }
    next += written;
    size -= static_cast<std::uint64_t>(written);
  }
}

void read_all(
    int fd, void* bytes, std::uint64_t size, std::uint64_t offset, const std::string& path) {
  char* next = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t got = ::pread(fd, next, std::min(size, kPieceBytes), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      fail(ExitCode::kData, "cannot read {}: {}", path, std::strerror(errno));
    }
    if (got == 0) {
      detail::refuse_safetensors(path, "ends at byte {}, expected {} more", offset, size);
    }
    next += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::uint64_t>(got);
  }
}

at::Tensor read_tensor(int fd,
                       const detail::TensorExtent& extent,
                       std::uint64_t data_start,
                       const std::string& path) {
  at::Tensor tensor = at::empty(extent.shape, at::TensorOptions().dtype(extent.type));
  read_all(fd, tensor.data_ptr(), extent.end - extent.begin, data_start + extent.begin, path);
  if (extent.type == at::kBool) {
    const auto* bytes = static_cast<const std::uint8_t*>(tensor.data_ptr());
    const auto* end = bytes + tensor.numel();
    if (std::any_of(bytes, end, [](std::uint8_t byte) { return byte > 1; })) {
      detail::refuse_safetensors(path, "tensor '{}': a BOOL that is neither 0 nor 1", extent.name);
    }
  }
  return tensor;
}

std::uint64_t size_of(const FileDescriptor& file, const std::string& path) {
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    fail(ExitCode::kData, "cannot open {}: {}", path, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    detail::refuse_safetensors(path, "not a regular file");
  }
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

void write_safetensors(const std::string& path,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const auto extents = detail::lay_out_tensors(tensors);
  const std::string header = detail::format_header(extents, metadata);
  FileDescriptor file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!file.valid()) {
    fail_write(path);
  }
  const std::uint64_t header_size = header.size();
  write_all(file.get(), &header_size, sizeof(header_size), path);
  write_all(file.get(), header.data(), header.size(), path);
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(
      order, {}, [&](std::size_t i) { return std::pair(extents[i].begin, extents[i].end); });
  for (const std::size_t i : order) {
    const at::Tensor bytes = tensors[i].second.detach().to(at::kCPU).contiguous();
    write_all(file.get(), bytes.data_ptr(), static_cast<std::uint64_t>(bytes.nbytes()), path);
  }
  if (::fsync(file.get()) != 0 || file.close() != 0) {
    fail_write(path);
  }
}

NamedTensors read_safetensors(const std::string& path) {
  const FileDescriptor file(path, O_RDONLY | O_NONBLOCK);
  const std::uint64_t file_bytes = size_of(file, path);
  std::uint64_t header_size = 0;
  if (file_bytes < sizeof(header_size)) {
    detail::refuse_safetensors(path, "{} bytes, too short for a header", file_bytes);
  }
  read_all(file.get(), &header_size, sizeof(header_size), 0, path);
  if (header_size < 2 || header_size > kMaxHeaderBytes ||
      header_size > file_bytes - sizeof(header_size)) {
    detail::refuse_safetensors(path,
                               "header length {}, expected 2 to {}",
                               header_size,
                               std::min(kMaxHeaderBytes, file_bytes - sizeof(header_size)));
  }
  std::string text(header_size, '\0');
  read_all(file.get(), text.data(), header_size, sizeof(header_size), path);
  const std::uint64_t data_start = sizeof(header_size) + header_size;
  const auto extents = detail::parse_header(text, file_bytes - data_start, path);
  NamedTensors tensors;
  for (const detail::TensorExtent& extent : extents) {
    tensors.emplace_back(extent.name, read_tensor(file.get(), extent, data_start, path));
  }
  return tensors;
}

}  // namespace regatta
