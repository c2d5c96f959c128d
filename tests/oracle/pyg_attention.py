"""Computes attention layers with PyTorch Geometric in double, for comparison with Regatta's kernels.

usage: pyg_attention.py FOLDER

FOLDER/cases.json lists cases: name, kind (gat | dot | gatv2 | transformer), nodes, features, heads,
width, slope, scale. Arrays are raw little-endian files NAME.ARRAY: int64 for src and dst, float64
otherwise. Results are written as NAME.ARRAY.expected. gat and dot project x; the tables of gatv2
(value, query, a) and transformer (query, key, value) are given.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from torch_geometric.nn import GATConv, GATv2Conv, MessagePassing, TransformerConv
from torch_geometric.utils import softmax

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class DotAttention(MessagePassing):
    """h_i' = sum_j softmax_j(<z_i, z_j> scale) z_j, each head by itself."""

    def __init__(self, scale):
        super().__init__(aggr="add", node_dim=0)
        self.scale = scale
        self.alpha = None

    def forward(self, z, edge_index):
        return self.propagate(edge_index, z=z, size=(z.size(0), z.size(0)))

    def message(self, z_i, z_j, index, size_i):
        logits = (z_i * z_j).sum(-1) * self.scale
        self.alpha = softmax(logits, index, num_nodes=size_i)
        return self.alpha.unsqueeze(-1) * z_j


class Case:
    def __init__(self, folder, spec):
        self.folder, self.spec = folder, spec

    def load(self, array, shape, dtype=np.float64):
        data = np.fromfile(self.folder / f"{self.spec['name']}.{array}", dtype=dtype)
        return torch.from_numpy(data.reshape(shape))

    def store(self, **arrays):
        for array, tensor in arrays.items():
            path = self.folder / f"{self.spec['name']}.{array}.expected"
            tensor.detach().contiguous().numpy().tofile(path)

    def edge_index(self):
        return torch.stack([self.load("src", -1, np.int64), self.load("dst", -1, np.int64)])


def run_gat(case):
    spec = case.spec
    nodes, heads, width = spec["nodes"], spec["heads"], spec["width"]
    layer = GATConv(spec["features"], width, heads=heads, negative_slope=spec["slope"],
                    add_self_loops=False, bias=False)
    with torch.no_grad():
        layer.lin.weight.copy_(case.load("weight", (spec["features"], heads * width)).t())
        layer.att_src.copy_(case.load("a_source", (1, heads, width)))
        layer.att_dst.copy_(case.load("a_destination", (1, heads, width)))
    x = case.load("x", (nodes, spec["features"])).requires_grad_()
    out, (_, alpha) = layer(x, case.edge_index(), return_attention_weights=True)
    (out * case.load("grad_out", (nodes, heads * width))).sum().backward()
    case.store(out=out, alpha=alpha, grad_x=x.grad, grad_weight=layer.lin.weight.grad.t(),
               grad_a_source=layer.att_src.grad, grad_a_destination=layer.att_dst.grad)


def run_dot(case):
    spec = case.spec
    shape = (spec["nodes"], spec["heads"], spec["width"])
    weight = case.load("weight", (spec["features"], spec["heads"] * spec["width"])).requires_grad_()
    x = case.load("x", (spec["nodes"], spec["features"])).requires_grad_()
    layer = DotAttention(spec["scale"])
    out = layer((x @ weight).view(shape), case.edge_index())
    (out * case.load("grad_out", shape)).sum().backward()
    case.store(out=out, alpha=layer.alpha, grad_x=x.grad, grad_weight=weight.grad)


class Columns(torch.nn.Module):
    """Columns [first, first + count) of its input: stands for a projection."""

    def __init__(self, first, count):
        super().__init__()
        self.first, self.count = first, count

    def forward(self, x):
        return x[:, self.first:self.first + self.count]


def run_gatv2(case):
    spec = case.spec
    nodes, heads, width = spec["nodes"], spec["heads"], spec["width"]
    row = heads * width
    layer = GATv2Conv((row, row), width, heads=heads, negative_slope=spec["slope"],
                      add_self_loops=False, bias=False)
    layer.lin_l = layer.lin_r = Columns(0, row)
    with torch.no_grad():
        layer.att.copy_(case.load("a", (1, heads, width)))
    value = case.load("value", (nodes, row)).requires_grad_()
    query = case.load("query", (nodes, row)).requires_grad_()
    out, (_, alpha) = layer((value, query), case.edge_index(), return_attention_weights=True)
    (out * case.load("grad_out", (nodes, row))).sum().backward()
    case.store(**{"out": out, "alpha": alpha, "grad.value": value.grad, "grad.query": query.grad,
                  "grad.a": layer.att.grad})


def run_transformer(case):
    spec = case.spec
    nodes, heads, width = spec["nodes"], spec["heads"], spec["width"]
    row = heads * width
    layer = TransformerConv((2 * row, row), width, heads=heads, bias=False, root_weight=False)
    layer.lin_key, layer.lin_value, layer.lin_query = Columns(0, row), Columns(row, row), Columns(0, row)
    query, key, value = (case.load(array, (nodes, row)).requires_grad_()
                         for array in ("query", "key", "value"))
    out, (_, alpha) = layer((torch.cat([key, value], 1), query), case.edge_index(),
                            return_attention_weights=True)
    (out * case.load("grad_out", (nodes, row))).sum().backward()
    case.store(**{"out": out, "alpha": alpha, "grad.value": value.grad, "grad.query": query.grad,
                  "grad.key": key.grad})


def main():
    folder = pathlib.Path(sys.argv[1])
    for spec in json.loads((folder / "cases.json").read_text()):
        run = {"gat": run_gat, "dot": run_dot, "gatv2": run_gatv2, "transformer": run_transformer}
        run[spec["kind"]](Case(folder, spec))


if __name__ == "__main__":
    main()
