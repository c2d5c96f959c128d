"""A pretended GPU for gpu_check_test.py: a bundle whose programs are this script, and a torch that sees a GPU.

As a program it answers what regatta, the GPU tests and cuda_layer_bench would. PRETEND names what goes wrong:
"loss" (one training), "test" (one case), "memory" (one case is skipped), "peer" (PyG's layers), "late" (a hanging
benchmark).
"""
import json
import os
import pathlib
import shutil
import sys
import time

TORCH = '''"""Sees a GPU."""
class cuda:
    is_available = staticmethod(lambda: True)
    get_device_name = staticmethod(lambda device: "pretended GPU")
class version:
    cuda = "0.0"
__version__ = "0.0"
'''
RUN = '#!/bin/sh\nexec "$@"\n'
MPIRUN = '#!/bin/sh\nwhile [ "$1" != -n ]; do shift; done\nshift 5\nexec "$@"\n'  # -n 2 --oversubscribe --bind-to none


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def make_bundle(root, folder):
    """The check and the configurations as launch/bundle.sh lays them out; everything else pretends."""
    shutil.copytree(root / "launch" / "gpu_check", folder / "share" / "gpu_check")
    shutil.copytree(root / "configs", folder / "configs")
    shutil.copy(root / "launch" / "gpu_check.sh", folder)
    (folder / "share" / "environment.sh").write_text("", encoding="utf-8")
    (folder / "share" / "commit").write_text("0123456789\n", encoding="utf-8")
    write_program(folder / "run", RUN)
    write_program(folder / "mpirun", MPIRUN)
    for name in ("bin/regatta", "bin/libregatta_cuda.so", "tests/cuda_plugin_test", "tests/cuda_attention_test",
                 "tests/cuda_layer_bench"):
        write_program(folder / name, f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
    (folder / "share" / "gpu_check" / "pyg_layers.py").write_text(
        f"import sys\nsys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\n"
        "from gpu_check_pretend import layers\nlayers(sys.argv[1], sys.argv[2], 'peer')\n", encoding="utf-8")
    (folder / "modules" / "torch").mkdir(parents=True)
    (folder / "modules" / "torch" / "__init__.py").write_text(TORCH, encoding="utf-8")


def layers(kinds, dtypes, wrong):
    if os.environ.get("PRETEND") == "late":
        time.sleep(60)
    for kind in kinds.split(","):
        for dtype in dtypes.split(","):
            result = {"step": {"median": 1e-3}, "peak_bytes": 1000}
            if os.environ.get("PRETEND") == wrong:
                result = {"error": "no memory"}
            print(json.dumps({"kind": kind, "dtype": dtype, **result}))


def train(arguments):
    setting = dict(word.split("=", 1) for word in arguments if "=" in word)
    output = pathlib.Path(setting["output"])
    output.mkdir()
    # bf16 is a little off, and on the GPU a little more.
    loss = 2 + (2e-4 if "bf16" in str(output) else 0) + (3e-4 if "gpu_gatv2_bf16" in str(output) else 0)
    if os.environ.get("PRETEND") == "loss" and "gpu_dot_fp32" in str(output):
        loss += 1e-2
    (output / "metrics.jsonl").write_text(f'{{"loss": {loss}}}\n' * int(setting["train.epochs"]), encoding="utf-8")
    summary = {"model_digest": "d", "seconds_per_step": 1, "replayed_steps": 25 if "captured" in str(output) else 0}
    (output / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def googletest(report):
    case = {"name": "case", "time": "1s", "result": "COMPLETED"}
    if os.environ.get("PRETEND") == "test":
        case["failures"] = [{"failure": "wrong"}]
    if os.environ.get("PRETEND") == "memory":
        case["result"] = "SKIPPED"
        print("[ RUN      ] Suite.case\nfile.cpp:1: Skipped\nSKIPPED: needs 26 GiB of device memory\n\n"
              "[  SKIPPED ] Suite.case (0 ms)\n[  SKIPPED ] 1 test, listed below:\n[  SKIPPED ] Suite.case")
    pathlib.Path(report).write_text(json.dumps({"testsuites": [{"name": "Suite", "testsuite": [case]}]}), encoding="utf-8")
    return 1 if "failures" in case else 0


def main():
    program, *arguments = sys.argv[1:]
    if program == "tests/cuda_layer_bench":
        layers(arguments[0], arguments[1], "bench")
    elif program.startswith("tests/"):
        return googletest(arguments[0].split(":", 1)[1])
    elif arguments[0] == "train":
        train(arguments)
    elif arguments[0] == "bench":
        print(json.dumps({"step": {"median": 6e-5}, "replayed_steps": 290 if "runtime.cuda_graph=auto" in arguments else 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
