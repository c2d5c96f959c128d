"""Writes a graph of equal clusters without edges between them, and a job that trains on one chunk a cluster.

Usage: clustered_graph.py FOLDER [CLUSTERS [NODES]]. Plain Python 3, no packages. Writes FOLDER/edges.csv, nodes.csv and
job.yaml: what shares of work alone let several ranks gain (docs/benchmarks.md).
"""
import pathlib
import random
import sys

DEGREE, FEATURES, CLASSES = 12, 32, 5
JOB = """dataset: {folder}/dataset
output: {folder}/run
preprocess:
  edges: {{path: {folder}/edges.csv}}
  nodes: {{path: {folder}/nodes.csv, label: label}}
  splits: {{method: random}}
  clean: {{direction: undirected, self_loops: add}}
  partition: {{method: metis, chunks: {clusters}}}
  halo: {{mode: exact, hops: 2}}
model:
  layers:
    - {{attention: gat, heads: 4, width: 16, combine: concat, activation: elu}}
    - {{attention: gat, heads: 1, width: 0, combine: mean}}
train:
  epochs: 50
  step: full
  optimiser: {{kind: adam, learning_rate: 0.005}}
"""


def main():
    folder = pathlib.Path(sys.argv[1])
    clusters, nodes = (int(word) for word in (sys.argv[2:4] + ["32", "1500"][len(sys.argv) - 2 :]))
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    with (folder / "edges.csv").open("w", encoding="utf-8") as file:
        file.write("source,target\n")
        for first in range(0, clusters * nodes, nodes):
            for node in range(first, first + nodes):
                file.writelines(f"{node},{first + draw.randrange(nodes)}\n" for _ in range(DEGREE))
    with (folder / "nodes.csv").open("w", encoding="utf-8") as file:
        file.write("id,label," + ",".join(f"x{k}" for k in range(FEATURES)) + "\n")
        for node in range(clusters * nodes):
            values = ",".join(f"{draw.gauss(0, 1):.3f}" for _ in range(FEATURES))
            file.write(f"{node},{node % CLASSES},{values}\n")
    (folder / "job.yaml").write_text(JOB.format(folder=folder, clusters=clusters), encoding="utf-8")


if __name__ == "__main__":
    main()
