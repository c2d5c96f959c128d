"""The layer in fp64 by plain PyTorch, in blocks of destinations, and how far results are from it.

Usage: reference.py CASE NAME=RESULTS... Prints {NAME: {"y": error, "grad.x": error, "grad.x.rest": error}} as
JSON; an error is |a-b|/|b| in norm against y.npy and grad.x.npy of the folder RESULTS. `rest` leaves out the ten
rows of grad.x that are farthest off: LeakyReLU has a kink at 0, and where a logit lies within rounding of it, the
gradient jumps in whatever precision.
"""
import json
import pathlib
import sys

import numpy
import torch
from case_files import describe, layer_parameters, load

EDGES_A_BLOCK = 1 << 16
KINKED_ROWS = 10
SLOPE = 0.2  # of LeakyReLU, the default of all sides


def logits(kind, vectors, query, key):
    """e [edges, H] from rows of destinations and sources [edges, H, D]."""
    leaky = torch.nn.functional.leaky_relu
    if kind == "gat":
        return leaky((key * vectors["source"]).sum(-1) + (query * vectors["destination"]).sum(-1), SLOPE)
    if kind == "gatv2":
        return (leaky(query + key, SLOPE) * vectors["vector"]).sum(-1)
    return (query * key).sum(-1) / query.shape[-1] ** 0.5


def project(kind, x, values, heads):
    """(query, key, message) tables [N, H, D]; tables that are one share their tensor."""
    names = {
        "gat": ("weight",) * 3,
        "dot": ("weight",) * 3,
        "gatv2": ("weight_destination", "weight_source", "weight_source"),
        "transformer": ("weight_query", "weight_key", "weight_value"),
    }[kind]
    tables = {name: (x @ values[name]).view(len(x), heads, -1) for name in set(names)}
    return [tables[name] for name in names], list(tables.values())


def attend(kind, vectors, tables, indptr, source, first, last):
    """O of the destinations [first, last)."""
    query, key, message = tables
    counts = indptr[first + 1 : last + 1] - indptr[first:last]
    row = torch.repeat_interleave(torch.arange(last - first), counts)
    column = source[indptr[first] : indptr[last]]
    e = logits(kind, vectors, query[first:last][row], key[column])
    most = torch.full((last - first, e.shape[1]), -torch.inf, dtype=e.dtype)
    most = most.scatter_reduce(0, row[:, None].expand_as(e), e.detach(), "amax")
    weight = torch.exp(e - most[row])
    total = torch.zeros_like(most).index_add(0, row, weight)
    out = torch.zeros(last - first, *message.shape[1:], dtype=e.dtype)
    return out.index_add(0, row, (weight / total[row]).unsqueeze(-1) * message[column])


def blocks(indptr):
    """Ranges of destinations with about EDGES_A_BLOCK edges each."""
    first = 0
    while first < len(indptr) - 1:
        last = int(torch.searchsorted(indptr, indptr[first] + EDGES_A_BLOCK, right=True)) - 1
        last = max(last, first + 1)
        yield first, min(last, len(indptr) - 1)
        first = last


def exact(folder):
    """y and the gradient of x in fp64."""
    case = describe(folder)
    kind, heads = case["kind"], case["heads"]
    values = {name: torch.from_numpy(array).double() for name, array in layer_parameters(folder, kind).items()}
    indptr = torch.from_numpy(load(folder, "indptr"))
    source = torch.from_numpy(load(folder, "src")).long()
    x = torch.from_numpy(load(folder, "x")).double().requires_grad_()
    grad = torch.from_numpy(load(folder, "grad_y")).double().view(len(x), heads, -1)
    tables, whole = project(kind, x, values, heads)
    leaves = {id(table): table.detach().requires_grad_() for table in whole}
    cut = [leaves[id(table)] for table in tables]
    y = torch.empty_like(grad)
    for first, last in blocks(indptr):
        out = attend(kind, values, cut, indptr, source, first, last)
        out.backward(grad[first:last])
        y[first:last] = out.detach()
    torch.autograd.backward(whole, [leaves[id(table)].grad for table in whole])
    return {"y": y.flatten(1).numpy(), "grad.x": x.grad.numpy()}


def errors(found, wanted):
    """|a-b|/|b| of all rows, and without the KINKED_ROWS farthest ones."""
    squares = numpy.sort(((found.astype(numpy.float64) - wanted) ** 2).sum(axis=1))
    norm = numpy.linalg.norm(wanted)
    return [float(numpy.sqrt(squares[: len(squares) - rows].sum()) / norm) for rows in (0, KINKED_ROWS)]


def main():
    wanted = exact(sys.argv[1])
    report = {}
    for argument in sys.argv[2:]:
        name, folder = argument.split("=", 1)
        of_array = {
            array: errors(numpy.load(pathlib.Path(folder) / f"{array}.npy"), values)
            for array, values in wanted.items()
        }
        report[name] = {array: both[0] for array, both in of_array.items()}
        report[name]["grad.x.rest"] = of_array["grad.x"][1]
    print(json.dumps(report))


if __name__ == "__main__":
    main()
