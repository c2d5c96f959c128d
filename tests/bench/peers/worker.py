"""Times one layer of one peer on a case folder, in a process of its own, and prints one line of JSON.

Usage: worker.py LIBRARY CASE [--steps N] [--warm-up N] [--threads N] [--memory-gb G] [--dropout P]
                 [--results DIR]

LIBRARY is pyg or dgl; the case folder is what `regatta bench layer --set export=DIR` wrote (case_files.py). A step is
forward and backward with gradients of x and of every parameter. The line holds `seconds` and `processor_seconds`
of each step (the latter summed over threads), `resident_before`, `resident_peak` (bytes), `version`; or `out_of_memory` or `unsupported` with the reason. With --results the output
and the gradient of x are left there as .npy.
"""
import argparse
import json
import os
import resource
import sys
import time

import case_files


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=["pyg", "dgl"])
    parser.add_argument("case")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=0, help="more than this is out of memory; 0: no limit")
    parser.add_argument("--dropout", type=float, default=0)
    parser.add_argument("--results", default="")
    return parser.parse_args()


def status_bytes(key):
    """VmRSS, VmHWM or VmSize of this process."""
    with open("/proc/self/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    raise KeyError(key)


def limit_memory(gigabytes):
    """Counts from what the libraries have mapped already, most of which is never resident."""
    if gigabytes > 0:
        most = status_bytes("VmSize") + int(gigabytes * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def is_out_of_memory(error):
    text = str(error).lower()
    return isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text


def reset_peak():
    """VmHWM counts from here on."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as control:
        control.write("5")


def measure(layer, case, options):
    import numpy
    import torch

    x = torch.from_numpy(case_files.load(options.case, "x")).requires_grad_()
    grad = torch.from_numpy(case_files.load(options.case, "grad_y"))
    layer.train()
    before = status_bytes("VmRSS")
    reset_peak()
    seconds, processor_seconds = [], []
    for step in range(options.warm_up + options.steps):
        x.grad = None
        layer.zero_grad(set_to_none=True)
        begin, processor_begin = time.perf_counter(), time.process_time()
        y = layer(x)
        y.backward(grad.view(y.shape))
        if step >= options.warm_up:
            seconds.append(time.perf_counter() - begin)
            processor_seconds.append(time.process_time() - processor_begin)
        if options.results:
            output = y.detach()
        del y
    report = {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "resident_before": before,
        "resident_peak": status_bytes("VmHWM"),
    }
    if options.results:
        numpy.save(os.path.join(options.results, "y.npy"), output.reshape(case["nodes"], -1).numpy())
        numpy.save(os.path.join(options.results, "grad.x.npy"), x.grad.numpy())
    return report


def main():
    options = arguments()
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    os.environ.setdefault("DGLBACKEND", "pytorch")
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.library == "pyg":
        import pyg_layers as layers
    else:
        import dgl_layers as layers
    case = case_files.describe(options.case)
    limit_memory(options.memory_gb)
    try:
        layer = layers.make_layer(options.case, case, options.dropout)
        report = measure(layer, case, options)
    except layers.Unsupported as reason:
        report = {"unsupported": str(reason)}
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        report = {"out_of_memory": str(error).splitlines()[0][:200]}
    report["version"] = layers.version()
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
