#include "preprocess/sources/byte_stream.h"

#include "core/error.h"

#include <isa-l/igzip_lib.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace regatta {

struct ByteStream::Gzip {
  inflate_state state;
  std::vector<unsigned char> input = std::vector<unsigned char>(std::size_t{1} << 18);
  bool finished = false;  ///< the file ended after a whole member
};

ByteStream::ByteStream(const std::string& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) {
    fail(ExitCode::kData,
         "{}: cannot be opened: {}; check the path, which starts at the current folder",
         path,
         std::strerror(errno));
  }
  try {
    unsigned char magic[2];
    std::size_t got = 0;
    while (got < 2) {
      const std::size_t more = read_raw(magic + got, 2 - got);
      if (more == 0)
        break;
      got += more;
    }
    head_.assign(reinterpret_cast<const char*>(magic), got);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
  if (head_ != "\x1f\x8b")
    return;
  gzip_ = std::make_unique<Gzip>();
  isal_inflate_init(&gzip_->state);
  gzip_->state.crc_flag = ISAL_GZIP;
}

ByteStream::~ByteStream() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

std::size_t ByteStream::read_raw(unsigned char* out, std::size_t size) {
  if (head_used_ < head_.size()) {
    const std::size_t take = std::min(size, head_.size() - head_used_);
    std::memcpy(out, head_.data() + head_used_, take);
    head_used_ += take;
    return take;
  }
  ssize_t got = 0;
  do {
    got = ::read(descriptor_, out, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0)
    fail(ExitCode::kData, "{}: cannot be read: {}", path_, std::strerror(errno));
  return static_cast<std::size_t>(got);
}

std::size_t ByteStream::read(char* out, std::size_t size) {
  std::size_t filled = 0;
  while (filled < size) {
    const std::size_t got =
        gzip_ ? read_gzip(out + filled, size - filled)
              : read_raw(reinterpret_cast<unsigned char*>(out) + filled, size - filled);
    if (got == 0)
      break;
    filled += got;
  }
  return filled;
}

bool ByteStream::refill() {
  inflate_state& state = gzip_->state;
  if (state.avail_in > 0)
    return true;
  const std::size_t got = read_raw(gzip_->input.data(), gzip_->input.size());
  state.next_in = gzip_->input.data();
  state.avail_in = static_cast<std::uint32_t>(got);
  return got > 0;
}

void ByteStream::start_next_member() {
  inflate_state& state = gzip_->state;
  if (!refill()) {
    gzip_->finished = true;
    return;
  }
  if (*state.next_in != 0x1f) {
    fail(ExitCode::kData, "{}: there are bytes after the gzip stream that are not gzip", path_);
  }
  unsigned char* input = state.next_in;
  const std::uint32_t available = state.avail_in;
  isal_inflate_reset(&state);
  state.crc_flag = ISAL_GZIP;
  state.next_in = input;
  state.avail_in = available;
}

std::size_t ByteStream::read_gzip(char* out, std::size_t size) {
  inflate_state& state = gzip_->state;
  while (!gzip_->finished) {
    const bool more = refill();
    const auto wanted = static_cast<std::uint32_t>(std::min(size, std::size_t{1} << 30));
    state.next_out = reinterpret_cast<unsigned char*>(out);
    state.avail_out = wanted;
    const int status = isal_inflate(&state);
    if (status < 0) {
      fail(ExitCode::kData,
           "{}: the gzip stream is damaged (ISA-L error {}); fetch or pack the file again",
           path_,
           status);
    }
    const std::size_t got = wanted - state.avail_out;
    if (state.block_state == ISAL_BLOCK_FINISH) {
      start_next_member();
    } else if (!more && got == 0) {
      fail(ExitCode::kData,
           "{}: the gzip stream ends in its middle; fetch or pack the file again",
           path_);
    }
    if (got > 0)
      return got;
  }
  return 0;
}

}  // namespace regatta
