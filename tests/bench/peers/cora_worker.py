"""Times a training step of the published two-layer GAT on Cora in one peer, and prints one line of JSON.

Usage: cora_worker.py export DATASET FILE.npz          the chunk's arrays, for libraries without an HDF5 reader
       cora_worker.py pyg|dgl dense|sparse FILE.npz [--steps N] [--threads N]
A step: zero the gradients, forward, cross-entropy on the training nodes, backward, Adam. Input and attention dropout
0.6; the graph holds its self loops already.
"""
import argparse
import importlib
import json
import os
import statistics
import sys
import time

import numpy

HEADS, WIDTH, DROPOUT = 8, 8, 0.6


def export(dataset, path):
    import h5py

    with h5py.File(os.path.join(dataset, "chunk-000000.h5")) as chunk:
        names = ("topology/indptr", "topology/src", "nodes/x_indptr", "nodes/x_index", "nodes/x_value")
        arrays = {name.split("/")[1]: chunk[name][:] for name in names}
        arrays["columns"] = chunk["nodes/x_index"].attrs["columns"]
        arrays["label"] = chunk["targets/label/value"][:]
        arrays["train"] = chunk["targets/label/split"][:, 0] == 1
    numpy.savez(path, **arrays)


def pyg_convs(features, classes, data):
    import torch
    from torch_geometric.nn import GATConv

    destination = numpy.repeat(numpy.arange(len(data["indptr"]) - 1), numpy.diff(data["indptr"]))
    edges = torch.from_numpy(numpy.stack([data["src"].astype(numpy.int64), destination]))
    first = GATConv(features, WIDTH, HEADS, dropout=DROPOUT, add_self_loops=False)
    second = GATConv(WIDTH * HEADS, classes, 1, concat=False, dropout=DROPOUT, add_self_loops=False)
    return first, second, lambda conv, x: conv(x, edges)


def dgl_convs(features, classes, data):
    import dgl
    import torch
    from dgl.nn.pytorch import GATConv

    destination = numpy.repeat(numpy.arange(len(data["indptr"]) - 1), numpy.diff(data["indptr"]))
    ends = (torch.from_numpy(data["src"].astype(numpy.int64)), torch.from_numpy(destination))
    graph = dgl.graph(ends, num_nodes=len(data["indptr"]) - 1)
    graph.create_formats_()
    first = GATConv(features, WIDTH, HEADS, attn_drop=DROPOUT)
    second = GATConv(WIDTH * HEADS, classes, 1, attn_drop=DROPOUT)
    return first, second, lambda conv, x: conv(graph, x).flatten(1)


def features_of(data, dense):
    """(x or None, function that drops and projects): a sparse x is multiplied as such and dropped by value."""
    import torch

    shape = (len(data["x_indptr"]) - 1, int(data["columns"]))
    sparse = torch.sparse_csr_tensor(
        torch.from_numpy(data["x_indptr"]), torch.from_numpy(data["x_index"].astype(numpy.int64)),
        torch.from_numpy(data["x_value"]), shape)
    if dense:
        x = sparse.to_dense()
        return lambda: torch.nn.functional.dropout(x, DROPOUT)
    coo = sparse.to_sparse_coo().coalesce()
    indices, values = coo.indices(), coo.values()

    def dropped():
        kept = torch.nn.functional.dropout(values, DROPOUT)
        return torch.sparse_coo_tensor(indices, kept, shape, is_coalesced=True)

    return dropped


class SparseLinear:
    """Stands for a Linear without bias: the product of a sparse input with its weight."""

    @staticmethod
    def install(linear):
        import torch

        linear.forward = lambda x: torch.sparse.mm(x, linear.weight.t())


def make_step(library, mode, data):
    import torch

    label = torch.from_numpy(data["label"])
    train = torch.from_numpy(data["train"])
    make = pyg_convs if library == "pyg" else dgl_convs
    first, second, call = make(int(data["columns"]), int(label.max()) + 1, data)
    if mode == "sparse":
        SparseLinear.install(first.lin if library == "pyg" else first.fc)
    model = torch.nn.ModuleList([first, second]).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=0.0005)
    dropped = features_of(data, mode == "dense")

    def step():
        optimiser.zero_grad()
        hidden = torch.nn.functional.elu(call(first, dropped()))
        y = call(second, torch.nn.functional.dropout(hidden, DROPOUT))
        loss = torch.nn.functional.cross_entropy(y[train], label[train])
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def version(library):
    return importlib.import_module(f"{library}_layers").version()


def main():
    if sys.argv[1] == "export":
        export(sys.argv[2], sys.argv[3])
        print("{}")
        return
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("library", "mode", "data"):
        parser.add_argument(name)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    os.environ.setdefault("DGLBACKEND", "pytorch")
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    step = make_step(options.library, options.mode, numpy.load(options.data))
    losses = [step() for _ in range(5)]
    seconds = []
    for _ in range(options.steps):
        begin = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"seconds": seconds, "median": statistics.median(seconds), "first_loss": losses[0],
                      "last_loss": losses[-1], "version": version(options.library)}))


if __name__ == "__main__":
    main()
