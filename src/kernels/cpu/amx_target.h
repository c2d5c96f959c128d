// For the sources that use AMX; x86-64 only.
#pragma once

#include <cstddef>
#include <immintrin.h>

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

/// The first `count` lanes of a vector, all from kLanes on.
inline __mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFF : (1U << count) - 1U);
}

}  // namespace regatta::cpu
