"""launch/gpu_check.sh on a machine without a GPU: it says what is missing, ends with 4, and does the rest; and with a
pretended GPU and pretended programs, what it makes of their answers.

Usage: gpu_check_test.py SOURCE_FOLDER BUILD_FOLDER PYTHON_WITH_TORCH. Plain Python 3, no packages.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import gpu_check_pretend

KINDS = ("gat", "gatv2", "transformer", "dot")


def run(script, python, *arguments, **more):
    environment = dict(os.environ, REGATTA_PYTHON=python, CUDA_VISIBLE_DEVICES="", **more)
    return subprocess.run([str(script), *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=280,
                          check=False)


def without_pyg(work):
    """A PYTHONPATH that hides torch_geometric."""
    folder = work / "without_pyg"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['torch_geometric'] = None\n", encoding="utf-8")
    return str(folder)


def check_build(script, build, python, out):
    """Without a GPU, the programs of a build folder."""
    done = run(script, python, "--programs", build, "--out", out)
    report = json.loads(out.read_text()) if out.is_file() else {}
    assert done.returncode == 4, f"exit {done.returncode}, expected 4: {done.stderr}"
    assert "no GPU: torch" in done.stderr, done.stderr
    assert any(sentence.startswith("no GPU") for sentence in report["missing"]), report["missing"]
    tested = report["tests"].get("cuda_attention_test")
    assert tested is None or any("ServesTheConformanceTests: SKIPPED: no GPU" in sentence for sentence in report["missing"])
    for kind in KINDS:
        for precision in ("fp32", "bf16"):
            losses = report["training"][f"cpu_{kind}_{precision}"].get("losses", [])
            assert len(losses) == 5 and all(isinstance(loss, float) for loss in losses), report["training"]
    assert "benchmarks" not in report, "benchmarks without a GPU"


def check_missing(script, python, work, out):
    empty = work / "empty"
    empty.mkdir()
    done = run(script, python, "--programs", empty, "--out", out, PYTHONPATH=without_pyg(work))
    assert done.returncode == 4 and "no program regatta" in done.stderr, f"exit {done.returncode}: {done.stderr}"
    assert "no torch_geometric in" in done.stderr, done.stderr
    assert any("no torch_geometric" in sentence for sentence in json.loads(out.read_text())["missing"])
    done = run(script, python, "--programs", work / "nowhere", "--out", out)
    assert done.returncode == 4 and "no folder" in done.stderr, f"exit {done.returncode}: {done.stderr}"


def check_pretended(root, work, out):
    """Exit status, and what is said, by what goes wrong on a machine with a GPU."""
    bundle = work / "pretended"
    gpu_check_pretend.make_bundle(root, bundle)
    modules = bundle / "modules"

    def expect(code, pretend, words="", *arguments):
        done = run(bundle / "gpu_check.sh", sys.executable, "--out", out, *arguments, PYTHONPATH=str(modules),
                   PRETEND=pretend)
        assert done.returncode == code and words in done.stderr, f"{pretend}: exit {done.returncode}: {done.stderr}"
        return json.loads(out.read_text())

    report = expect(4, "", "no torch_geometric")
    assert len(report["missing"]) == 1 and len(report["benchmarks"]) == 24, report
    expect(1, "test", "no torch_geometric")
    (modules / "torch_geometric.py").write_text("", encoding="utf-8")
    metadata = modules / "torch_geometric-0.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: torch_geometric\nVersion: 0.0\n", encoding="utf-8")
    report = expect(0, "")
    assert report["commit"] == "0123456789" and report["device"] == "pretended GPU", report
    assert report["training"]["gpu_2_ranks_mpi"]["ranks"] == 2 and report["training"]["gpu_captured"]["ok"], report
    ways = [key for entry in report["benchmarks"] for key in entry if key.startswith("times_faster_than")]
    assert len(ways) == 24 + 8 + 8, ways
    report = expect(0, "", "", "--long")
    assert len([key for entry in report["benchmarks"] for key in entry if key.startswith("times_faster_than")]) == 72
    report = expect(1, "loss")
    assert report["training"]["gpu_dot_fp32"]["ok"] is False, report["training"]
    expect(4, "memory", "needs 26 GiB")
    expect(4, "peer", "PyG eager failed: no memory")
    expect(1, "bench", "something failed")
    report = expect(4, "late", "not within 0.1 minutes", "--minutes", "0.1")
    assert report["minutes"] < 0.5, report["minutes"]


def main():
    root, build, python = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    script = root / "launch" / "gpu_check.sh"
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        out = work / "report.json"
        check_missing(script, python, work, out)
        check_pretended(root, work, out)
        check_build(script, build, python, out)
    print("gpu_check.sh says what is missing")


if __name__ == "__main__":
    main()
