"""Cora as shipped, as PyG wants it: features [N, F], row-normalised, and edge_index with both directions and self-loops."""
import gzip

import numpy as np
import torch
from sklearn.datasets import load_svmlight_file


def cora(source):
    with gzip.open(f"{source}/data/cora/nodes.svmlight.gz") as file:
        x, _ = load_svmlight_file(file, n_features=1433)
    x = x.toarray()
    x = torch.tensor(x / np.maximum(np.abs(x).sum(1, keepdims=True), 1e-30), dtype=torch.float32)
    with gzip.open(f"{source}/data/cora/edges.csv.gz", "rt") as file:
        edges = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.int64).T
    loops = np.arange(x.shape[0])
    index = np.concatenate([edges, edges[::-1], np.stack([loops, loops])], axis=1)
    return x, torch.tensor(index)
