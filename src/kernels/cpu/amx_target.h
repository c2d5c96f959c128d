// For the sources that use AMX; x86-64 only.
#pragma once

#include <cstddef>

// GCC 12 takes the undefined operands in its own header for mistakes of the callers.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

// The instruction sets that amx_available() asks for; the rest of the program runs without them.
#define REGATTA_TILES \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#define REGATTA_TILES_INLINE REGATTA_TILES inline __attribute__((always_inline))

namespace regatta::cpu {

// A tile register: 16 rows of 64 bytes, that is 16 x 32 bf16 or 16 x 16 floats.
inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kLanes = 16;
inline constexpr std::size_t kTile = 512;  // bf16
inline constexpr std::size_t kBlockTiles = 2;
inline constexpr std::size_t kLine = 64;

}  // namespace regatta::cpu
