// One pass over a chunk file in pieces: get the bytes, sum them, look for NaN and Inf.
#include "data/chunk_bytes.h"

#include "core/crc32c.h"
#include "core/parallel.h"
#include "data/crc32c_combine.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // Linux 5.14; older kernels say EINVAL and pages come in one by one
#endif

namespace regatta {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1}
                                      << 20;  // stays in a core's cache between the passes

/// A stretch of the file: an array (dataset set) or what lies between arrays.
struct Stretch {
  const Hdf5Dataset* dataset = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::byte* target = nullptr;  ///< own memory, when not mapped
};

struct Piece {
  std::size_t stretch = 0;
  std::uint64_t begin = 0;  ///< within the stretch
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;
  std::int64_t first_non_finite = -1;
};

template <class Word>
std::int64_t first_with_exponent(const std::byte* bytes, std::uint64_t count, Word exponent) {
  const auto word_at = [bytes](std::uint64_t i) {
    Word word;
    std::memcpy(&word, bytes + i * sizeof(Word), sizeof(Word));
    return word;
  };
  Word any = 0;  // without a branch, so that the compiler vectorises it
  for (std::uint64_t i = 0; i < count; ++i)
    any |= static_cast<Word>((word_at(i) & exponent) == exponent);
  if (any == 0)
    return -1;
  for (std::uint64_t i = 0;; ++i)
    if ((word_at(i) & exponent) == exponent)
      return static_cast<std::int64_t>(i);
}

/// NaN and Inf are the values whose exponent bits are all set. uint16 holds bfloat16 in this
/// format.
std::int64_t first_non_finite(ElementType type, const std::byte* bytes, std::uint64_t size) {
  if (type == ElementType::kFloat32)
    return first_with_exponent<std::uint32_t>(bytes, size / 4, 0x7F800000U);
  if (type == ElementType::kFloat16)
    return first_with_exponent<std::uint16_t>(bytes, size / 2, 0x7C00U);
  if (type == ElementType::kUint16)
    return first_with_exponent<std::uint16_t>(bytes, size / 2, 0x7F80U);
  return -1;
}

/// Arrays in the order of their offsets and, for the sum over the whole file, what lies between
/// them.
std::vector<Stretch> stretches(std::vector<const Hdf5Dataset*> datasets,
                               std::uint64_t file_bytes,
                               bool gaps,
                               ChunkFaults& faults) {
  std::erase_if(datasets, [](const Hdf5Dataset* dataset) { return dataset->bytes == 0; });
  std::sort(datasets.begin(), datasets.end(), [](const Hdf5Dataset* a, const Hdf5Dataset* b) {
    return a->offset < b->offset;
  });
  std::vector<Stretch> result;
  std::uint64_t position = 0;
  for (const Hdf5Dataset* dataset : datasets) {
    if (dataset->offset < position) {
      faults.add(dataset->name,
                 "its bytes start at {}, inside the array before, which ends at {}",
                 dataset->offset,
                 position);
      continue;
    }
    if (gaps && dataset->offset > position)
      result.push_back({nullptr, position, dataset->offset - position});
    result.push_back({dataset, dataset->offset, dataset->bytes});
    position = dataset->offset + dataset->bytes;
  }
  if (gaps && position < file_bytes)
    result.push_back({nullptr, position, file_bytes - position});
  return result;
}

std::vector<Piece> pieces_of(const std::vector<Stretch>& stretches) {
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < stretches.size(); ++s)
    for (std::uint64_t begin = 0; begin < stretches[s].bytes; begin += kPieceBytes)
      pieces.push_back({s, begin, std::min(kPieceBytes, stretches[s].bytes - begin)});
  return pieces;
}

/// Large arrays get huge pages where the system offers them: a third of the time to fill fresh
/// memory went into page faults without.
std::shared_ptr<std::byte> allocate(std::uint64_t bytes) {
  constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;
  const auto alignment = static_cast<std::align_val_t>(bytes >= 2 * kHugePage ? kHugePage : 64);
  auto* memory = static_cast<std::byte*>(::operator new(bytes, alignment));
  if (bytes >= 2 * kHugePage)
    ::madvise(memory, bytes, MADV_HUGEPAGE);
  return {memory, [alignment](std::byte* used) { ::operator delete(used, alignment); }};
}

/// Has the kernel map all pages of a stretch at once instead of one fault after the other.
void populate(const std::byte* bytes, std::uint64_t size) {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes) + size;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
}

