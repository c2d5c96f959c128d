"""The peers' harness: what it makes of what processes print, a tiny case of ours end to end, and PyG where it is.

Usage: peers_harness_test.py SOURCE_FOLDER REGATTA PYTHON, PYTHON with torch, PyG and h5py.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

ROOT, REGATTA, PYTHON = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
PEERS = ROOT / "tests" / "bench" / "peers"
sys.path.insert(0, str(PEERS))
sys.dont_write_bytecode = True

import graphs  # noqa: E402
import processes  # noqa: E402
import statistics_of  # noqa: E402
import tables  # noqa: E402

TINY = ["--nodes", "300", "--edges", "2000", "--features", "12", "--heads", "2", "--width", "5"]


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
    def compare(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            command = [PYTHON, PEERS / "compare.py", "--regatta", REGATTA, "--out", folder, "--threads", "1", *TINY]
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

    def test_memory_over_edges_is_measured_in_processes_of_their_own(self):
        command = [REGATTA, "bench", "layer", "--threads", "1", "--set", "nodes=200", "--set", "sweep=[1000, 2000]"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = json.loads(done.stdout)["sweep"]
        self.assertEqual([row["edges"] for row in rows], [1000, 2000])
        for row in rows:
            self.assertGreater(row["memory"]["step_peak"], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
