"""A step of the published two-layer GAT on Cora: ours by `regatta bench step`, the peers' by cora_worker.py."""
import pathlib
import subprocess
import sys

import processes
import statistics_of

SIDES = (("pyg", "dense"), ("pyg", "sparse"), ("dgl", "dense"))


def ours(options, dataset, scratch):
    return processes.run(
        [options.regatta, "bench", "step", options.cora_config, "--threads", options.threads, "--repeats", 50,
         "--set", f"dataset={dataset}", "--set", f"output={scratch / 'cora-run'}"])


def measure(options, scratch):
    """{regatta: {machine, commit, date, median, minimum, maximum}, "pyg dense": {..., ratio, version, losses}, ...}.

    Times are seconds; losses those of a peer's first and last step.
    """
    worker = pathlib.Path(__file__).with_name("cora_worker.py")
    dataset = scratch / "cora"
    done = subprocess.run([options.regatta, "preprocess", options.cora_config, "--set", f"dataset={dataset}"],
                          cwd=pathlib.Path(options.cora_config).resolve().parents[1],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"Cora: {done.stderr.strip()}")
    mine = [ours(options, dataset, scratch)]
    report, runs = {}, {}
    if options.pyg != "-":
        arrays = scratch / "cora.npz"
        processes.run([options.pyg, worker, "export", dataset, arrays])
        for library, mode in SIDES:
            python = options.dgl if library == "dgl" else options.pyg
            if python != "-":
                runs[f"{library} {mode}"] = processes.run(
                    [python, worker, library, mode, arrays, "--threads", options.threads])
                mine.append(ours(options, dataset, scratch))
    failed = [run["failed"] for run in mine if "failed" in run]
    if failed:
        return {"regatta": {"failed": failed[0]}}
    report["regatta"] = {
        **statistics_of.origin(mine[0]["json"]),
        **statistics_of.spread_of([run["json"]["step"] for run in mine]),
    }
    for side, run in runs.items():
        report[side] = run
        if "json" in run:
            report[side] = statistics_of.spread(run["json"]["seconds"])
            report[side]["version"] = run["json"]["version"]
            report[side]["losses"] = [run["json"]["first_loss"], run["json"]["last_loss"]]
            report[side]["ratio"] = report[side]["median"] / report["regatta"]["median"]
    return report