void run_piece(const ChunkFile& file,
               const PayloadRequest& request,
               const Stretch& stretch,
               Piece& piece) {
  const std::uint64_t offset = stretch.offset + piece.begin;
  std::vector<std::byte> scratch;
  const std::byte* bytes = nullptr;
  if (file.mapped() != nullptr) {
    bytes = file.mapped() + offset;
    populate(bytes, piece.bytes);
  } else {
    std::byte* target = stretch.target == nullptr ? nullptr : stretch.target + piece.begin;
    if (target == nullptr) {
      scratch.resize(piece.bytes);
      target = scratch.data();
    }
    file.read(offset, {target, piece.bytes});
    bytes = target;
  }
  if (request.checksum)
    piece.crc32c = crc32c(bytes, piece.bytes);
  if (request.find_non_finite && stretch.dataset != nullptr)
    piece.first_non_finite = first_non_finite(stretch.dataset->type, bytes, piece.bytes);
}

/// Sums of pieces to sums of arrays and of the file.
void gather(const std::vector<Stretch>& stretches,
            const std::vector<Piece>& pieces,
            Payloads& result) {
  for (const Piece& piece : pieces) {
    result.file_crc32c = crc32c_combine(result.file_crc32c, piece.crc32c, piece.bytes);
    const Hdf5Dataset* dataset = stretches[piece.stretch].dataset;
    if (dataset == nullptr)
      continue;
    Payload& payload = result.arrays.at(dataset->name);
    payload.crc32c = crc32c_combine(payload.crc32c, piece.crc32c, piece.bytes);
    if (payload.first_non_finite < 0 && piece.first_non_finite >= 0)
      payload.first_non_finite =
          piece.first_non_finite +
          static_cast<std::int64_t>(piece.begin / element_size(dataset->type));
  }
}

}  // namespace

ChunkFile::ChunkFile(std::string path, bool map) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor_ < 0 && errno == ELOOP)
    fail(ExitCode::kData,
         "{}: is a symbolic link, expected the chunk file itself; copy the file here",
         path_);
  if (descriptor_ < 0)
    fail(ExitCode::kData,
         "{}: cannot be opened: {}; copy the file again or preprocess again",
         path_,
         std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  bytes_ = regular ? static_cast<std::uint64_t>(status.st_size) : 0;
  void* address = nullptr;
  if (regular && map && bytes_ > 0)
    address = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (regular && address != MAP_FAILED) {
    mapped_ = static_cast<const std::byte*>(address);
    if (mapped_ != nullptr)
      ::madvise(address, bytes_, MADV_WILLNEED);
    return;
  }
  const int reason = errno;
  ::close(descriptor_);
  if (!regular)
    fail(ExitCode::kData, "{}: is not a regular file, expected a chunk file", path_);
  fail(ExitCode::kData,
       "{}: cannot be mapped into memory: {}; use `read: pread`",
       path_,
       std::strerror(reason));
}

ChunkFile::~ChunkFile() {
  if (mapped_ != nullptr)
    ::munmap(const_cast<std::byte*>(mapped_), bytes_);
  ::close(descriptor_);
}

void ChunkFile::read(std::uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      fail(ExitCode::kData,
           "{}: cannot be read at byte {}: {}",
           path_,
           offset,
           std::strerror(errno));
    if (got == 0)
      fail(ExitCode::kData,
           "{}: ends at byte {} while being read; is another program writing it?",
           path_,
           offset);
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
}

bool ChunkFile::still_at_path() const {
  struct stat mine {};
  struct stat named {};
  return ::fstat(descriptor_, &mine) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
         mine.st_dev == named.st_dev && mine.st_ino == named.st_ino &&
         mine.st_size == named.st_size;
}

Payloads load_payloads(const std::shared_ptr<const ChunkFile>& file,
                       const PayloadRequest& request,
                       ChunkFaults& faults) {
  Payloads result;
  for (const Hdf5Dataset* dataset : request.datasets) result.arrays[dataset->name];
  std::vector<Stretch> parts = stretches(request.datasets, file->bytes(), request.checksum, faults);
  for (Stretch& part : parts) {
    if (part.dataset == nullptr)
      continue;
    Payload& payload = result.arrays.at(part.dataset->name);
    // Mapped arrays are used in place unless a foreign writer left them unaligned.
    const bool in_place =
        file->mapped() != nullptr && part.offset % element_size(part.dataset->type) == 0;
    if (in_place) {
      payload.owner = file;
      payload.bytes = {file->mapped() + part.offset, part.bytes};
      continue;
    }
    const std::shared_ptr<std::byte> memory = allocate(part.bytes);
    part.target = memory.get();
    payload.owner = memory;
    payload.bytes = {memory.get(), part.bytes};
    if (file->mapped() != nullptr)
      std::memcpy(part.target, file->mapped() + part.offset, part.bytes);
  }
  std::vector<Piece> pieces = pieces_of(parts);
  parallel_pieces(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    Piece& piece = pieces[static_cast<std::size_t>(i)];
    run_piece(*file, request, parts[piece.stretch], piece);
  });
  gather(parts, pieces, result);
  return result;
}

}  // namespace regatta
