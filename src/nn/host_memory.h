// Where LibTorch's CPU tensors live.
#pragma once

#include "core/host_blocks.h"

namespace regatta {

/// From now on CPU tensors of 128 KiB and more come from a HostBlocks of the process, smaller ones
/// from LibTorch's own allocator as before. Calling it again changes nothing. Values do not depend
/// on it.
void keep_host_memory();

/// The pool that keep_host_memory() installs.
HostBlocks& host_tensor_blocks();

}  // namespace regatta
