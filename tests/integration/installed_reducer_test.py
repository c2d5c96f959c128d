"""Installs the reducer, builds examples/data_parallel_mlp against it from an empty folder, and trains on 1, 2, 4 ranks.

Usage: installed_reducer_test.py SOURCE_FOLDER BUILD_FOLDER CMAKE MPIRUN. Plain Python 3, no packages.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PRIVATE_HEADERS = ["reducer/gradient_buckets.h", "comm/mpi_check.h", "data"]


def run(*command, folder=None, code=0):
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode == 0) == (code == 0), f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


def install(build, cmake, prefix, source):
    run(cmake, "--install", build, "--prefix", prefix, "--component", "reducer")
    headers = prefix / "include" / "regatta"
    assert (headers / "reducer" / "gradient_reducer.h").exists()
    for name in PRIVATE_HEADERS:
        assert not (headers / name).exists(), f"{name} is nobody's business outside"
    for path in (prefix / "lib" / "cmake" / "Regatta").iterdir():
        assert str(source) not in path.read_text(encoding="utf-8"), f"{path.name} names the source tree"


def check_components(folder, cmake, prefix):
    """The communicators alone do without LibTorch, and an unknown component is an error that says so."""
    folder.mkdir()
    for component, program, code in (("comm", "regatta::make_self_communicator()->barrier();", 0), ("sail", "", 1)):
        (folder / "main.cpp").write_text('#include "comm/communicator.h"\nint main() {' + program + "}\n", encoding="utf-8")
        (folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(user LANGUAGES C CXX)\n"
            f"find_package(Regatta 0.1 CONFIG REQUIRED COMPONENTS {component})\n"
            "if(TARGET regatta_torch)\nmessage(FATAL_ERROR torch)\nendif()\n"
            f"add_executable(user main.cpp)\ntarget_link_libraries(user Regatta::{component})\n", encoding="utf-8")
        text = run(cmake, "-B", folder / component, "-S", folder, f"-DCMAKE_PREFIX_PATH={prefix}", code=code)
        if code == 0:
            run(cmake, "--build", folder / component)
            run(folder / component / "user")
        else:
            assert "core, comm and reducer, not sail" in text, text


def check_other_libtorch(folder, cmake, prefix, example):
    """Headers and library of another version would fail at link time at best."""
    version = folder / "include" / "torch" / "headeronly" / "version.h"
    version.parent.mkdir(parents=True)
    version.write_text("".join(f"#define TORCH_VERSION_{part} 1\n" for part in ("MAJOR", "MINOR", "PATCH")), encoding="utf-8")
    (folder / "lib").mkdir()
    (folder / "lib" / "libtorch_cpu.so").touch()
    text = run(cmake, "-B", folder / "build", "-S", example, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DLIBTORCH_ROOT={folder}",
               code=1)
    assert "is 1.1.1" in text and "was built with LibTorch" in text, text


def main():
    source, build, cmake, mpirun = pathlib.Path(sys.argv[1]), *sys.argv[2:5]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prefix, example = folder / "prefix", folder / "example"
        install(build, cmake, prefix, source)
        check_components(folder / "components", cmake, prefix)
        shutil.copytree(source / "examples" / "data_parallel_mlp", example)
        check_other_libtorch(folder / "other", cmake, prefix, example)
        run(cmake, "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", folder=example)
        run(cmake, "--build", "build", folder=example)
        program = example / "build" / "data_parallel_mlp"
        alone = run(program, 5)
        losses = [float(value) for value in re.findall(r"loss (\S+)", alone)]
        assert len(losses) == 5 and losses[-1] < 0.5 * losses[0], alone
        assert re.search(r"^digest [0-9a-f]{8}$", alone, re.MULTILINE), alone
        assert run(program, 4).splitlines()[-1] != alone.splitlines()[-1], "the digest does not depend on the weights"
        for ranks in (1, 2, 4):
            found = run(mpirun, "-n", ranks, "--oversubscribe", "--bind-to", "none", program, 5)
            assert found == alone, f"{ranks} ranks:\n{found}alone:\n{alone}"
    print(alone + "the same on 1, 2 and 4 ranks")


if __name__ == "__main__":
    main()
