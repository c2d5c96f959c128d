"""The peers' harness: what it makes of what processes print, its scripts, tiny cases end to end, and the peers.

Usage: peers_harness_test.py SOURCE_FOLDER REGATTA PYTHON, PYTHON with torch, PyG and h5py. DGL and matplotlib are
tested where tests/bench/peers/setup.sh has installed them; what is skipped is listed at the end.
"""
import functools
import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree

ROOT, REGATTA, PYTHON = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
PEERS = ROOT / "tests" / "bench" / "peers"
sys.path.insert(0, str(PEERS))
sys.dont_write_bytecode = True

import graphs  # noqa: E402
import processes  # noqa: E402
import statistics_of  # noqa: E402
import tables  # noqa: E402

# What setup.sh installs lies beside the environment that PYTHON is of.
INSTALLED = pathlib.Path(PYTHON).parents[2] / "peers"
CORA = ["--no-generated", "--cora", "--cora-config", str(ROOT / "configs" / "cora.yaml")]
TINY = ["--nodes", "300", "--edges", "2000", "--features", "12", "--heads", "2", "--width", "5"]


@functools.lru_cache(maxsize=None)
def python_with(module):
    """The tests' Python or one of the peers', whichever has `module`; None where none has."""
    for python in (pathlib.Path(PYTHON), INSTALLED / "pyg/bin/python", INSTALLED / "dgl/bin/python"):
        command = [python, "-c", f"import importlib.util, sys; sys.exit(not importlib.util.find_spec({module!r}))"]
        if python.exists() and subprocess.run(command, check=False).returncode == 0:
            return str(python)
    return None


def needs(module):
    return unittest.skipUnless(python_with(module), f"no {module}: tests/bench/peers/setup.sh installs it")


def our_report(median):
    return {"max_rss": 5_000_000, "json": {
        "machine": "m", "commit": "c", "date": "2026-01-01T00:00:00Z", "percent": {"step": 50.0},
        "time": {"median": median, "minimum": median / 2, "maximum": 2 * median},
        "processor_time": {"median": 2 * median}, "memory": {"step_peak": 1_000_000}}}


def peer_report(seconds):
    return {"max_rss": 90_000_000, "json": {
        "seconds": seconds, "processor_seconds": [2 * s for s in seconds], "resident_before": 10_000_000,
        "resident_peak": 30_000_000, "version": "peer 1"}}


class Statistics(unittest.TestCase):
    def setUp(self):
        self.ours = statistics_of.ours([our_report(0.1), our_report(0.3), our_report(0.2)], None)

    def test_ours_is_the_median_of_all_processes_with_the_extremes_of_all(self):
        self.assertEqual(self.ours["time"], {"median": 0.2, "minimum": 0.05, "maximum": 0.6})

    def test_ratios_are_of_medians(self):
        peer = statistics_of.peer([peer_report([1.0, 2.0]), peer_report([6.0])], self.ours, None)
        self.assertEqual(peer["time"], {"median": 2.0, "minimum": 1.0, "maximum": 6.0})
        self.assertAlmostEqual(peer["ratio"], 10)
        self.assertAlmostEqual(peer["memory_ratio"], 20)

    def test_running_out_of_memory_is_a_result(self):
        peer = statistics_of.peer([{"json": {"out_of_memory": "why", "version": "peer 1"}}], self.ours, None)
        row = {"graph": "g", "kind": "gat", "dropout": 0.0, "ours": self.ours, "peers": {"pyg-tuned": peer}}
        self.assertIn("| PyG tuned | out of memory |", "\n".join(tables.row_lines(row)))

    def test_a_failure_is_said_and_not_a_number(self):
        self.assertEqual(statistics_of.peer([{"failed": "why"}], self.ours, None), {"failed": "why"})
        self.assertEqual(statistics_of.ours([our_report(0.1), {"failed": "why"}], None), {"failed": "why"})

    def test_every_row_of_the_table_has_every_column(self):
        errors = {"y": 1e-7, "grad.x": 2e-7, "grad.x.rest": 1.5e-7}
        peers = {"pyg": statistics_of.peer([peer_report([1.0])], self.ours, errors),
                 "dgl": {"unsupported": "no layer", "version": "peer 2"}}
        row = {"graph": "g", "kind": "gat", "dropout": 0.6, "ours": self.ours, "peers": peers}
        columns = tables.HEADER.count("|")
        self.assertEqual({line.count("|") for line in tables.row_lines(row)}, {columns})


