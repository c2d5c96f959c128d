// A generated graph with random features and labels, as a dataset that can be trained on.
#pragma once

#include "bench/bench_graph.h"

#include <cstdint>
#include <string>

namespace regatta {

class OptionGroup;

/// What a step is timed on in place of its configuration's dataset: `graph` as of
/// BenchGraphOptions, empty for that dataset; the other keys are of a generated graph.
struct StepGraphOptions {
  BenchGraphOptions graph{.graph = ""};
  std::int64_t features = 128;  ///< F
  std::int64_t classes = 16;

  void declare(OptionGroup& group);
};

/// A folder of this process under the system's temporary folder, removed with all that it holds.
class TemporaryFolder {
 public:
  /// Throws Error(kStorage).
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Writes the dataset into `folder`, which must exist: one chunk, dense features uniform in
/// [-0.5, 0.5), and a label drawn uniformly for each node, all for training, as the target
/// `target`. The same bytes for the same options. Throws Error(kStorage).
void write_generated_dataset(const StepGraphOptions& options,
                             const std::string& target,
                             const std::string& folder);

}  // namespace regatta
