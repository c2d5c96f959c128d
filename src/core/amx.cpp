#include "core/amx.h"

#include <atomic>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace regatta {
namespace {

#if defined(__x86_64__) && defined(__linux__)
struct CpuidLeaf {
  CpuidLeaf(unsigned leaf, unsigned subleaf) {
    found = __get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx) != 0;
  }
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  bool found = false;
};

/// Registers that the operating system saves (XCR0).
unsigned saved_state() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool told_by_processor() {
  constexpr unsigned kAvx512State = 7U << 5, kTileState = 3U << 17;
  constexpr unsigned kSavesRegisters = 1U << 27;  // OSXSAVE
  const CpuidLeaf features(1, 0), extended(7, 0), extended_more(7, 1);
  if (!features.found || !extended.found || (features.ecx & kSavesRegisters) == 0)
    return false;
  constexpr unsigned kTiles = 1U << 24, kBf16Tiles = 1U << 22;             // 7.0 edx
  constexpr unsigned kAvx512 = 1U << 16 | 1U << 17 | 1U << 30 | 1U << 31;  // F DQ BW VL: 7.0 ebx
  constexpr unsigned kBf16Vectors = 1U << 5;                               // 7.1 eax
  const unsigned state = saved_state();
  return (extended.edx & kTiles) != 0 && (extended.edx & kBf16Tiles) != 0 &&
         (extended.ebx & kAvx512) == kAvx512 && (extended_more.eax & kBf16Vectors) != 0 &&
         (state & kAvx512State) == kAvx512State && (state & kTileState) == kTileState;
}

/// Linux grants the registers of tiles to a process that asks for them.
bool granted_by_system() {
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

bool found_available() {
  return told_by_processor() && granted_by_system();
}
#else
bool found_available() {
  return false;
}
#endif

std::atomic<bool>& allowed() {
  static std::atomic<bool> value{true};
  return value;
}

}  // namespace

bool amx_available() {
  static const bool available = found_available();
  return available;
}

bool amx_in_use() {
  return allowed() && amx_available();
}

void allow_amx(bool value) {
  allowed() = value;
}

}  // namespace regatta
