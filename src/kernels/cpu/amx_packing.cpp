// Operands of AMX products as bf16 planes, tile after tile.
#include "kernels/cpu/amx_tiles.h"

#if defined(__x86_64__)

#include "kernels/cpu/amx_target.h"

#include <algorithm>
#include <immintrin.h>

namespace regatta::cpu {
namespace {

REGATTA_TILES_INLINE __m512 widened(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/// Elements first .. first + 15 of a row that has `end`, zeros beyond them.
template <bool kNarrow>
REGATTA_TILES_INLINE __m512 load(const void* row, std::size_t first, std::size_t end) {
  const __mmask16 mask = first_lanes(first < end ? end - first : 0);
  if constexpr (kNarrow)
    return widened(_mm256_maskz_loadu_epi16(mask, static_cast<const std::uint16_t*>(row) + first));
  else
    return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(row) + first);
}

template <bool kNarrow>
const void* row_of(const TileSource& from, std::size_t row) {
  return static_cast<const char*>(from.data) + row * from.stride * (kNarrow ? 2 : 4);
}

/// 32 floats: the first 16 and the others.
struct Pair {
  __m512 first, second;
};

REGATTA_TILES_INLINE __m512i rounded(Pair x) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(x.second, x.first));
}

REGATTA_TILES_INLINE Pair rest(Pair x, __m512i plane) {
  return {_mm512_sub_ps(x.first, widened(_mm512_castsi512_si256(plane))),
          _mm512_sub_ps(x.second, widened(_mm512_extracti64x4_epi64(plane, 1)))};
}

/// Which planes are infinite or no numbers: those of such floats, and of the largest, which round
/// up.
REGATTA_TILES_INLINE __mmask32 not_finite(__m512i plane) {
  const __m512i exponent = _mm512_set1_epi16(0x7F80);
  return _mm512_cmpeq_epi16_mask(_mm512_and_si512(plane, exponent), exponent);
}

/// 16 floats cut towards zero, what is no number kept so.
REGATTA_TILES_INLINE __m256i cut_half(__m512 v) {
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  const __m512i bits = _mm512_castps_si512(v);
  return _mm512_cvtepi32_epi16(
      _mm512_srli_epi32(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x400000)), 16));
}

REGATTA_TILES_INLINE __m512i cut(Pair x) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(cut_half(x.first)), cut_half(x.second), 1);
}

/// Zeros but for the lanes of `kept`.
REGATTA_TILES_INLINE Pair masked(Pair x, __mmask32 kept) {
  return {_mm512_maskz_mov_ps(static_cast<__mmask16>(kept), x.first),
          _mm512_maskz_mov_ps(static_cast<__mmask16>(kept >> 16), x.second)};
}

/// kPlanes planes of 32 floats. The others of what is infinite or no number are zeros.
template <std::size_t kPlanes>
REGATTA_TILES_INLINE void split(Pair x, __m512i* planes) {
  planes[0] = rounded(x);
  if constexpr (kPlanes == kExactPlanes) {
    const __mmask32 special = not_finite(planes[0]);
    if (special != 0) [[unlikely]]
      planes[0] = _mm512_mask_mov_epi16(planes[0], special, cut(x));
    x = rest(x, planes[0]);
    if (special != 0) [[unlikely]]
      x = masked(x, ~not_finite(planes[0]));
    planes[1] = rounded(x);
    planes[2] = rounded(rest(x, planes[1]));
  }
}

/// Where plane 0 of the tile that holds (outer, inner) begins; planes follow one another.
template <std::size_t kPlanes>
std::uint16_t* tile_at(std::uint16_t* packed,
                       std::size_t inner_blocks,
                       std::size_t tile,
                       std::size_t block) {
  return packed + (tile * inner_blocks + block) * kPlanes * kTile;
}

template <std::size_t kPlanes>
REGATTA_TILES_INLINE void store_planes(const __m512i* planes, std::uint16_t* to) {
  for (std::size_t p = 0; p < kPlanes; ++p) _mm512_store_si512(to + p * kTile, planes[p]);
}

