// Storage and working types of kernels: what rows are kept in, and what sums are formed in.
#pragma once

#include "kernels/attention.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace regatta {

/// The upper half of a float (8 bits of exponent, 7 of fraction), rounded to nearest, ties to even.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool nan = value != value;
    bits = static_cast<std::uint16_t>(nan ? (word >> 16) | 0x40U
                                          : (word + 0x7FFFU + (word >> 16 & 1U)) >> 16);
  }
  explicit BFloat16(double value) : BFloat16(static_cast<float>(value)) {}
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

/// float for float and BFloat16, double for double.
template <class Storage>
using Working = std::conditional_t<std::is_same_v<Storage, double>, double, float>;

inline std::size_t storage_bytes(KernelType type) {
  return type == KernelType::kFloat64 ? 8 : type == KernelType::kFloat32 ? 4 : 2;
}
inline std::size_t working_bytes(KernelType type) {
  return type == KernelType::kFloat64 ? 8 : 4;
}

/// Calls body(Storage{}) with the C++ type of `type`.
template <class Body>
void with_storage(KernelType type, const Body& body) {
  switch (type) {
    case KernelType::kFloat32:
      return body(float{});
    case KernelType::kFloat64:
      return body(double{});
    case KernelType::kBFloat16:
      return body(BFloat16{});
  }
}

/// The same with its working type.
template <class Body>
void with_working(KernelType type, const Body& body) {
  type == KernelType::kFloat64 ? body(double{}) : body(float{});
}

}  // namespace regatta
