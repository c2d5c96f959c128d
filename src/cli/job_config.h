// The configuration file of a job: one YAML file serves `regatta preprocess` and `regatta train`.
#pragma once

#include "core/options.h"
#include "preprocess/preprocess_options.h"
#include "train/train_options.h"

#include <string>
#include <vector>

namespace regatta {

/// Which command reads the file; it decides which sections must be there. Sections that are there
/// are always checked in full.
enum class JobUse {
  kPreprocess,  ///< needs `dataset` and `preprocess`
  kTrain,       ///< needs `dataset` and `model`
  kCheck,       ///< needs `dataset`
};

struct JobConfig {
  std::string dataset;         ///< folder of chunks; relative to the current folder
  std::string output = "run";  ///< folder of the run: checkpoints, metrics.jsonl, summary.json
  PreprocessOptions preprocess;
  TrainJob job;

  void declare(OptionGroup& group, JobUse use);
  void declare(OptionGroup& group) { declare(group, JobUse::kTrain); }
};

/// Reads `path` and then `overrides` ("train.epochs=5") over it. Throws one Error(kUsage) with a
/// line for each fault.
JobConfig load_job_config(const std::string& path,
                          const std::vector<std::string>& overrides,
                          JobUse use = JobUse::kTrain);

/// Commands that the file has the sections for, e.g. {"preprocess", "train"}. Throws as
/// load_job_config.
std::vector<std::string> check_job_config(const std::string& path,
                                          const std::vector<std::string>& overrides);

}  // namespace regatta
