#include "core/crc32c.h"

#include "core/error.h"

#include <fmt/format.h>
#include <isa-l/crc.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace regatta {

std::uint32_t crc32c(const void* bytes, std::size_t size, std::uint32_t previous) {
  constexpr std::size_t kPieceBytes = std::size_t{1} << 30;  // ISA-L counts in int
  // ISA-L wants a mutable pointer but only reads.
  auto* next = static_cast<unsigned char*>(const_cast<void*>(bytes));
  std::uint32_t state = ~previous;
  while (size > 0) {
    const std::size_t piece = std::min(size, kPieceBytes);
    state = crc32_iscsi(next, static_cast<int>(piece), state);
    next += piece;
    size -= piece;
  }
  return ~state;
}

std::uint32_t crc32c_of_file(const std::string& path, std::uint64_t* size) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    fail(ExitCode::kData, "{}: cannot be opened: {}", path, std::strerror(errno));
  std::vector<unsigned char> buffer(std::size_t{1} << 20);
  std::uint32_t sum = 0;
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t got = read(file, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      const int reason = errno;
      close(file);
      fail(
          ExitCode::kData, "{}: cannot be read at byte {}: {}", path, total, std::strerror(reason));
    }
    if (got == 0)
      break;
    sum = crc32c(buffer.data(), static_cast<std::size_t>(got), sum);
    total += static_cast<std::uint64_t>(got);
  }
  close(file);
  if (size != nullptr)
    *size = total;
  return sum;
}

std::string crc32c_text(std::uint32_t value) {
  return fmt::format("{:08x}", value);
}

}  // namespace regatta
