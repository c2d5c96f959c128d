"""Draws peers.json as bars of seconds on a logarithmic axis. Usage: plot.py peers.json PREFIX -> PREFIX.png, PREFIX.svg."""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (the backend comes first)
from tables import NAMES  # noqa: E402

COLOURS = {"regatta": "#1b6ca8", "pyg": "#d1495b", "pyg-tuned": "#edae49", "dgl": "#66a182"}


def draw_times(axes, rows, peers):
    sides = ["regatta", *peers]
    height = 0.8 / len(sides)
    for place, side in enumerate(sides):
        for k, row in enumerate(rows):
            found = row["ours"] if side == "regatta" else row["peers"].get(side, {})
            if "time" not in found:
                continue
            time = found["time"]
            spread = [[time["median"] - time["minimum"]], [time["maximum"] - time["median"]]]
            axes.barh(k + place * height, time["median"], height, color=COLOURS[side], xerr=spread,
                      error_kw={"elinewidth": 0.8}, label=NAMES.get(side, "Regatta"))
    axes.set_yticks([k + 0.4 - height / 2 for k in range(len(rows))],
                    [f"{r['graph']}, {r['kind']}" + (f", dropout {r['dropout']:g}" if r["dropout"] else "") for r in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("seconds a step (forward and backward), median with minimum and maximum")
    axes.legend(*unique_labels(axes))


def unique_labels(axes):
    found = dict(zip(*reversed(axes.get_legend_handles_labels())))
    return list(found.values()), list(found)


def draw_sweep(axes, sweep):
    names = [name for name in sweep["rows"][0] if name != "edges"]
    for name in names:
        points = [(row["edges"], row[name] / 1e6) for row in sweep["rows"] if row[name] is not None]
        axes.plot(*zip(*points), marker="o", color=COLOURS[name], label=NAMES.get(name, "Regatta"))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(f"edges, {sweep['nodes']:,} nodes")
    axes.set_ylabel("peak memory of a gat step, MB")
    axes.legend()


def main():
    report = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [row for row in report["rows"] if "time" in row["ours"]]
    sweep = report.get("sweep")
    figure, axes = plt.subplots(1, 2 if sweep else 1, squeeze=False,
                                figsize=(16 if sweep else 9, 1.5 + 0.22 * len(rows) * (1 + len(report["peers"]))))
    draw_times(axes[0][0], rows, report["peers"])
    if sweep:
        draw_sweep(axes[0][1], sweep)
    figure.suptitle(f"{report.get('machine')}, {report['threads']} threads, {str(report.get('date'))[:10]}")
    figure.tight_layout()
    for ending in ("png", "svg"):
        figure.savefig(f"{sys.argv[2]}.{ending}", dpi=150)


if __name__ == "__main__":
    main()
