"""Reads every #include in src/ and fails on one that docs/architecture.md does not allow, or on a cycle.

Usage: include_arrows_test.py SOURCE_FOLDER. Plain Python 3, no packages.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)

ALLOWED = {
    "core": "",
    "config": "core",
    "graph": "core",
    "kernels": "core graph",
    "comm": "core",
    "reducer": "core comm",
    "data": "core graph",
    "preprocess": "core config graph comm data",
    "nn": "core graph kernels data",
    "tasks": "core data nn",
    "checkpoint": "core",
    "train": "core config comm reducer data nn tasks checkpoint",
    "explain": "core data nn tasks checkpoint",
    "cuda": "core graph kernels comm",  # libregatta_cuda.so: what core/cuda_library opens
}
ALLOWED = {module: set(names.split()) for module, names in ALLOWED.items()}
# Nobody includes the plugin: it is opened at run time.
ALLOWED["bench"] = set(ALLOWED) - {"cuda"}
ALLOWED["cli"] = (set(ALLOWED) | {"bench"}) - {"cuda"}

# Third-party headers: what marks them, and the files (regular expressions over the path in src/) that may
# include them.
TORCH_MODULES = "(reducer|nn|tasks|checkpoint|train|explain|bench|cli)"
THIRD_PARTY = [
    (r"yaml-cpp/", [r"config/yaml_loader\.cpp"]),
    (r"hdf5", [r"data/hdf5_\w+\.(cpp|h)"]),
    (r"mpi\.h", [r"comm/mpi_\w+\.(cpp|h)"]),
    (r"nccl", [r"comm/nccl_\w+\.(cpp|h)"]),
    (r"cuda|cublas|cub/", [r"comm/nccl_\w+\.(cpp|h)", r"kernels/cuda/.*", r"cuda/.*\.cpp"]),
    (r"metis\.h", [r"graph/partition\w*\.cpp"]),
    (r"hwy/", [r"kernels/cpu/.*"]),
    (r"Random123/", [r"core/rng\.cpp", r"kernels/.*"]),
    (r"spdlog/", [r"core/log\.cpp", r"train/library_versions\.cpp"]),
    (r"isa-l/crc", [r"core/crc32c\.cpp", r"train/library_versions\.cpp"]),
    (r"isa-l/igzip", [r"preprocess/.*\.cpp"]),
    (r"CLI/", [r"cli/.*\.cpp"]),
    (r"torch/torch\.h", [TORCH_MODULES + r"/.*\.cpp"]),
    (r"torch/nn/module\.h", [r"(reducer|nn|tasks)/.*\.(cpp|h)"]),
    (r"torch/version\.h", [TORCH_MODULES + r"/.*\.cpp"]),
    (r"(torch|c10|ATen)/", [TORCH_MODULES + r"/.*", r"kernels/cuda/.*", r"cuda/.*\.cpp",
                             r"comm/nccl_\w+\.cpp"]),
    (r"benchmark/", [r"bench/.*\.cpp"]),
]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def includes_of(source):
    """{path below src/: [(line, header, is_ours)]}."""
    result = {}
    for path in sorted(source.rglob("*")):
        if path.suffix not in {".cpp", ".h", ".cu", ".cuh"}:
            continue
        text = without_comments(path.read_text(encoding="utf-8"))
        found = []
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(1) if match.group(1) else match.start(2)) + 1
            found.append((line, match.group(1) or match.group(2), match.group(1) is not None))
        result[path.relative_to(source).as_posix()] = found
    return result


def arrow_faults(file, line, header, known):
    module, target = file.split("/")[0], header.split("/")[0]
    where = f"src/{file}:{line}"
    if module not in ALLOWED:
        return [f"{where}: module '{module}' is not in the table of modules"]
    if "/" not in header or target not in ALLOWED:
        return [f'{where}: "{header}" is no path from src/; write "module/file.h"']
    if target != module and target not in ALLOWED[module]:
        return [f'{where}: {module} may not include {target} ("{header}")']
    if header not in known:
        return [f'{where}: "{header}" does not exist']
    return []


def third_party_faults(file, line, header):
    for pattern, places in THIRD_PARTY:
        if re.match(pattern, header):
            if any(re.fullmatch(place, file) for place in places):
                return []
            return [f"src/{file}:{line}: <{header}> does not belong here (allowed: {', '.join(places)})"]
    return []


def cycles(graph):
    """Every cycle of `graph` once, as a list of nodes, found by depth-first search."""
    state, stack, found = {}, [], []

    def visit(node):
        state[node] = "open"
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if state.get(target) == "open":
                found.append(stack[stack.index(target):] + [target])
            elif target not in state:
                visit(target)
        stack.pop()
        state[node] = "done"

    for node in sorted(graph):
        if node not in state:
            visit(node)
    return found


def faults_of(source):
    includes = includes_of(source)
    faults = []
    files, modules = {}, {}
    for file, found in includes.items():
        for line, header, is_ours in found:
            if is_ours:
                faults += arrow_faults(file, line, header, includes)
                files.setdefault(file, set()).add(header)
                module, target = file.split("/")[0], header.split("/")[0]
                if module != target:
                    modules.setdefault(module, set()).add(target)
            else:
                faults += third_party_faults(file, line, header)
    for graph, what in ((files, "files"), (modules, "modules")):
        faults += [f"cycle of {what}: {' -> '.join(cycle)}" for cycle in cycles(graph)]
    return faults, len(includes)


def check_that_faults_are_found(folder):
    """The test tests itself: a small tree with one fault of each kind."""
    samples = {
        "core/a.h": '#include "graph/b.h"\n',
        "graph/b.h": '#include "graph/c.h"\n',
        "graph/c.h": '#include "graph/b.h"\n// #include "train/no.h"\n/* #include "cli/no.h" */\n',
        "nn/d.h": "#include <torch/torch.h>\n",
        "data/e.cpp": "#include <hdf5.h>\n",
        "data/hdf5_file.cpp": "#include <hdf5.h>\n#include <vector>\n",
        "train/f.cpp": '#include "train/absent.h"\n#include "local.h"\n',
    }
    for name, text in samples.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    faults = "\n".join(faults_of(folder)[0])
    for part in ("src/core/a.h:1: core may not include graph", "graph/b.h -> graph/c.h -> graph/b.h",
                 "src/nn/d.h:1: <torch/torch.h>", "src/data/e.cpp:1: <hdf5.h>",
                 '"train/absent.h" does not exist', '"local.h" is no path'):
        assert part in faults, f"not found: {part}\n{faults}"
    assert faults.count("\n") == 5, faults


def main():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        check_that_faults_are_found(pathlib.Path(folder))
    faults, count = faults_of(pathlib.Path(sys.argv[1]) / "src")
    if count < 20:
        faults.append(f"only {count} source files below {sys.argv[1]}/src")
    print("\n".join(faults) or f"{count} files: every include follows the table, no cycle")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
