"""Fails on a file of src/ or tests/ beyond its budget: 500 lines, a header 200.

Usage: file_sizes_test.py SOURCE_FOLDER. Plain Python 3, no packages.
"""
import pathlib
import sys

LIMITS = {".cpp": 500, ".cu": 500, ".py": 500, ".sh": 500, ".h": 200, ".cuh": 200}


def main():
    root = pathlib.Path(sys.argv[1])
    faults, count = [], 0
    for folder in ("src", "tests", "launch", "cmake"):
        for path in sorted((root / folder).rglob("*")):
            limit = LIMITS.get(path.suffix)
            if limit is None or not path.is_file():
                continue
            count += 1
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > limit:
                faults.append(f"{path.relative_to(root)}: {lines} lines, at most {limit}")
    if count < 20:
        faults.append(f"only {count} files below {root}")
    print("\n".join(faults) or f"{count} files within their budgets")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
