"""Fails on a path, command, option or configuration in README or docs/ that does not exist.

Usage: docs_test.py SOURCE_FOLDER REGATTA MPIRUN. Plain Python 3, no packages.
"""
import functools
import pathlib
import re
import shlex
import subprocess
import sys

FOLDERS = "src|tests|docs|configs|launch|cmake|data|examples"
PATH = re.compile(rf"(?<![\w/.{{}}-])(?:(?:{FOLDERS})/[\w./-]*|\.ci/run|CMakeLists\.txt|CMakePresets\.json)")
LINK = re.compile(r"\]\(([^)#]+)\)")
FENCE = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:build/bin/)?regatta [^`]+)`")
PLACEHOLDER = re.compile(r"^(?:[A-Z][A-Z_]*|…|\.\.\.)$")  # CONFIG, DIR, FILE
README_LINES = 60


def documents(root):
    return [root / "README.md", *sorted((root / "docs").rglob("*.md")), *sorted((root / "examples").rglob("*.md"))]


def path_faults(root, document, text):
    for token in PATH.findall(text):
        path = token.rstrip(".")
        if "foo" not in path and "NNNN" not in path and not (root / path).exists():
            yield f"{document.relative_to(root)}: no such path: {path}"
    for target in LINK.findall(text):
        if "://" not in target and not (document.parent / target).exists():
            yield f"{document.relative_to(root)}: link to nothing: {target}"


def shell_lines(text):
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def commands(text, comment_marks):
    """Command lines of shell blocks and inline code; of configurations, those in comments."""
    if comment_marks:
        block = "\n".join(line[1:].strip() for line in text.splitlines() if line.startswith("#   "))
        return [line for line in shell_lines(block) if "regatta " in line]
    lines = [line for block in FENCE.findall(text) for line in shell_lines(block)]
    return [line for line in lines if "regatta " in line] + INLINE.findall(text)


class Program:
    def __init__(self, binary):
        self.binary = binary

    @functools.lru_cache(maxsize=None)
    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def faults(self, line, root):
        words = shlex.split(line, comments=True)
        places = [i for i, word in enumerate(words) if pathlib.PurePath(word).name == "regatta"]
        for place in places:
            end = next((i for i in range(place + 1, len(words)) if words[i] in {">", "|", "&&", "||", ";"}), len(words))
            yield from self.call_faults(words[place + 1 : end], root)

    def call_faults(self, arguments, root):
        if not arguments or PLACEHOLDER.match(arguments[0]) or arguments[0].startswith("--"):
            return
        # A command may have commands of its own: `bench step` has options that `bench` has not.
        depth = 2 if arguments[0] == "bench" and len(arguments) > 1 else 1
        command = arguments[:depth]
        code, text = self.run(*command, "--help")
        if code != 0:
            yield f"no command '{' '.join(command)}'"
            return
        for word in arguments[depth:]:
            if word.startswith("--") and not re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", text):
                yield f"'{' '.join(command)}' has no option {word}"
        overrides = [b for a, b in zip(arguments, arguments[1:]) if a == "--set" and "=" in b]
        for word in arguments[1:]:
            if re.fullmatch(r"configs/[\w.-]+\.yaml", word):
                sets = [part for override in overrides for part in ("--set", override)]
                code, text = self.run("config", "--check", str(root / word), *sets)
                if code != 0:
                    yield f"config --check: {text.strip()}"


def main():
    root, program = pathlib.Path(sys.argv[1]), Program(sys.argv[2])
    faults, checked = [], 0
    for document in documents(root):
        text = document.read_text(encoding="utf-8")
        faults += path_faults(root, document, text)
        for line in commands(text, comment_marks=False):
            checked += 1
            faults += [f"{document.relative_to(root)}: {line}: {fault}" for fault in program.faults(line, root)]
    configurations = sorted((root / "configs").glob("*.yaml"))
    for path in configurations:
        code, text = program.run("config", "--check", str(path))
        faults += [] if code == 0 else [f"{path.name}: {text.strip()}"]
        for line in commands(path.read_text(encoding="utf-8"), comment_marks=True):
            checked += 1
            faults += [f"{path.name}: {line}: {fault}" for fault in program.faults(line, root)]
    lines = (root / "README.md").read_text(encoding="utf-8").count("\n")
    if lines > README_LINES:
        faults.append(f"README.md: {lines} lines are more than one screen ({README_LINES})")
    if checked < 15 or len(configurations) < 4:
        faults.append(f"only {checked} commands and {len(configurations)} configurations found")
    print("\n".join(faults) or f"{checked} commands and {len(configurations)} configurations are as described")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
