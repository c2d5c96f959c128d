"""The whole program over the shipped Cora: preprocess, verify, inspect, train on 1 and 2 ranks, evaluate, predict, resume.

Usage: quickstart_test.py SOURCE_FOLDER REGATTA MPIRUN. Plain Python 3, no packages.
"""
import csv
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

EPOCHS = 6
NODES, CLASSES, CHUNKS = 2708, 7, 4
SPLITS = {"train": 140, "val": 500, "test": 1000}
SUMMARY_KEYS = {
    "test", "val", "train", "best_epoch", "epochs", "steps", "seconds", "seconds_per_step", "world_size", "chunks",
    "model_digest", "first_losses", "versions",
}


class Session:
    def __init__(self, root, regatta, mpirun, folder):
        self.root, self.regatta, self.mpirun, self.folder = root, regatta, mpirun, folder
        self.config = str(root / "configs" / "quickstart.yaml")

    def run(self, *arguments, ranks=0, code=0):
        """Output of one call; ranks 0 = without mpirun. Any other exit code than `code` ends the test."""
        launcher = [self.mpirun, "-n", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks else []
        command = [*launcher, self.regatta, *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == code, f"{command}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def settings(self, run, **more):
        keys = {"dataset": self.folder / "dataset", "output": self.folder / run, "runtime.device": "cpu",
                "runtime.threads": 1, "train.epochs": EPOCHS, "train.checkpoint_every": 2}
        keys.update({key.replace("__", "."): value for key, value in more.items()})
        return [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]

    def train(self, run, ranks=0, code=0, **more):
        return self.run("train", self.config, *self.settings(run, **more), ranks=ranks, code=code)

    def summary(self, run):
        return json.loads((self.folder / run / "summary.json").read_text(encoding="utf-8"))


def check_dataset(session):
    session.run("preprocess", session.config, *session.settings("unused"), ranks=2)
    dataset = str(session.folder / "dataset")
    session.run("verify", dataset)
    session.run("inspect", dataset)
    json.loads(session.run("inspect", dataset, "--json"))
    manifest = json.loads((session.folder / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["chunks"]) == CHUNKS, manifest["chunks"]
    assert manifest["graph"]["nodes"] == NODES, manifest["graph"]
    assert sum(chunk["owned"] for chunk in manifest["chunks"]) == NODES


def check_training(session):
    plan = session.run("train", session.config, *session.settings("dry"), "--dry-run", ranks=2)
    assert "4" in plan and not (session.folder / "dry").exists(), plan
    assert len(re.findall(r"rank [01]: .* about \d+ MiB with the program", plan)) == 2, plan
    small = session.run("train", session.config, *session.settings("dry", runtime__memory_limit_mib=8), "--dry-run", code=2)
    assert "memory_limit_mib: 8 is too little" in small, small
    text = session.train("two", ranks=2)
    assert f"Epoch 1/{EPOCHS}, Loss: " in text, text
    session.train("one")
    two, one = session.summary("two"), session.summary("one")
    assert SUMMARY_KEYS <= two.keys(), SUMMARY_KEYS - two.keys()
    assert (two["world_size"], one["world_size"], two["chunks"]) == (2, 1, CHUNKS)
    assert two["epochs"] == two["steps"] == len(two["first_losses"]) == EPOCHS
    assert 0 < two["resident_mib_before_data"] <= 200, two["resident_mib_before_data"]
    for split, count in SPLITS.items():
        assert two[split].keys() >= {"loss", "accuracy", "macro_f1", "count"}, two[split]
        assert two[split]["count"] == count, two[split]
    # Before the first step all classes are about equally likely.
    assert abs(two["first_losses"][0] - math.log(CLASSES)) < 0.05, two["first_losses"]
    assert two["train"]["loss"] < math.log(CLASSES) and two["test"]["accuracy"] > 1.5 / CLASSES, two
    for a, b in zip(one["first_losses"], two["first_losses"]):
        assert abs(a - b) <= 1e-5 * abs(a), (one["first_losses"], two["first_losses"])
    lines = (session.folder / "two" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, EPOCHS + 1))


def check_resume(session):
    session.train("resumed", ranks=2, train__epochs=4)
    session.run("train", session.config, *session.settings("resumed"), "--resume", ranks=2)
    resumed, straight = session.summary("resumed"), session.summary("two")
    assert resumed["epochs"] == EPOCHS
    assert resumed["model_digest"] == straight["model_digest"], (resumed, straight)


def check_results(session):
    run, dataset = str(session.folder / "two"), str(session.folder / "dataset")
    expected = session.summary("two")
    for ranks in (0, 2):
        found = json.loads(session.run("evaluate", run, dataset, "--json", ranks=ranks))
        for split in SPLITS:
            assert found[split]["accuracy"] == expected[split]["accuracy"], (found, expected)
            assert abs(found[split]["loss"] - expected[split]["loss"]) <= 1e-5 * expected[split]["loss"]
    tables = []
    for ranks in (0, 2):
        path = session.folder / f"predictions{ranks}.csv"
        session.run("predict", run, dataset, "--probabilities", "--output", str(path), ranks=ranks)
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    assert len(tables[0]) == NODES and len({row["id"] for row in tables[0]}) == NODES
    for one, two in zip(*tables):
        assert one["id"] == two["id"]
        chances = [float(value) for key, value in one.items() if key.startswith("p_")]
        assert len(chances) == CLASSES and abs(sum(chances) - 1) < 1e-4, one
        assert all(abs(a - float(two[key])) < 1e-5 for key, a in zip([k for k in one if k.startswith("p_")], chances))


def check_other_dataset(session):
    """The same graph cut otherwise is another dataset that fits the model; one with more features is refused."""
    run, other, wide = (str(session.folder / name) for name in ("two", "other", "wide"))
    for folder, extra in ((other, f"preprocess.features.fit_from={session.folder / 'dataset'}"),
                          (wide, "preprocess.nodes.num_features=1500")):
        session.run("preprocess", session.config, *session.settings("unused"), "--set", f"dataset={folder}",
                    "--set", "preprocess.partition.chunks=2", "--set", extra)
    found = json.loads(session.run("evaluate", run, other, "--json", "--split", "test"))
    assert abs(found["test"]["accuracy"] - session.summary("two")["test"]["accuracy"]) < 0.0025, found
    text = session.run("evaluate", run, wide, code=3)
    assert "1433" in text and "1500" in text and "fit_from" in text, text


def check_exit_codes(session):
    def fails(code, place, *arguments, ranks=0):
        text = session.run(*arguments, ranks=ranks, code=code)
        assert place in text, f"{place} is not in: {text}"

    config, sets = session.config, session.settings("bad")
    fails(2, "epoch", "train", config, *sets, "--set", "train.epoch=3", ranks=2)
    fails(2, "absent.yaml", "train", str(session.folder / "absent.yaml"))
    fails(2, "", "no-such-command")
    fails(3, "absent", "train", config, *sets, "--set", f"dataset={session.folder / 'absent'}", ranks=2)
    fails(3, "hops", "train", config, *sets, "--set", "model.layers=[{width: 8}, {width: 8}, {}]")
    fails(3, "absent", "evaluate", str(session.folder / "absent"), str(session.folder / "dataset"))
    fails(3, "absent.csv", "preprocess", config, *sets, "--set", "preprocess.edges.path=absent.csv",
          "--set", f"dataset={session.folder / 'never'}")
    # A machine with a GPU trains instead of failing; there the CUDA tests speak.
    if not pathlib.Path("/dev/nvidia0").exists():
        fails(4, "device: cpu or auto", "train", config, *sets, "--set", "runtime.device=cuda", ranks=2)
        fails(4, "nccl", "train", config, *sets, "--set", "runtime.backend=nccl")
    fails(6, "step 2", "train", config, *sets, "--set", "train.optimiser.kind=sgd",
          "--set", "train.optimiser.learning_rate=1e30", ranks=2)
    fails(5, "/proc", "train", config, *sets, "--set", "output=/proc/regatta", ranks=2)
    assert not (session.folder / "never").exists(), "a dataset from raw files that are not there"
    model = session.folder / "two" / "checkpoints" / "best" / "model.safetensors"
    damaged = bytearray(model.read_bytes())
    damaged[-1] ^= 1
    model.write_bytes(bytes(damaged))
    fails(3, "model.safetensors", "evaluate", str(session.folder / "two"), str(session.folder / "dataset"))


def main():
    root, regatta, mpirun = pathlib.Path(sys.argv[1]), *sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="regatta-") as folder:
        session = Session(root, regatta, mpirun, pathlib.Path(folder))
        for check in (check_dataset, check_training, check_resume, check_results, check_other_dataset,
                      check_exit_codes):
            check(session)
            print(f"{check.__name__}: as expected", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
