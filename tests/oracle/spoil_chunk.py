"""Makes one broken dataset per fault out of a good one: spoil_chunk.py GOOD_DENSE GOOD_SPARSE GOOD_EDGES OUT.

Each case edits chunk 0 and, unless the fault is about it, lets the manifest agree with the edited file, so that what
is met is the fault itself. OUT/cases.json lists for each case the object and the words that the refusal must name.
"""
import json
import os
import shutil
import sys

import h5py
import numpy as np
from crc32c import crc32c

import edge_fault_cases  # noqa: F401  (its cases register themselves)
from editable_chunk import Chunk, flip, offset_of
from fault_cases import CASES, case

FILE = "chunk-000000.h5"


# The file as a whole.

@case("", "cannot be opened")
def truncated_file(path):
    os.truncate(path, os.path.getsize(path) // 2)

@case("", "bytes, expected", keep_manifest=True)
def shorter_than_the_manifest_says(path):
    os.truncate(path, os.path.getsize(path) - 1)

@case("", "too short")
def empty_file(path):
    os.truncate(path, 0)

@case("", "not an HDF5 file")
def text_file(path):
    open(path, "w").write("this is no chunk\n")

@case("", "superblock version 0")
def metadata_without_checksums(chunk):
    chunk.libver = "earliest"

@case("", "whole file has CRC32C", keep_manifest=True)
def flipped_bit_between_arrays(path):
    offset, size = offset_of(path, "topology/indptr")
    flip(path, offset + size + 8)

@case("/nodes/x", "CRC32C", keep_manifest=True)
def flipped_bit_in_an_array(path):
    flip(path, offset_of(path, "nodes/x")[0] + 5)

@case("/topology/edge_id", "CRC32C")
def flipped_bit_that_the_manifest_agrees_with(path):
    flip(path, offset_of(path, "topology/edge_id")[0] + 6)

@case("", "cannot be opened")
def flipped_bit_in_the_superblock(path):
    flip(path, 20)

@case("", "symbolic link")
def symbolic_link(path):
    os.rename(path, path + ".elsewhere")
    os.symlink(os.path.basename(path) + ".elsewhere", path)

@case("", "not a regular file")
def folder_instead_of_a_file(path):
    os.remove(path)
    os.mkdir(path)

@case("", "cannot be opened")
def missing_file(path):
    os.remove(path)


# Attributes.

@case("/", "'another'")
def other_format(chunk):
    chunk.attrs["format"] = np.bytes_("another")

@case("/", "not fixed-length text")
def text_of_variable_length(chunk):
    chunk.attrs["format"] = "regatta-chunk"

@case("/", "newer Regatta")
def newer_major_version(chunk):
    chunk.attrs["version"] = [2, 0]

@case("/", "'version' is missing")
def no_version(chunk):
    del chunk.attrs["version"]

@case("/", "'chunk' is 1, expected 0")
def number_of_another_chunk(chunk):
    chunk.attrs["chunk"] = 1

@case("/", "'num_owned' is -1")
def negative_count(chunk):
    chunk.attrs["num_owned"] = -1

@case("/", "'num_edges' is missing")
def missing_count(chunk):
    del chunk.attrs["num_edges"]

@case("/", "expected owned <= rows")
def more_owned_than_rows(chunk):
    chunk.attrs["num_owned"] = chunk.attrs["num_rows"] + 1

@case("/", "expected owned <= rows")
def too_many_nodes(chunk):
    chunk.attrs["num_nodes"] = 2**31

@case("/", "'num_edges' is")
def other_count_than_the_manifest(chunk):
    chunk.attrs["num_edges"] = chunk.attrs["num_edges"] + 1

@case("/", "hops is 65")
def too_many_hops(chunk):
    chunk.attrs["hops"] = 65

@case("/targets/label", "'level' is 'graph'")
def target_of_another_level(chunk):
    chunk.groups["targets/label"]["level"] = np.bytes_("graph")

@case("/targets/label", "'kind' is missing")
def target_without_kind(chunk):
    del chunk.groups["targets/label"]["kind"]


# How arrays are stored.

@case("/nodes/x", "external storage")
def external_storage(chunk):
    raw = chunk.path + ".raw"
    chunk.arrays["nodes/x"].tofile(raw)
    chunk.special["nodes/x"] = lambda f, name, a: f.create_dataset(
        name, shape=a.shape, dtype=a.dtype, external=[(raw, 0, a.nbytes)])

@case("/topology/src", "external link")
def external_link(chunk):
    chunk.special["topology/src"] = lambda f, name, a: f.__setitem__(name, h5py.ExternalLink("chunk-000001.h5", name))

@case("/topology/src", "soft link")
def soft_link(chunk):
    chunk.special["topology/src"] = lambda f, name, a: f.__setitem__(name, h5py.SoftLink("/topology/edge_id"))

@case("/nodes/x", "virtual dataset")
def virtual_dataset(chunk):
    def create(f, name, a):
        layout = h5py.VirtualLayout(shape=a.shape, dtype=a.dtype)
        layout[:] = h5py.VirtualSource("chunk-000001.h5", name, shape=a.shape)
        return f.create_virtual_dataset(name, layout)
    chunk.special["nodes/x"] = create

@case("/nodes/x", "through a filter")
def gzip_filter(chunk):
    chunk.special["nodes/x"] = lambda f, name, a: f.create_dataset(name, data=a, compression="gzip")

@case("/nodes/x", "through a filter")
def fletcher_filter(chunk):
    chunk.special["nodes/x"] = lambda f, name, a: f.create_dataset(name, data=a, fletcher32=True)

@case("/nodes/x", "chunked or compact")
def chunked_layout(chunk):
    chunk.special["nodes/x"] = lambda f, name, a: f.create_dataset(name, data=a, chunks=(1, a.shape[1]))

@case("/nodes/ring_ptr", "chunked or compact")
def compact_layout(chunk):
    def create(f, name, a):
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.COMPACT)
        f.require_group("nodes")
        d = h5py.Dataset(h5py.h5d.create(f.id, name.encode(), h5py.h5t.STD_I64LE, h5py.h5s.create_simple(a.shape),
                                         creation))
        d[...] = a
        return d
    chunk.special["nodes/ring_ptr"] = create

