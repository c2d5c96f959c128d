"""A bundle made by launch/bundle.sh, moved elsewhere, runs from an empty folder with an emptied environment.

Usage: bundle_test.py SOURCE_FOLDER BUILD_FOLDER LIBTORCH. Plain Python 3, no packages.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MOST_MIB = 60
EPOCHS = 3
# What a system with glibc has, or the graphics and C++ runtime that LibTorch itself asks for.
SYSTEM = re.compile(r"^(ld-linux.*|lib(c|m|dl|pthread|rt|util|resolv|stdc\+\+|gcc_s)\.so\.\d+)$")


class Bundle:
    def __init__(self, folder, work, libtorch):
        self.folder, self.work, self.libtorch = folder, work, libtorch

    def environment(self, **more):
        """No HOME, no LD_LIBRARY_PATH, nothing of the shell that runs the tests."""
        return {"PATH": "/usr/bin:/bin", "REGATTA_LIBTORCH": str(self.libtorch), "OMP_NUM_THREADS": "1",
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none", **more}

    def run(self, *command, code=0, environment=None):
        words = [str(self.folder / command[0]), *map(str, command[1:])]
        done = subprocess.run(words, cwd=self.work, capture_output=True, text=True, timeout=200, check=False,
                              env=self.environment() if environment is None else environment)
        assert done.returncode == code, f"{words}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def mpirun(self, ranks, *command, **more):
        return self.run("mpirun", "-n", ranks, "--oversubscribe", "--bind-to", "none", self.folder / "regatta", *command,
                        **more)


def make_bundle(root, build, folder):
    done = subprocess.run([str(root / "launch" / "bundle.sh"), "--build", str(build), str(folder)], capture_output=True,
                          text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    again = subprocess.run([str(root / "launch" / "bundle.sh"), "--build", str(build), str(folder)], capture_output=True,
                           text=True, timeout=60, check=False)
    assert again.returncode == 2 and "not an empty folder" in again.stderr, again.stderr


def files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink()]


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def check_contents(root, bundle, dependencies):
    files = files_of(bundle.folder)
    size = sum(path.stat().st_size for path in files)
    assert size <= MOST_MIB << 20, f"{size / 2**20:.1f} MiB"
    assert not [path for path in files if path.is_symlink()], "a bundle holds plain files"
    names = {path.name for path in files}
    assert not [name for name in names if name.startswith(("libtorch", "libc10", "libc.so"))], sorted(names)
    for needed in ("LICENSE", "README", "regatta", "mpirun", "libhdf5_serial.so.103", "cora.yaml", "gpu_check.sh",
                   "pyg_layers.py"):
        assert needed in names, needed
    assert {"libhwy1.txt", "libopenmpi3.txt", "libmetis5.txt"} <= names, sorted(names)
    elf = [path for path in files if is_elf(path)]
    assert len(elf) > 30, len(elf)
    for path in elf:
        dynamic = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, f"{path}: {dynamic}"
        assert str(root) not in dynamic and str(dependencies) not in dynamic, f"{path}: {dynamic}"


def check_training(bundle):
    data = bundle.folder / "data" / "cora"
    config = bundle.folder / "configs" / "cora.yaml"
    raw = [word for key, name in (("edges", "edges.csv.gz"), ("nodes", "nodes.svmlight.gz"), ("splits", "split.csv.gz"))
           for word in ("--set", f"preprocess.{key}.path={data / name}")]
    bundle.run("regatta", "preprocess", config, *raw, "--set", "preprocess.partition.chunks=2", "--set", "dataset=d")
    losses = []
    for ranks in (1, 2):
        settings = ["--set", "dataset=d", "--set", f"output=r{ranks}", "--set", f"train.epochs={EPOCHS}",
                    "--set", "runtime.device=cpu"]
        if ranks == 1:
            bundle.run("regatta", "train", config, *settings)
        else:
            bundle.mpirun(ranks, "train", config, *settings)
        summary = json.loads((bundle.work / f"r{ranks}" / "summary.json").read_text(encoding="utf-8"))
        assert summary["world_size"] == ranks and summary["epochs"] == EPOCHS, summary
        losses.append(summary["first_losses"])
    assert len(losses[0]) == EPOCHS
    assert all(abs(a - b) < 1e-5 * a for a, b in zip(*losses)), losses
    assert "1000 nodes" in bundle.run("regatta", "evaluate", "r2", "d")


def loaded_files(bundle, start):
    """What the loader initialised in the processes that `start` starts with an environment. Each writes a file of its
    own: on one pipe their lines would run into each other."""
    with tempfile.TemporaryDirectory(dir=bundle.work) as folder:
        start(bundle.environment(LD_DEBUG="files", LD_DEBUG_OUTPUT=f"{folder}/log"))
        lines = [line for file in pathlib.Path(folder).iterdir()
                 for line in file.read_text(encoding="utf-8").splitlines() if "calling init: " in line]
    return {pathlib.Path(line.split("calling init: ")[1].strip()) for line in lines}


def check_loaded(bundle):
    """The loader's own word on where the libraries of program, launcher and plug-ins came from."""
    loaded = loaded_files(bundle, lambda environment: bundle.mpirun(2, "evaluate", "r2", "d", environment=environment))
    site = pathlib.Path(os.path.realpath(bundle.libtorch)).parent
    # The start scripts' own tools (sed, grep) are among them.
    strays = [path for path in loaded
              if not str(os.path.realpath(path)).startswith((str(bundle.folder), str(site))) and not SYSTEM.match(path.name)
              and not path.name.startswith(("libselinux", "libpcre2", "libacl", "libattr", "libtinfo"))]
    assert not strays, strays
    plugins = [path for path in loaded if path.name.startswith("mca_")]
    assert len(plugins) > 10, plugins


