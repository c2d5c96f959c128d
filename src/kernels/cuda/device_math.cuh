// Elements, packets of elements, dropout and activations: what one thread computes by itself.
#pragma once

#include "kernels/cuda/device_launches.h"

#include <Random123/philox.h>

#include <cmath>
#include <cstring>

namespace regatta::cuda {

using std::exp;
using std::expm1;
using std::log;
using std::tanh;

template <class T>
REGATTA_DEVICE Working<T> widen(T value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
  } else {
    return value;
  }
}

/// As BFloat16's constructor: to nearest, ties to even.
template <class T>
REGATTA_DEVICE T narrow(Working<T> value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    std::uint32_t word;
    memcpy(&word, &value, sizeof word);
    T result;
    result.bits = static_cast<std::uint16_t>(
        value != value ? (word >> 16) | 0x40U : (word + 0x7FFFU + (word >> 16 & 1U)) >> 16);
    return result;
  } else {
    return value;
  }
}

/// V elements that one thread loads at once; V > 1 needs addresses aligned to its size.
template <class T, int V>
struct alignas(sizeof(T) * V) Packet {
  T element[V];
};

template <class T, int V>
REGATTA_DEVICE Packet<T, V> load_packet(const T* from) {
  Packet<T, V> packet;
#ifdef __CUDA_ARCH__
  if constexpr (sizeof packet == 16) {
    const uint4 raw = __ldg(reinterpret_cast<const uint4*>(from));
    memcpy(static_cast<void*>(&packet), &raw, sizeof packet);
    return packet;
  } else if constexpr (sizeof packet == 4) {
    const unsigned raw = __ldg(reinterpret_cast<const unsigned*>(from));
    memcpy(static_cast<void*>(&packet), &raw, sizeof packet);
    return packet;
  }
#endif
  memcpy(static_cast<void*>(&packet), from, sizeof packet);
  return packet;
}

template <class T, int V>
REGATTA_DEVICE void store_packet(T* to, const Packet<T, V>& packet) {
  *reinterpret_cast<Packet<T, V>*>(to) = packet;
}

/// The words of core/rng for four elements of the thing with this id.
REGATTA_DEVICE r123::Philox4x32::ctr_type dropout_words(const DeviceDropout& dropout,
                                                        std::int64_t id,
                                                        std::int64_t group_of_four) {
  const auto counter = static_cast<std::uint64_t>(id);
  const auto group = static_cast<std::uint64_t>(group_of_four);
  const std::uint64_t key = dropout.stored_key != nullptr ? *dropout.stored_key : dropout.key;
  const r123::Philox4x32::ctr_type c = {{static_cast<std::uint32_t>(counter),
                                         static_cast<std::uint32_t>(counter >> 32),
                                         static_cast<std::uint32_t>(group),
                                         static_cast<std::uint32_t>(group >> 32)}};
  const r123::Philox4x32::key_type k = {
      {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}};
  return r123::Philox4x32{}(c, k);
}

/// 0 or the survivors' scale for element `element`.
REGATTA_DEVICE double dropout_factor(const DeviceDropout& dropout,
                                     std::int64_t id,
                                     std::int64_t element) {
  const auto words = dropout_words(dropout, id, element / 4);
  const auto at = static_cast<int>(element % 4);
  const std::uint32_t word = at == 0   ? words[0]
                             : at == 1 ? words[1]
                             : at == 2 ? words[2]
                                       : words[3];
  return word >= dropout.threshold ? dropout.scale : 0.0;
}

/// m_ij of edge e (its place in the in-edge list)
template <class T>
REGATTA_DEVICE Working<T> edge_factor(const DeviceAttention<T>& in,
                                      std::int64_t e,
                                      std::int64_t h) {
  if (!in.attention_dropout.on)
    return 1;
  return static_cast<Working<T>>(dropout_factor(in.attention_dropout, in.graph.edge_id[e], h));
}

/// Bits of mu for the elements from h*D+d on: element h*D+d+v survives when bit v is set. Up to 8
/// elements that do not cross a word.
template <class T>
REGATTA_DEVICE std::uint32_t survivors_from(const DeviceAttention<T>& in,
                                            std::int64_t j,
                                            std::int64_t element) {
  if (in.survivors == nullptr)
    return 0xFFFFFFFFU;
  return in.survivors[j * in.mask_words + element / 32] >> (element % 32);
}

/// mu_jd
template <class T>
REGATTA_DEVICE Working<T> message_factor(const DeviceAttention<T>& in,
                                         std::int64_t j,
                                         std::int64_t element) {
  return (survivors_from(in, j, element) & 1U) != 0
             ? static_cast<Working<T>>(in.message_dropout.scale)
             : Working<T>(0);
}

template <class W>
REGATTA_DEVICE W minus_infinity() {
  return -static_cast<W>(INFINITY);
}

/// Derivative of LeakyReLU, strict at 0.
template <class W>
REGATTA_DEVICE W leaky_slope(W u, W slope) {
  return u > 0 ? W(1) : slope;
}

template <class W>
REGATTA_DEVICE W activate(const DeviceEpilogue<W>& epilogue, W x) {
  switch (epilogue.activation) {
    case FusedActivation::kNone:
      return x;
    case FusedActivation::kElu:
      return x > 0 ? x : expm1(x);
    case FusedActivation::kRelu:
      return x > 0 ? x : 0 * x;
    case FusedActivation::kLeakyRelu:
      return x > 0 ? x : x * epilogue.slope;
    case FusedActivation::kTanh:
      return tanh(x);
    case FusedActivation::kSigmoid:
      return 1 / (1 + exp(-x));
  }
  return x;
}

/// The activation's derivative at its value y.
template <class W>
REGATTA_DEVICE W activation_slope(const DeviceEpilogue<W>& epilogue, W y) {
  switch (epilogue.activation) {
    case FusedActivation::kNone:
      return 1;
    case FusedActivation::kElu:
      return y > 0 ? W(1) : y + 1;
    case FusedActivation::kRelu:
      return y > 0 ? W(1) : W(0);
    case FusedActivation::kLeakyRelu:
      return y > 0 ? W(1) : epilogue.slope;
    case FusedActivation::kTanh:
      return 1 - y * y;
    case FusedActivation::kSigmoid:
      return y * (1 - y);
  }
  return 1;
}

}  // namespace regatta::cuda
