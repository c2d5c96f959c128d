"""A chunk file that can be loaded, changed, and written again by h5py."""
import h5py
import numpy as np
from crc32c import crc32c


class Chunk:
    """A chunk file in memory, and how to write it again."""

    def __init__(self, path):
        self.path, self.attrs, self.groups, self.arrays = path, {}, {}, {}
        self.array_attrs = {}
        self.crc, self.without_crc, self.special, self.libver = {}, set(), {}, "v110"
        self.manifest_edit = None
        with h5py.File(path, "r") as f:
            self.attrs = dict(f.attrs)
            f.visititems(self._load)

    def _load(self, name, item):
        if isinstance(item, h5py.Dataset):
            self.arrays[name] = item[()]
            self.array_attrs[name] = {key: value for key, value in item.attrs.items() if key != "crc32c"}
        else:
            self.groups[name] = dict(item.attrs)

    def write(self):
        with h5py.File(self.path, "w", libver=self.libver) as f:
            f.attrs.update(self.attrs)
            for name, attrs in self.groups.items():
                f.require_group(name).attrs.update(attrs)
            for name, a in self.arrays.items():
                if name in self.special:
                    d = self.special[name](f, name, a)
                else:
                    d = f.create_dataset(name, data=a)
                if d is not None:
                    d.attrs.update(self.array_attrs.get(name, {}))
                if d is not None and name not in self.without_crc:
                    d.attrs["crc32c"] = np.uint32(self.crc.get(name, crc32c(np.ascontiguousarray(a).tobytes())))


def flip(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ 0x10]))


def offset_of(path, name):
    with h5py.File(path, "r") as f:
        return f[name].id.get_offset(), f[name].nbytes