class Memory(unittest.TestCase):
    """Peak memory over the edges, of sides that only say what they would have measured."""

    def setUp(self):
        options = types.SimpleNamespace(peer=["pyg", "dgl"], features=3, heads=2, width=5)
        bench = types.SimpleNamespace(layer=lambda settings, repeats: our_report(0.1))
        self.sweep = graphs.sweep(options, bench, pathlib.Path("nowhere"), self.run_peer)

    @staticmethod
    def run_peer(_options, peer, *_):
        return peer_report([1.0]) if peer == "pyg" else {"failed": "why"}

    def test_every_number_of_edges_has_every_side(self):
        self.assertEqual([row["edges"] for row in self.sweep["rows"]], list(graphs.SWEEP_EDGES))
        for row in self.sweep["rows"]:
            self.assertEqual((row["regatta"], row["pyg"], row["dgl"]), (1_000_000, 20_000_000, None))

    def test_a_side_that_fails_leaves_a_gap_in_its_table(self):
        text = "\n".join(tables.sweep_lines(self.sweep))
        self.assertIn("| edges | Regatta | PyG as shipped | DGL |", text)
        self.assertIn("| 150,000 | 1 | 20 | – |", text)

    def test_a_page_of_memory_alone_says_where_it_comes_from(self):
        page = tables.markdown({"threads": 2, "rows": [], **statistics_of.origin(self.sweep), "sweep": self.sweep})
        self.assertTrue(page.startswith("m, 2 threads, 2026-01-01T00:00:00Z, commit c; no peer."), page)
        self.assertNotIn(tables.HEADER, page)


class Processes(unittest.TestCase):
    def test_a_process_that_dies_is_reported_with_its_last_word(self):
        done = processes.run([sys.executable, "-c", "import sys; sys.exit('last word')"])
        self.assertIn("last word", done["failed"])

    def test_memory_is_of_the_process_itself(self):
        done = processes.run([sys.executable, "-c", "x = bytearray(200_000_000); print('{}')"])
        self.assertGreater(done["max_rss"], 200_000_000)

    def test_graphs_are_named_with_a_path(self):
        options = types.SimpleNamespace(nodes=1, edges=2, features=3)
        self.assertEqual(graphs.parse("random", options, None).settings["edges"], 2)
        for text in ("nothing", "a=", "a=/no/such/file", f"a={ROOT}:features=x"):
            with self.assertRaises(SystemExit):
                graphs.parse(text, options, None)


