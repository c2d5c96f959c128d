// Products of packed operands in the tile registers.
#include "kernels/cpu/amx_tiles.h"

#include "core/error.h"

#if defined(__x86_64__)

#include "kernels/cpu/amx_target.h"

#include <algorithm>
#include <immintrin.h>

namespace regatta::cpu {
namespace {

/// Asks for lines of what is needed next, few at a time: many would keep tiles waiting.
class Fetches {
 public:
  Fetches(std::span<const std::span<const std::byte>> ranges, std::size_t times) : ranges_(ranges) {
    std::size_t lines = 0;
    for (const auto& range : ranges) lines += range.size() / kLine + 1;
    lines_ = (lines + times - 1) / times;
    begin_range();
  }
  void next() {
    for (std::size_t line = 0; line < lines_ && at_ < end_; ++line) {
      _mm_prefetch(at_, _MM_HINT_T1);
      at_ += kLine;
    }
    if (at_ >= end_ && !ranges_.empty()) {
      ranges_ = ranges_.subspan(1);
      begin_range();
    }
  }

 private:
  void begin_range() {
    if (ranges_.empty())
      return;
    at_ = reinterpret_cast<const char*>(ranges_.front().data());
    end_ = at_ + ranges_.front().size();
  }

  std::span<const std::span<const std::byte>> ranges_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::size_t lines_ = 0;
};

// Tile registers: sums of the four quarters of a result, then two tiles of either operand. Numbers
// of registers must be literals.
#define REGATTA_LOAD_LEFT(plane)               \
  _tile_loadd(4, left[0] + (plane)*kTile, 64); \
  _tile_loadd(5, left[1] + (plane)*kTile, 64);
#define REGATTA_LOAD_RIGHT(plane)               \
  _tile_loadd(6, right[0] + (plane)*kTile, 64); \
  _tile_loadd(7, right[1] + (plane)*kTile, 64);
#define REGATTA_MULTIPLY   \
  _tile_dpbf16ps(0, 4, 6); \
  _tile_dpbf16ps(1, 4, 7); \
  _tile_dpbf16ps(2, 5, 6); \
  _tile_dpbf16ps(3, 5, 7); \
  fetches.next();

/// Adds the products of planes p and q, p + q <= 2, loading as few tiles as the registers allow.
template <std::size_t kLeft, std::size_t kRight>
REGATTA_TILES_INLINE void multiply_planes(const std::uint16_t* const* left,
                                          const std::uint16_t* const* right,
                                          Fetches& fetches) {
  REGATTA_LOAD_LEFT(0)
  if constexpr (kRight == kExactPlanes) {
    REGATTA_LOAD_RIGHT(2)
    REGATTA_MULTIPLY
    REGATTA_LOAD_RIGHT(1)
    REGATTA_MULTIPLY
    if constexpr (kLeft == kExactPlanes) {
      REGATTA_LOAD_LEFT(1)
      REGATTA_MULTIPLY
      REGATTA_LOAD_RIGHT(0)
      REGATTA_MULTIPLY
      REGATTA_LOAD_LEFT(2)
      REGATTA_MULTIPLY
      REGATTA_LOAD_LEFT(0)
      REGATTA_MULTIPLY
      return;
    }
  }
  REGATTA_LOAD_RIGHT(0)
  REGATTA_MULTIPLY
  if constexpr (kLeft == kExactPlanes) {
    REGATTA_LOAD_LEFT(1)
    REGATTA_MULTIPLY
    REGATTA_LOAD_LEFT(2)
    REGATTA_MULTIPLY
  }
}

#undef REGATTA_LOAD_LEFT
#undef REGATTA_LOAD_RIGHT
#undef REGATTA_MULTIPLY

/// All inner indices of a term for the result at blocks (row, column).
template <std::size_t kLeft, std::size_t kRight>
REGATTA_TILES_INLINE void add_planes(const TileTerm& term,
                                     std::size_t row,
                                     std::size_t column,
                                     Fetches& fetches) {
  const std::size_t blocks = tile_blocks(term.inner);
  const std::uint16_t* left[kBlockTiles];
  const std::uint16_t* right[kBlockTiles];
  for (std::size_t t = 0; t < kBlockTiles; ++t) {
    left[t] = term.left + (row * kBlockTiles + t) * blocks * kLeft * kTile;
    right[t] = term.right + (column * kBlockTiles + t) * blocks * kRight * kTile;
  }
  for (std::size_t b = 0; b < blocks; ++b) {
    multiply_planes<kLeft, kRight>(left, right, fetches);
    for (std::size_t t = 0; t < kBlockTiles; ++t) {
      left[t] += kLeft * kTile;
      right[t] += kRight * kTile;
    }
  }
}

/// Pairs of planes that are multiplied.
std::size_t products_of(const TileTerm& term) {
  if (term.left_planes == kExactPlanes && term.right_planes == kExactPlanes)
    return 6;
  return term.left_planes * term.right_planes;
}

REGATTA_TILES void add_term(const TileTerm& term,
                            std::size_t row,
                            std::size_t column,
                            Fetches& fetches) {
  const bool exact_right = term.right_planes == kExactPlanes;
  if (term.left_planes == kExactPlanes)
    exact_right ? add_planes<3, 3>(term, row, column, fetches)
                : add_planes<3, 1>(term, row, column, fetches);
  else
    exact_right ? add_planes<1, 3>(term, row, column, fetches)
                : add_planes<1, 1>(term, row, column, fetches);
}

/// 16 sums to a row of which `left` columns remain.
REGATTA_TILES_INLINE void store(__m512 sum, std::size_t left, void* to, const TileResult& result) {
  const __mmask16 mask = first_lanes(left);
  if (result.narrow) {
    const __m256i bits = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(sum));
    if (result.streamed && mask == 0xFFFF)
      _mm256_stream_si256(static_cast<__m256i*>(to), bits);
    else
      _mm256_mask_storeu_epi16(to, mask, bits);
    return;
  }
  if (result.add)
    sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), sum);
  if (result.streamed && mask == 0xFFFF)
    _mm512_stream_ps(static_cast<float*>(to), sum);
  else
    _mm512_mask_storeu_ps(to, mask, sum);
}

