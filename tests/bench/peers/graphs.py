"""The graphs of a comparison: generated ones, dataset folders, and tables of edges made into datasets."""
import pathlib
import subprocess
import sys
from dataclasses import dataclass

import statistics_of

GENERATED = ("random", "power_law", "clustered")
# Edges of the sweep: memory must follow the nodes.
SWEEP_NODES = 25000
SWEEP_EDGES = (150000, 300000, 600000, 1200000)


@dataclass
class Graph:
    name: str
    settings: dict  # keys of `regatta bench layer`


def help_text(program):
    return subprocess.run([program, "bench", "layer", "--help"], capture_output=True, text=True, check=True).stdout


def generated_settings(options, name, nodes, edges):
    return {"graph": name, "nodes": nodes, "edges": edges, "features": options.features}


def dataset_of(program, name, path, scratch):
    """The folder itself, or the dataset of one chunk that `regatta preprocess` makes of a table of edges."""
    if pathlib.Path(path).is_dir():
        return str(path)
    folder = scratch / f"dataset-{name}"
    config = scratch / f"{name}.yaml"
    config.write_text(
        f"dataset: {folder}\npreprocess:\n  edges:\n    path: {pathlib.Path(path).resolve()}\n"
        "  clean:\n    direction: undirected\n    self_loops: drop\n  partition:\n    chunks: 1\n",
        encoding="utf-8",
    )
    done = subprocess.run([program, "preprocess", config], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{path}: {done.stderr.strip() or done.stdout.strip()}")
    return str(folder)


def parse(text, options, scratch):
    """NAME=PATH[:features=F], or the name of a distribution."""
    if text in GENERATED:
        return Graph(text, generated_settings(options, text, options.nodes, options.edges))
    name, _, rest = text.partition("=")
    path, _, extra = rest.partition(":features=")
    if not name or not path or (extra and not extra.isdigit()):
        sys.exit(f"--graph {text}: expected NAME=PATH, NAME=PATH:features=F or one of {', '.join(GENERATED)}")
    if not pathlib.Path(path).exists():
        sys.exit(f"--graph {text}: no such file or folder: {path}")
    folder = dataset_of(options.regatta, name, path, scratch)
    return Graph(name, {"graph": folder, "features": int(extra) if extra else options.features})


def all_graphs(options, scratch):
    if not options.no_generated:
        yield parse("random", options, scratch)
    for text in options.graph:
        yield parse(text, options, scratch)


def step_peak(done):
    """Bytes that a step takes beyond what is there before it; None of a side that did not come through."""
    report = done.get("json", {})
    if "memory" in report:
        return report["memory"]["step_peak"]
    return report["resident_peak"] - report["resident_before"] if "seconds" in report else None


def sweep(options, bench, scratch, run_peer):
    """{nodes, rows: [{edges, regatta, pyg, ...}], machine, commit, date}: peak memory of a step of a gat layer."""
    rows, origin = [], {}
    for edges in SWEEP_EDGES:
        case = scratch / "case"
        settings = generated_settings(options, "random", SWEEP_NODES, edges)
        settings.update(kind="gat", heads=options.heads, width=options.width)
        bench.layer({**settings, "export": case}, 1)
        mine = bench.layer(settings, 2)
        row = {"edges": edges, "regatta": step_peak(mine)}
        if "json" in mine:
            origin = origin or statistics_of.origin(mine["json"])
        for peer in options.peer:
            row[peer] = step_peak(run_peer(options, peer, case, 0, None))
        rows.append(row)
    return {"nodes": SWEEP_NODES, "rows": rows, **origin}
