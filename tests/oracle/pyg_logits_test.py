"""A PyG model built from a Regatta checkpoint (read with Python's safetensors) gives the same logits, and so does the HDF5
file that `regatta predict` writes on any number of ranks."""
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
from safetensors.torch import load_file
from torch_geometric.nn import GATConv, MessagePassing
from torch_geometric.utils import softmax

import cora_graph

SOURCE, BINARY, MPIEXEC = sys.argv[1:4]


def run(*command):
    subprocess.run([str(c) for c in command], check=True, cwd=SOURCE, stdout=subprocess.DEVNULL)


class DotConv(MessagePassing):
    """One projection, logits <z_i, z_j> / sqrt(D)."""

    def __init__(self, weight, bias, heads, concat):
        super().__init__(aggr="add", node_dim=0)
        self.weight, self.bias, self.heads, self.concat = weight, bias, heads, concat

    def forward(self, x, edge_index):
        z = (x @ self.weight).view(x.shape[0], self.heads, -1)
        out = self.propagate(edge_index, z=z, size=(x.shape[0], x.shape[0]))
        return (out.flatten(1) if self.concat else out.mean(1)) + self.bias

    def message(self, z_i, z_j, index, ptr, size_i):
        logits = (z_i * z_j).sum(-1) / z_i.shape[-1] ** 0.5
        return softmax(logits, index, ptr, size_i).unsqueeze(-1) * z_j


def layer_from(tensors, options, number, width):
    prefix = f"layers.{number}."
    weight, bias = tensors[prefix + "weight"], tensors[prefix + "bias"]
    concat = options["combine"] == "concat"
    if options["attention"] == "dot":
        return DotConv(weight, bias, options["heads"], concat)
    layer = GATConv(weight.shape[0], width, options["heads"], concat=concat, add_self_loops=False)
    with torch.no_grad():
        layer.lin.weight.copy_(weight.T)
        layer.att_src.copy_(tensors[prefix + "attention.source"][None])
        layer.att_dst.copy_(tensors[prefix + "attention.destination"][None])
        layer.bias.copy_(bias)
    return layer


def logits_of(checkpoint, x, edge_index):
    tensors = load_file(f"{checkpoint}/model.safetensors")
    state = json.load(open(f"{checkpoint}/state.json"))
    layers = state["config"]["model"]["layers"]
    for number, options in enumerate(layers):
        width = options["width"] or len(state["dataset"]["classes"])
        x = layer_from(tensors, options, number, width)(x, edge_index)
        if number + 1 < len(layers):
            x = torch.nn.functional.elu(x)
    return x.detach().numpy()


def check(config, folder, ranks):
    dataset, output = f"{folder}/data", f"{folder}/{config}-{ranks}"
    common = ["--set", f"dataset={dataset}", "--set", f"output={output}", "--set", "runtime.device=cpu"]
    run(BINARY, "preprocess", f"configs/{config}.yaml", *common, "--set", "preprocess.partition.chunks=3")
    run(BINARY, "train", f"configs/{config}.yaml", *common, "--set", "train.epochs=8")
    run(MPIEXEC, "-n", ranks, "--oversubscribe", "--bind-to", "none", BINARY, "predict", output, dataset,
        "--output", f"{output}/nodes.h5", "--embedding-layer", 1, "--probabilities")
    expected = logits_of(f"{output}/checkpoints/best", *cora_graph.cora(SOURCE))
    with h5py.File(f"{output}/nodes.h5") as file:
        got, order = file["embedding"][()], file["id"].asstr()[()].astype(int)
        predicted, probability = file["predicted"][()], file["probability"][()]
    assert (order == np.arange(2708)).all(), "rows are not in the order of the ids"
    error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
    assert error <= 1e-5, f"{config}: logits differ by {error:.2e}"
    assert (predicted == got.argmax(1)).all()
    assert np.abs(probability - torch.softmax(torch.tensor(got), 1).numpy()).max() < 1e-5
    print(f"{config}, {ranks} ranks: logits agree with PyG to {error:.1e}")


with tempfile.TemporaryDirectory() as scratch:
    for name in ("cora", "cora_dot"):
        for world in (1, 2):
            os.makedirs(f"{scratch}/{name}{world}")
            check(name, f"{scratch}/{name}{world}", world)
