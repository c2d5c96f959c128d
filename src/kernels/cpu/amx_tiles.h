// Tiles of Intel AMX for dense products: operands are packed as bf16 planes, 32 x 32 results stay
// in the tile registers.
//
// A float is the exact sum of three bf16 numbers of falling size (8 + 8 + 8 bits of its fraction),
// its planes. A product of floats is then the sum of the products of planes p and q with p + q <=
// 2; the three left out are below half an ulp of it (Henry, Tang, Heinecke, "Leveraging the
// bfloat16 artificial intelligence datatype for higher-precision computations", ARITH 2019). The
// unit adds in fp32, in an order of its own that depends on nothing but the inner index. Numbers
// below 2^-126, planes too, count as zeros.
//
// Everything here needs amx_available().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace regatta::cpu {

/// Planes of an operand that is to be exact, and of one that is bf16 or may be rounded to it.
inline constexpr std::size_t kExactPlanes = 3;
inline constexpr std::size_t kRoundedPlanes = 1;

/// Rows and columns of a result, and inner indices, that tiles take at a time; operands are padded
/// with zeros to multiples of it.
inline constexpr std::size_t kTileBlock = 32;
inline std::size_t tile_blocks(std::size_t length) {
  return (length + kTileBlock - 1) / kTileBlock;
}

/// bf16 numbers of a packed operand: an outer index (rows of the left, columns of the right) and
/// the inner one.
inline std::size_t packed_size(std::size_t outer, std::size_t inner, std::size_t planes) {
  return tile_blocks(outer) * tile_blocks(inner) * kTileBlock * kTileBlock * planes;
}

/// A matrix in memory, fp32 or bf16, row after row.
struct TileSource {
  const void* data;
  std::size_t stride;  ///< elements from row to row
  bool narrow;         ///< bf16
};

/// What the rows of a source are to an operand. The outer index is that of the result, rows for the
/// left operand and columns for the right one.
enum class SourceRows { kLeftOuter, kLeftInner, kRightOuter, kRightInner };

/// Packs `outer` x `inner` numbers to `to`, which is aligned to 64 bytes and holds packed_size of
/// them.
void pack_operand(SourceRows rows,
                  TileSource from,
                  std::size_t outer,
                  std::size_t inner,
                  std::size_t planes,
                  std::uint16_t* to);

/// One summand of a result: packed operands over one inner length.
struct TileTerm {
  const std::uint16_t* left;
  std::size_t left_planes;
  const std::uint16_t* right;
  std::size_t right_planes;
  std::size_t inner;
};

/// Where a result goes.
struct TileResult {
  void* data;
  std::size_t stride;
  bool narrow;    ///< bf16: rounded once
  bool add;       ///< to the floats that are there
  bool streamed;  ///< whole cache lines go past the caches; FlushStream must follow
};

/// result (+)= sum of left * right over the terms, in their order. Sets the tile registers up and
/// releases them. `rows` x `columns` elements are written, nothing beyond them. Meanwhile `ahead`,
/// what will be packed next, is fetched to the second-level cache.
void multiply_packed(std::span<const TileTerm> terms,
                     std::size_t rows,
                     std::size_t columns,
                     TileResult result,
                     std::span<const std::span<const std::byte>> ahead = {});

}  // namespace regatta::cpu
