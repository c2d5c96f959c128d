"""The dataset that docs/chunk_format.md's h5py program writes passes `regatta verify` and trains to the same losses as the
same graph preprocessed from CSV files."""
import csv
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

SOURCE, BINARY = sys.argv[1:3]

MODEL = """
model:
  layers:
    - {attention: gat, heads: 4, width: 4, activation: elu}
    - {attention: dot, heads: 2, combine: mean}
train: {epochs: 10, patience: 0, optimiser: {learning_rate: 0.02}}
runtime: {device: cpu}
"""


def run(*command):
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def edges_of(dataset):
    """Features and the type's name by (source, destination), which every chunk must give alike."""
    manifest, edges = json.load(open(f"{dataset}/manifest.json")), {}
    for entry in manifest["chunks"]:
        with h5py.File(f"{dataset}/{entry['file']}") as file:
            ids, ptr, src, kind, x = (file[k][()] for k in ("nodes/global_id", "topology/indptr", "topology/src",
                                                            "topology/edge_type", "edges/x"))
            dst = ids[np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))]
            for e in range(len(src)):
                found = (tuple(x[e]), manifest["edge_types"]["names"][kind[e]])
                assert edges.setdefault((ids[src[e]], dst[e]), found) == found, f"edge {ids[src[e]]} -> {dst[e]}"
    return edges


def csv_files(dataset, folder):
    """The graph of the h5py dataset as CSV: every edge once per direction with its features and type, features, labels
    and splits by node."""
    edges, nodes, splits = edges_of(dataset), {}, {}
    for name in sorted(os.listdir(dataset)):
        if not name.endswith(".h5"):
            continue
        with h5py.File(f"{dataset}/{name}") as file:
            ids = file["nodes/global_id"][()]
            for row in range(file.attrs["num_owned"]):
                label = file["targets/label/value"][row]  # numbers keep the writer's order of classes
                nodes[ids[row]] = [ids[row], label, *(repr(float(v)) for v in file["nodes/x"][row])]
                splits[ids[row]] = [ids[row], ("", "train", "val", "test")[file["targets/label/split"][row, 0]]]
    rows = [[s, d, *(repr(float(v)) for v in x), kind] for (s, d), (x, kind) in sorted(edges.items())]
    write_csv(f"{folder}/edges.csv", ["src", "dst", "sum", "noise", "kind"], rows)
    width = len(next(iter(nodes.values()))) - 2
    write_csv(f"{folder}/nodes.csv", ["id", "label", *(f"f{i}" for i in range(width))],
              [nodes[i] for i in sorted(nodes)])
    write_csv(f"{folder}/split.csv", ["node", "split"], [splits[i] for i in sorted(splits)])


def losses(folder, name, dataset, preprocess=""):
    config = f"{folder}/{name}.yaml"
    with open(config, "w") as file:
        file.write(f"dataset: {dataset}\noutput: {folder}/{name}\n{preprocess}{MODEL}")
    if preprocess:
        run(BINARY, "preprocess", config)
    run(BINARY, "verify", dataset)
    run(BINARY, "train", config)
    return np.array(json.load(open(f"{folder}/{name}/summary.json"))["first_losses"])


with tempfile.TemporaryDirectory() as scratch:
    written = f"{scratch}/h5py"
    run(sys.executable, f"{SOURCE}/tests/oracle/run_chunk_format_doc.py", f"{SOURCE}/docs/chunk_format.md", "writer",
        written)
    csv_files(written, scratch)
    ours = f"""preprocess:
  edges: {{path: {scratch}/edges.csv, features: [sum, noise], type: kind}}
  nodes: {{path: {scratch}/nodes.csv, id: id, label: label}}
  splits: {{path: {scratch}/split.csv}}
  clean: {{direction: directed, self_loops: keep, duplicates: keep}}
  partition: {{chunks: 3}}
"""
    first, second = losses(scratch, "a", written), losses(scratch, "b", f"{scratch}/ours", ours)
    assert edges_of(written) == edges_of(f"{scratch}/ours"), "edges differ"
    error = np.abs(first - second).max()
    assert len(first) == 10 and error < 1e-5, f"losses differ by {error}: {first} {second}"
    print(f"10 losses agree to {error:.1e}")
