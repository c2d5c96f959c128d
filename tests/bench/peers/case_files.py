"""The .npy files of a case folder, as `regatta bench layer --set export=DIR` writes them.

case.json: kind, nodes, edges, heads, width, features. indptr [N+1], src [E]: in-edges by destination. x [N,F],
grad_y [N,H*D]. param.NAME: the layer's parameters; a kind's own are told by the last part of NAME.
"""
import json
import pathlib

import numpy

# The parameters of a kind. Projections are [F,H*D], vectors [H,D].
PARAMETERS = {
    "gat": ("weight", "source", "destination"),
    "gatv2": ("weight_source", "weight_destination", "vector"),
    "transformer": ("weight_query", "weight_key", "weight_value"),
    "dot": ("weight",),
}


class Unsupported(Exception):
    """The library has no such layer, or not with this option."""


def describe(folder):
    return json.loads((pathlib.Path(folder) / "case.json").read_text(encoding="utf-8"))


def load(folder, name):
    return numpy.load(pathlib.Path(folder) / f"{name}.npy")


def layer_parameters(folder, kind):
    """Arrays by name; KeyError where the case lacks one, for a peer with weights of its own proves nothing."""
    found = {path.name[: -len(".npy")].split(".")[-1]: path for path in pathlib.Path(folder).glob("param.*.npy")}
    return {name: numpy.load(found[name]) for name in PARAMETERS[kind]}


def edges_by_destination(folder):
    """Sources and destinations as int64, sorted by destination."""
    indptr = load(folder, "indptr")
    source = load(folder, "src").astype(numpy.int64)
    destination = numpy.repeat(numpy.arange(len(indptr) - 1, dtype=numpy.int64), numpy.diff(indptr))
    return source, destination
