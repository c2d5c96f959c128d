#include "train/copy_stream.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/types.h>

#include <map>

namespace regatta {
namespace {

/// Through LibTorch's device-neutral streams, so that the program needs no CUDA library of its own.
class DeviceCopyStream final : public CopyStream {
 public:
  explicit DeviceCopyStream(at::Device device)
      : guard_(device.type()), device_(device), stream_(guard_.getStreamFromGlobalPool(device)) {}

  at::Tensor staging(std::int64_t bytes) override {
    // LibTorch keeps pinned blocks for the next request, since pinning one costs milliseconds.
    return torch::empty({bytes}, torch::TensorOptions(torch::kByte).pinned_memory(true));
  }

  DeviceCopy start(const at::Tensor& staged) override {
    const c10::StreamGuard on_this_stream(stream_);
    auto end = std::make_shared<c10::Event>(device_.type());
    // LibTorch's allocator of pinned memory notes the stream of this copy.
    DeviceCopy copy{staged.to(device_, /*non_blocking=*/true), nullptr};
    end->record(stream_);
    copy.end = std::move(end);
    return copy;
  }

  void order_before_compute(const DeviceCopy& copy) override {
    const c10::Stream compute = guard_.getStream(device_);
    static_cast<const c10::Event*>(copy.end.get())->block(compute);
    // The block came from this stream's pool: its allocator must hear of the other stream.
    copy.block.record_stream(compute);
  }

 private:
  c10::impl::VirtualGuardImpl guard_;
  at::Device device_;
  c10::Stream stream_;
};

}  // namespace

std::shared_ptr<CopyStream> copy_stream_of(at::Device device) {
  if (device.is_cpu())
    return nullptr;
  static std::map<at::DeviceIndex, std::shared_ptr<CopyStream>> streams;
  std::shared_ptr<CopyStream>& stream = streams[device.index()];
  if (stream == nullptr)
    stream = std::make_shared<DeviceCopyStream>(device);
  return stream;
}

}  // namespace regatta
