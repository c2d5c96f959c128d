"""What a training leaves behind, as others read it: TensorBoard's own reader, PyG's layers, the checkpoint and watch commands."""
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

import h5py
import numpy as np
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch_geometric.nn import GATConv, GATv2Conv, TransformerConv

import cora_graph

SOURCE, BINARY, MPIEXEC = sys.argv[1:4]


def run(*command, code=0):
    done = subprocess.run([BINARY, *map(str, command)], cwd=SOURCE, capture_output=True, text=True)
    assert done.returncode == code, f"{command}: exit code {done.returncode}, expected {code}\n{done.stderr}"
    return done.stdout + done.stderr


def train(config, folder, *settings, code=0, resume=False):
    options = [f"dataset={folder}/data", f"output={folder}/{config}", "runtime.device=cpu", *settings]
    sets = [part for option in options for part in ("--set", option)]
    return run("train", f"configs/{config}.yaml", *sets, *(["--resume"] if resume else []), code=code)


def check_tensorboard(run_folder, epochs):
    reader = EventAccumulator(f"{run_folder}/tensorboard")
    reader.Reload()
    lines = [json.loads(line) for line in open(f"{run_folder}/metrics.jsonl")]
    assert [line["epoch"] for line in lines] == list(range(1, epochs + 1))
    tags = reader.Tags()["scalars"]
    for tag, value in (("loss", lambda line: line["loss"]), ("learning_rate", lambda line: line["learning_rate"]),
                       ("val/accuracy", lambda line: line["val"]["accuracy"])):
        assert tag in tags, f"{tag} is not among {tags}"
        found = [(event.step, event.value) for event in reader.Scalars(tag)]
        expected = [(line["epoch"], float(np.float32(value(line)))) for line in lines]
        assert found == expected, f"{tag}: TensorBoard reads {found[:3]}, metrics.jsonl has {expected[:3]}"
        assert [event.wall_time for event in reader.Scalars(tag)] == [line["time"] for line in lines]
    print(f"TensorBoard reads {len(tags)} tags of {epochs} epochs")


def check_checkpoint_command(run_folder):
    listed = json.loads(run("checkpoint", "list", run_folder, "--json"))
    summary = json.load(open(f"{run_folder}/summary.json"))
    assert listed[0]["epoch"] == summary["epochs"] and listed[0]["step"] == summary["steps"], listed[0]
    assert len(listed) == 2, f"train.checkpoint_keep is 2, found {len(listed)}"
    run("checkpoint", "verify", run_folder)
    spoilt = f"{run_folder}-spoilt"
    shutil.copytree(run_folder, spoilt, symlinks=True)
    newest = listed[0]["folder"].replace(run_folder, spoilt)
    with open(f"{newest}/model.safetensors", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    text = run("checkpoint", "verify", spoilt, code=3)
    assert "UNUSABLE" in text and "model.safetensors" in text and "CRC32C" in text, text
    run("checkpoint", "list", f"{run_folder}/none", code=3)


def check_watch(run_folder, epochs):
    text = run("watch", run_folder, "--once")
    assert "finished" in text and f"{epochs}/{epochs}" in text and "rank 0" in text, text
    run("watch", f"{run_folder}/none", code=3)


def pyg_model(config, tensors):
    layers = torch.nn.ModuleList()
    for number, options in enumerate(config["model"]["layers"]):
        heads, concat = options["heads"], options["combine"] == "concat"
        width = options["width"] or 7
        inputs = 1433 if number == 0 else 64
        if options["attention"] == "gat":
            layers.append(GATConv(inputs, width, heads, concat=concat, add_self_loops=False))
        elif options["attention"] == "gatv2":
            layers.append(GATv2Conv(inputs, width, heads, concat=concat, add_self_loops=False,
                                    share_weights=options["share_weights"]))
        else:
            layers.append(TransformerConv(inputs, width, heads, concat=concat))
    layers.load_state_dict(tensors, strict=True)
    return layers


def check_export(config, folder, *settings):
    run_folder = f"{folder}/{config}"
    train(config, folder, "train.epochs=8", *settings)
    run("checkpoint", "export", run_folder, "--output", f"{folder}/{config}.safetensors", "--layout", "pyg")
    run("checkpoint", "export", run_folder, "--output", f"{folder}/{config}-own.safetensors")
    own, kept = load_file(f"{folder}/{config}-own.safetensors"), load_file(f"{run_folder}/checkpoints/best/model.safetensors")
    assert own.keys() == kept.keys() and all(torch.equal(own[name], kept[name]) for name in own)
    state = json.load(open(f"{run_folder}/checkpoints/best/state.json"))
    layers = pyg_model(state["config"], load_file(f"{folder}/{config}.safetensors"))
    x, edge_index = cora_graph.cora(SOURCE)
    for number, layer in enumerate(layers):
        x = layer(x, edge_index)
        if number + 1 < len(layers):
            x = torch.nn.functional.elu(x)
    run("predict", run_folder, f"{folder}/data", "--output", f"{folder}/{config}.h5", "--embedding-layer", 1)
    with h5py.File(f"{folder}/{config}.h5") as file:
        got = file["embedding"][()]
    expected = x.detach().numpy()
    error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
    assert error <= 1e-5, f"{config}: logits differ by {error:.2e}"
    print(f"{config}: exported weights give PyG the same logits to {error:.1e}")


def check_old_checkpoint(folder):
    """checkpoint_1.tar.gz: a run of the first layout, checkpoints/best and checkpoints/last, after three of its epochs."""
    with tarfile.open(f"{SOURCE}/tests/checkpoint/checkpoint_1.tar.gz") as archive:
        archive.extractall(folder)
    old = f"{folder}/checkpoint_1"
    sets = ["--set", f"dataset={old}/dataset", "--set", f"output={old}/run", "--set", "train.epochs=6"]
    assert "resumed after epoch 3" in run("train", f"{old}/config.yaml", "--resume", *sets)
    summary = json.load(open(f"{old}/run/summary.json"))
    assert summary["epochs"] == 6 and summary["steps"] == 6, summary
    assert json.loads(run("checkpoint", "list", f"{old}/run", "--json"))[0]["epoch"] == 6
    print("a checkpoint of the first layout goes on")


with tempfile.TemporaryDirectory() as scratch:
    check_old_checkpoint(scratch)
    run("preprocess", "configs/cora.yaml", "--set", f"dataset={scratch}/data", "--set", "preprocess.partition.chunks=3")
    check_export("cora", scratch)
    check_export("cora_gatv2", scratch)
    plain = [f"model.layers.{n}.{key}" for n in (0, 1) for key in ("norm=none", "feed_forward=0")]
    check_export("cora_transformer", scratch, *plain, "model.layers.0.activation=elu")
    train("cora_dot", scratch, "train.epochs=1")
    refusal = run("checkpoint", "export", f"{scratch}/cora_dot", "--output", f"{scratch}/x", "--layout", "pyg", code=2)
    assert "model.layers.0" in refusal and "dot" in refusal, refusal

    train("cora", scratch, "train.epochs=6", "train.checkpoint_every=2")
    train("cora", scratch, "train.epochs=9", "train.checkpoint_every=2", resume=True)
    check_tensorboard(f"{scratch}/cora", 9)
    check_checkpoint_command(f"{scratch}/cora")
    check_watch(f"{scratch}/cora", 9)
