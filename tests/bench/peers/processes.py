"""Runs one side in a process of its own, on fixed processors, and reads the JSON that it prints."""
import json
import os
import subprocess
import tempfile

# PyG's environment "tuned": memory freed by one operator is kept for the next, instead of going back to the system.
TUNED = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}


def pin(threads):
    """This process and its children run on the first `threads` processors that it may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def available_gigabytes():
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 1e9
    return 0


def run(command, environment=None, seconds=1800):
    """{"json": last line or whole output, "max_rss": bytes} or {"failed": reason}."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            ["timeout", str(seconds), *map(str, command)], stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read().decode(errors="replace")
        complaint = err.read().decode(errors="replace").strip().splitlines()
    if process.returncode != 0:
        return {"failed": failure(process.returncode, complaint)}
    # `timeout` waits for its child, so its usage holds the child's.
    return {"json": json.loads(text), "max_rss": usage.ru_maxrss * 1024}


def failure(code, complaint):
    if code == 124:
        return "ran past its time"
    if code in (-9, 137):
        return "killed, probably for want of memory"
    return f"exit {code}: {complaint[-1] if complaint else 'without a word'}"
