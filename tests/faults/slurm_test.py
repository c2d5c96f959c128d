"""The batch scripts in a real Slurm: a warning before the time limit, a requeue, a sweep, a node that fails.

Usage: slurm_test.py SOURCE_FOLDER REGATTA MPIRUN [node-failure]. Skipped (exit 77) without root, slurm-wlm and munge.
With `node-failure`: over pretend hosts, one of which loses its link. Plain Python 3, no packages.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

from disturbed import ENVIRONMENT, MARK, RIGS, alone_with_rigs, laboratory, ranks_of, run_checks, skip

EPOCHS = 600
NODE_EPOCHS = 1200
RANKS = 2
HOSTS = 4  # controller and three nodes
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "ip", "nsenter")


class Cluster:
    def __init__(self, folder, hosts=0):
        self.folder, self.hosts, self.mark = pathlib.Path(folder) / "slurm", hosts, uuid.uuid4().hex

    @contextlib.contextmanager
    def up(self):
        def call(*words):
            done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"

        more = [self.hosts] if self.hosts else []
        try:
            if self.hosts:
                call(RIGS / "hosts.sh", "up", self.hosts)
            call(RIGS / "slurm.sh", "up", self.folder, *more)
            yield self
        finally:
            for pid in ranks_of(self.mark).values():  # of a node that was cut off
                os.kill(pid, signal.SIGKILL)
            call(RIGS / "slurm.sh", "down", self.folder, *more)
            if self.hosts:
                call(RIGS / "hosts.sh", "down", self.hosts)

    def call(self, *words, cwd=None, code=0, **environment):
        """A command of Slurm, on the controller."""
        at = [str(RIGS / "hosts.sh"), "in", "0"] if self.hosts else []
        variables = {**os.environ, **ENVIRONMENT, "SLURM_CONF": str(self.folder / "slurm.conf"), **environment}
        done = subprocess.run([*at, *map(str, words)], cwd=cwd, env=variables, capture_output=True, text=True,
                              check=False)
        assert code is None or done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def fields(self, job):
        return dict(re.findall(r"(\S+?)=(\S+)", self.call("scontrol", "show", "job", job, code=None)))

    def wait_for(self, job, condition, what, log, seconds=90):
        """Until condition(fields of the job); a job that waits for its requeue is let go at once."""
        end = time.monotonic() + seconds
        while not condition(fields := self.fields(job)):
            if fields.get("JobState") == "PENDING" and fields.get("Reason") == "BeginTime":
                self.call("scontrol", "update", f"JobId={job}", "StartTime=now", code=None)
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            assert time.monotonic() < end, f"job {job}: after {seconds} s not yet: {what}\n{fields}\n{text[-4000:]}"
            bad = fields.get("JobState") in {"FAILED", "CANCELLED", "TIMEOUT"}
            assert not bad, f"job {job} before: {what}\n{fields}\n{text[-4000:]}"
            time.sleep(0.3)


def submit(lab, name, script, *arguments, options=(), environment=None):
    log = lab.folder / f"{name}.log"
    job = lab.cluster.call("sbatch", "--parsable", f"--output={log}", *options, lab.root / "launch" / "slurm" / script,
                           *arguments, cwd=lab.root, REGATTA=lab.regatta, **{MARK: lab.cluster.mark},
                           **(environment or {})).strip()
    return job, log


def steps_of(lab, name, job_mark="training"):
    with contextlib.suppress(OSError):
        text = (lab.run_folder(name) / "status.json").read_text(encoding="utf-8")
        found = re.search(r'"steps": (\d+)', text)
        return int(found.group(1)) if found and f'"{job_mark}"' in text else 0
    return 0


def completed(fields):
    return fields.get("JobState") == "COMPLETED"


def check_requeue(lab, launcher, warn):
    """Stopped in the middle: exit 85, back into the queue, on to the undisturbed end."""
    name = f"requeue-{launcher}"
    job, log = submit(lab, name, "train.sbatch", *lab.arguments(name)[1:],
                      options=["-n", RANKS, "--time=5", "--cpus-per-task=1"],
                      environment={"REGATTA_LAUNCHER": launcher})
    lab.cluster.wait_for(job, lambda fields: steps_of(lab, name) >= 40, "40 steps", log)
    warn(job)
    lab.cluster.wait_for(job, completed, "done", log)
    text, fields = log.read_text(encoding="utf-8"), lab.cluster.fields(job)
    for word in (r"stopped after step \d+ on request \(SIGUSR1\)", "stopped with a checkpoint",
                 "restart 1 of at most 20", "goes on from"):
        assert re.search(word, text), f"'{word}' is not in\n{text}"
    assert fields["Restarts"] == "1", fields
    assert lab.digest(name) == lab.expected
    return "exit 85, one restart, and the undisturbed digest"


def check_warned_srun(lab):
    """To the batch script, as --signal=B:USR1@... does; srun passes it on to the ranks."""
    return check_requeue(lab, "srun", lambda job: lab.cluster.call("scancel", "--batch", "--signal=USR1", job))


def check_warned_mpirun(lab):
    return check_requeue(lab, "mpirun", lambda job: lab.cluster.call("scancel", "--batch", "--signal=USR1", job))


def check_time_limit(lab):
    """The program itself asks Slurm how long it has; a job that may not start again ends with 85."""
    arguments = lab.arguments("limit", train__epochs=100000, runtime__stop_before_s=115)[1:]
    job, log = submit(lab, "limit", "train.sbatch", *arguments, options=["-n", RANKS, "--time=2", "--signal=B:USR1@1"],
                      environment={"REGATTA_RESTARTS": "0"})
    end = time.monotonic() + 50
    while (fields := lab.cluster.fields(job)).get("JobState") in {"PENDING", "RUNNING"} and time.monotonic() < end:
        time.sleep(0.3)
    text = log.read_text(encoding="utf-8")
    assert (fields["JobState"], fields["ExitCode"]) == ("FAILED", "85:0"), f"{fields}\n{text[-2000:]}"
    assert "(the time limit is near)" in text and "was started again 0 times already" in text, text[-2000:]


def check_other_scripts(lab):
    """preprocess.sbatch makes the same dataset, sweep.sbatch trains with each line of a file."""
    job, log = submit(lab, "preprocess", "preprocess.sbatch", lab.config, "--set", f"dataset={lab.folder / 'again'}",
                      "--set", "preprocess.partition.chunks=7", options=["--ntasks-per-node=2"])
    lab.cluster.wait_for(job, completed, "preprocessed", log)
    assert (lab.folder / "again" / "manifest.json").exists()
    values = lab.folder / "values.txt"
    values.write_text("train.seed=1\ntrain.seed=2 train.optimiser.learning_rate=0.01\n", encoding="utf-8")
    settings = lab.arguments("unused", train__epochs=5)[2:]
    settings = [word for pair in zip(settings[::2], settings[1::2]) if "output=" not in pair[1] for word in pair]
    job, log = submit(lab, "sweep", "sweep.sbatch", lab.run_folder("sweep"), lab.config, "--values", values, *settings,
                      options=["--array=1-2"])
    for task in (1, 2):
        lab.cluster.wait_for(f"{job}_{task}", completed, f"task {task}", log)
    assert lab.digest("sweep/1") != lab.digest("sweep/2")


def check_node_failure(lab):
    """A node's link is cut for good: the job goes on on the others, though the cut-off ranks live on for a while."""
    job, log = submit(lab, "node", "train.sbatch", *lab.arguments("node", train__checkpoint_steps=50)[1:],
                      options=["--nodes=2", "--ntasks-per-node=1", "--time=20"])
    lab.cluster.wait_for(job, lambda fields: steps_of(lab, "node") >= 200, "200 steps", log)
    nodes = lab.cluster.call("scontrol", "show", "hostnames", lab.cluster.fields(job)["NodeList"]).split()
    lost = int(re.sub(r"\D", "", nodes[-1]))
    subprocess.run([str(RIGS / "hosts.sh"), "cut", str(lost)], check=True)
    lab.cluster.wait_for(job, completed, "done without the lost node", log, seconds=400)
    fields, text = lab.cluster.fields(job), log.read_text(encoding="utf-8")
    assert int(fields["Restarts"]) >= 1, fields
    assert "goes on from" in text and lab.digest("node") == lab.expected, text
    return f"{fields['Restarts']} restart, and the undisturbed digest"


def main():
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        skip(f"needs root and the packages slurm-wlm, munge, iproute2 (missing: {' '.join(missing) or 'root'})")
    arguments = [str(pathlib.Path(sys.argv[1]).resolve()), str(pathlib.Path(sys.argv[2]).resolve()), sys.argv[3]]
    node_failure = "node-failure" in sys.argv
    settings = {"train.epochs": NODE_EPOCHS if node_failure else EPOCHS, "train.checkpoint_every": 1000}
    checks = [check_warned_srun, check_warned_mpirun, check_time_limit, check_other_scripts]
    with laboratory(arguments, **settings) as lab:
        lab.cluster = Cluster(lab.folder, HOSTS if node_failure else 0)
        lab.expected = lab.train("undisturbed", 1)
        with alone_with_rigs(), lab.cluster.up():
            run_checks(lab, *([check_node_failure] if node_failure else checks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