@case("/nodes/x", "no stored bytes")
def never_allocated(chunk):
    chunk.special["nodes/x"] = lambda f, name, a: f.create_dataset(name, shape=a.shape, dtype=a.dtype)

@case("/nodes/x", "declares shape")
def four_pebibytes_in_a_small_file(chunk):
    chunk.special["nodes/x"] = lambda f, name, a: f.create_dataset(name, shape=(2**40, 2**10), dtype="<f4")

@case("/nodes/global_id", "is missing")
def group_instead_of_an_array(chunk):
    chunk.special["nodes/global_id"] = lambda f, name, a: f.require_group(name)
    chunk.without_crc.add("nodes/global_id")

@case("/nodes/note", "neither a group nor an array")
def named_type(chunk):
    chunk.arrays["nodes/note"] = np.zeros(1)
    chunk.special["nodes/note"] = lambda f, name, a: f.__setitem__(name, np.dtype("f8"))

@case("", "nested deeper")
def group_that_holds_itself(chunk):
    chunk.arrays["loop/loop"] = np.zeros(1)
    def create(f, name, a):
        group = f.require_group("loop")
        group["loop"] = group
    chunk.special["loop/loop"] = create

@case("/nodes/token", "reserved")
def reserved_array(chunk):
    chunk.arrays["nodes/token"] = np.zeros((chunk.attrs["num_nodes"], 1), "<i4")



# Types, shapes, presence, checksums.

@case("/topology/src", "element type int64, expected little-endian int32")
def wide_sources(chunk):
    chunk.arrays["topology/src"] = chunk.arrays["topology/src"].astype("<i8")

@case("/topology/indptr", "another type")
def big_endian(chunk):
    chunk.arrays["topology/indptr"] = chunk.arrays["topology/indptr"].astype(">i8")

@case("/nodes/x", "another type")
def double_features(chunk):
    chunk.arrays["nodes/x"] = chunk.arrays["nodes/x"].astype("<f8")

@case("/nodes/x", "has shape")
def transposed_features(chunk):
    chunk.arrays["nodes/x"] = np.ascontiguousarray(chunk.arrays["nodes/x"].T)

@case("/nodes/x", "has shape")
def narrower_features_than_the_manifest(chunk):
    chunk.arrays["nodes/x"] = np.ascontiguousarray(chunk.arrays["nodes/x"][:, 1:])

@case("/targets/label/split", "has shape")
def split_of_one_dimension(chunk):
    chunk.arrays["targets/label/split"] = chunk.arrays["targets/label/split"].ravel()

@case("/topology/indptr", "is missing")
def missing_array(chunk):
    del chunk.arrays["topology/indptr"]