class Ours(unittest.TestCase):
    def compare(self, *arguments, script=(PEERS / "compare.py",)):
        with tempfile.TemporaryDirectory() as folder:
            command = [PYTHON, *script, "--regatta", REGATTA, "--out", folder, "--threads", "1", *TINY]
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
            out = pathlib.Path(folder)
            self.assertEqual(sorted(path.name for path in out.iterdir()), ["peers.json", "peers.md"])
            return json.loads((out / "peers.json").read_text(encoding="utf-8"))

    def test_every_kind_runs_without_a_peer(self):
        report = self.compare("--dropout", "0", "--dropout", "0.6")
        kinds = {row["kind"] for row in report["rows"]}
        self.assertLessEqual({"gat", "dot"}, kinds)
        self.assertEqual(len(report["rows"]), 2 * len(kinds))
        for row in report["rows"]:
            self.assertGreater(row["ours"]["time"]["median"], 0)
            self.assertEqual((row["nodes"], row["edges"]), (300, 2000))

    def test_a_table_of_edges_becomes_a_graph(self):
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder) / "edges.csv"
            table.write_text("src,dst\n0,1\n1,2\n2,2\n", encoding="utf-8")
            report = self.compare("--no-generated", "--graph", f"tiny={table}:features=3", "--kind", "gat")
        row = report["rows"][0]
        self.assertEqual((row["graph"], row["nodes"], row["edges"], row["features"]), ("tiny", 3, 4, 3))

    def test_pyg_and_ours_compute_the_same(self):
        report = self.compare("--pyg", PYTHON, "--peer", "pyg", "--steps", "1")
        self.assertGreaterEqual(len(report["rows"]), 2)
        for row in report["rows"]:
            for side in (row["ours"], row["peers"]["pyg"]):
                self.assertLess(max(side["errors"].values()), 1e-5, row)
            self.assertGreater(row["peers"]["pyg"]["ratio"], 0)

    def test_a_peer_beyond_its_memory_is_reported_as_such(self):
        big = ["--nodes", "2000", "--edges", "400000", "--heads", "4", "--width", "64", "--kind", "gat"]
        report = self.compare("--pyg", PYTHON, "--peer", "pyg", "--memory-gb", "0.2", "--no-errors", *big)
        self.assertIn("out_of_memory", report["rows"][0]["peers"]["pyg"])

    def test_peak_memory_is_measured_without_layers(self):
        small = (f"import sys; sys.path.insert(0, {str(PEERS)!r}); import compare, graphs; "
                 "graphs.SWEEP_NODES, graphs.SWEEP_EDGES = 5000, (20000, 80000); sys.exit(compare.main())")
        sides = ["--pyg", PYTHON, "--peer", "pyg"]
        report = self.compare("--no-generated", "--sweep", "--width", "32", *sides, script=("-c", small))
        self.assertEqual(report["rows"], [])
        self.assertEqual({"machine", "commit", "date"} - report.keys(), set())
        few, many = report["sweep"]["rows"]
        self.assertEqual((few["edges"], many["edges"]), (20000, 80000))
        self.assertGreater(few["regatta"], 0)
        # PyG has a row of 2 x 32 numbers for every edge more.
        self.assertGreater(many["pyg"] - few["pyg"], 60000 * 2 * 32 * 4)

    def test_peers_train_the_published_model_on_cora(self):
        dgl = ["--dgl", python_with("dgl")] if python_with("dgl") else []
        peers = ["pyg dense", "pyg sparse"] + ["dgl dense"] * bool(dgl)
        report = self.compare(*CORA, "--pyg", PYTHON, *dgl)
        self.assertEqual(list(report["cora"]), ["regatta", *peers])
        for name in peers:
            side = report["cora"][name]
            self.assertGreater(side["ratio"], 0, name)
            # Seven classes: an untrained model's loss is that of a guess.
            first, last = side["losses"]
            self.assertLess(abs(first - math.log(7)), 0.1, name)
            self.assertLess(last, first, name)

    @needs("dgl")
    def test_dgl_and_ours_compute_the_same(self):
        report = self.compare("--pyg", PYTHON, "--dgl", python_with("dgl"), "--peer", "dgl", "--steps", "1")
        for row in report["rows"]:
            side = row["peers"]["dgl"]
            if row["kind"] == "transformer":
                self.assertIn("unsupported", side)
                continue
            self.assertLess(max(side["errors"].values()), 1e-5, row)
            self.assertGreater(side["ratio"], 0)

    @needs("dgl")
    def test_dgl_drops_attention_where_it_can(self):
        report = self.compare("--dgl", python_with("dgl"), "--peer", "dgl", "--steps", "1", "--dropout", "0.6",
                              "--kind", "gat", "--kind", "dot")
        found = {row["kind"]: "time" in row["peers"]["dgl"] for row in report["rows"]}
        self.assertEqual(found, {"gat": True, "dot": False})

    def test_memory_over_edges_is_measured_in_processes_of_their_own(self):
        command = [REGATTA, "bench", "layer", "--threads", "1", "--set", "nodes=200", "--set", "sweep=[1000, 2000]"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = json.loads(done.stdout)["sweep"]
        self.assertEqual([row["edges"] for row in rows], [1000, 2000])
        for row in rows:
            self.assertGreater(row["memory"]["step_peak"], 0)


@needs("matplotlib")
class Plot(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def draw(self, report):
        """The names that the drawing shows, which matplotlib leaves as comments beside the shapes of their letters."""
        (self.folder / "peers.json").write_text(json.dumps(report), encoding="utf-8")
        command = [python_with("matplotlib"), PEERS / "plot.py", self.folder / "peers.json", self.folder / "drawing"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        picture = (self.folder / "drawing.png").read_bytes()
        self.assertEqual(picture[:8], b"\x89PNG\r\n\x1a\n")
        self.assertGreater(len(picture), 1000)
        keep = xml.etree.ElementTree.TreeBuilder(insert_comments=True)
        parser = xml.etree.ElementTree.XMLParser(target=keep)
        root = xml.etree.ElementTree.parse(self.folder / "drawing.svg", parser).getroot()
        return {node.text.strip() for node in root.iter(xml.etree.ElementTree.Comment)}

    def report(self):
        ours = statistics_of.ours([our_report(0.1)], None)
        pyg = statistics_of.peer([peer_report([1.0, 2.0])], ours, None)
        rows = [{"graph": "g", "kind": "transformer", "dropout": 0.6, "ours": ours,
                 "peers": {"pyg": pyg, "dgl": {"unsupported": "no layer", "version": "peer 2"}}},
                {"graph": "g", "kind": "gat", "dropout": 0.0, "ours": ours, "peers": {"pyg": pyg, "dgl": pyg}},
                {"graph": "g", "kind": "dot", "dropout": 0.0, "ours": {"failed": "why"}, "peers": {}}]
        return {"machine": "m", "date": "2026-01-01T00:00:00Z", "threads": 2, "peers": ["pyg", "dgl"], "rows": rows}

    def test_every_side_and_row_that_has_times_is_named(self):
        names = self.draw(self.report())
        self.assertLessEqual({"Regatta", "PyG as shipped", "DGL", "g, transformer, dropout 0.6", "g, gat"}, names)
        self.assertNotIn("g, dot", names)
        self.assertIn("m, 2 threads, 2026-01-01", names)

    def test_memory_is_drawn_beside_them(self):
        rows = [{"edges": edges, "regatta": 1e6, "pyg": 10 * edges, "dgl": None} for edges in (1000, 2000)]
        names = self.draw({**self.report(), "sweep": {"nodes": 500, "rows": rows}})
        self.assertLessEqual({"edges, 500 nodes", "peak memory of a gat step, MB"}, names)

    def test_a_report_without_layers_is_drawn_too(self):
        self.draw({**self.report(), "rows": []})


class Scripts(unittest.TestCase):
    """setup.sh and run.sh over dependencies that are stamps and stand-ins for Python, so that nothing is installed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.deps = pathlib.Path(folder.name) / "deps"
        self.path = pathlib.Path(folder.name) / "bin"
        for name in ("python3", "python3.9", "python3.10", "python3.11"):
            self.stand_in(self.path / name, "exit 1")
        self.stand_in(self.deps / "python/bin/python", "exit 1")

    @staticmethod
    def stand_in(path, line):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def install(self, name, line="exit 1"):
        """The environment NAME as setup.sh finds it when its list is installed."""
        python = self.stand_in(self.deps / "peers" / name / "bin/python", line)
        stamp = hashlib.sha256((PEERS / f"{name}.txt").read_bytes()).hexdigest()[:16]
        (self.deps / "peers" / name / f"installed-{stamp}").touch()
        return python

    def call(self, script, *arguments, **environment):
        changed = {"REGATTA_DEPS": self.deps, "PATH": f"{self.path}:{os.environ['PATH']}", **environment}
        return subprocess.run([PEERS / script, *arguments], capture_output=True, text=True, check=False,
                              env={**os.environ, **{key: str(value) for key, value in changed.items()}})

    def test_setup_names_what_is_installed(self):
        pyg, dgl = self.install("pyg"), self.install("dgl")
        self.stand_in(self.deps / "python/bin/python", "exit 0")  # a Python that DGL has wheels for
        self.assertEqual(self.call("setup.sh").stdout, f"pyg {pyg}\ndgl {dgl}\n")
        self.assertEqual(self.call("setup.sh", "--no-dgl").stdout, f"pyg {pyg}\ndgl -\n")

    def test_setup_goes_on_without_dgl(self):
        pyg = self.install("pyg")
        done = self.call("setup.sh")
        self.assertEqual((done.returncode, done.stdout), (0, f"pyg {pyg}\ndgl -\n"))
        self.assertIn("DGL 2.1.0 needs Python 3.8 to 3.11", done.stderr)
        self.stand_in(self.deps / "python/bin/python", '[ "$1" = -c ]')
        done = self.call("setup.sh")
        self.assertEqual((done.returncode, done.stdout), (0, f"pyg {pyg}\ndgl -\n"))
        self.assertIn("DGL cannot be installed here", done.stderr)

    def test_setup_does_not_go_on_without_pyg(self):
        done = self.call("setup.sh")
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assertIn("PyG cannot be installed", done.stderr)
        self.assertEqual(self.call("setup.sh", "--no-such").returncode, 2)

    def test_run_says_how_it_is_called(self):
        self.assertEqual(self.call("run.sh").returncode, 2)
        self.assertIn("usage: tests/bench/peers/run.sh OUT", self.call("run.sh", "--cora").stdout)
        done = self.call("run.sh", self.deps, REGATTA="/no/such/regatta")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/no/such/regatta is not there", done.stderr)

    @needs("matplotlib")
    def test_run_writes_tables_and_drawings(self):
        self.install("pyg", f'exec {python_with("matplotlib")} "$@"')
        out = self.deps / "results"
        settings = ["--threads", "1", *TINY, "--kind", "gat", "--steps", "1", "--peer", "pyg", "--no-errors"]
        done = self.call("run.sh", out, *settings, REGATTA=REGATTA)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        found = sorted(path.name for path in out.iterdir())
        self.assertEqual(found, ["peers.json", "peers.md", "peers.png", "peers.svg"])
        self.assertIn("| random | gat | 0 | PyG as shipped | 0.", (out / "peers.md").read_text(encoding="utf-8"))


def main():
    done = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False).result
    for test, why in done.skipped:  # as GoogleTest says it, which launch/test.sh looks for
        print(f"[  SKIPPED ] {test.id()}: {why} (0 ms)")
    return 0 if done.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
