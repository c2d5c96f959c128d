"""Prints everything h5py finds in a chunk as JSON: attributes, and for each array its type, shape, values, whether it
is contiguous and aligned, and whether its CRC32C is right."""
import json
import sys

import h5py
import numpy as np
from crc32c import crc32c


def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def attributes(item):
    return {name: plain(value) for name, value in item.attrs.items()}


def array(d):
    values = d[()]
    offset = d.id.get_offset()
    return {
        "dtype": values.dtype.str,
        "shape": list(d.shape),
        "values": values.ravel().tolist(),
        "contiguous": d.chunks is None and d.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS,
        "aligned": offset is None or offset % 4096 == 0,
        "crc_good": crc32c(values.tobytes()) == int(d.attrs["crc32c"]),
    }


found = {"arrays": {}, "groups": {}}
with h5py.File(sys.argv[1], "r") as f:
    found["attributes"] = attributes(f)

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found["arrays"]["/" + name] = array(item)
        else:
            found["groups"]["/" + name] = attributes(item)

    f.visititems(visit)
json.dump(found, sys.stdout)
