"""Trainings killed without warning at random moments, and started again on other numbers of ranks, lose nothing.

Usage: kill_test.py SOURCE_FOLDER REGATTA MPIRUN TRAININGS [SEED]. Each training is killed once to three times: one
rank, all ranks with their launcher, or all of them in the middle of a checkpoint. Every one must end with the digest
of the undisturbed run. Plain Python 3, no packages.
"""
import collections
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


def strike(job, kind, moment, chance):
    """Kills; false when the training was over before its moment came."""
    end = time.monotonic() + moment
    while time.monotonic() < end and not job.ended():
        time.sleep(0.001)
    if kind == "checkpoint":
        while not half_written(job) and not job.ended():
            time.sleep(0.0005)
    ranks = job.ranks()
    if job.ended() or not ranks:
        job.end(60)
        return False
    if kind == "one rank":
        os.kill(ranks[chance.choice(sorted(ranks))], signal.SIGKILL)
        job.end(60)
    job.kill()
    return True


def disturbed_training(lab, name, chance, counts):
    for attempt in range(chance.randint(1, 3)):
        kind = chance.choice(KINDS)
        job = lab.start(name, chance.choice(RANKS), resume=attempt > 0)
        if strike(job, kind, chance.uniform(0.5, 1.6), chance):
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
        wrong = []
        for number in range(trainings):
            digest = disturbed_training(lab, f"run-{number}", chance, counts)
            if digest != expected:
                wrong.append(number)
                print(f"run {number}: digest {digest}, undisturbed {expected}", flush=True)
    for what, count in sorted(counts.items()):
        print(f"  {count:4d} {what}")
    kills = sum(counts[f"killed: {kind}"] for kind in KINDS)
    print(f"{trainings} trainings, {kills} kills, {len(wrong)} with another end than the undisturbed one")
    # A test that hit nothing has tested nothing.
    assert kills >= trainings / 2 and counts["went on from a checkpoint at the end"] >= trainings / 5, counts
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
