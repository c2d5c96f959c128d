"""A checkpoint that the disk refuses: the path is named, the one before stays good, the training stops or goes on.

Usage: disk_test.py SOURCE_FOLDER REGATTA MPIRUN. Skipped (exit 77) without root: it mounts a small file system, in a
mount namespace of its own. Plain Python 3, no packages.
"""
import contextlib
import os
import re
import subprocess
import sys
import time

from disturbed import DONE, STORAGE, laboratory, run_checks, skip

RANKS = 2
EPOCHS = 400
INSIDE = "REGATTA_DISK_TEST_INSIDE"


def mount(*arguments, attempts=200):
    """Remounting read-only needs a moment without a file open for writing."""
    for _ in range(attempts):
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.01)
    raise AssertionError(f"mount {arguments}: {done.stderr}")


@contextlib.contextmanager
def small_disk(lab, name, mib):
    """The run's checkpoints on a file system of this size."""
    folder = lab.run_folder(name) / "checkpoints"
    folder.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder)
    try:
        yield folder
    finally:
        lab.close()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    """Leaves no block free; the file's name."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    assert os.statvfs(folder).f_bavail == 0, "the disk is not full"
    return path


def start(lab, name, folder, **settings):
    job = lab.start(name, RANKS, train__checkpoint_steps=5, train__checkpoint_keep=2, **settings)
    job.wait_until((folder / "last" / "MANIFEST.json").exists, "a first checkpoint")
    return job


def check_last_is_readable(lab, name):
    report = lab.call("evaluate", str(lab.run_folder(name) / "checkpoints" / "last"), str(lab.dataset))
    assert "accuracy" in report, report


def check_full_disk(lab):
    with small_disk(lab, "full", 24) as folder:
        job = start(lab, "full", folder)
        filler = fill(folder)
        job.expect(STORAGE, 30, rf"error: .*{re.escape(str(folder))}/attempts/1/.*No space left on device")
        check_last_is_readable(lab, "full")
        filler.unlink()
        lab.resume("full", RANKS, lab.expected)
    return "exit 5, path named, last checkpoint good, and the undisturbed digest after making room"


def check_full_disk_goes_on(lab):
    with small_disk(lab, "warned", 24) as folder:
        job = start(lab, "warned", folder, train__on_checkpoint_error="warn")
        filler = fill(folder)
        job.wait_until(lambda: job.text().count("a checkpoint was not written, training goes on") >= 2, "two warnings")
        assert str(folder) in job.text(), job.text()
        check_last_is_readable(lab, "warned")
        filler.unlink()
        job.expect(DONE, 60)
        assert lab.digest("warned") == lab.expected
        check_last_is_readable(lab, "warned")
    return "warned, and the undisturbed digest at the end"


def check_read_only(lab):
    with small_disk(lab, "frozen", 24) as folder:
        job = start(lab, "frozen", folder)
        mount("-o", "remount,ro", folder)
        job.expect(STORAGE, 30, rf"error: .*{re.escape(str(folder))}/.*Read-only file system")
        check_last_is_readable(lab, "frozen")
        job = lab.start("frozen", RANKS, resume=True)
        job.expect(STORAGE, 30, rf"error: .*{re.escape(str(folder))}/.*Read-only file system")
        mount("-o", "remount,rw", folder)
        lab.resume("frozen", RANKS, lab.expected)
    return "exit 5 while training and when starting, path named, and the undisturbed digest afterwards"


def main():
    if os.geteuid() != 0:
        skip("mounting a small file system needs root")
    if INSIDE not in os.environ:
        unshare = ["unshare", "--mount", "--propagation", "private"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            skip("no mount namespaces here")
        os.environ[INSIDE] = "1"
        os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])
    with laboratory(sys.argv[1:], **{"train.epochs": EPOCHS}) as lab:
        lab.expected = lab.train("undisturbed", 1)
        run_checks(lab, check_full_disk, check_full_disk_goes_on, check_read_only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
