"""PyG's attention layers over a case folder, with the case's parameters."""
import numpy
import torch
import torch_geometric
from case_files import Unsupported, edges_by_destination, layer_parameters
from torch_geometric.nn import GATConv, GATv2Conv, MessagePassing, TransformerConv
from torch_geometric.utils import softmax

__all__ = ["Unsupported", "make_layer", "version"]


def version():
    return f"torch-geometric {torch_geometric.__version__}, torch {torch.__version__.split('+')[0]}"


class DotConv(MessagePassing):
    """Dot-product attention with one projection in all three roles, as a user of PyG would write it."""

    def __init__(self, features, width, heads, dropout):
        super().__init__(aggr="add", node_dim=0)
        self.heads, self.width, self.dropout = heads, width, dropout
        self.lin = torch.nn.Linear(features, heads * width, bias=False)
        self.bias = torch.nn.Parameter(torch.zeros(heads * width))

    def forward(self, x, edge_index):
        z = self.lin(x).view(-1, self.heads, self.width)
        return self.propagate(edge_index, z=z).view(-1, self.heads * self.width) + self.bias

    def message(self, z_i, z_j, index, ptr, size_i):
        alpha = softmax((z_i * z_j).sum(-1) / self.width**0.5, index, ptr, size_i)
        alpha = torch.nn.functional.dropout(alpha, p=self.dropout, training=self.training)
        return z_j * alpha.unsqueeze(-1)


def set_projection(linear, values):
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(numpy.ascontiguousarray(values.T)))
        if linear.bias is not None:
            linear.bias.zero_()


def set_vector(tensor, values):
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))


def make_gat(shape, values, dropout):
    conv = GATConv(*shape, dropout=dropout, add_self_loops=False)
    set_projection(conv.lin, values["weight"])
    set_vector(conv.att_src, values["source"])
    set_vector(conv.att_dst, values["destination"])
    return conv


def make_gatv2(shape, values, dropout):
    conv = GATv2Conv(*shape, dropout=dropout, add_self_loops=False)
    set_projection(conv.lin_l, values["weight_source"])
    set_projection(conv.lin_r, values["weight_destination"])
    set_vector(conv.att, values["vector"])
    return conv


def make_transformer(shape, values, dropout):
    conv = TransformerConv(*shape, dropout=dropout, root_weight=False)
    set_projection(conv.lin_query, values["weight_query"])
    set_projection(conv.lin_key, values["weight_key"])
    set_projection(conv.lin_value, values["weight_value"])
    return conv


def make_dot(shape, values, dropout):
    conv = DotConv(*shape, dropout)
    set_projection(conv.lin, values["weight"])
    return conv


MAKERS = {"gat": make_gat, "gatv2": make_gatv2, "transformer": make_transformer, "dot": make_dot}


class Layer(torch.nn.Module):
    def __init__(self, conv, edge_index):
        super().__init__()
        self.conv, self.edge_index = conv, edge_index

    def forward(self, x):
        return self.conv(x, self.edge_index)


def make_layer(folder, case, dropout):
    """Throws Unsupported for kinds without a layer."""
    if case["kind"] not in MAKERS:
        raise Unsupported(f"PyG has no layer for '{case['kind']}' here")
    edge_index = torch.from_numpy(numpy.stack(edges_by_destination(folder)))
    shape = (case["features"], case["width"], case["heads"])
    conv = MAKERS[case["kind"]](shape, layer_parameters(folder, case["kind"]), dropout)
    return Layer(conv, edge_index)
