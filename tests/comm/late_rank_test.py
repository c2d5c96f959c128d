"""However the last rank of a job misbehaves, the job ends in time with the documented code and names it.

Usage: late_rank_test.py LATE_RANK MPIRUN RANKS. Plain Python 3, no packages.
"""
import re
import subprocess
import sys
import tempfile
import time

DATA, COMMUNICATION = 3, 75
PHASES = ("read", "upload", "forward", "backward", "reduce", "optimise", "checkpoint", "evaluate")
BEGUN = r"\n  3 (barrier 0|all_reduce 1600000) reduce\n"  # by the rank that ends the job first
SECONDS = 4 + 15  # the watchdog's, and for ending


def cases(last):
    """mode, exit code, words of the output, words of the last rank's or another's report"""
    yield "slow", COMMUNICATION, rf"rank {last} has been in read for \d+ s, allowed are 3", rf"rank {last}: read for"
    yield "late", 0, rf"all wait for it: rank {last}: read for", None
    # A barrier is not met by an all_reduce: the ranks wait for each other.
    yield "other-collective", COMMUNICATION, "all ranks wait, in collectives that do not meet", BEGUN
    yield "other-size", COMMUNICATION, r"rank \d+: .*(MPI_|collectives that do not meet)", None
    if last > 1:  # two nodes of one rank each have no leaders
        yield "other-size-elsewhere", COMMUNICATION, r"node \d: collectives that do not meet: .* 800000 and 1600000", None
    for phase in PHASES:
        yield phase, DATA, rf"rank {last}: bad data in phase {phase}", None


def run(program, mpirun, ranks, mode, folder):
    """A limit of its own inside the test's: a hang is a failure with the output, not a stop without."""
    command = [mpirun, "-n", str(ranks), "--oversubscribe", "--bind-to", "none", program, mode, folder]
    begin = time.monotonic()
    done = subprocess.run(["timeout", "-s", "KILL", str(SECONDS), *command], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begin


def reports(folder, ranks):
    text = ""
    for rank in range(ranks):
        try:
            with open(f"{folder}/rank-{rank}.txt", encoding="utf-8") as file:
                text += file.read()
        except OSError:
            continue
    return text


def main():
    program, mpirun, ranks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    faults = []
    for mode, expected, words, reported in cases(ranks - 1):
        with tempfile.TemporaryDirectory(prefix="regatta-") as folder:
            code, text, took = run(program, mpirun, ranks, mode, folder)
            dumped = reports(folder, ranks)
        fault = code != expected or not re.search(words, text) or (reported and not re.search(reported, dumped))
        print(f"{mode}: exit {code} after {took:.1f} s{' (FAULT)' if fault else ''}", flush=True)
        if fault:
            faults.append(f"{mode}: exit {code}, expected {expected} and '{words}', reported '{reported}'\n"
                          f"{text}\n{dumped}")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
