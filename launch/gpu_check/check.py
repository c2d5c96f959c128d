"""Runs the parts of launch/gpu_check.sh in order and writes their results to one JSON file.

Needs Python's torch; torch_geometric for the comparison with PyG. Parts are run as programs of their own, so
that one that fails or hangs costs only itself.
"""
import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile

import torch

from benchmarks import run_benchmarks
from programs import NAMES, Programs, not_run
from training import CONFIGS, run_training

EXIT_FAILED, EXIT_MISSING = 1, 4
MINUTES, LONG_MINUTES = 8, 60


def say(text):
    print(text, flush=True)


def find_missing(programs, root):
    """What this machine or folder lacks, one sentence each."""
    missing = []
    if not torch.cuda.is_available():
        driver = "nvidia-smi is not there" if shutil.which("nvidia-smi") is None else "nvidia-smi is there"
        missing.append(f"no GPU: torch {torch.__version__} sees none ({driver})")
    for name in NAMES:
        if programs.path(name) is None:
            missing.append(f"no program {name} in {programs.folder}: build it, or make the folder with launch/bundle.sh")
    if programs.mpirun() is None:
        missing.append("no mpirun: a folder of launch/bundle.sh carries one")
    if importlib.util.find_spec("torch_geometric") is None:
        missing.append(f"no torch_geometric in {sys.executable}: nothing is compared with PyG")
    missing += [f"no configs/{name} in {root}" for name in CONFIGS.values() if not (root / "configs" / name).is_file()]
    return missing


def read_cases(report):
    """(name, case) of a googletest report; none where the program did not come to its end."""
    try:
        suites = json.loads(pathlib.Path(report).read_text())["testsuites"]
    except ValueError:
        return []
    return [(f"{suite['name']}.{case['name']}", case) for suite in suites for case in suite["testsuite"]]


def skip_reasons(output):
    """By case, the last line that a skipped one wrote; googletest's report does not tell it."""
    reasons, line_before = {}, ""
    for line in output.splitlines():
        if line.startswith("[  SKIPPED ]") and line.endswith("ms)"):
            reasons[line.split("] ")[1].split(" (")[0]] = line_before
        elif line.strip():
            line_before = line.strip()
    return reasons


def run_test(programs, name):
    over = programs.over()
    if over:
        return over
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        status, output, errors = programs.run([*programs.command(name), f"--gtest_output=json:{report.name}"], 900)
        cases = read_cases(report.name)
    if not cases:
        return programs.failure(status, errors or output)
    skipped = skip_reasons(output)
    result = {"ok": status == 0, "exit": status, "cases": len(cases), "skipped": skipped,
              "failed": [case_name for case_name, case in cases if case.get("failures")][:20],
              "seconds": sum(float(case["time"].rstrip("s")) for _, case in cases)}
    # Skipped for something that this machine lacks: it was not checked.
    result["left_out"] = {case_name: not_run(reason) for case_name, reason in skipped.items()
                          if "needs" in reason or "no GPU" in reason}
    say(f"  {name}: {len(cases)} cases, {len(result['failed'])} failed, {len(skipped)} skipped")
    return result


def unfinished(part, name=""):
    """(reason, name) of each result that is neither good nor bad."""
    if isinstance(part, dict):
        if "not_run" in part:
            return [(part["not_run"], name)]
        return [pair for key, value in part.items() for pair in unfinished(value, f"{name} {key}".strip())]
    if isinstance(part, list):
        return [pair for value in part if isinstance(value, dict)
                for pair in unfinished(value, " ".join([name, *(value.get(key, "") for key in ("graph", "kind", "dtype"))]))]
    return []


def sentences_of(pairs):
    """One for each reason."""
    names = {}
    for reason, name in pairs:
        names.setdefault(reason, []).append(name)
    return [f"not run: {', '.join(of[:3])}" + (f" and {len(of) - 3} more" if len(of) > 3 else "") + f": {reason}"
            for reason, of in names.items()]


def failed(part):
    if isinstance(part, dict):
        return part.get("ok") is False or any(failed(value) for value in part.values())
    return isinstance(part, list) and any(failed(value) for value in part)


def describe(programs, root):
    """What was checked, with what, when."""
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": programs.commit(root),
            "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
            "torch": torch.__version__, "cuda": torch.version.cuda,
            "torch_geometric": importlib.metadata.version("torch_geometric")
            if importlib.util.find_spec("torch_geometric") else None}


def run_parts(programs, root, arguments, report):
    """The parts that this folder has programs for, into `report`."""
    device = torch.cuda.is_available()
    if programs.path("regatta") is not None:
        with tempfile.TemporaryDirectory() as work:
            say("training on Cora" + ("" if device else " (processor only)"))
            report["training"] = run_training(programs, root, pathlib.Path(work), device)
    say("tests")
    report["tests"] = {name: run_test(programs, name) for name in ("cuda_plugin_test", "cuda_attention_test")
                       if programs.path(name) is not None}
    if device and programs.path("cuda_layer_bench") is not None:
        say("benchmarks")
        report["benchmarks"] = run_benchmarks(programs, arguments.quick, arguments.long)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--programs", "--root", "--out"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--minutes", type=float)
    arguments = parser.parse_args()
    if arguments.minutes is None:
        arguments.minutes = LONG_MINUTES if arguments.long else MINUTES
    return arguments


def main():
    arguments = read_arguments()
    root = arguments.root.resolve()
    programs = Programs(arguments.programs, pathlib.Path(torch.__file__).parent, arguments.minutes)
    report = describe(programs, root)
    missing = report["missing"] = find_missing(programs, root)
    refusal = programs.refusal()
    if refusal:
        missing.append(refusal)
    else:
        run_parts(programs, root, arguments, report)
        missing += sentences_of(unfinished(report))
    report["minutes"] = round(programs.minutes - programs.seconds_left() / 60, 1)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    say(f"report: {arguments.out}")
    for sentence in missing:
        print(f"gpu_check: {sentence}", file=sys.stderr)
    if failed(report):
        print("gpu_check: something failed, see the report", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_MISSING if missing else 0


if __name__ == "__main__":
    sys.exit(main())
