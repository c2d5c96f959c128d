// Polynomials over GF(2) are bit-reversed, as in the CRC itself: bit 31 is x^0, bit 0 is x^31.
#include "data/crc32c_combine.h"

namespace regatta {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78U;
constexpr std::uint32_t kOne = 0x80000000U;

/// a * x modulo the polynomial.
constexpr std::uint32_t times_x(std::uint32_t a) {
  return (a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0);
}

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = kOne; bit != 0; bit >>= 1, b = times_x(b))
    if ((a & bit) != 0)
      product ^= b;
  return product;
}

}  // namespace

std::uint32_t crc32c_combine(std::uint32_t first,
                             std::uint32_t second,
                             std::uint64_t second_bytes) {
  std::uint32_t power = kOne;          // x^(8 |B|), by squaring
  std::uint32_t square = 0x00800000U;  // x^8
  for (; second_bytes != 0; second_bytes >>= 1, square = multiply(square, square))
    if ((second_bytes & 1) != 0)
      power = multiply(power, square);
  return multiply(power, first) ^ second;
}

}  // namespace regatta
