"""Faults of the features and types of edges, for spoil_chunk.py."""
import numpy as np

from editable_chunk import flip, offset_of
from fault_cases import case


@case("/edges/x", "NaN or Inf", base="edges")
def nan_edge_feature(chunk):
    chunk.arrays["edges/x"][2, 1] = np.nan

@case("/edges/x", "element 0 is NaN or Inf", base="edges")
def infinite_edge_feature(chunk):
    chunk.arrays["edges/x"][0, 0] = np.inf

@case("/edges/x", "has shape", base="edges")
def narrower_edge_features_than_the_manifest(chunk):
    chunk.arrays["edges/x"] = np.ascontiguousarray(chunk.arrays["edges/x"][:, 1:])

@case("/edges/x", "has shape", base="edges")
def features_of_one_edge_less(chunk):
    chunk.arrays["edges/x"] = chunk.arrays["edges/x"][1:]

@case("/edges/x", "expected little-endian float32", base="edges")
def half_precision_edge_features(chunk):
    chunk.arrays["edges/x"] = chunk.arrays["edges/x"].astype("<f2")

@case("/edges/x", "is missing", base="edges")
def missing_edge_features(chunk):
    del chunk.arrays["edges/x"]

@case("/edges/x", "has no key edge_features")
def edge_features_that_the_manifest_does_not_know(chunk):
    chunk.arrays["edges/x"] = np.zeros((chunk.attrs["num_edges"], 2), "<f4")

@case("/topology/edge_type", "version 1.0", base="edges")
def manifest_of_a_version_without_edge_attributes(chunk):
    chunk.manifest_edit = lambda manifest: manifest.update(version=[1, 0])

@case("/edges/x", "CRC32C", keep_manifest=True, base="edges")
def flipped_bit_in_edge_features(path):
    flip(path, offset_of(path, "edges/x")[0] + 2)

@case("/edges/x", "'crc32c' is missing", base="edges")
def edge_features_without_checksum(chunk):
    chunk.without_crc.add("edges/x")

@case("/edges/x", "through a filter", base="edges")
def compressed_edge_features(chunk):
    chunk.special["edges/x"] = lambda f, name, a: f.create_dataset(name, data=a, compression="gzip")

@case("/topology/edge_type", "[1] is 3, expected a type in [0, 3)", base="edges")
def edge_type_out_of_range(chunk):
    chunk.arrays["topology/edge_type"][1] = 3

@case("/topology/edge_type", "expected little-endian uint16", base="edges")
def wide_edge_types(chunk):
    chunk.arrays["topology/edge_type"] = chunk.arrays["topology/edge_type"].astype("<i8")

@case("/topology/edge_type", "has shape", base="edges")
def type_of_one_edge_less(chunk):
    chunk.arrays["topology/edge_type"] = chunk.arrays["topology/edge_type"][1:]

@case("/topology/edge_type", "is missing", base="edges")
def missing_edge_types(chunk):
    del chunk.arrays["topology/edge_type"]

@case("/topology/edge_type", "has no key edge_types")
def edge_types_that_the_manifest_does_not_know(chunk):
    chunk.arrays["topology/edge_type"] = np.zeros(chunk.attrs["num_edges"], "<u2")

@case("/edges/weight", "reserved", base="edges")
def reserved_edge_array(chunk):
    chunk.arrays["edges/weight"] = np.zeros(chunk.attrs["num_edges"], "<f4")


# No faults.

@case(None, "edges", base="edges")
def edge_attributes_written_by_h5py(chunk):
    pass