/// A tile's row of the left operand is 32 inner indices of one row.
template <bool kNarrow, std::size_t kPlanes>
REGATTA_TILES void left_by_rows(TileSource from,
                                std::size_t rows,
                                std::size_t inner,
                                std::uint16_t* to) {
  const std::size_t blocks = tile_blocks(inner);
  for (std::size_t r = 0; r < tile_blocks(rows) * kTileBlock; ++r) {
    const void* row = row_of<kNarrow>(from, r);
    const std::size_t end = r < rows ? inner : 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t k = b * kTileBlock;
      __m512i planes[kPlanes];
      split<kPlanes>({load<kNarrow>(row, k, end), load<kNarrow>(row, k + kLanes, end)}, planes);
      store_planes<kPlanes>(
          planes, tile_at<kPlanes>(to, blocks, r / kTileRows, b) + r % kTileRows * kTileBlock);
    }
  }
}

/// 16 x 16 floats, rows for columns.
REGATTA_TILES_INLINE void transpose(__m512* v) {
  __m512 t[kLanes];
  for (std::size_t k = 0; k < kLanes; k += 2) {  // pairs of floats
    t[k] = _mm512_unpacklo_ps(v[k], v[k + 1]);
    t[k + 1] = _mm512_unpackhi_ps(v[k], v[k + 1]);
  }
  for (std::size_t k = 0; k < kLanes; k += 4) {  // fours of floats
    for (std::size_t half = 0; half < 2; ++half) {
      const __m512d a = _mm512_castps_pd(t[k + half]), b = _mm512_castps_pd(t[k + 2 + half]);
      v[k + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      v[k + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
  for (std::size_t k = 0; k < 4; ++k) {  // quarters of vectors
    const __m512 low = _mm512_shuffle_f32x4(v[k], v[k + 4], 0x88);
    const __m512 high = _mm512_shuffle_f32x4(v[k], v[k + 4], 0xDD);
    const __m512 low2 = _mm512_shuffle_f32x4(v[k + 8], v[k + 12], 0x88);
    const __m512 high2 = _mm512_shuffle_f32x4(v[k + 8], v[k + 12], 0xDD);
    t[k] = _mm512_shuffle_f32x4(low, low2, 0x88);
    t[k + 8] = _mm512_shuffle_f32x4(low, low2, 0xDD);
    t[k + 4] = _mm512_shuffle_f32x4(high, high2, 0x88);
    t[k + 12] = _mm512_shuffle_f32x4(high, high2, 0xDD);
  }
  std::copy_n(t, kLanes, v);
}

/// Rows [first, first + 16) of columns [column, column + 16), transposed.
template <bool kNarrow>
REGATTA_TILES_INLINE void load_transposed(const TileSource& from,
                                          std::size_t first,
                                          std::size_t rows,
                                          std::size_t column,
                                          std::size_t columns,
                                          __m512* v) {
  for (std::size_t k = 0; k < kLanes; ++k)
    v[k] = load<kNarrow>(row_of<kNarrow>(from, first + k), column, first + k < rows ? columns : 0);
  transpose(v);
}

template <bool kNarrow, std::size_t kPlanes>
REGATTA_TILES void left_by_columns(TileSource from,
                                   std::size_t rows,
                                   std::size_t inner,
                                   std::uint16_t* to) {
  const std::size_t blocks = tile_blocks(inner);
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t tile = 0; tile < tile_blocks(rows) * kBlockTiles; ++tile) {
      __m512 first[kLanes], second[kLanes];
      const std::size_t k = b * kTileBlock, column = tile * kTileRows;
      load_transposed<kNarrow>(from, k, inner, column, rows, first);
      load_transposed<kNarrow>(from, k + kLanes, inner, column, rows, second);
      std::uint16_t* at = tile_at<kPlanes>(to, blocks, tile, b);
      for (std::size_t r = 0; r < kTileRows; ++r) {
        __m512i planes[kPlanes];
        split<kPlanes>({first[r], second[r]}, planes);
        store_planes<kPlanes>(planes, at + r * kTileBlock);
      }
    }
  }
}

/// A tile's row of the right operand is 16 columns of two inner indices, which alternate.
template <std::size_t kPlanes>
REGATTA_TILES_INLINE void store_alternating(Pair x, std::uint16_t* to) {
  // Lane k of 32 bits gets numbers k and 16 + k.
  const __m512i k = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i alternate =
      _mm512_or_si512(k, _mm512_slli_epi32(_mm512_add_epi32(k, _mm512_set1_epi32(16)), 16));
  __m512i planes[kPlanes];
  split<kPlanes>(x, planes);
  for (std::size_t p = 0; p < kPlanes; ++p)
    planes[p] = _mm512_permutexvar_epi16(alternate, planes[p]);
  store_planes<kPlanes>(planes, to);
}

template <bool kNarrow, std::size_t kPlanes>
REGATTA_TILES void right_by_rows(TileSource from,
                                 std::size_t inner,
                                 std::size_t columns,
                                 std::uint16_t* to) {
  const std::size_t blocks = tile_blocks(inner);
  for (std::size_t k = 0; k < blocks * kTileBlock; k += 2) {
    const void* row = row_of<kNarrow>(from, k);
    const void* next = row_of<kNarrow>(from, k + 1);
    const std::size_t end = k < inner ? columns : 0, next_end = k + 1 < inner ? columns : 0;
    for (std::size_t tile = 0; tile < tile_blocks(columns) * kBlockTiles; ++tile)
      store_alternating<kPlanes>(
          {load<kNarrow>(row, tile * kLanes, end), load<kNarrow>(next, tile * kLanes, next_end)},
          tile_at<kPlanes>(to, blocks, tile, k / kTileBlock) + k % kTileBlock / 2 * kTileBlock);
  }
}

template <bool kNarrow, std::size_t kPlanes>
REGATTA_TILES void right_by_columns(TileSource from,
                                    std::size_t inner,
                                    std::size_t columns,
                                    std::uint16_t* to) {
  const std::size_t blocks = tile_blocks(inner);
  for (std::size_t tile = 0; tile < tile_blocks(columns) * kBlockTiles; ++tile) {
    for (std::size_t k = 0; k < blocks * kTileBlock; k += kLanes) {
      __m512 v[kLanes];
      load_transposed<kNarrow>(from, tile * kLanes, columns, k, inner, v);
      std::uint16_t* at =
          tile_at<kPlanes>(to, blocks, tile, k / kTileBlock) + k % kTileBlock / 2 * kTileBlock;
      for (std::size_t pair = 0; pair < kLanes / 2; ++pair)
        store_alternating<kPlanes>({v[2 * pair], v[2 * pair + 1]}, at + pair * kTileBlock);
    }
  }
}

template <bool kNarrow, std::size_t kPlanes>
void pack(
    SourceRows rows, TileSource from, std::size_t outer, std::size_t inner, std::uint16_t* to) {
  switch (rows) {
    case SourceRows::kLeftOuter:
      return left_by_rows<kNarrow, kPlanes>(from, outer, inner, to);
    case SourceRows::kLeftInner:
      return left_by_columns<kNarrow, kPlanes>(from, outer, inner, to);
    case SourceRows::kRightOuter:
      return right_by_columns<kNarrow, kPlanes>(from, inner, outer, to);
    case SourceRows::kRightInner:
      return right_by_rows<kNarrow, kPlanes>(from, inner, outer, to);
  }
}

}  // namespace

void pack_operand(SourceRows rows,
                  TileSource from,
                  std::size_t outer,
                  std::size_t inner,
                  std::size_t planes,
                  std::uint16_t* to) {
  const bool exact = planes == kExactPlanes;
  if (from.narrow)
    exact ? pack<true, kExactPlanes>(rows, from, outer, inner, to)
          : pack<true, kRoundedPlanes>(rows, from, outer, inner, to);
  else
    exact ? pack<false, kExactPlanes>(rows, from, outer, inner, to)
          : pack<false, kRoundedPlanes>(rows, from, outer, inner, to);
}

}  // namespace regatta::cpu

#endif  // amx_tiles.cpp has what stands for it elsewhere
