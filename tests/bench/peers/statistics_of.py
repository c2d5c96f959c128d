"""What a row of the table says, from what the processes printed."""
import statistics

ORIGIN = ("machine", "commit", "date")


def origin(report):
    """Where and from what a report of ours comes."""
    return {key: report[key] for key in ORIGIN}


def spread(values):
    return {"median": statistics.median(values), "minimum": min(values), "maximum": max(values)}


def spread_of(spreads):
    """Of the spreads of several processes: the median of their medians, the extremes of all."""
    return {
        "median": statistics.median(s["median"] for s in spreads),
        "minimum": min(s["minimum"] for s in spreads),
        "maximum": max(s["maximum"] for s in spreads),
    }


def ours(runs, errors):
    """Of several processes of ours."""
    failed = [run["failed"] for run in runs if "failed" in run]
    if failed:
        return {"failed": failed[0]}
    reports = [run["json"] for run in runs]
    percents = [r["percent"]["step"] for r in reports if r.get("percent")]
    return {
        **origin(reports[0]),
        "time": spread_of([r["time"] for r in reports]),
        "processor_time": statistics.median(r["processor_time"]["median"] for r in reports),
        "percent_of_floor": statistics.median(percents) if percents else None,
        # The first process also holds what it exports.
        "step_peak": max(r["memory"]["step_peak"] for r in reports[1:] or reports),
        "max_rss": max(run["max_rss"] for run in runs[1:] or runs),
        "errors": errors,
    }


def peer(runs, mine, errors):
    """Of several processes of a peer, beside `mine`; or the reason why there is nothing to say."""
    for run in runs:
        if "failed" in run:
            return {"failed": run["failed"]}
        for reason in ("out_of_memory", "unsupported"):
            if reason in run["json"]:
                return {reason: run["json"][reason], "version": run["json"]["version"]}
    reports = [run["json"] for run in runs]
    time = spread([s for r in reports for s in r["seconds"]])
    processor = statistics.median(s for r in reports for s in r["processor_seconds"])
    step_peak = max(r["resident_peak"] - r["resident_before"] for r in reports)
    return {
        "version": reports[0]["version"],
        "time": time,
        "ratio": time["median"] / mine["time"]["median"],
        "processor_time": processor,
        "processor_ratio": processor / mine["processor_time"],
        "step_peak": step_peak,
        "memory_ratio": step_peak / max(1, mine["step_peak"]),
        "max_rss": max(run["max_rss"] for run in runs),
        "errors": errors,
    }
