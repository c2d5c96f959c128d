"""Times training steps of PyG's attention layers on GPU 0; prints one JSON object a layer, as cuda_layer_bench does.

usage: pyg_layers.py KINDS DTYPES WAY [name=value ...]; KINDS, with commas: gat gatv2 transformer dot; WAY: eager
compile deterministic. The graph is drawn as that of cuda_layer_bench is: sources and destinations uniform, or
sources as the square of a uniform number (skew=1).
"""
import gc
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
MOST_SECONDS = 2  # of the timed steps of one layer; three at least


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


def read_setting(pairs):
    setting = dict(DEFAULTS)
    for pair in pairs:
        name, value = pair.split("=")
        setting[name] = float(value) if name == "dropout" else int(float(value))
    return setting


def draw_graph(setting):
    nodes, edges = setting["nodes"], setting["edges"]
    source = torch.rand(edges, device="cuda", dtype=torch.float64)
    source = (source**2 if setting["skew"] else source) * nodes
    edge_index = torch.stack([source.long().clamp(max=nodes - 1), torch.randint(nodes, (edges,), device="cuda")])
    return edge_index[:, edge_index[1].argsort(stable=True)]


def time_steps(step, repeats):
    """Seconds of each step, after three that are not timed."""
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    while len(seconds) < repeats and (len(seconds) < 3 or sum(seconds) < MOST_SECONDS):
        begin = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return seconds


def time_layer(kind, dtype, way, setting, edge_index):
    storage = torch.bfloat16 if dtype == "bf16" else torch.float32
    x = torch.randn(setting["nodes"], setting["features"], device="cuda", dtype=storage)
    layer = make_layer(kind, setting).to("cuda", storage)
    gradient = torch.randn(setting["nodes"], setting["heads"] * setting["width"], device="cuda", dtype=storage)
    forward = torch.compile(layer) if way == "compile" else layer

    def step():
        layer.zero_grad(set_to_none=True)
        forward(x, edge_index).backward(gradient)

    seconds = time_steps(step, setting["repeats"])
    return {"step": {"median": statistics.median(seconds), "minimum": min(seconds), "maximum": max(seconds)},
            "repeats": len(seconds), "peak_bytes": torch.cuda.max_memory_allocated()}


def main():
    kinds, dtypes, way, *pairs = sys.argv[1:]
    setting = read_setting(pairs)
    if way == "deterministic":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)
    edge_index = draw_graph(setting)
    for kind in kinds.split(","):
        for dtype in dtypes.split(","):
            try:
                result = time_layer(kind, dtype, way, setting, edge_index)
            except Exception as error:  # one layer that is too large or unsupported leaves the others
                result = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
            torch.compiler.reset()  # each layer is compiled as the first one is
            gc.collect()
            torch.cuda.empty_cache()
            layer = {"system": f"pyg {way}", "kind": kind, "dtype": dtype, "setting": setting}
            print(json.dumps({**layer, **result}), flush=True)


if __name__ == "__main__":
    main()
