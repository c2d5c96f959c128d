"""Computes whole attention layers with PyTorch Geometric in double, for comparison with Regatta's.

usage: pyg_layers.py FOLDER

FOLDER/cases.json lists cases: name, kind, heads, width, concat, slope, edges (edge features are read), share, relations
(number of relations with parameters of their own), block (none | graph_norm | transformer). NAME.safetensors holds x, src,
dst, grad_out, edge_x, edge_type and the layer's parameters under their names. NAME.expected.safetensors gets `out`, the
attention weights `alpha` and `grad.<name>` of x and of every parameter.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from torch_geometric.nn import GATConv, GATv2Conv, GraphNorm, MessagePassing, RGATConv, TransformerConv
from torch_geometric.utils import softmax

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class DotAttention(MessagePassing):
    """sum_j softmax_j(<s_i, s_j> scale + term_ij) z_j; s has one head or as many as z."""

    def __init__(self, scale):
        super().__init__(aggr="add", node_dim=0)
        self.scale = scale

    def forward(self, z, scores, term, edge_index):
        size = (z.size(0), z.size(0))
        return self.propagate(edge_index, z=z, scores=scores, term=term, size=size)

    def message(self, z_j, scores_i, scores_j, term, index, size_i):
        logits = (scores_i * scores_j).sum(-1) * self.scale + term
        self.alpha = softmax(logits, index, num_nodes=size_i)
        return self.alpha.unsqueeze(-1) * z_j


class Case:
    def __init__(self, folder, spec):
        self.path, self.spec = folder / spec["name"], spec
        self.tensors = load_file(f"{self.path}.safetensors")
        self.x = self["x"].requires_grad_()
        self.edge_index = torch.stack([self["src"], self["dst"]])
        self.edge_x = self["edge_x"] if spec["edges"] else None
        self.gradients = {}

    def __getitem__(self, name):
        return self.tensors[name]

    def copy(self, parameter, name, shape=lambda tensor: tensor):
        """Fills a PyG parameter from ours; `shape` is its own inverse on gradients."""
        with torch.no_grad():
            parameter.copy_(shape(self[name]).view(parameter.shape))
        self.gradients[name] = lambda: shape(parameter.grad.view(shape(self[name]).shape))

    def leaf(self, name):
        tensor = self[name].clone().requires_grad_()
        self.gradients[name] = lambda: tensor.grad
        return tensor

    def shared(self):
        spec = self.spec
        return dict(heads=spec["heads"], concat=spec["concat"], edge_dim=self.edge_x.size(1) if spec["edges"] else None)


def transposed(tensor):
    return tensor.t()


def gat(case):
    spec = case.spec
    layer = GATConv(case.x.size(1), spec["width"], negative_slope=spec["slope"], add_self_loops=False, **case.shared())
    case.copy(layer.lin.weight, "weight", transposed)
    case.copy(layer.att_src, "attention.source")
    case.copy(layer.att_dst, "attention.destination")
    case.copy(layer.bias, "bias")
    if spec["edges"]:
        case.copy(layer.lin_edge.weight, "attention.edge_weight", transposed)
        case.copy(layer.att_edge, "attention.edge")
    return attend(layer, case)


def gatv2(case):
    spec = case.spec
    layer = GATv2Conv(case.x.size(1), spec["width"], negative_slope=spec["slope"], add_self_loops=False, bias=False,
                      share_weights=spec["share"], **case.shared())
    case.copy(layer.lin_l.weight, "weight_source", transposed)
    if not spec["share"]:
        case.copy(layer.lin_r.weight, "weight_destination", transposed)
    case.copy(layer.att, "attention.vector")
    if spec["edges"]:
        case.copy(layer.lin_edge.weight, "attention.edge_weight", transposed)
    out, alpha = attend(layer, case)
    return out + case.leaf("bias"), alpha


def transformer(case):
    layer = TransformerConv(case.x.size(1), case.spec["width"], bias=False, root_weight=False, **case.shared())
    for ours, linear in (("query", layer.lin_query), ("key", layer.lin_key), ("value", layer.lin_value)):
        case.copy(linear.weight, f"weight_{ours}", transposed)
    if case.spec["edges"]:
        case.copy(layer.lin_edge.weight, "attention.edge_weight", transposed)
    out, alpha = attend(layer, case)
    return out + case.leaf("bias"), alpha


def attend(layer, case):
    out, (_, alpha) = layer(case.x, case.edge_index, edge_attr=case.edge_x, return_attention_weights=True)
    return out, alpha


def dot(case):
    """score_on: input where the case says `on_input`; relation bias and edge features as terms."""
    spec = case.spec
    z = (case.x @ case.leaf("weight")).view(case.x.size(0), spec["heads"], spec["width"])
    scores = case.x.unsqueeze(1) if spec["on_input"] else z
    term = case.leaf("relation_bias")[case["edge_type"]]
    if spec["edges"]:
        term = term + case.edge_x @ case.leaf("attention.edge_weight")
    layer = DotAttention(scores.size(-1) ** -0.5)
    out = layer(z, scores, term, case.edge_index)
    out = out.flatten(1) if spec["concat"] else out.mean(1)
    return out + case.leaf("bias"), layer.alpha


def relational_gat(case):
    """RGATConv has one pair of attention vectors for all relations, and the case gives ours equal ones."""
    spec = case.spec
    heads, width, relations = spec["heads"], spec["width"], spec["relations"]
    layer = RGATConv(case.x.size(1), width, relations, heads=heads, negative_slope=spec["slope"], bias=False)
    with torch.no_grad():
        for t in range(relations):
            layer.weight[t].copy_(case[f"attention.{t}.weight"])
        for vector, name in ((layer.q, "destination"), (layer.k, "source")):
            vector.copy_(torch.block_diag(*case[f"attention.0.{name}"].unsqueeze(-1)))
    out, (_, alpha) = layer(case.x, case.edge_index, edge_type=case["edge_type"], return_attention_weights=True)
    for t in range(relations):
        case.gradients[f"attention.{t}.weight"] = lambda t=t: layer.weight.grad[t]
    return out + case.leaf("bias"), alpha


def graph_norm(case, out):
    norm = GraphNorm(out.size(1))
    for theirs, ours in ((norm.weight, "norm_weight"), (norm.bias, "norm_bias"), (norm.mean_scale, "norm_mean_scale")):
        case.copy(theirs, ours)
    return norm(out)


def layer_norm(case, name, x):
    norm = torch.nn.LayerNorm(x.size(1))
    case.copy(norm.weight, f"{name}_weight")
    case.copy(norm.bias, f"{name}_bias")
    return norm(x)


def transformer_block(case, out):
    h = layer_norm(case, "norm", case.x + out)
    up, down = torch.nn.Linear(h.size(1), 7), torch.nn.Linear(7, h.size(1))
    for linear, name in ((up, "up"), (down, "down")):
        case.copy(linear.weight, f"feed_forward.{name}", transposed)
        case.copy(linear.bias, f"feed_forward.{name}_bias")
    return layer_norm(case, "feed_forward_norm", h + down(torch.nn.functional.gelu(up(h))))


KINDS = {"gat": gat, "gatv2": gatv2, "transformer": transformer, "dot": dot, "relational_gat": relational_gat}
BLOCKS = {"none": lambda case, out: out, "graph_norm": graph_norm, "transformer": transformer_block}


def main():
    folder = pathlib.Path(sys.argv[1])
    for spec in json.loads((folder / "cases.json").read_text()):
        case = Case(folder, spec)
        out, alpha = KINDS[spec["kind"]](case)
        out = BLOCKS[spec["block"]](case, out)
        (out * case["grad_out"]).sum().backward()
        results = {"out": out, "alpha": alpha, "grad.x": case.x.grad}
        results.update({f"grad.{name}": gradient() for name, gradient in case.gradients.items()})
        save_file({name: tensor.detach().contiguous() for name, tensor in results.items()},
                  f"{case.path}.expected.safetensors")


if __name__ == "__main__":
    main()
