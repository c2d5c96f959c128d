"""Raw node tables and what scikit-learn makes of them.

usage: preprocess_features.py FOLDER
Writes FOLDER/nodes.csv (gaps, a constant column), nodes.svmlight.gz, split.csv, edges.csv, and for each case a
file CASE.f64: the expected features as little-endian float64, row by row. Constants are fitted on training rows only.
"""
import gzip
import io
import sys

import numpy as np
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

ROWS, COLUMNS = 60, 7
folder = sys.argv[1]
random = np.random.RandomState(5)


def save(case, matrix):
    np.asarray(matrix, dtype="<f8").tofile(f"{folder}/{case}.f64")


def write_tables(x, train):
    with open(f"{folder}/nodes.csv", "w") as out:
        out.write("id,kind," + ",".join(f"f{c}" for c in range(COLUMNS)) + "\n")
        for row in range(ROWS):
            cells = ["" if np.isnan(v) else repr(float(v)) for v in x[row]]
            out.write(f"{row},{'even' if row % 2 == 0 else 'odd'}," + ",".join(cells) + "\n")
    with open(f"{folder}/split.csv", "w") as out:
        out.write("node,split\n")
        for row in range(ROWS):
            out.write(f"{row},{'train' if train[row] else 'test'}\n")
    with open(f"{folder}/edges.csv", "w") as out:
        out.write("src,dst\n" + "".join(f"{i},{i + 1}\n" for i in range(ROWS - 1)))


def filled(x, train, fill):
    if fill == "error":
        return x
    strategy = {"zero": "constant", "constant": "constant"}.get(fill, fill)
    value = {"zero": 0.0, "constant": -2.5}.get(fill)
    return SimpleImputer(strategy=strategy, fill_value=value).fit(x[train]).transform(x)


def normalised(x, full, train, kind):
    if kind == "standardise":
        return StandardScaler().fit(x[train]).transform(full)
    if kind == "min_max":
        return MinMaxScaler().fit(x[train]).transform(full)
    if kind in ("row_l1", "row_l2"):
        return normalize(full, norm=kind[-2:])
    return full


x = random.randn(ROWS, COLUMNS) * 10.0 ** random.randint(-2, 4, COLUMNS) + random.randn(COLUMNS) * 3
x[:, 4] = 0.1  # constant: must not be divided by its rounding error
x[17] = 0  # a row without a norm
gaps = random.rand(ROWS, COLUMNS) < 0.1
gaps[17] = False
x[gaps] = np.nan
x = x.astype(np.float32).astype(np.float64)
train = random.rand(ROWS) < 0.5
write_tables(x, train)
for fill in ("zero", "mean", "median", "constant"):
    for kind in ("none", "row_l1", "row_l2", "standardise", "min_max"):
        save(f"{fill}-{kind}", normalised(x, filled(x, train, fill), train, kind))

sparse = np.where(random.rand(ROWS, 40) < 0.15, random.randn(ROWS, 40), 0.0)
sparse[3] = 0
sparse[5, 39] = 1.25  # the width is seen from the data
text = io.BytesIO()
dump_svmlight_file(sparse, np.arange(ROWS) % 3, text, zero_based=False)
with gzip.open(f"{folder}/nodes.svmlight.gz", "wb") as out:
    out.write(text.getvalue())
read, _ = load_svmlight_file(f"{folder}/nodes.svmlight.gz", zero_based=False)
read = read.toarray()
for kind in ("none", "row_l1", "row_l2", "standardise", "min_max"):
    save(f"svmlight-{kind}", normalised(read, read, train, kind))
