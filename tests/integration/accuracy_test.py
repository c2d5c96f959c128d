"""Published accuracy over ten seeds: recorded evidence, minutes long.

Usage: accuracy_test.py SOURCE_FOLDER REGATTA [CITESEER_FOLDER]. Plain Python 3, no packages. The folder holds edges.csv,
nodes.svmlight and split.csv of Citeseer, which the project does not ship.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

LEAST = {"cora": 0.823, "cora_dot": 0.822, "cora_gatv2": 0.825, "cora_transformer": 0.79, "citeseer": 0.720}
BF16_TOLERANCE = 0.003  # bfloat16 against fp32, means of ten seeds


def mean_of(root, regatta, folder, name, citeseer, precision="fp32"):
    run = folder / f"{name}-{precision}"
    sets = [f"dataset={run}-data", f"output={run}", f"runtime.precision={precision}"]
    if name == "citeseer":
        sets += [f"preprocess.{table}.path={citeseer}/{file}" for table, file in
                 (("edges", "edges.csv"), ("nodes", "nodes.svmlight"), ("splits", "split.csv"))]
    words = [word for item in sets for word in ("--set", item)]
    config = str(root / "configs" / f"{name}.yaml")
    for command in (["preprocess", config], ["train", config, "--seeds", "10"]):
        subprocess.run([regatta, *command, *words], cwd=root, check=True, stdout=subprocess.DEVNULL)
    return json.loads((run / "summary.json").read_text(encoding="utf-8"))["test"]["accuracy"]


def main():
    root, regatta = pathlib.Path(sys.argv[1]), sys.argv[2]
    citeseer = sys.argv[3] if len(sys.argv) > 3 else None
    failed = False
    with tempfile.TemporaryDirectory(prefix="regatta-") as folder:
        for name, least in LEAST.items():
            if name == "citeseer" and citeseer is None:
                continue
            found = mean_of(root, regatta, pathlib.Path(folder), name, citeseer)
            print(f"{name}: {100 * found['mean']:.2f} +- {100 * found['std']:.2f}, at least {100 * least}", flush=True)
            failed = failed or found["mean"] < least
            if name == "cora":
                narrow = mean_of(root, regatta, pathlib.Path(folder), name, citeseer, "bf16")
                print(f"{name} in bf16: {100 * narrow['mean']:.2f} +- {100 * narrow['std']:.2f}", flush=True)
                failed = failed or abs(narrow["mean"] - found["mean"]) > BF16_TOLERANCE
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
