"""Trainings killed without warning at random moments, and started again on other numbers of ranks, lose nothing.

Usage: kill_test.py SOURCE_FOLDER REGATTA MPIRUN TRAININGS [SEED]. Each training is killed once to three times: one
rank, all ranks with their launcher, or all of them in the middle of a checkpoint. Every one must end with the digest
of the undisturbed run. Moments are counted in steps that the disk holds, so a fast machine is hit as often as a slow
one. Plain Python 3, no packages.
"""
import collections
import json
import os
import random
import signal
import sys
import time

from disturbed import DONE, laboratory

EPOCHS = 25
RANKS = (1, 2, 3, 4)
KINDS = ("one rank", "all ranks", "checkpoint")


def half_written(job):
    try:
        return any((job.run / "checkpoints" / "attempts").glob("*/*.tmp"))
    except FileNotFoundError:  # a folder was renamed while it was read
        return False


def saved_steps(job):
    """Optimiser steps in the newest checkpoint, 0 without one."""
    try:
        return max((int(path.name[len("step-"):]) for path in (job.run / "checkpoints" / "attempts").glob("*/step-*")
                    if path.suffix != ".tmp"), default=0)
    except FileNotFoundError:  # a folder was renamed while it was read
        return 0


def wait(job, condition):
    while not condition() and not job.ended():
        time.sleep(0.0005)


def wait_for_moment(job, steps, chance):
    """A fifth of the moments lie between the start and the first step, the others anywhere in the steps left."""
    saved = saved_steps(job)
    target = saved + 1 + int(0.8 * chance.random() * (steps - saved))
    early, jitter = chance.random() < 0.2, chance.random()
    wait(job, job.ranks)
    if not early:
        wait(job, lambda: saved_steps(job) >= target)
    end = time.monotonic() + jitter * (0.5 if early else 0.02)
    wait(job, lambda: time.monotonic() >= end)


def strike(job, kind, steps, chance):
    """Kills; false when the training was over before its moment came."""
    wait_for_moment(job, steps, chance)
    if kind == "checkpoint":
        wait(job, lambda: half_written(job))
    ranks = job.ranks()
    if job.ended() or not ranks:
        job.end(60)
        return False
    if kind == "one rank":
        try:
            os.kill(ranks[chance.choice(sorted(ranks))], signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            job.end(60)
    job.kill()
    return True


def disturbed_training(lab, name, steps, chance, counts):
    for attempt in range(chance.randint(1, 3)):
        kind = chance.choice(KINDS)
        job = lab.start(name, chance.choice(RANKS), resume=attempt > 0)
        if strike(job, kind, steps, chance):
            counts[f"killed: {kind}"] += 1
            counts["left a half-written checkpoint"] += half_written(job)
        else:
            counts["over before the kill"] += 1
    job = lab.start(name, chance.choice(RANKS), resume=True)
    job.expect(DONE, 120)
    counts["went on from a checkpoint at the end"] += "goes on from" in job.text()
    return lab.digest(name)


def main():
    trainings = int(sys.argv[4])
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.SystemRandom().randrange(10**6)
    print(f"{trainings} trainings, seed {seed}", flush=True)
    chance, counts = random.Random(seed), collections.Counter()
    with laboratory(sys.argv[1:], **{"train.epochs": EPOCHS, "train.checkpoint_steps": 2}) as lab:
        expected = lab.train("undisturbed", 1)
        steps = json.loads((lab.run_folder("undisturbed") / "summary.json").read_text(encoding="utf-8"))["steps"]
        wrong = []
        for number in range(trainings):
            digest = disturbed_training(lab, f"run-{number}", steps, chance, counts)
            if digest != expected:
                wrong.append(number)
                print(f"run {number}: digest {digest}, undisturbed {expected}", flush=True)
    for what, count in sorted(counts.items()):
        print(f"  {count:4d} {what}")
    kills = sum(counts[f"killed: {kind}"] for kind in KINDS)
    print(f"{trainings} trainings, {kills} kills, {len(wrong)} with another end than the undisturbed one")
    # A test that hit nothing has tested nothing.
    assert kills >= trainings and counts["went on from a checkpoint at the end"] >= trainings / 2, counts
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
