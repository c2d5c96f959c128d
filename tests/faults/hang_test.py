"""A rank that stands still ends the job in time and is named; a signal ends it with a checkpoint; then it goes on.

Usage: hang_test.py SOURCE_FOLDER REGATTA MPIRUN. Plain Python 3, no packages.
"""
import os
import pathlib
import re
import signal
import sys
import time

from disturbed import COMMUNICATION, DONE, REQUEUE, laboratory, run_checks

RANKS = 3
WATCHDOG = 4
LATEST = WATCHDOG + 15
EPOCHS = 400  # long enough to be disturbed: some seconds
FIRST_STEPS = 40  # before a fault


def started(lab, name, launcher=None, **settings):
    job = lab.start(name, RANKS, launcher=launcher, **settings)
    job.wait_for_steps(FIRST_STEPS)
    return job


def launch_script(lab):
    return [str(lab.root / "launch" / "mpirun.sh"), "-n", str(RANKS), "--oversubscribe", "--"]


def check_stopped_rank(lab):
    took = []
    for rank in range(RANKS):
        job = started(lab, f"stopped-{rank}", train__checkpoint_steps=20)
        job.signal_rank(rank, signal.SIGSTOP)
        took.append(job.expect(COMMUNICATION, LATEST, rf"no sign of life; .*: rank {rank}: ", "exit code 75"))
        reports = list((job.run / "watchdog").glob("rank-*.txt"))
        assert any(f"rank {rank}: " in path.read_text(encoding="utf-8").splitlines()[0] for path in reports), reports
        others = [path for path in reports if path.name != f"rank-{rank}.txt"]
        assert others and all(re.search(r"\n  \d+ all_reduce \d+ \w+\n", path.read_text()) for path in others), reports
    lab.resume("stopped-0", 2, lab.expected)
    return f"over after {', '.join(f'{seconds:.1f}' for seconds in took)} s, allowed are {LATEST}"


def check_stopped_job(lab):
    """All ranks stop for longer than the watchdog waits, as in a machine that sleeps, and go on: nobody is late."""
    job = started(lab, "slept")
    ranks = job.ranks()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in ranks.values():
            os.kill(pid, number)
        time.sleep(2.5 * WATCHDOG if number == signal.SIGSTOP else 0)
    job.expect(DONE, 120)
    assert lab.digest("slept") == lab.expected


def check_signal(lab):
    """To mpirun, to one rank alone, and to the script, which turns SIGTERM into a checkpoint."""
    def stopped_by(name, number, launcher=None, rank=None):
        job = started(lab, name, launcher=launcher, environment={"REGATTA": lab.regatta})
        if rank is None:
            job.launcher.send_signal(number)
        else:
            job.signal_rank(rank, number)
        job.expect(REQUEUE, 30, r"stopped after step \d+ on request", "--resume")
        assert (job.run / "checkpoints" / "last" / "MANIFEST.json").exists(), "no checkpoint"
        lab.resume(name, 2, lab.expected)

    stopped_by("usr1", signal.SIGUSR1)
    stopped_by("rank", signal.SIGTERM, rank=1)
    for number in (signal.SIGTERM, signal.SIGINT):
        stopped_by(f"script-{number.name}", number, launcher=launch_script(lab))
    return "exit 85, and the undisturbed digest after going on"


def check_early_signal(lab):
    """While the ranks still load their libraries: it waits until they can take it."""
    job = lab.start("early", RANKS, launcher=launch_script(lab), environment={"REGATTA": lab.regatta})
    for rank in range(RANKS):
        job.signal_rank(rank, signal.SIGUSR1)
    job.expect(REQUEUE, 60, r"stopped after step 1 on request")
    lab.resume("early", 2, lab.expected)


def check_mpirun_stays(lab):
    """mpirun may stay after an abort, and without a word of its own where a link to its daemons is dead."""
    mute = lab.folder / "mute-mpirun"
    mute.write_text(f"#!/bin/bash\n{lab.mpirun} \"$@\" 2> >(grep -v errorcode >&2)\nexec sleep 600\n", encoding="utf-8")
    mute.chmod(0o755)
    job = started(lab, "stays", launcher=launch_script(lab), environment={"REGATTA": lab.regatta, "MPIRUN": str(mute)})
    job.signal_rank(1, signal.SIGSTOP)
    took = job.expect(COMMUNICATION, LATEST, r"no sign of life; .*: rank 1: ", "mpirun does not end after the abort")
    return f"exit 75 after {took:.1f} s"


def check_second_interrupt(lab):
    """A job that cannot stop in order (a rank stands still) ends at the second SIGINT."""
    job = started(lab, "interrupt", launcher=launch_script(lab), environment={"REGATTA": lab.regatta},
                  runtime__watchdog_s=60)
    job.signal_rank(1, signal.SIGSTOP)
    for _ in range(2):
        job.launcher.send_signal(signal.SIGINT)
        time.sleep(1)
    code, took = job.end(15)
    assert code not in (DONE, REQUEUE), code
    assert not job.ranks(), "ranks are left"
    return f"exit {code} after {took:.1f} s"


def main():
    arguments = [*sys.argv[1:2], str(pathlib.Path(sys.argv[2]).resolve()), sys.argv[3]]
    with laboratory(arguments, **{"train.epochs": EPOCHS, "runtime.watchdog_s": WATCHDOG,
                                  "train.checkpoint_every": EPOCHS}) as lab:
        lab.expected = lab.train("undisturbed", 1)
        run_checks(lab, check_stopped_job, check_stopped_rank, check_signal, check_early_signal,
                   check_mpirun_stays, check_second_interrupt)
    return 0


if __name__ == "__main__":
    sys.exit(main())
