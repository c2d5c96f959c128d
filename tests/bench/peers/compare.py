"""Measures Regatta's layers beside PyG's and DGL's on the same files; writes peers.json and peers.md.

Usage: compare.py --regatta PROGRAM --out DIR [--pyg PYTHON] [--dgl PYTHON] [options]; run.sh calls it. Without
--pyg and --dgl only Regatta is measured. Every peer's process stands between two of ours, so that a change of the
machine's speed shows in both.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys

import cora
import graphs
import processes
import statistics_of
import tables


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regatta", required=True, help="the program")
    parser.add_argument("--out", required=True, help="folder of the results")
    parser.add_argument("--pyg", default="-", help="Python with PyG; -: not measured")
    parser.add_argument("--dgl", default="-", help="Python with DGL; -: not measured")
    parser.add_argument("--graph", action="append", default=[], metavar="NAME=PATH[:features=F]",
                        help="table of edges or dataset folder, or random|power_law|clustered (repeatable)")
    parser.add_argument("--no-generated", action="store_true", help="leave out the generated graph")
    parser.add_argument("--kind", action="append", default=[], help="kind of attention (repeatable; default: all)")
    parser.add_argument("--dropout", action="append", type=float, default=[], help="attention dropout (repeatable)")
    parser.add_argument("--peer", action="append", default=[], choices=["pyg", "pyg-tuned", "dgl"])
    for name, value in (("nodes", 100000), ("edges", 2400000), ("features", 128), ("heads", 4), ("width", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a peer's process")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each process of ours")
    parser.add_argument("--rounds", type=int, default=1, help="processes of each peer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=0, help="of a peer; default: what is free, less 1.5")
    parser.add_argument("--no-errors", action="store_true", help="do not compare with fp64")
    parser.add_argument("--sweep", action="store_true", help="peak memory over the number of edges")
    parser.add_argument("--cora", action="store_true", help="a step of the two-layer model on Cora")
    parser.add_argument("--cora-config", default="", help="configuration of that model")
    return parser.parse_args()


class Bench:
    """Our side: `regatta bench layer`."""

    def __init__(self, options):
        self.options = options

    def kinds(self):
        """Rows of the program's attention table."""
        text = graphs.help_text(self.options.regatta)
        known = re.search(r"\bkind \(([^)]*)\)", re.sub(r"\s+", " ", text))
        return known.group(1).split("|") if known else ["gat", "dot"]

    def layer(self, settings, repeats):
        command = [self.options.regatta, "bench", "layer", "--threads", self.options.threads]
        for key, value in {**settings, "repeats": repeats}.items():
            command += ["--set", f"{key}={value}"]
        return processes.run(command)


def peer_command(options, peer, case, dropout, results):
    python = options.dgl if peer == "dgl" else options.pyg
    worker = pathlib.Path(__file__).with_name("worker.py")
    memory = options.memory_gb or max(1.0, processes.available_gigabytes() - 1.5)
    command = [python, worker, peer.split("-")[0], case, "--steps", options.steps, "--threads", options.threads]
    command += ["--memory-gb", round(memory, 1), "--dropout", dropout]
    return command + (["--results", results] if results else [])


def run_peer(options, peer, case, dropout, results):
    environment = dict(processes.TUNED) if peer == "pyg-tuned" else {}
    environment["OMP_NUM_THREADS"] = str(options.threads)
    if results:
        results.mkdir(parents=True, exist_ok=True)
    return processes.run(peer_command(options, peer, case, dropout, results), environment)


def errors_of(options, case, results):
    """Errors of ours and of every peer that left results; {} where they are not wanted."""
    found = [f"{name}={folder}" for name, folder in results.items() if (folder / "grad.x.npy").exists()]
    if options.no_errors or options.pyg == "-" or not found:
        return {}
    done = processes.run([options.pyg, pathlib.Path(__file__).with_name("reference.py"), case, *found])
    if "failed" in done:
        print(f"      no errors against fp64: {done['failed']}", file=sys.stderr)
        return {}
    return done["json"]


def measure(options, bench, graph, kind, dropout, scratch):
    """One row: ours and every peer on one graph, kind and dropout."""
    case = scratch / "case"
    shutil.rmtree(case, ignore_errors=True)
    settings = {**graph.settings, "kind": kind, "heads": options.heads, "width": options.width}
    settings["attention_dropout"] = dropout
    first = bench.layer({**settings, "export": case}, options.repeats)
    row = {**settings, "graph": graph.name, "dropout": dropout, "peers": {}}
    if "failed" in first:
        return {**row, "ours": first}
    ours, results = [first], {"regatta": case}
    runs = {peer: [] for peer in options.peer}
    for round_number in range(options.rounds):
        for peer in options.peer:
            wants_results = dropout == 0 and round_number == 0 and not options.no_errors
            results[peer] = scratch / peer
            shutil.rmtree(results[peer], ignore_errors=True)
            runs[peer].append(run_peer(options, peer, case, dropout, results[peer] if wants_results else None))
            ours.append(bench.layer(settings, options.repeats))
    errors = errors_of(options, case, results) if dropout == 0 else {}
    row["nodes"], row["edges"] = first["json"]["case"]["nodes"], first["json"]["case"]["edges"]
    row["ours"] = statistics_of.ours(ours, errors.get("regatta"))
    for peer, done in runs.items():
        row["peers"][peer] = statistics_of.peer(done, row["ours"], errors.get(peer))
    return row


def available_peers(options):
    wanted = options.peer or ["pyg", "pyg-tuned", "dgl"]
    return [peer for peer in wanted if (options.dgl if peer == "dgl" else options.pyg) != "-"]


def save(out, report):
    (out / "peers.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (out / "peers.md").write_text(tables.markdown(report), encoding="utf-8")


def keep_origin(report, ours):
    """Where and from what the report's first figures come."""
    for key in statistics_of.ORIGIN:
        if key in ours:
            report.setdefault(key, ours[key])


def main():
    options = arguments()
    options.peer = available_peers(options)
    processes.pin(options.threads)
    out = pathlib.Path(options.out).resolve()
    scratch = out / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    report = {"threads": options.threads, "peers": options.peer, "rows": []}
    for graph in graphs.all_graphs(options, scratch):
        for dropout in options.dropout or [0.0]:
            for kind in options.kind or bench.kinds():
                row = measure(options, bench, graph, kind, dropout, scratch)
                report["rows"].append(row)
                keep_origin(report, row["ours"])
                print(tables.line(row), flush=True)
                save(out, report)
    if options.sweep:
        report["sweep"] = graphs.sweep(options, bench, scratch, run_peer)
        keep_origin(report, report["sweep"])
    if options.cora:
        report["cora"] = cora.measure(options, scratch)
        keep_origin(report, report["cora"].get("regatta", {}))
    save(out, report)
    shutil.rmtree(scratch)
    print(f"{out}/peers.md, peers.json")
    ours = [row["ours"] for row in report["rows"]] + [report.get("cora", {}).get("regatta", {})]
    return 1 if any("failed" in side for side in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
