#include "train/train_options.h"

#include "train/optimisers.h"

namespace regatta {

void StepOptions::declare(OptionGroup& group) {
  group.word_for_defaults("full");
  group.integer("chunks", chunks, {.min = 0}, "chunks a step; 0 = not cut by chunks");
  group.integer("targets", targets, {.min = 0}, "targets a step; 0 = not cut by targets");
}

void OptimiserOptions::declare(OptionGroup& group) {
  const RealRange decay{.min = 0, .max = 1, .max_exclusive = true};
  group.choice("kind", kind, optimiser_names(), "gradient_descent = SGD over full steps");
  group.number("learning_rate", learning_rate, {.min = 0, .min_exclusive = true}, "learning rate");
  group.number("weight_decay", weight_decay, {.min = 0}, "L2 penalty (adamw: decoupled)");
  group.number("momentum", momentum, decay, "sgd, gradient_descent, rmsprop: momentum");
  group.flag("nesterov", nesterov, "sgd, gradient_descent: Nesterov momentum");
  group.number("beta1", beta1, decay, "adam, adamw: decay of the first moment");
  group.number("beta2", beta2, decay, "adam, adamw: decay of the second moment");
  group.number("epsilon",
               epsilon,
               {.min = 0, .min_exclusive = true},
               "adam, adamw, rmsprop, adagrad: added to denominators");
  group.number("smoothing", smoothing, decay, "rmsprop: decay of the squared gradient");
}

void ScheduleOptions::declare(OptionGroup& group) {
  group.choice("kind",
               kind,
               {"constant", "step", "cosine", "plateau"},
               "how the learning rate changes over epochs");
  group.integer("warmup", warmup, {.min = 0}, "epochs of linear warm-up");
  group.integer("every", every, {.min = 1}, "step: epochs between two decays");
  group.number("factor",
               factor,
               {.min = 0, .max = 1, .min_exclusive = true, .max_exclusive = true},
               "step, plateau: factor of a decay");
  group.number("minimum", minimum, {.min = 0}, "cosine, plateau: lowest learning rate");
  group.integer(
      "patience", patience, {.min = 1}, "plateau: epochs without a lower validation loss");
}

void TrainOptions::declare(OptionGroup& group) {
  group.integer("epochs", epochs, {.min = 1}, "epochs at most");
  group.integer("seed", seed, {.min = 0}, "seed of weights, dropouts and orders");
  group.section("step",
                step,
                "what one optimiser step covers: everything (full), {chunks: k} or {targets: n}");
  group.section("optimiser", optimiser, "optimiser");
  group.section("schedule", schedule, "learning rate over epochs");
  group.number("clip_norm", clip_norm, {.min = 0}, "clips the global gradient norm; 0 = off");
  group.integer("patience",
                patience,
                {.min = 0},
                "epochs without better validation loss or accuracy before stopping; 0 = never");
  group.integer("evaluate_every", evaluate_every, {.min = 1}, "epochs between two validations");
  group.integer("checkpoint_every",
                checkpoint_every,
                {.min = 1},
                "epochs between two checkpoints; one is always written at the end");
  group.integer("checkpoint_steps",
                checkpoint_steps,
                {.min = 0},
                "steps between two checkpoints, also within an epoch; 0 = not by steps");
  group.number("checkpoint_minutes",
               checkpoint_minutes,
               {.min = 0},
               "minutes between two checkpoints, also within an epoch; 0 = not by time");
  group.integer("checkpoint_keep",
                checkpoint_keep,
                {.min = 1},
                "newest checkpoints kept, beside the best model");
  group.choice("on_checkpoint_error",
               on_checkpoint_error,
               {"stop", "warn"},
               "when a checkpoint cannot be written: stop with exit code 5, or go on");
  group.choice("reduction",
               reduction,
               {"reproducible", "fast"},
               "reproducible: gradients are summed as integers, the same bits on any number of "
               "ranks; fast: as floats, to rounding");
  group.choice("on_non_finite",
               on_non_finite,
               {"stop", "skip"},
               "what all ranks do when a loss or gradient is NaN or Inf");
  group.text("init_from", init_from, "checkpoint or run folder whose weights to start from");
}

void RuntimeOptions::declare(OptionGroup& group) {
  group.choice("device", device, {"auto", "cpu", "cuda"}, "where to train");
  group.choice("backend", backend, {"auto", "mpi", "nccl"}, "how gradients are summed");
  group.choice("precision",
               precision,
               {"fp32", "bf16", "fp64"},
               "of features and activations; bf16 keeps parameters, logits and sums in fp32");
  group.choice("kernels",
               kernels,
               {"auto", "cpu", "reference"},
               "attention kernels on a CPU; reference = plain loops, for checking");
  group.flag("amx",
             amx,
             "dense products by Intel AMX where the processor has it, as exact as by vectors; false "
             "where some of a job's processors lack it");
  group.integer("threads",
                threads,
                {.min = 0, .max = 4096},
                "compute threads a rank; 0 = processors of the node / ranks on it");
  group.integer("bucket_kib", bucket_kib, {.min = 1, .max = 1 << 20}, "size of a gradient bucket");
  group.integer("chunk_cache_mib",
                chunk_cache_mib,
                {.min = 0},
                "prepared chunks kept in memory a rank; others are read again each time");
  group.integer("memory_limit_mib",
                memory_limit_mib,
                {.min = 0},
                "resident memory of a rank; chunks that do not fit beside a step are streamed. 0 = "
                "chunk_cache_mib alone decides");
  group.integer("prefetch", prefetch, {.min = 1, .max = 64}, "chunks read ahead");
  group.choice(
      "cuda_graph",
      cuda_graph,
      {"auto", "off"},
      "auto: on a GPU, a step of one whole chunk that stays there is captured and replayed, "
      "where it can be; off: every kernel is launched");
  group.number("watchdog_s",
               watchdog_s,
               {.min = 0},
               "seconds to wait for a rank that is silent, or in collectives that do not meet, "
               "before the job ends with exit code 75; 0 = for ever. A link that heals within "
               "half a minute needs 60 or more");
  group.number("watchdog_storage_s",
               watchdog_storage_s,
               {.min = 0},
               "the same for a rank that reads a chunk or writes a checkpoint");
  group.number("watchdog_compute_s",
               watchdog_compute_s,
               {.min = 0},
               "the same for a rank that computes without ending a phase");
  group.integer("stop_before_s",
                stop_before_s,
                {.min = 0},
                "seconds before a Slurm job's time limit to stop with a checkpoint and exit code "
                "85; 0 = the limit is not watched");
}

void TrainJob::declare(OptionGroup& group) {
  group.section("model", model, "the network").required();
  group.section("task", task, "what is learned");
  group.section("train", train, "how it is trained");
  group.section("runtime", runtime, "where and with what it runs; never changes the result");
  group.section("read", read, "how chunks are read");
}

}  // namespace regatta
