"""DGL's attention layers over a case folder, with the case's parameters."""
import dgl
import numpy
import torch
from case_files import Unsupported, edges_by_destination, layer_parameters
from dgl.nn.pytorch import DotGatConv, GATConv, GATv2Conv

__all__ = ["Unsupported", "make_layer", "version"]


def version():
    return f"dgl {dgl.__version__}, torch {torch.__version__.split('+')[0]}"


def set_projection(linear, values):
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(numpy.ascontiguousarray(values.T)))
        if linear.bias is not None:
            linear.bias.zero_()


def set_vector(tensor, values):
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))


def make_gat(shape, values, dropout):
    conv = GATConv(*shape, attn_drop=dropout, allow_zero_in_degree=True)
    set_projection(conv.fc, values["weight"])
    set_vector(conv.attn_l, values["source"])
    set_vector(conv.attn_r, values["destination"])
    return conv


def make_gatv2(shape, values, dropout):
    conv = GATv2Conv(*shape, attn_drop=dropout, allow_zero_in_degree=True)
    set_projection(conv.fc_src, values["weight_source"])
    set_projection(conv.fc_dst, values["weight_destination"])
    set_vector(conv.attn, values["vector"])
    return conv


def make_dot(shape, values, dropout):
    if dropout > 0:
        raise Unsupported("DotGatConv has no attention dropout")
    conv = DotGatConv(*shape, allow_zero_in_degree=True)
    set_projection(conv.fc, values["weight"])
    return conv


MAKERS = {"gat": make_gat, "gatv2": make_gatv2, "dot": make_dot}


class Layer(torch.nn.Module):
    def __init__(self, conv, graph):
        super().__init__()
        self.conv, self.graph = conv, graph

    def forward(self, x):
        return self.conv(self.graph, x)


def make_layer(folder, case, dropout):
    """Throws Unsupported for kinds without a layer."""
    if case["kind"] not in MAKERS:
        raise Unsupported(f"DGL has no layer for '{case['kind']}'")
    source, destination = edges_by_destination(folder)
    graph = dgl.graph((torch.from_numpy(source), torch.from_numpy(destination)), num_nodes=case["nodes"])
    graph.create_formats_()
    shape = (case["features"], case["width"], case["heads"])
    conv = MAKERS[case["kind"]](shape, layer_parameters(folder, case["kind"]), dropout)
    return Layer(conv, graph)
