"""launch/gpu_check.sh on a machine without a GPU: it says what is missing, ends with 4, and does the rest.

Usage: gpu_check_test.py SOURCE_FOLDER BUILD_FOLDER PYTHON_WITH_TORCH. Plain Python 3, no packages.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile


def run(root, python, programs, out):
    environment = dict(os.environ, REGATTA_PYTHON=python, CUDA_VISIBLE_DEVICES="")
    return subprocess.run([str(root / "launch" / "gpu_check.sh"), "--programs", str(programs), "--out", str(out)],
                          env=environment, capture_output=True, text=True, timeout=280, check=False)


def main():
    root, build, python = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    faults = []
    with tempfile.TemporaryDirectory() as work:
        out = pathlib.Path(work) / "report.json"
        done = run(root, python, build, out)
        report = json.loads(out.read_text()) if out.is_file() else {}
        if done.returncode != 4:
            faults.append(f"exit {done.returncode}, expected 4: {done.stderr}")
        if "no GPU: torch" not in done.stderr:
            faults.append(f"the missing GPU is not named: {done.stderr}")
        if not any(sentence.startswith("no GPU") for sentence in report.get("missing", [])):
            faults.append(f"the report does not name it either: {report}")
        losses = report.get("training", {}).get("cpu_1_rank", {}).get("losses", [])
        if len(losses) != 5 or not all(isinstance(loss, float) for loss in losses):
            faults.append(f"the processor's part did not run: {report.get('training')}")
        if "benchmarks" in report:
            faults.append("benchmarks without a GPU")
        empty = pathlib.Path(work) / "empty"
        empty.mkdir()
        done = run(root, python, empty, out)
        if done.returncode != 4 or "no program regatta" not in done.stderr:
            faults.append(f"a folder without programs: exit {done.returncode}: {done.stderr}")
        done = run(root, python, pathlib.Path(work) / "nowhere", out)
        if done.returncode != 4 or "no folder" not in done.stderr:
            faults.append(f"no folder: exit {done.returncode}: {done.stderr}")
    print("\n".join(faults) or "gpu_check.sh says what is missing")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
