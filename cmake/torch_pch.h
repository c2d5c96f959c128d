// Precompiled for the .cpp files of the torch modules; headers of ours include only what they need.
#include <torch/torch.h>
