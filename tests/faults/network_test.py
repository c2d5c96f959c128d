"""Trainings over several pretend hosts: a link that stays dead ends the job and names the rank, a short outage heals.

Usage: network_test.py SOURCE_FOLDER REGATTA MPIRUN. Skipped (exit 77) without root, iproute2 or network namespaces.
Plain Python 3, no packages.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

from disturbed import COMMUNICATION, DONE, RIGS, alone_with_rigs, laboratory, run_checks, skip

HOSTS = 3
WATCHDOG = 6
OUTAGE = 20
LOST_HOST = 205  # mpirun's own code for a daemon that it cannot reach
EPOCHS = 400  # long enough to be disturbed: some seconds


def hosts(*arguments, check=True):
    done = subprocess.run([str(RIGS / "hosts.sh"), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"hosts.sh {arguments}: {done.stdout}{done.stderr}"
    return done


@contextlib.contextmanager
def network():
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nsenter") is None:
        skip("network namespaces need root and iproute2")
    try:
        if hosts("up", HOSTS, check=False).returncode != 0:
            skip(f"this kernel has no network namespaces with bridges: {hosts('up', HOSTS, check=False).stderr}")
        yield
    finally:
        hosts("down", HOSTS, check=False)


def started(lab, name, outage, ranks=(1,) * HOSTS, **settings):
    """Through launch/mpirun.sh, so many ranks on each host, over TCP alone."""
    names = ",".join(f"{hosts('name', host).stdout.strip()}:{slots}" for host, slots in enumerate(ranks))
    launcher = [str(RIGS / "hosts.sh"), "in", "0", str(lab.root / "launch" / "mpirun.sh"), "-n", str(sum(ranks)),
                "--hosts", names, "--outage", str(outage), "--export", "REGATTA_FAULT_TEST"]
    for key, value in (("plm", "rsh"), ("plm_rsh_agent", RIGS / "agent.sh"), ("pml", "ob1"), ("btl", "tcp,self"),
                       ("btl_tcp_if_include", "eth0"), ("oob_tcp_if_include", "eth0")):
        launcher += ["--mca", key, str(value)]
    job = lab.start(name, sum(ranks), launcher=[*launcher, "--"], environment={"REGATTA": lab.regatta}, **settings)
    job.wait_for_steps(20)
    return job


def check_dead_link(lab):
    """The watchdog is faster than mpirun here, and its code is what a batch system sees."""
    took = []
    for host in range(1, HOSTS):
        job = started(lab, f"cut-{host}", outage=10, train__checkpoint_steps=10)
        hosts("cut", host)
        took.append(job.expect(COMMUNICATION, WATCHDOG + 15, rf"no sign of life; .*: rank {host}: "))
        hosts("heal", host)
        leave_nobody(job)
    lab.resume("cut-1", 2, lab.expected)
    return f"exit 75 after {', '.join(f'{seconds:.1f}' for seconds in took)} s"


def check_several_ranks_a_host(lab):
    """Sums in two levels, inside a host and between its leaders: alike, and as soon over when a link dies."""
    job = started(lab, "two-levels", outage=60, ranks=(2, 1, 1))
    job.expect(DONE, 120)
    assert lab.digest("two-levels") == lab.expected
    job = started(lab, "two-levels-cut", outage=10, ranks=(1, 2), train__checkpoint_steps=10)
    hosts("cut", 1)
    took = job.expect(COMMUNICATION, WATCHDOG + 15, r"no sign of life; .*: ranks? [12]")
    hosts("heal", 1)
    leave_nobody(job)
    lab.resume("two-levels-cut", 2, lab.expected)
    return f"the undisturbed digest; exit 75 after {took:.1f} s"


def leave_nobody(job):
    """Also the ranks beyond the dead link end by themselves."""
    end = time.monotonic() + WATCHDOG + 15
    while job.ranks() and time.monotonic() < end:
        time.sleep(0.1)
    assert not job.ranks(), f"ranks are left: {job.ranks()}"


def check_dead_link_to_mpirun(lab):
    """With a watchdog that waits longer, mpirun's probes end the job."""
    job = started(lab, "lost", outage=10, runtime__watchdog_s=60, train__checkpoint_steps=10)
    hosts("cut", 2)
    took = job.expect(LOST_HOST, 25, hosts("name", 2).stdout.strip())
    hosts("heal", 2)
    leave_nobody(job)
    lab.resume("lost", 2, lab.expected)
    return f"exit {LOST_HOST} after {took:.1f} s, host named"


def check_outage(lab):
    job = started(lab, "outage", outage=60, runtime__watchdog_s=60)
    hosts("cut", 1)
    time.sleep(OUTAGE)
    assert not job.ended(), job.text()
    hosts("heal", 1)
    job.expect(DONE, 90)
    assert lab.digest("outage") == lab.expected
    assert "waiting for" not in job.text() or "rank 1" in job.text(), job.text()
    return f"{OUTAGE} s without a link, and the undisturbed digest"


def main():
    arguments = [*sys.argv[1:2], str(pathlib.Path(sys.argv[2]).resolve()), sys.argv[3]]
    settings = {"train.epochs": EPOCHS, "runtime.watchdog_s": WATCHDOG}
    with alone_with_rigs(), network(), laboratory(arguments, **settings) as lab:
        lab.expected = lab.train("undisturbed", 1)
        run_checks(lab, check_several_ranks_a_host, check_dead_link, check_dead_link_to_mpirun, check_outage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
