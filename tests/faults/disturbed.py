"""Trainings on Cora that a test disturbs: started, watched, signalled, started again. For the tests beside it.

Plain Python 3, no packages.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid

MARK = "REGATTA_FAULT_TEST"
CHUNKS = 7
SKIPPED = 77
DONE, STORAGE, COMMUNICATION, REQUEUE = 0, 5, 75, 85
ENVIRONMENT = {  # of small ranks that share few cores
    "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}
RIGS = pathlib.Path(__file__).resolve().parent / "rigs"


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(SKIPPED)


@contextlib.contextmanager
def alone_with_rigs():
    """Hosts, addresses and ports of the rigs are the machine's: two checkouts that test at once take turns."""
    with open(pathlib.Path(tempfile.gettempdir()) / "regatta-rigs.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ranks_of(mark):
    """{rank: process number} of the living ranks in whose environment `mark` stands."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes()
            if f"{MARK}={mark}".encode() not in environment or b"regatta" not in (folder / "comm").read_bytes():
                continue
            rank = re.search(rb"(?:^|\0)PMIX_RANK=(\d+)", environment)
            if rank and not re.search(r"\) [ZX] ", (folder / "stat").read_text()):
                found[int(rank.group(1))] = int(folder.name)
    return found


class Job:
    """One start of a training under a launcher, with its output in a file."""

    def __init__(self, command, mark, root, run, log, environment=None):
        self.mark, self.run, self.log_path = mark, run, log
        variables = {**os.environ, **ENVIRONMENT, MARK: mark, **(environment or {})}
        with log.open("wb") as file:
            self.launcher = subprocess.Popen(command, cwd=root, env=variables, stdin=subprocess.DEVNULL, stdout=file,
                                             stderr=subprocess.STDOUT)

    def ranks(self):
        return ranks_of(self.mark)

    def text(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def ended(self):
        return self.launcher.poll() is not None

    def steps(self):
        """Optimiser steps that status.json tells."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            status = json.loads((self.run / "status.json").read_text(encoding="utf-8"))
            return status["steps"] if status["state"] == "training" else 0
        return 0

    def wait_until(self, condition, what, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert not self.ended(), f"the job ended ({self.launcher.returncode}) before: {what}\n{self.text()}"
            assert time.monotonic() < end, f"after {seconds} s not yet: {what}\n{self.text()}"
            time.sleep(0.02)

    def wait_for_steps(self, steps):
        self.wait_until(lambda: self.steps() >= steps, f"step {steps}")

    def signal_rank(self, rank, number):
        self.wait_until(lambda: rank in self.ranks(), f"rank {rank}")
        os.kill(self.ranks()[rank], number)

    def end(self, seconds):
        """Exit code of the launcher, and how long that took; a job that lives longer fails the test."""
        begin = time.monotonic()
        try:
            code = self.launcher.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            text = self.text()
            self.kill()
            raise AssertionError(f"the job still lives after {seconds} s\n{text[-4000:]}") from None
        return code, time.monotonic() - begin

    def expect(self, code, seconds, *words):
        found, took = self.end(seconds)
        text = self.text()
        assert found == code, f"exit {found}, expected {code}\n{text[-4000:]}"
        for word in words:
            assert re.search(word, text), f"'{word}' is not in\n{text[-4000:]}"
        return took

    def kill(self):
        """Launcher and ranks at once, as when the power fails."""
        for pid in self.ranks().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Not by number: where the launcher has ended, another process may have it by now.
        self.launcher.kill()
        self.launcher.wait()


class Lab:
    """A folder with one dataset, and trainings on it that are all the same but for ranks and faults."""

    def __init__(self, root, regatta, mpirun, folder, **settings):
        self.root, self.regatta, self.mpirun, self.folder = pathlib.Path(root), regatta, mpirun, pathlib.Path(folder)
        self.config = str(self.root / "configs" / "cora.yaml")
        self.dataset = self.folder / "dataset"
        self.settings = {"dataset": self.dataset, "runtime.device": "cpu", "runtime.threads": 1, "train.patience": 0,
                         "train.step": "{chunks: 2}", **settings}
        self.jobs = []
        self.call("preprocess", self.config, "--set", f"dataset={self.dataset}",
                  "--set", f"preprocess.partition.chunks={CHUNKS}")

    def call(self, *arguments, code=0):
        done = subprocess.run([self.regatta, *arguments], cwd=self.root, capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def run_folder(self, name):
        return self.folder / name

    def arguments(self, name, resume=False, **settings):
        keys = {**self.settings, "output": self.run_folder(name)}
        keys.update({key.replace("__", "."): value for key, value in settings.items()})
        words = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        return ["train", self.config, *words, *(["--resume"] if resume else [])]

    def start(self, name, ranks, launcher=None, resume=False, environment=None, **settings):
        """`launcher`: a command that ends where regatta's arguments begin; plain mpirun unless given."""
        launcher = launcher or [self.mpirun, "-n", str(ranks), "--oversubscribe", "--bind-to", "none", self.regatta]
        log = self.folder / f"{name}-{len(self.jobs)}.log"
        job = Job([*launcher, *self.arguments(name, resume, **settings)], uuid.uuid4().hex, self.root,
                  self.run_folder(name), log, environment)
        self.jobs.append(job)
        return job

    def train(self, name, ranks, resume=False, seconds=180, **settings):
        """To the end; the model's digest."""
        self.start(name, ranks, resume=resume, **settings).expect(DONE, seconds)
        return self.digest(name)

    def digest(self, name):
        return json.loads((self.run_folder(name) / "summary.json").read_text(encoding="utf-8"))["model_digest"]

    def resume(self, name, ranks, expected):
        """Goes on to the end, which must be that of the undisturbed run."""
        digest = self.train(name, ranks, resume=True)
        assert digest == expected, f"{name} ended with the digest {digest}, undisturbed it is {expected}"
        assert "goes on from" in self.jobs[-1].text(), f"{name} had no checkpoint\n{self.jobs[-1].text()}"

    def close(self):
        for job in self.jobs:
            job.kill()


@contextlib.contextmanager
def laboratory(arguments, **settings):
    """arguments: SOURCE_FOLDER REGATTA MPIRUN. Whatever happens, no process and no file is left."""
    with tempfile.TemporaryDirectory(prefix="regatta-") as folder:
        lab = Lab(*arguments[:3], folder, **settings)
        try:
            yield lab
        finally:
            lab.close()


def run_checks(lab, *checks):
    for check in checks:
        begin = time.monotonic()
        told = check(lab)
        print(f"{check.__name__}: {told or 'as expected'} ({time.monotonic() - begin:.1f} s)", flush=True)