@case("/targets/label/value", "is missing")
def missing_labels(chunk):
    del chunk.arrays["targets/label/value"]

@case("/nodes/x", "both dense and sparse")
def two_kinds_of_features(chunk):
    chunk.arrays["nodes/x_index"] = np.zeros(1, "<i4")

@case("/nodes/x", "found no features")
def no_features(chunk):
    del chunk.arrays["nodes/x"]

@case("/ids/original", "expected integer")
def no_original_ids(chunk):
    del chunk.arrays["ids/original"]

@case("/topology/src", "CRC32C")
def wrong_checksum(chunk):
    chunk.crc["topology/src"] = 12345

@case("/topology/src", "'crc32c' is missing")
def missing_checksum(chunk):
    chunk.without_crc.add("topology/src")


# What arrays say.

@case("/topology", "indptr[2]")
def falling_indptr(chunk):
    a = chunk.arrays["topology/indptr"]
    a[1], a[2] = a[-1], 0

@case("/topology", "indptr ends at")
def indptr_that_ends_early(chunk):
    a = chunk.arrays["topology/indptr"]
    a[-1] -= 1
    a[:] = np.minimum(a, a[-1])

@case("/topology", "src[0]")
def source_out_of_range(chunk):
    chunk.arrays["topology/src"][0] = chunk.attrs["num_nodes"]

@case("/topology", "src[3]")
def negative_source(chunk):
    chunk.arrays["topology/src"][3] = -1

@case("/topology", "expected ascending")
def unsorted_row(chunk):
    row = np.argmax(np.diff(chunk.arrays["topology/indptr"]) >= 2)
    begin = chunk.arrays["topology/indptr"][row]
    for name in ("topology/src", "topology/edge_id"):
        a = chunk.arrays[name]
        a[begin], a[begin + 1] = a[begin + 1], a[begin]

@case("/nodes/ring_ptr", "not ascending")
def falling_rings(chunk):
    a = chunk.arrays["nodes/ring_ptr"]
    a[1], a[2] = a[2], a[1]

@case("/nodes/ring_ptr", "expected num_owned")
def ring_0_of_another_size(chunk):
    chunk.arrays["nodes/ring_ptr"][1] += 1

@case("/nodes/ring_ptr", "not ascending from 0")
def rings_that_end_early(chunk):
    chunk.arrays["nodes/ring_ptr"][-1] -= 1

@case("/", "'num_rows' is")
def rows_of_another_ring(chunk):
    chunk.arrays["nodes/ring_ptr"][2] -= 1

@case("/nodes/global_id", "expected ascending")
def unsorted_ids(chunk):
    a = chunk.arrays["nodes/global_id"]
    a[0], a[1] = a[1], a[0]

@case("/nodes/global_id", "expected a node in")
def id_out_of_range(chunk):
    chunk.arrays["nodes/global_id"][2] = 10**9

@case("/nodes/owner_chunk", "expected another chunk")
def halo_node_owned_here(chunk):
    chunk.arrays["nodes/owner_chunk"][0] = 0

@case("/nodes/owner_chunk", "expected another chunk")
def owner_out_of_range(chunk):
    chunk.arrays["nodes/owner_chunk"][0] = 99

@case("/nodes/owner_row", "owns")
def owner_row_out_of_range(chunk):
    chunk.arrays["nodes/owner_row"][0] = 10**6

@case("/targets/label/value", "expected a class in [0, 3)")
def label_out_of_the_class_list(chunk):
    chunk.arrays["targets/label/value"][0] = 3

@case("/targets/label/value", "is -2")
def label_below_unknown(chunk):
    chunk.arrays["targets/label/value"][0] = -2

@case("/targets/label/value", "unknown (-1) but in split 'train'")
def unknown_label_in_training(chunk):
    chunk.arrays["targets/label/value"][0] = -1
    chunk.arrays["targets/label/split"][0] = 1

@case("/targets/label/split", "is 7")
def unknown_split(chunk):
    chunk.arrays["targets/label/split"][0] = 7

@case("/targets/label", "class_counts")
def other_class_counts(chunk):
    labelled = np.argmax(chunk.arrays["targets/label/split"][:, 0] > 0)
    chunk.arrays["targets/label/value"][labelled] = (chunk.arrays["targets/label/value"][labelled] + 1) % 3

@case("/nodes/x", "NaN or Inf")
def nan_feature(chunk):
    chunk.arrays["nodes/x"][1, 1] = np.nan

