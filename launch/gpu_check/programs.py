"""The programs of a bundle or a build folder, and how they are started within the check's time."""
import os
import pathlib
import shutil
import subprocess
import time

NAMES = ("regatta", "libregatta_cuda.so", "cuda_attention_test", "cuda_plugin_test", "cuda_layer_bench")


def last_line_of(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def not_run(reason):
    """A result that is neither good nor bad; its reason is named among what is missing."""
    return {"ok": None, "not_run": reason}


class Programs:
    """A bundle's own start script says where libraries lie; programs of a build folder know it themselves."""

    def __init__(self, folder, torch_folder, minutes):
        self.folder = folder.resolve()
        self.is_bundle = (self.folder / "share" / "environment.sh").is_file()
        self.minutes = minutes
        self.end = time.monotonic() + 60 * minutes
        self.environment = dict(os.environ, REGATTA_CUDA_LIBRARY=str(self.folder / "bin" / "libregatta_cuda.so"))
        if self.is_bundle:
            self.environment.setdefault("REGATTA_LIBTORCH", str(torch_folder))
        if os.geteuid() == 0:
            self.environment["OMPI_ALLOW_RUN_AS_ROOT"] = self.environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"

    def path(self, name):
        for place in ("tests", "bin"):
            if (self.folder / place / name).is_file():
                return self.folder / place / name
        return None

    def command(self, name):
        return [self.folder / "run", self.path(name)] if self.is_bundle else [self.path(name)]

    def mpirun(self):
        return str(self.folder / "mpirun") if self.is_bundle else shutil.which("mpirun")

    def refusal(self):
        """Why no program of a bundle starts here, in its start script's words; None when they do."""
        if not self.is_bundle:
            return None
        status, _, errors = self.run([self.folder / "run", "true"], 60)
        return None if status == 0 else last_line_of(errors)

    def seconds_left(self):
        return self.end - time.monotonic()

    def over(self):
        """A result when the check's time is over, else None."""
        return not_run(f"not within {self.minutes:g} minutes") if self.seconds_left() < 1 else None

    def failure(self, status, errors):
        """The result of a run without a result: bad, or cut off by the end of the check's time."""
        over = self.over() if status is None else None
        if over:
            return not_run(f"{over['not_run']} ({last_line_of(errors)})")
        return {"ok": False, "exit": status, "error": last_line_of(errors)}

    def run(self, command, timeout, folder=None):
        """Exit status, output and errors; a status of None stands for a time-out."""
        timeout = max(min(timeout, self.seconds_left()), 1)
        try:
            done = subprocess.run([str(part) for part in command], env=self.environment, cwd=folder, timeout=timeout,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode(errors="replace")
            return None, output, f"no end after {timeout:.0f} s; last line: {last_line_of(output)}"
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def commit(self, root):
        """Of the programs, "-dirty" where files differed from it: a bundle's own word, else that of the checkout."""
        own = self.folder / "share" / "commit"
        if own.is_file():
            return own.read_text().strip()
        if not (pathlib.Path(root) / ".git").exists():
            return "unknown"
        done = subprocess.run(["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
                              env=dict(os.environ, GIT_OPTIONAL_LOCKS="0"), capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"
