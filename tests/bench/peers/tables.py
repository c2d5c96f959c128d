"""The comparison as text: one line a row while it runs, and a page of Markdown at the end."""

NAMES = {"pyg": "PyG as shipped", "pyg-tuned": "PyG tuned", "dgl": "DGL"}
HEADER = ("| graph | kind | dropout | side | median (min–max) s | × ours | × ours, processor time | step's peak memory MB "
          "| × ours | maximum resident MB | error y, ∂x, ∂x but 10 rows | % of floor |")


def seconds(time):
    return f"{time['median']:.3f} ({time['minimum']:.3f}–{time['maximum']:.3f})"


def megabytes(count):
    return f"{count / 1e6:,.0f}"


def errors(found):
    return ", ".join(f"{found[array]:.1e}" for array in ("y", "grad.x", "grad.x.rest")) if found else "–"


def reason(side):
    for key, text in (("out_of_memory", "out of memory"), ("unsupported", "no such layer"), ("failed", "failed")):
        if key in side:
            return f"{text}: {side[key]}" if key == "failed" else text
    return None


def our_cells(ours):
    percent = ours["percent_of_floor"]
    return [seconds(ours["time"]), "1", "1", megabytes(ours["step_peak"]), "1", megabytes(ours["max_rss"]),
            errors(ours["errors"]), "–" if percent is None else f"{percent:.0f}"]


def peer_cells(peer):
    return [seconds(peer["time"]), f"{peer['ratio']:.1f}", f"{peer['processor_ratio']:.1f}",
            megabytes(peer["step_peak"]), f"{peer['memory_ratio']:.1f}", megabytes(peer["max_rss"]),
            errors(peer["errors"]), "–"]


def sides(row):
    yield "Regatta", row["ours"], our_cells
    for name, peer in row["peers"].items():
        yield NAMES[name], peer, peer_cells


def row_lines(row):
    for name, side, cells in sides(row):
        why = reason(side)
        values = [why] + ["–"] * 7 if why else cells(side)
        yield "| " + " | ".join([row["graph"], row["kind"], f"{row['dropout']:g}", name, *values]) + " |"


def line(row):
    """What the terminal shows while measuring."""
    parts = [f"{row['graph']} {row['kind']} dropout {row['dropout']:g}:"]
    for name, side, _ in sides(row):
        why = reason(side)
        ratio = f" ({side['ratio']:.1f}x)" if "ratio" in side else ""
        parts.append(f"{name} {why}" if why else f"{name} {side['time']['median']:.3f} s{ratio}")
    return parts[0] + " " + ", ".join(parts[1:])


def sweep_lines(sweep):
    names = [name for name in sweep["rows"][0] if name != "edges"]
    yield f"Peak memory of a gat step over the edges, {sweep['nodes']:,} nodes, MB:"
    yield ""
    yield "| edges | " + " | ".join(NAMES.get(name, "Regatta") for name in names) + " |"
    yield "| --- " * (len(names) + 1) + "|"
    for row in sweep["rows"]:
        cells = ["–" if row[name] is None else megabytes(row[name]) for name in names]
        yield f"| {row['edges']:,} | " + " | ".join(cells) + " |"


def cora_lines(cora):
    yield "A training step of the published two-layer GAT on Cora, ms:"
    yield ""
    yield "| side | median (min–max) | × ours |"
    yield "| --- | --- | --- |"
    for name, side in cora.items():
        if "median" not in side:
            yield f"| {name} | {side.get('failed', side)} | – |"
            continue
        times = "{:.2f} ({:.2f}–{:.2f})".format(*(1e3 * side[key] for key in ("median", "minimum", "maximum")))
        yield f"| {name} | {times} | {side.get('ratio', 1):.1f} |"


def sizes_lines(report):
    for row in report["rows"]:
        if "nodes" in row:
            yield (f"{row['graph']}: N={row['nodes']:,}, E={row['edges']:,}, F={row['features']}, "
                   f"H={row['heads']}, D={row['width']}")


def versions(report):
    peers = [peer for row in report["rows"] for peer in row["peers"].values()] + list(report.get("cora", {}).values())
    found = {peer["version"] for peer in peers if "version" in peer}
    return "; ".join(sorted(found)) or "no peer"


def markdown(report):
    lines = [f"{report.get('machine')}, {report['threads']} threads, {report.get('date')}, commit "
             f"{report.get('commit')}; {versions(report)}."]
    if report["rows"]:
        lines += ["", *(f"- {text}" for text in dict.fromkeys(sizes_lines(report)))]
        lines += ["", HEADER, "| --- " * 12 + "|"]
    for row in report["rows"]:
        lines += row_lines(row)
    if "sweep" in report:
        lines += ["", *sweep_lines(report["sweep"])]
    if "cora" in report:
        lines += ["", *cora_lines(report["cora"])]
    return "\n".join(lines) + "\n"