/// The result at blocks (row, column) from the registers.
REGATTA_TILES void store_block(std::size_t row,
                               std::size_t column,
                               std::size_t rows,
                               std::size_t columns,
                               const TileResult& result) {
  alignas(64) float sums[kTileBlock][kTileBlock];
  constexpr std::size_t kStride = sizeof sums[0];
  _tile_stored(0, &sums[0][0], kStride);
  _tile_stored(1, &sums[0][kLanes], kStride);
  _tile_stored(2, &sums[kTileRows][0], kStride);
  _tile_stored(3, &sums[kTileRows][kLanes], kStride);
  const std::size_t bytes = result.narrow ? 2 : 4;
  const std::size_t end = std::min(kTileBlock, rows - row * kTileBlock);
  for (std::size_t r = 0; r < end; ++r) {
    char* to = static_cast<char*>(result.data) +
               ((row * kTileBlock + r) * result.stride + column * kTileBlock) * bytes;
    const std::size_t left = columns - column * kTileBlock;
    store(_mm512_load_ps(sums[r]), left, to, result);
    if (left > kLanes)
      store(_mm512_load_ps(sums[r] + kLanes), left - kLanes, to + kLanes * bytes, result);
  }
}

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t reserved[15] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

REGATTA_TILES void configure_tiles() {
  TileConfiguration all;
  std::fill_n(all.row_bytes, 8, std::uint16_t{64});
  std::fill_n(all.rows, 8, std::uint8_t{kTileRows});
  _tile_loadconfig(&all);
}

}  // namespace

REGATTA_TILES void multiply_packed(std::span<const TileTerm> terms,
                                   std::size_t rows,
                                   std::size_t columns,
                                   TileResult result,
                                   std::span<const std::span<const std::byte>> ahead) {
  std::size_t times = 0;
  for (const TileTerm& term : terms) times += tile_blocks(term.inner) * products_of(term);
  Fetches fetches(ahead, times * tile_blocks(rows) * tile_blocks(columns));
  configure_tiles();
  for (std::size_t row = 0; row < tile_blocks(rows); ++row) {
    for (std::size_t column = 0; column < tile_blocks(columns); ++column) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (const TileTerm& term : terms) add_term(term, row, column, fetches);
      store_block(row, column, rows, columns, result);
    }
  }
  _tile_release();
}

}  // namespace regatta::cpu

#else  // amx_available() is false and nobody may come here

namespace regatta::cpu {
namespace {

[[noreturn]] void no_tiles() {
  fail(ExitCode::kInternal, "this processor has no AMX tiles");
}

}  // namespace

void pack_operand(SourceRows, TileSource, std::size_t, std::size_t, std::size_t, std::uint16_t*) {
  no_tiles();
}
void multiply_packed(std::span<const TileTerm>,
                     std::size_t,
                     std::size_t,
                     TileResult,
                     std::span<const std::span<const std::byte>>) {
  no_tiles();
}

}  // namespace regatta::cpu
#endif
