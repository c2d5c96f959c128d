// CopyStream: copies to the device that go on beside the computing.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

namespace regatta {

/// A copy under way; whatever marks its end goes with it.
struct DeviceCopy {
  at::Tensor block;  ///< uint8, in device memory
  std::shared_ptr<void> end;
};

/// One thread may copy while another computes.
class CopyStream {
 public:
  virtual ~CopyStream() = default;
  /// Host memory uint8 [bytes] that the device reads by itself (pinned).
  virtual at::Tensor staging(std::int64_t bytes) = 0;
  /// Starts the copy and returns at once. The memory of `staged` is not given to anyone else before
  /// it has ended.
  virtual DeviceCopy start(const at::Tensor& staged) = 0;
  /// What the calling thread computes from now on comes after the copy; the block's memory is not
  /// given to anyone else before that computing has ended, even when its last tensor goes earlier.
  virtual void order_before_compute(const DeviceCopy& copy) = 0;
};

/// The device's stream of copies beside the one that computes; null for the CPU. One for the life
/// of the process, since memory that LibTorch's allocator keeps belongs to a stream.
std::shared_ptr<CopyStream> copy_stream_of(at::Device device);

}  // namespace regatta
