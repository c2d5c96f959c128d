"""Compares a dataset with its raw files, reading both with h5py, scikit-learn and numpy alone.

usage: preprocess_dataset.py DATASET EDGES NODES SPLITS
The raw files are gzip or plain: edges.csv (src,dst, undirected), nodes.svmlight, split.csv (node,split). The dataset
was made with clean.self_loops: add and features as they are. Exits with 1 and a message at the first difference.
"""
import json
import sys

import h5py
import numpy as np
from sklearn.datasets import load_svmlight_file

folder, edge_path, node_path, split_path = sys.argv[1:]
SPLITS = {"train": 1, "val": 2, "test": 3}


def check(condition, message):
    if not condition:
        sys.exit(f"{folder}: {message}")


def original_edges(nodes):
    listed = np.loadtxt(edge_path, delimiter=",", skiprows=1, dtype=np.int64)
    loops = np.arange(nodes)
    pairs = np.concatenate([listed, listed[:, ::-1], np.stack([loops, loops], 1)])
    return {(int(d), int(s)) for s, d in pairs}


manifest = json.load(open(f"{folder}/manifest.json"))
x, y = load_svmlight_file(node_path, zero_based=False, n_features=manifest["features"]["width"])
x, y = x.toarray(), y.astype(int)
split = np.zeros(len(y), int)
for row in np.loadtxt(split_path, delimiter=",", skiprows=1, dtype=str):
    split[int(row[0])] = SPLITS[row[1]]
classes = manifest["targets"]["label"]["classes"]

found_edges, numbers, owned_nodes = set(), {}, []
for entry in manifest["chunks"]:
    with h5py.File(f"{folder}/{entry['file']}") as chunk:
        nodes = chunk["nodes/global_id"][:]
        owned = int(chunk.attrs["num_owned"])
        owned_nodes += list(nodes[:owned])
        check((chunk["ids/original"][:] == nodes).all(), "original ids")
        dense = np.zeros((len(nodes), x.shape[1]))
        ptr = chunk["nodes/x_indptr"][:]
        rows = np.repeat(np.arange(len(nodes)), np.diff(ptr))
        dense[rows, chunk["nodes/x_index"][:]] = chunk["nodes/x_value"][:]
        check((dense == x[nodes].astype(np.float32)).all(), "features")
        label = [int(classes[v]) if v >= 0 else -1 for v in chunk["targets/label/value"][:]]
        check((label == y[nodes[:owned]]).all(), "labels")
        check((chunk["targets/label/split"][:, 0] == split[nodes[:owned]]).all(), "splits")
        indptr = chunk["topology/indptr"][:]
        dst = nodes[np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))]
        src = nodes[chunk["topology/src"][:]]
        for d, s, number in zip(dst, src, chunk["topology/edge_id"][:]):
            check(numbers.setdefault(int(number), (int(d), int(s))) == (d, s), f"edge number {number}")
        found_edges |= set(zip(map(int, dst), map(int, src)))
check(sorted(owned_nodes) == list(range(len(y))), "owned nodes")
check(found_edges == original_edges(len(y)), "edges")
check(sorted(numbers) == list(range(len(found_edges))), "edge numbers")
check([numbers[i] for i in range(len(numbers))] == sorted(found_edges), "order of edge numbers")
