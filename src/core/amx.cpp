#include "core/amx.h"

#include <atomic>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace regatta {
namespace {

#if defined(__x86_64__) && defined(__linux__)
/// The instruction sets of kernels/cpu/amx_target.h, with registers that the system saves.
bool told_by_processor() {
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
         __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
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
