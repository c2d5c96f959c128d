"""Short trainings on Cora: every kind of attention in fp32 and bf16 on the GPU against the processor, and the ways of
running that have to give the same losses or bits."""
import json

CONFIGS = {"gat": "cora.yaml", "gatv2": "cora_gatv2.yaml", "transformer": "cora_transformer.yaml", "dot": "cora_dot.yaml"}
LOSS_GAP = 1e-4


class Trainings:
    """Trainings in a folder `work` with Cora in 4 chunks and in one."""

    def __init__(self, programs, root, work):
        self.programs, self.root, self.work = programs, root, work

    def preprocess(self):
        """None, or the result of a failure."""
        for folder, chunks in (("dataset", 4), ("one_chunk", 1)):
            command = [*self.programs.command("regatta"), "preprocess", self.root / "configs" / "cora.yaml",
                       "--set", f"dataset={self.work / folder}", "--set", f"preprocess.partition.chunks={chunks}"]
            status, _, errors = self.programs.run(command, 60, self.root)
            if status != 0:
                return self.programs.failure(status, errors)
        return None

    def train(self, name, settings, kind="gat", ranks=1):
        """Losses of five epochs (or as many as `settings` name), the digest of the trained model, seconds a step."""
        over = self.programs.over()
        if over:
            return over
        output = self.work / name
        command = [*self.programs.command("regatta"), "train", self.root / "configs" / CONFIGS[kind]]
        for setting in (f"output={output}", f"dataset={self.work / 'dataset'}", "train.epochs=5", *settings):
            command += ["--set", setting]
        if ranks > 1:
            command = [self.programs.mpirun(), "-n", ranks, "--oversubscribe", "--bind-to", "none", *command]
        status, _, errors = self.programs.run(command, 60, self.root)
        result = {"ok": True, "ranks": ranks, "config": CONFIGS[kind], "settings": settings}
        if status != 0:
            return result | self.programs.failure(status, errors)
        result["losses"] = [json.loads(line).get("loss") for line in (output / "metrics.jsonl").read_text().splitlines()]
        summary = json.loads((output / "summary.json").read_text())
        return result | {key: summary[key] for key in ("model_digest", "seconds_per_step", "replayed_steps")}

    def time_step(self, cuda_graph):
        """A whole step on Cora in one chunk, the optimiser included, by runtime.cuda_graph."""
        over = self.programs.over()
        if over:
            return over
        command = [*self.programs.command("regatta"), "bench", "step", self.root / "configs" / "cora.yaml", "--repeats", 300]
        for setting in (f"dataset={self.work / 'one_chunk'}", f"output={self.work / 'bench'}", "runtime.device=cuda",
                        f"runtime.cuda_graph={cuda_graph}"):
            command += ["--set", setting]
        status, output, errors = self.programs.run(command, 60, self.root)
        try:
            report = json.loads(output)
        except ValueError:
            return self.programs.failure(status, errors)
        result = {"ok": status == 0 and (report["replayed_steps"] > 0) == (cuda_graph == "auto"), **report["step"],
                  "replayed_steps": report["replayed_steps"]}
        print(f"  step of Cora, cuda_graph {cuda_graph}: {result['median'] * 1e6:.0f} us", flush=True)
        return result


def relative_gap(a, b):
    pairs = list(zip(a.get("losses") or [], b.get("losses") or []))
    return max((abs(x - y) / abs(y) for x, y in pairs if x is not None and y), default=None)


def compare_losses(result, other, limit):
    """Sets result["ok"] to whether every loss is that of `other` within `limit`."""
    if result["ok"] and other["ok"]:
        gap = relative_gap(result, other)
        result |= {"loss_gap_to_cpu": gap, "loss_gap_limit": limit, "ok": gap is not None and gap <= limit}


def compare_bits(results, name, other):
    """Two ways of one computation: every loss and the model are to be the same bits."""
    a, b = results[name], results[other]
    if a["ok"] and b["ok"]:
        a[f"bits_of_{other}"] = a["ok"] = all(a[key] == b[key] for key in ("losses", "model_digest"))


def train_kinds(trainings, device):
    """Every kind in fp32 and bf16. In bf16 two right programs differ by roundings: the GPU may be twice as far from
    the processor as bf16 is from fp32 there."""
    results = {}
    for kind in CONFIGS:
        limit = LOSS_GAP
        for precision in ("fp32", "bf16"):
            setting = [f"runtime.precision={precision}"]
            cpu = trainings.train(f"cpu_{kind}_{precision}", [*setting, "runtime.device=cpu"], kind)
            if precision == "bf16" and cpu["ok"] and results[f"cpu_{kind}_fp32"]["ok"]:
                limit += 2 * relative_gap(cpu, results[f"cpu_{kind}_fp32"])
            results[f"cpu_{kind}_{precision}"] = cpu
            if device:
                gpu = trainings.train(f"gpu_{kind}_{precision}", [*setting, "runtime.device=cuda"], kind)
                compare_losses(gpu, cpu, limit)
                results[f"gpu_{kind}_{precision}"] = gpu
    return results


def train_ways(trainings, results):
    """More ways to train what cpu_gat_fp32 did, on the GPU."""
    # steps of one chunk that stays on the device are captured: the first is replayed in the sixth epoch
    alike = ["runtime.device=cuda", f"dataset={trainings.work / 'one_chunk'}", "train.epochs=30"]
    ways = {# no chunk stays on the device: each is uploaded while the one before is computed
            "gpu_uploading": (1, ["runtime.device=cuda", "runtime.chunk_cache_mib=0"]),
            "gpu_captured": (1, [*alike, "runtime.cuda_graph=auto"]),
            "gpu_launched": (1, [*alike, "runtime.cuda_graph=off"]),
            "gpu_2_ranks_mpi": (2, ["runtime.device=cuda", "runtime.backend=mpi"]),
            "gpu_1_rank_nccl": (1, ["runtime.device=cuda", "runtime.backend=nccl"])}
    for name, (ranks, settings) in ways.items():
        if ranks > 1 and trainings.programs.mpirun() is None:
            continue  # named among what is missing
        results[name] = trainings.train(name, settings, ranks=ranks)
        compare_losses(results[name], results["cpu_gat_fp32"], LOSS_GAP)
    compare_bits(results, "gpu_uploading", "gpu_gat_fp32")
    compare_bits(results, "gpu_captured", "gpu_launched")
    captured = results["gpu_captured"]
    if captured["ok"]:
        captured["ok"] = captured["replayed_steps"] == 25


def run_training(programs, root, work, device):
    trainings = Trainings(programs, root, work)
    failure = trainings.preprocess()
    if failure:
        return {"preprocess": failure}
    results = train_kinds(trainings, device)
    if device:
        train_ways(trainings, results)
        results["step"] = {way: trainings.time_step(way) for way in ("auto", "off")}
    return results
