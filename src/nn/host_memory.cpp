#include "nn/host_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

namespace regatta {
namespace {

// From 128 KiB on the C library maps blocks and returns them to the system when freed; aligned ones
// far below that already cost it more than a pool's look-up.
constexpr std::size_t kLeastBytes = 16 << 10;

void give_block(void* block) {
  if (!host_tensor_blocks().give(block))
    c10::GetDefaultCPUAllocator()->raw_deleter()(block);
}

class HostAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes < kLeastBytes)
      return c10::GetDefaultCPUAllocator()->allocate(bytes);
    void* block = host_tensor_blocks().take(bytes);
    return {block, block, &give_block, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_block; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

HostBlocks& host_tensor_blocks() {
  // Never destroyed: tensors in static objects are freed after it would be gone.
  static auto* blocks = new HostBlocks;
  return *blocks;
}

void keep_host_memory() {
  static const bool installed = [] {
    constexpr std::uint8_t kAboveDefault = 1;
    c10::SetCPUAllocator(new HostAllocator, kAboveDefault);
    return true;
  }();
  (void)installed;
}

}  // namespace regatta
