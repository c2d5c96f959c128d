// A checkpoint's weights under the names of PyTorch Geometric's layers.
#pragma once

#include "checkpoint/checkpoint.h"

namespace regatta {

/// Tensors that load with strict=True into a torch.nn.ModuleList of PyG layers, one a layer of the
/// model, named "N.lin.weight", "N.att_src", ...:
///   gat          GATConv(in, width, heads, concat=..., add_self_loops=False)
///   gatv2        GATv2Conv(the same, share_weights=...)
///   transformer  TransformerConv(in, width, heads, concat=...)
/// with edge_dim where the layer reads edge features, and bias=False for gat and gatv2 without
/// bias. A transformer's bias and its residual: linear go into lin_skip. Throws Error(kUsage) naming
/// the layer for what PyG has no such layer of: dot, relations, other residuals, norms,
/// feed-forward blocks, jumping knowledge.
NamedTensors pyg_tensors(const Checkpoint& checkpoint, const std::string& where);

}  // namespace regatta
