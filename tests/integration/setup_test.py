"""launch/setup.sh finds what is missing, also where dpkg-query does not know a name at all.

Usage: setup_test.py SOURCE_FOLDER. Skipped (exit 77) where there is no dpkg-query.
"""
import pathlib
import shutil
import subprocess
import sys

UNKNOWN = "regatta-no-such-package"


def missing(setup, *names):
    """What the script's own function prints for these names, under the script's shell options."""
    function = setup[setup.index("missing_packages() {"):]
    function = function[:function.index("\n}\n") + 3]
    script = f'set -euo pipefail\n{function}\nmapfile -t found < <(missing_packages "$@")\nprintf "%s\\n" "${{found[@]}}"'
    done = subprocess.run(["bash", "-c", script, "setup", *names], capture_output=True, text=True, check=True)
    return done.stdout.split()


def main():
    if shutil.which("dpkg-query") is None:
        sys.exit(77)
    setup = (pathlib.Path(sys.argv[1]) / "launch/setup.sh").read_text(encoding="utf-8")
    faults = [(names, found) for names, expected in (
        (("bash", UNKNOWN), [UNKNOWN]),
        ((UNKNOWN,), [UNKNOWN]),
        (("bash",), []),
    ) if (found := missing(setup, *names)) != expected]
    print("\n".join(f"of {names} missing_packages finds {found}" for names, found in faults) or "packages are found")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
