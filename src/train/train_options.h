// How a model is trained; the sections `train` and `runtime`, and the whole of a training job.
#pragma once

#include "core/options.h"
#include "data/dataset.h"
#include "nn/model_options.h"
#include "tasks/task_options.h"

#include <cstdint>
#include <string>

namespace regatta {

/// How much one optimiser step covers; knows nothing of ranks.
struct StepOptions {
  std::int64_t chunks = 0;   ///< chunks a step; 0 = not cut by chunks
  std::int64_t targets = 0;  ///< targets a step; 0 = not cut by targets
  bool full() const { return chunks == 0 && targets == 0; }
  void declare(OptionGroup& group);
};

struct OptimiserOptions {
  std::string kind = "adam";  ///< row of the optimiser table
  double learning_rate = 0.005;
  double weight_decay = 0;  ///< L2 (adamw: decoupled)
  double momentum = 0;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double smoothing = 0.99;  ///< rmsprop: alpha
  void declare(OptionGroup& group);
};

struct ScheduleOptions {
  std::string kind = "constant";  ///< constant | step | cosine | plateau
  std::int64_t warmup = 0;        ///< epochs of linear warm-up
  std::int64_t every = 100;       ///< step: epochs between two decays
  double factor = 0.5;            ///< step, plateau: what the rate is multiplied by
  double minimum = 0;             ///< cosine, plateau: lowest rate
  std::int64_t patience = 10;     ///< plateau: epochs without a better validation loss
  void declare(OptionGroup& group);
};

struct TrainOptions {
  std::int64_t epochs = 200;
  std::int64_t seed = 1;
  StepOptions step;
  OptimiserOptions optimiser;
  ScheduleOptions schedule;
  double clip_norm = 0;                 ///< global gradient norm; 0 = no clipping
  std::int64_t patience = 100;          ///< epochs without better validation; 0 = never stop early
  std::int64_t evaluate_every = 1;      ///< epochs between two validations
  std::int64_t checkpoint_every = 100;  ///< epochs between two checkpoints
  std::int64_t checkpoint_steps = 0;    ///< steps between two checkpoints; 0 = not by steps
  double checkpoint_minutes = 10;       ///< minutes between two checkpoints; 0 = not by time
  std::int64_t checkpoint_keep = 2;     ///< newest checkpoints kept, beside the best model
  std::string on_checkpoint_error = "stop";  ///< stop | warn
  std::string reduction = "reproducible";    ///< reproducible | fast
  std::string on_non_finite = "stop";        ///< stop | skip
  std::string init_from;                     ///< checkpoint folder whose weights to start from
  void declare(OptionGroup& group);
};

struct RuntimeOptions {
  std::string device = "auto";     ///< auto | cpu | cuda
  std::string backend = "auto";    ///< auto | mpi | nccl
  std::string precision = "fp32";  ///< fp32 | fp64
  std::string kernels = "auto";    ///< auto | cpu | reference
  bool amx = true;                 ///< dense products by Intel AMX where the processor has it
  std::int64_t threads = 0;        ///< compute threads a rank; 0 = cores of the node / ranks on it
  std::int64_t bucket_kib = 4096;  ///< gradient bucket
  std::int64_t chunk_cache_mib = 2048;  ///< prepared chunks kept in memory a rank
  std::int64_t memory_limit_mib = 0;    ///< of a rank's process; 0 = none
  std::int64_t prefetch = 2;            ///< chunks read ahead
  std::string cuda_graph = "auto";      ///< auto | off
  double watchdog_s = 120;              ///< without progress in a collective; 0 = off
  double watchdog_storage_s = 600;      ///< in reading, uploading, checkpoints; 0 = off
  double watchdog_compute_s = 3600;     ///< in any other phase; 0 = off
  std::int64_t stop_before_s = 120;     ///< before a Slurm job's time limit; 0 = not watched
  void declare(OptionGroup& group);
};

/// Everything that decides what a training computes.
struct TrainJob {
  ModelOptions model;
  TaskOptions task;
  TrainOptions train;
  RuntimeOptions runtime;
  ReadOptions read;
  void declare(OptionGroup& group);
};

}  // namespace regatta
