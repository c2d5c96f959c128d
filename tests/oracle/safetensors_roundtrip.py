"""Checks or writes a safetensors file with Python's own library.

usage: safetensors_roundtrip.py check|write FILE
Element k of tensor t is k + t (bool: whether that is odd); see tests/checkpoint/safetensors_test.cpp.
"""
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

TYPES = [torch.bool, torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8]


def expected():
    tensors = {}
    for t, dtype in enumerate(TYPES):
        values = torch.arange(6) + t
        tensors[f"tensor{t}"] = (values % 2 == 1 if dtype == torch.bool else values.to(dtype)).reshape(2, 3)
    tensors["scalar"] = torch.tensor(41.5)
    tensors["empty"] = torch.empty(0, 5)
    return tensors


def check(path):
    found = load_file(path)
    wanted = expected()
    assert found.keys() == wanted.keys(), sorted(found)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert torch.equal(found[name], tensor), name
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"format": "pt", "k": "v"}, file.metadata()


if __name__ == "__main__":
    mode, path = sys.argv[1:]
    if mode == "check":
        check(path)
    else:
        save_file(expected(), path, metadata={"format": "pt"})
