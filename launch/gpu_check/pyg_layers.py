"""Times one PyG attention layer's training step on GPU 0 and prints one JSON object, as cuda_layer_bench does.

usage: pyg_layers.py KIND DTYPE WAY [name=value ...]; KIND: gat gatv2 transformer dot; WAY: eager compile
deterministic. The graph is drawn as that of cuda_layer_bench is: sources and destinations uniform, or
sources as the square of a uniform number (skew=1).
"""
import json
import os
import statistics
import sys
import time

import torch
from torch_geometric.nn import GATConv, GATv2Conv, MessagePassing, TransformerConv
from torch_geometric.utils import softmax

DEFAULTS = {"nodes": 100000, "edges": 2400000, "features": 128, "heads": 4, "width": 64, "repeats": 20, "dropout": 0,
            "skew": 0}


class DotConv(MessagePassing):
    """e_ij = <z_i, z_j> / sqrt(D) with one projection, which PyG does not have as a layer."""

    def __init__(self, features, width, heads):
        super().__init__(aggr="add", node_dim=0)
        self.projection = torch.nn.Linear(features, heads * width, bias=False)
        self.heads, self.width = heads, width

    def forward(self, x, edge_index):
        z = self.projection(x).view(-1, self.heads, self.width)
        return self.propagate(edge_index, z=z).flatten(1)

    def message(self, z_i, z_j, index, ptr, size_i):
        logit = (z_i * z_j).sum(-1) / self.width**0.5
        return z_j * softmax(logit, index, ptr, size_i).unsqueeze(-1)


def make_layer(kind, setting):
    features, width, heads, dropout = setting["features"], setting["width"], setting["heads"], setting["dropout"]
    if kind == "gat":
        return GATConv(features, width, heads, add_self_loops=False, bias=False, dropout=dropout)
    if kind == "gatv2":
        return GATv2Conv(features, width, heads, add_self_loops=False, bias=False, dropout=dropout)
    if kind == "transformer":
        return TransformerConv(features, width, heads, root_weight=False, bias=False, dropout=dropout)
    return DotConv(features, width, heads)


def main():
    kind, dtype, way, *pairs = sys.argv[1:]
    setting = dict(DEFAULTS)
    for pair in pairs:
        name, value = pair.split("=")
        setting[name] = type(DEFAULTS[name])(float(value)) if name != "dropout" else float(value)
    if way == "deterministic":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)
    storage = torch.bfloat16 if dtype == "bf16" else torch.float32
    nodes, edges = setting["nodes"], setting["edges"]
    source = torch.rand(edges, device="cuda", dtype=torch.float64)
    source = (source**2 if setting["skew"] else source) * nodes
    edge_index = torch.stack([source.long().clamp(max=nodes - 1), torch.randint(nodes, (edges,), device="cuda")])
    edge_index = edge_index[:, edge_index[1].argsort(stable=True)]
    x = torch.randn(nodes, setting["features"], device="cuda", dtype=storage)
    layer = make_layer(kind, setting).to("cuda", storage)
    gradient = torch.randn(nodes, setting["heads"] * setting["width"], device="cuda", dtype=storage)
    forward = torch.compile(layer) if way == "compile" else layer

    def step():
        layer.zero_grad(set_to_none=True)
        forward(x, edge_index).backward(gradient)

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(setting["repeats"]):
        begin = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"system": f"pyg {way}", "kind": kind, "dtype": dtype, "setting": setting,
                      "step": {"median": statistics.median(seconds), "minimum": min(seconds), "maximum": max(seconds)},
                      "peak_bytes": torch.cuda.max_memory_allocated()}))


if __name__ == "__main__":
    main()
