"""Runs the parts of launch/gpu_check.sh in order and writes their results to one JSON file.

Needs Python's torch; torch_geometric for the comparison with PyG. Parts are run as programs of their own, so
that one that fails or hangs costs only itself.
"""
import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

EXIT_FAILED, EXIT_MISSING = 1, 4
FULL = {"random": "nodes=100000 edges=2400000 features=128 heads=4 width=64",
        "skewed": "nodes=100000 edges=2400000 features=128 heads=4 width=64 skew=1",
        "beyond_l2": "nodes=1000000 edges=24000000 features=128 heads=4 width=64"}
QUICK = {"small": "nodes=5000 edges=60000 features=32 heads=4 width=16 repeats=3"}
KINDS = ("gat", "gatv2", "transformer", "dot")


def say(text):
    print(text, flush=True)


class Programs:
    """Where the programs of a build folder or a bundle lie, and what they need to start."""

    def __init__(self, folder, torch_folder):
        self.folder = folder.resolve()
        self.environment = dict(os.environ)
        nvidia = sorted(torch_folder.parent.glob("nvidia/*/lib"))
        paths = [torch_folder / "lib", *nvidia, self.folder / "lib", self.folder / "openmpi" / "lib"]
        before = os.environ.get("LD_LIBRARY_PATH", "")
        self.environment["LD_LIBRARY_PATH"] = ":".join([str(p) for p in paths if p.is_dir()] + [before] * bool(before))
        self.environment["REGATTA_CUDA_LIBRARY"] = str(self.folder / "bin" / "libregatta_cuda.so")
        if (self.folder / "openmpi").is_dir():
            self.environment["OPAL_PREFIX"] = str(self.folder / "openmpi")
        if os.geteuid() == 0:
            self.environment["OMPI_ALLOW_RUN_AS_ROOT"] = self.environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"

    def path(self, name):
        for place in ("tests", "bin"):
            if (self.folder / place / name).is_file():
                return self.folder / place / name
        return None

    def mpirun(self):
        for own in (self.folder / "mpirun", self.folder / "openmpi" / "bin" / "mpirun"):
            if own.is_file():
                return str(own)
        return shutil.which("mpirun")

    def run(self, command, timeout=900, folder=None):
        """Exit status and output; a status of None stands for a time-out."""
        try:
            done = subprocess.run([str(part) for part in command], env=self.environment, cwd=folder, timeout=timeout,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        except subprocess.TimeoutExpired:
            return None, "", f"no end after {timeout} s"
        return done.returncode, done.stdout, done.stderr


def find_missing(programs, root):
    """What this machine or folder lacks, one sentence each."""
    missing = []
    import torch
    if not torch.cuda.is_available():
        driver = "nvidia-smi is not there" if shutil.which("nvidia-smi") is None else "nvidia-smi is there"
        missing.append(f"no GPU: torch {torch.__version__} sees none ({driver})")
    for name in ("regatta", "libregatta_cuda.so", "cuda_attention_test", "cuda_plugin_test", "cuda_layer_bench"):
        if programs.path(name) is None:
            missing.append(f"no program {name} in {programs.folder}: build it, or make the folder with launch/bundle.sh")
    if programs.mpirun() is None:
        missing.append("no mpirun: a folder of launch/bundle.sh carries one")
    if not (root / "configs" / "cora.yaml").is_file():
        missing.append(f"no configs/cora.yaml in {root}")
    return missing


def last_line_of(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def run_tests(programs):
    results = {}
    for name in ("cuda_plugin_test", "cuda_attention_test"):
        if programs.path(name) is None:
            results[name] = {"ok": False, "skipped": [], "failed": [], "error": "not built"}
            continue
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            status, _, errors = programs.run([programs.path(name), f"--gtest_output=json:{report.name}"])
            try:
                tests = json.loads(pathlib.Path(report.name).read_text())["testsuites"]
            except ValueError:
                tests = []
        cases = [(f"{suite['name']}.{case['name']}", case) for suite in tests for case in suite["testsuite"]]
        failed = [case_name for case_name, case in cases if case.get("failures")]
        skipped = [case_name for case_name, case in cases if case.get("result") == "SKIPPED"]
        results[name] = {"ok": status == 0 and bool(cases), "exit": status, "cases": len(cases),
                         "skipped": skipped, "failed": failed[:20]}
        if status != 0:
            results[name]["error"] = last_line_of(errors)
    return results


def train(programs, root, work, name, ranks, settings):
    """Losses of five epochs on Cora (or as many as `settings` name), the digest of the trained model, seconds a step."""
    output = work / name
    command = [programs.path("regatta"), "train", root / "configs" / "cora.yaml"]
    for setting in (f"output={output}", f"dataset={work / 'dataset'}", "train.epochs=5", *settings):
        command += ["--set", setting]
    if ranks > 1:
        command = [programs.mpirun(), "-n", ranks, "--oversubscribe", "--bind-to", "none", *command]
    status, _, errors = programs.run(command, 300, root)
    result = {"ok": status == 0, "exit": status, "ranks": ranks, "settings": settings}
    metrics = output / "metrics.jsonl"
    if status == 0 and metrics.is_file():
        result["losses"] = [json.loads(line).get("loss") for line in metrics.read_text().splitlines()]
        summary = json.loads((output / "summary.json").read_text())
        result["model_digest"] = summary["model_digest"]
        result["seconds_per_step"] = summary["seconds_per_step"]
        result["replayed_steps"] = summary["replayed_steps"]
    else:
        result["error"] = last_line_of(errors)
    return result


def relative_gap(a, b):
    pairs = list(zip(a.get("losses") or [], b.get("losses") or []))
    return max((abs(x - y) / abs(y) for x, y in pairs if x is not None and y), default=None)


def compare_bits(results, name, other):
    """Two ways of one computation: every loss and the model are to be the same bits."""
    a, b = results[name], results[other]
    same = a["ok"] and b["ok"] and all(a[key] == b[key] for key in ("losses", "model_digest"))
    a[f"bits_of_{other}"] = same
    a["ok"] = a["ok"] and same


def run_training(programs, root, work, device):
    for folder, chunks in (("dataset", 4), ("one_chunk", 1)):
        status, _, errors = programs.run([programs.path("regatta"), "preprocess", root / "configs" / "cora.yaml", "--set",
                                          f"dataset={work / folder}", "--set", f"preprocess.partition.chunks={chunks}"],
                                         300, root)
        if status != 0:
            return {"preprocess": {"ok": False, "error": last_line_of(errors)}}
    # steps of one chunk that stays on the device are captured: the first is replayed in the sixth epoch
    alike = ["runtime.device=cuda", f"dataset={work / 'one_chunk'}", "train.epochs=30"]
    runs = {"cpu_1_rank": (1, ["runtime.device=cpu"])}
    if device:
        runs |= {"gpu_1_rank": (1, ["runtime.device=cuda"]),
                 # no chunk stays on the device: each is uploaded while the one before is computed
                 "gpu_1_rank_uploading": (1, ["runtime.device=cuda", "runtime.chunk_cache_mib=0"]),
                 "gpu_captured": (1, [*alike, "runtime.cuda_graph=auto"]),
                 "gpu_launched": (1, [*alike, "runtime.cuda_graph=off"]),
                 "gpu_2_ranks_mpi": (2, ["runtime.device=cuda", "runtime.backend=mpi"]),
                 "gpu_1_rank_nccl": (1, ["runtime.device=cuda", "runtime.backend=nccl"])}
    results = {name: train(programs, root, work, name, ranks, settings) for name, (ranks, settings) in runs.items()}
    for name in [name for name in results if name != "cpu_1_rank"]:
        gap = relative_gap(results[name], results["cpu_1_rank"])
        results[name]["loss_gap_to_cpu"] = gap
        results[name]["ok"] = results[name]["ok"] and gap is not None and gap < 1e-4
    if device:
        compare_bits(results, "gpu_1_rank_uploading", "gpu_1_rank")
        compare_bits(results, "gpu_captured", "gpu_launched")
        captured = results["gpu_captured"]
        captured["ok"] = captured["ok"] and captured["replayed_steps"] == 25
        results["step"] = {way: time_step(programs, root, work, way) for way in ("auto", "off")}
    return results


def time_step(programs, root, work, cuda_graph):
    """A whole step on Cora in one chunk, the optimiser included, by runtime.cuda_graph."""
    command = [programs.path("regatta"), "bench", "step", root / "configs" / "cora.yaml", "--repeats", 300]
    for setting in (f"dataset={work / 'one_chunk'}", f"output={work / 'bench'}", "runtime.device=cuda",
                    f"runtime.cuda_graph={cuda_graph}"):
        command += ["--set", setting]
    status, output, errors = programs.run(command, 300, root)
    try:
        report = json.loads(output)
    except ValueError:
        return {"ok": False, "exit": status, "error": last_line_of(errors)}
    result = {"ok": status == 0 and (report["replayed_steps"] > 0) == (cuda_graph == "auto"), **report["step"],
              "replayed_steps": report["replayed_steps"]}
    say(f"  step of Cora, cuda_graph {cuda_graph}: {result['median'] * 1e6:.0f} us")
    return result


def parsed(status, output, errors):
    try:
        return {"ok": status == 0, **json.loads(last_line_of(output))}
    except ValueError:
        return {"ok": False, "exit": status, "error": last_line_of(errors)}


def run_benchmarks(programs, root, settings):
    script = root / "launch" / "gpu_check" / "pyg_layers.py"
    peers = importlib.util.find_spec("torch_geometric") is not None
    results = []
    for graph, values in settings.items():
        for kind in KINDS:
            for dtype in ("fp32", "bf16"):
                own = parsed(*programs.run([programs.path("cuda_layer_bench"), kind, dtype, *values.split()]))
                entry = {"graph": graph, "kind": kind, "dtype": dtype, "regatta": own}
                for way in ("eager", "compile", "deterministic") if peers else ():
                    peer = parsed(*programs.run([sys.executable, script, kind, dtype, way, *values.split()]))
                    entry[f"pyg_{way}"] = peer
                    if own["ok"] and peer["ok"]:
                        entry[f"times_faster_than_{way}"] = peer["step"]["median"] / own["step"]["median"]
                        entry[f"memory_of_{way}"] = peer["peak_bytes"] / max(own["peak_bytes"], 1)
                results.append(entry)
                say(f"  {graph} {kind} {dtype}: " + (f"{own['step']['median'] * 1e3:.2f} ms" if own["ok"] else own["error"]))
    return results


def commit_of(root):
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def everything_ok(part):
    if isinstance(part, dict):
        return part.get("ok", True) and all(everything_ok(value) for value in part.values())
    return all(everything_ok(value) for value in part) if isinstance(part, list) else True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--programs", "--root", "--out"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    import torch
    root = arguments.root.resolve()
    programs = Programs(arguments.programs, pathlib.Path(torch.__file__).parent)
    missing = find_missing(programs, root)
    device = torch.cuda.is_available()
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "commit": commit_of(root),
              "device": torch.cuda.get_device_name(0) if device else None,
              "torch": torch.__version__, "cuda": torch.version.cuda,
              "torch_geometric": importlib.metadata.version("torch_geometric")
              if importlib.util.find_spec("torch_geometric") else None,
              "missing": missing}
    if programs.path("regatta") is not None:
        with tempfile.TemporaryDirectory() as work:
            say("training on Cora" + ("" if device else " (processor only)"))
            report["training"] = run_training(programs, root, pathlib.Path(work), device)
    say("tests")
    report["tests"] = run_tests(programs)
    if device and programs.path("cuda_layer_bench") is not None:
        say("benchmarks")
        report["benchmarks"] = run_benchmarks(programs, root, QUICK if arguments.quick else FULL)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    say(f"report: {arguments.out}")
    for sentence in missing:
        print(f"gpu_check: {sentence}", file=sys.stderr)
    if missing:
        return EXIT_MISSING
    return 0 if everything_ok(report) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