def check_carried_libstdcxx(bundle):
    """A system whose C++ library lacks what the programs need gets the carried one; this one does not."""
    version = bundle.folder / "share" / "glibcxx_version"
    carried = bundle.folder / "lib" / "gcc" / "libstdc++.so.6"

    def start(environment):
        bundle.run("regatta", "--version", environment=environment)

    assert carried not in loaded_files(bundle, start)
    kept = version.read_text(encoding="utf-8")
    assert kept.startswith("GLIBCXX_3.4."), kept
    version.write_text("GLIBCXX_9.9.9\n", encoding="utf-8")
    assert carried in loaded_files(bundle, start)
    version.write_text(kept, encoding="utf-8")


def check_messages(bundle):
    bare = bundle.environment()
    del bare["REGATTA_LIBTORCH"]
    bare["PATH"] = str(bundle.folder / "share" / "tools")  # coreutils and sed, no python3
    tools = bundle.folder / "share" / "tools"
    tools.mkdir()
    for tool in ("dirname", "sed", "head", "cat", "grep"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}" if os.path.exists(f"/usr/bin/{tool}") else f"/bin/{tool}")
    for program in ("regatta", "mpirun", "run"):
        text = bundle.run(program, "--version", code=4, environment=bare)
        assert "no LibTorch" in text and "pip install torch==" in text and "REGATTA_LIBTORCH" in text, text
    empty = bundle.run("regatta", "--version", code=4, environment=bundle.environment(REGATTA_LIBTORCH="/nowhere"))
    assert "/nowhere/lib/libtorch_cpu.so is missing" in empty, empty
    other = bundle.work / "other"
    (other / "lib").mkdir(parents=True)
    (other / "lib" / "libtorch_cpu.so").write_bytes(b"")
    (other / "version.py").write_text("__version__ = '1.13.1+cu117'\n", encoding="utf-8")
    text = bundle.run("regatta", "--version", code=4, environment=bundle.environment(REGATTA_LIBTORCH=str(other)))
    assert "is version 1.13.1, this bundle was built for" in text, text


def check_python_finds_torch(bundle):
    """Without REGATTA_LIBTORCH python3 is asked: here one that has torch."""
    tools = bundle.work / "bin"
    tools.mkdir()
    python = bundle.libtorch.parents[3] / "bin" / "python"
    if not python.exists():
        return "a LibTorch outside of a Python environment: python3 was not asked"
    (tools / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n', encoding="utf-8")
    (tools / "python3").chmod(0o755)
    environment = bundle.environment(PATH=f"{tools}:/usr/bin:/bin")
    del environment["REGATTA_LIBTORCH"]
    assert "libtorch" in bundle.run("regatta", "--version", environment=environment)
    assert "libtorch" in bundle.run("run", bundle.folder / "bin" / "regatta", "--version", environment=environment)
    return "python3 was asked for torch"


def check_gpu_check(root, bundle):
    """The check of a GPU machine without a checkout: here as far as it comes without a GPU."""
    python = bundle.libtorch.parents[3] / "bin" / "python"
    if not python.exists():
        return "a LibTorch outside of a Python environment: gpu_check.sh was not started"
    environment = bundle.environment(REGATTA_PYTHON=str(python), CUDA_VISIBLE_DEVICES="")
    del environment["REGATTA_LIBTORCH"]
    text = bundle.run("gpu_check.sh", code=4, environment=environment)
    report = json.loads((bundle.work / "gpu_check.json").read_text(encoding="utf-8"))
    assert "no GPU: torch" in text and report["missing"], text
    failed = [name for name, result in report["training"].items() if not result["ok"]]
    assert len(report["training"]) == 8 and not failed, report["training"]
    if (root / ".git").exists():
        head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        assert report["commit"] in (head.stdout.strip(), head.stdout.strip() + "-dirty"), report["commit"]
    version = bundle.folder / "share" / "torch_version"
    kept = version.read_text(encoding="utf-8")
    version.write_text("1.13.1\n", encoding="utf-8")
    text = bundle.run("gpu_check.sh", code=4, environment=environment)
    assert "this bundle was built for 1.13.1" in text, text
    version.write_text(kept, encoding="utf-8")
    return "gpu_check.sh ran"


def main():
    root, build, libtorch = (pathlib.Path(word) for word in sys.argv[1:4])
    with tempfile.TemporaryDirectory(prefix="regatta-bundle-") as temporary:
        folder = pathlib.Path(os.path.realpath(temporary))
        make_bundle(root, build, folder / "made")
        (folder / "made").rename(folder / "moved")
        (folder / "work").mkdir()
        bundle = Bundle(folder / "moved", folder / "work", libtorch)
        check_contents(root, bundle, libtorch.parents[4] if len(libtorch.parents) > 4 else libtorch)
        check_training(bundle)
        check_loaded(bundle)
        check_carried_libstdcxx(bundle)
        print(check_python_finds_torch(bundle))
        print(check_gpu_check(root, bundle))
        check_messages(bundle)
    print("bundle works")


if __name__ == "__main__":
    main()