@case("/nodes/x_value", "element 2 is NaN or Inf", base="sparse")
def infinite_sparse_feature(chunk):
    chunk.arrays["nodes/x_value"][2] = -np.inf

@case("/nodes/x_index", "expected a column in", base="sparse")
def column_out_of_range(chunk):
    chunk.arrays["nodes/x_index"][4] = 1000

@case("/nodes/x_index", "ascending", base="sparse")
def column_twice_in_a_row(chunk):
    row = np.argmax(np.diff(chunk.arrays["nodes/x_indptr"]) >= 2)
    begin = chunk.arrays["nodes/x_indptr"][row]
    chunk.arrays["nodes/x_index"][begin + 1] = chunk.arrays["nodes/x_index"][begin]

@case("/nodes/x_index", "'columns' is missing", base="sparse")
def sparse_features_without_a_width(chunk):
    del chunk.array_attrs["nodes/x_index"]["columns"]

@case("/nodes/x_index", "'columns' is 6", base="sparse")
def wider_than_the_manifest(chunk):
    chunk.array_attrs["nodes/x_index"]["columns"] = 6

@case("/nodes/x_indptr", "never fall", base="sparse")
def falling_feature_rows(chunk):
    chunk.arrays["nodes/x_indptr"][1] = 10**6

@case("/nodes/x_value", "has shape", base="sparse")
def fewer_values_than_columns(chunk):
    chunk.arrays["nodes/x_value"] = chunk.arrays["nodes/x_value"][1:]

@case("/nodes/x", "found dense features", base="sparse")
def other_kind_than_the_manifest(chunk):
    for name in ("nodes/x_indptr", "nodes/x_index", "nodes/x_value"):
        del chunk.arrays[name]
    chunk.arrays["nodes/x"] = np.zeros((chunk.attrs["num_nodes"], 5), "<f4")

@case("/ids/original_offset", "ends at", base="sparse")
def text_ids_beyond_their_bytes(chunk):
    chunk.arrays["ids/original_offset"][-1] += 10**6


# No faults: what other writers may do.

@case(None, "")
def untouched_but_written_by_h5py(chunk):
    pass

@case(None, "")
def extra_array(chunk):
    chunk.arrays["notes/more"] = np.arange(5)

@case(None, "")
def narrow_attributes(chunk):
    chunk.attrs = {name: np.int32(v) if np.ndim(v) == 0 and not isinstance(v, bytes) else v
                   for name, v in chunk.attrs.items()}
    chunk.groups["targets/label"]["level"] = np.bytes_("node")

@case(None, "half")
def half_precision(chunk):
    chunk.arrays["nodes/x"] = chunk.arrays["nodes/x"].astype("<f2")
    chunk.manifest_edit = lambda manifest: manifest["features"].update(dtype="float16")

@case(None, "bfloat16")
def bfloat16_features(chunk):
    bits = chunk.arrays["nodes/x"].view("<u4")
    chunk.arrays["nodes/x"] = (bits >> 16).astype("<u2")
    chunk.manifest_edit = lambda manifest: manifest["features"].update(dtype="bfloat16")


def agree(folder, path, edit):
    """Lets the manifest say of the edited file what is true."""
    with open(os.path.join(folder, "manifest.json")) as f:
        manifest = json.load(f)
    raw = open(path, "rb").read() if os.path.isfile(path) else b""
    manifest["totals"]["bytes"] += len(raw) - manifest["chunks"][0]["bytes"]
    manifest["chunks"][0].update(bytes=len(raw), crc32c=f"{crc32c(raw):08x}")
    if edit:
        edit(manifest)
    with open(os.path.join(folder, "manifest.json"), "w") as f:
        json.dump(manifest, f)


def main():
    good = {"dense": sys.argv[1], "sparse": sys.argv[2], "edges": sys.argv[3]}
    out = sys.argv[4]
    listed = []
    for name, where, words, base, keep_manifest, edit in CASES:
        folder = os.path.join(out, name)
        shutil.copytree(good[base], folder)
        path = os.path.join(folder, FILE)
        manifest_edit = None
        if edit.__code__.co_varnames[:1] == ("path",):
            edit(path)
        else:
            chunk = Chunk(path)
            edit(chunk)
            chunk.write()
            manifest_edit = chunk.manifest_edit
        if not keep_manifest:
            agree(folder, path, manifest_edit)
        listed.append({"case": name, "object": where, "words": words})
    with open(os.path.join(out, "cases.json"), "w") as f:
        json.dump(listed, f)


if __name__ == "__main__":
    main()
