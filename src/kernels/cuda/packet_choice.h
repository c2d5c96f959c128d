// Width of a load and packets of a lane, by type and width of a head; and the layout they give.
#pragma once

#include "kernels/cuda/device_attention.h"

#include <type_traits>

namespace regatta::cuda {

template <int V, int K>
struct PacketShape {
  static constexpr int kElements = V;  ///< of a packet
  static constexpr int kPackets = K;   ///< of a lane
};

inline std::int64_t power_of_two_from(std::int64_t n) {
  std::int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}

template <int V, int K>
Layout layout_of(std::int64_t heads, std::int64_t width) {
  const std::int64_t packets = (width + V - 1) / V;
  Layout layout;
  layout.lanes = static_cast<int>(packets < kWarp ? power_of_two_from(packets) : kWarp);
  const std::int64_t slots = kWarp / layout.lanes;
  const std::int64_t wanted = power_of_two_from(heads);
  layout.head_slots = static_cast<int>(wanted < slots ? wanted : slots);
  layout.edge_slots = kWarp / (layout.lanes * layout.head_slots);
  layout.head_blocks = (heads + layout.head_slots - 1) / layout.head_slots;
  const std::int64_t tile = static_cast<std::int64_t>(layout.lanes) * K;
  layout.tiles = (packets + tile - 1) / tile;
  return layout;
}

/// Calls body(PacketShape) with 16-byte packets where the width and the tables' addresses allow;
/// else bf16 by pairs, else single elements.
template <class T, class Body>
cudaError_t with_packets(std::int64_t width, bool aligned, const Body& body) {
  constexpr int kFull = 16 / static_cast<int>(sizeof(T));
  if constexpr (!std::is_same_v<T, double>) {
    if (aligned && width % kFull == 0)
      return width <= kFull * kWarp ? body(PacketShape<kFull, 1>()) : body(PacketShape<kFull, 2>());
    if constexpr (std::is_same_v<T, BFloat16>)
      return aligned && width % 2 == 0 ? body(PacketShape<2, 4>()) : body(PacketShape<1, 4>());
    else
      return body(PacketShape<1, 8>());
  } else {
    return body(PacketShape<1, 4>());
  }
}

}  // namespace regatta::cuda
