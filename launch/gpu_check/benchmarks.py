"""Layer steps of cuda_layer_bench beside PyG's, one process a graph and way: starting one costs seconds."""
import importlib.util
import json
import pathlib
import sys

from programs import not_run

LAYER = "features=128 heads=4 width=64"
FULL = {"random": f"nodes=100000 edges=2400000 {LAYER}",
        "skewed": f"nodes=100000 edges=2400000 {LAYER} skew=1",
        "beyond_l2": f"nodes=1000000 edges=24000000 {LAYER}"}
QUICK = {"small": "nodes=5000 edges=60000 features=32 heads=4 width=16 repeats=3"}
KINDS = ("gat", "gatv2", "transformer", "dot")
DTYPES = ("fp32", "bf16")
WAYS = ("eager", "deterministic", "compile")


def plan_peers(graphs, everything):
    """(graph, way) in the order in which they are wanted. torch.compile and deterministic sums take minutes a graph."""
    first = next(iter(graphs))
    pairs = [(graph, way) for way in WAYS for graph in graphs]
    return [pair for pair in pairs if everything or pair[0] == first or pair[1] == "eager"]


def run_layers(programs, command, label):
    """Results by (kind, dtype): the lines that the process printed, and its error for those that are not there."""
    over = programs.over()
    wanted = [(kind, dtype) for kind in KINDS for dtype in DTYPES]
    if over:
        return dict.fromkeys(wanted, over)
    status, output, errors = programs.run(command, 900)
    found = {}
    for line in output.splitlines():
        if line.startswith("{"):
            result = json.loads(line)
            found[result["kind"], result["dtype"]] = {"ok": "error" not in result, **result}
    rest = programs.failure(status, errors)
    print(f"  {label}: {len(found)} of {len(wanted)} layers", flush=True)
    return {pair: found.get(pair, rest) for pair in wanted}


def add_peer(entry, way, peer):
    """A peer that fails is no fault of Regatta's, but the comparison is missing."""
    if peer["ok"] is False:
        peer = not_run(f"PyG {way} failed: {peer['error']}")
    entry[f"pyg_{way}"] = peer
    own = entry["regatta"]
    if own["ok"] and peer["ok"]:
        entry[f"times_faster_than_{way}"] = peer["step"]["median"] / own["step"]["median"]
        entry[f"memory_of_{way}"] = peer["peak_bytes"] / max(own["peak_bytes"], 1)


def run_benchmarks(programs, quick, everything):
    graphs = QUICK if quick else FULL
    script = pathlib.Path(__file__).with_name("pyg_layers.py")
    words = {graph: [",".join(KINDS), ",".join(DTYPES), *values.split()] for graph, values in graphs.items()}
    entries = {}
    for graph in graphs:
        own = run_layers(programs, [*programs.command("cuda_layer_bench"), *words[graph]], f"{graph}, regatta")
        for (kind, dtype), result in own.items():
            entries[graph, kind, dtype] = {"graph": graph, "kind": kind, "dtype": dtype, "regatta": result}
    if importlib.util.find_spec("torch_geometric") is None:
        return list(entries.values())  # named among what is missing
    for graph, way in plan_peers(graphs, everything):
        command = [sys.executable, script, *words[graph][:2], way, *words[graph][2:]]
        for (kind, dtype), peer in run_layers(programs, command, f"{graph}, PyG {way}").items():
            add_peer(entries[graph, kind, dtype], way, peer)
    return list(entries.values())
