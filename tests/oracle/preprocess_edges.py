"""Compares edge attributes of datasets with their edge table, by h5py, scikit-learn and PyG alone.

usage: preprocess_edges.py NODES EDGES DATASET...
EDGES is a CSV file, plain or gzip, with the columns src, dst and those of edges.features and edges.type; nodes are 0 to
NODES-1. What should have become of it follows from the options that each manifest holds. Exits with 1 and a message at
the first difference.
"""
import csv
import gzip
import json
import sys

import h5py
import numpy as np
import torch
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch_geometric.utils import add_self_loops

nodes, table = int(sys.argv[1]), sys.argv[2]
opened = gzip.open if open(table, "rb").read(2) == b"\x1f\x8b" else open
with opened(table, "rt") as file:
    ROWS = list(csv.DictReader(file))


def directed_edges(clean, kind):
    """(source, destination, type, row) in the order of the table, without duplicates."""
    edges = []
    for number, row in enumerate(ROWS):
        s, d, t = int(row["src"]), int(row["dst"]), row[kind]
        if clean["direction"] == "reversed":
            s, d = d, s
        if s == d:
            if clean["self_loops"] == "keep":
                edges.append((s, d, t, number))
            continue
        edges.append((s, d, t, number))
        if clean["direction"] == "undirected":
            edges.append((d, s, ("rev_" if clean["reverse_types"] == "own" else "") + t, number))
    if clean["duplicates"] == "drop":
        first = {}
        for edge in edges:
            first.setdefault(edge[:3], edge)
        edges = list(first.values())
    return sorted(edges, key=lambda edge: (edge[1], edge[0]))


def features(edges, columns, options):
    """Of the edges, filled and scaled with constants of the rows that are kept."""
    x = np.array([[float(row[c] or "nan") for c in columns] for row in ROWS])
    kept = x[sorted({edge[3] for edge in edges})]
    strategy = {"zero": "constant", "error": "mean"}.get(options["fill"], options["fill"])
    value = options["fill_value"] if options["fill"] == "constant" else 0.0
    full = SimpleImputer(strategy=strategy, fill_value=value).fit(kept).transform(x)
    scaler = {"none": None, "standardise": StandardScaler(), "min_max": MinMaxScaler()}[options["normalise"]]
    if scaler is not None:
        full = scaler.fit(kept).transform(full)
    return full[[edge[3] for edge in edges]]


def type_names(edges, clean):
    base = {ROWS[edge[3]][kind] for edge in edges}
    names = sorted(base, key=int) if all(name.lstrip("-").isdigit() for name in base) else sorted(base)
    if clean["reverse_types"] == "own":
        names += ["rev_" + name for name in names]
    return names + (["self_loop"] if clean["self_loops"] == "add" else [])


def expected_edges(options, kind):
    """(destination, source, features, type name) by edge number."""
    clean = options["clean"]
    edges = directed_edges(clean, kind)
    index = torch.tensor([[edge[0] for edge in edges], [edge[1] for edge in edges]])
    x = torch.tensor(features(edges, options["edges"]["features"], options["edge_features"]))
    names = [edge[2] for edge in edges]
    if clean["self_loops"] == "add":
        fill = "mean" if clean["self_loop_fill"] == "mean" else 0.0
        index, x = add_self_loops(index, x, fill_value=fill, num_nodes=nodes)
        names += ["self_loop"] * nodes
    order = sorted(range(len(names)), key=lambda i: (int(index[1, i]), int(index[0, i])))
    return [(int(index[1, i]), int(index[0, i]), x[i].numpy(), names[i]) for i in order], type_names(edges, clean)


for folder in sys.argv[3:]:
    def check(condition, message):
        if not condition:
            sys.exit(f"{folder}: {message}")

    manifest = json.load(open(f"{folder}/manifest.json"))
    options = manifest["preprocess"]
    kind = options["edges"]["type"]
    expected, names = expected_edges(options, kind)
    check(manifest["version"] == [1, 1], "version")
    check(manifest["graph"]["edges"] == len(expected), f"{manifest['graph']['edges']} edges, not {len(expected)}")
    check(manifest["edge_features"]["names"] == options["edges"]["features"], "names of features")
    check(manifest["edge_types"]["names"] == names, f"types {manifest['edge_types']['names']}, not {names}")
    found = [edge[3] for edge in expected]
    check(manifest["edge_types"]["counts"] == [found.count(name) for name in names], "counts of types")
    owned = []
    for entry in manifest["chunks"]:
        with h5py.File(f"{folder}/{entry['file']}") as chunk:
            ids, indptr = chunk["nodes/global_id"][:], chunk["topology/indptr"][:]
            dst, src = ids[np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))], ids[chunk["topology/src"][:]]
            number, kinds, x = (chunk[name][:] for name in ("topology/edge_id", "topology/edge_type", "edges/x"))
            check(kinds.dtype == np.uint16 and x.dtype == np.float32, "types of arrays")
            for e in range(len(number)):
                d, s, values, name = expected[number[e]]
                check((d, s, name) == (dst[e], src[e], names[kinds[e]]), f"edge {number[e]}")
                check(np.allclose(x[e], values, rtol=1e-6, atol=1e-6), f"features of edge {number[e]}: {x[e]}, {values}")
            owned += list(number[:indptr[chunk.attrs["num_owned"]]])
    check(sorted(owned) == list(range(len(expected))), "edges of owned nodes")
