// Precompiled for sources that read LibTorch's larger headers. No torch/torch.h: it costs each of
// them twice the time.
#include <torch/autograd.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/types.h>
