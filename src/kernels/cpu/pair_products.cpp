#include "kernels/cpu/pair_products.h"

#include <atomic>

namespace regatta::cpu {
namespace {

bool told_by_processor() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

std::atomic<bool> allowed_here{true};

}  // namespace

bool pair_products_in_use() {
  return allowed_here && told_by_processor();
}

void allow_pair_products(bool allowed) {
  allowed_here = allowed;
}

}  // namespace regatta::cpu
