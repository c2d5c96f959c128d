"""Computes attention layers with PyTorch Geometric in double, for comparison with Regatta's kernels.

usage: pyg_attention.py FOLDER

FOLDER/cases.json lists cases: name, kind (gat | dot), nodes, features, heads, width, slope, scale.
Arrays are raw little-endian files NAME.ARRAY: int64 for src and dst, float64 otherwise. Results are
written as NAME.ARRAY.expected.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from torch_geometric.nn import GATConv, MessagePassing
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


def main():
    folder = pathlib.Path(sys.argv[1])
    for spec in json.loads((folder / "cases.json").read_text()):
        {"gat": run_gat, "dot": run_dot}[spec["kind"]](Case(folder, spec))


if __name__ == "__main__":
    main()
