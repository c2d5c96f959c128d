// Options of `regatta preprocess` (the section `preprocess:` of a configuration).
#pragma once

#include "core/options.h"

#include <cstdint>
#include <string>
#include <vector>

namespace regatta {

/// A delimited text file. Columns are given by name or by number, counted from 1; "" is the default
/// column. gzip is recognised by content. Relative paths start at the current folder.
struct EdgeTableOptions {
  std::string path;
  std::string format = "auto";
  std::string header = "auto";
  std::string source, destination;
  std::vector<std::string> features;
  std::string type;
  std::string comment = "#";
  void declare(OptionGroup& group);
};

struct NodeTableOptions {
  std::string path;
  std::string format = "auto";
  std::string header = "auto";
  std::string comment = "#";
  std::string id, label;
  std::vector<std::string> features;
  std::int64_t num_features = 0;
  std::int64_t first_index = 1;
  void declare(OptionGroup& group);
};

struct LabelTableOptions {
  std::string path;
  std::string format = "auto";
  std::string header = "auto";
  std::string id, label;
  void declare(OptionGroup& group);
};

struct SplitOptions {
  std::string method = "auto";
  std::string path;
  std::string format = "auto";
  std::string header = "auto";
  std::string node, split;
  std::string unit = "fraction";
  double train = 0.6, validation = 0.2, test = 0.2;
  bool stratified = true;
  std::int64_t seed = 0;
  void declare(OptionGroup& group);
};

struct CleanOptions {
  std::string duplicates = "drop";
  std::string self_loops = "add";
  std::string direction = "undirected";
  std::string isolated = "keep";
  std::string reverse_types = "same";
  std::string self_loop_fill = "zero";
  std::string bad_rows = "error";
  std::string unknown_nodes = "error";
  void declare(OptionGroup& group);
};

struct FeatureOptions {
  std::string representation = "auto";
  std::string normalise = "none";
  std::string fill = "error";
  double fill_value = 0;
  std::string fit_from;
  void declare(OptionGroup& group);
};

struct EdgeFeatureOptions {
  std::string normalise = "none";
  std::string fill = "error";
  double fill_value = 0;
  void declare(OptionGroup& group);
};

struct PartitionOptions {
  std::string method = "metis";
  std::int64_t chunks = 1;
  std::int64_t seed = 0;
  void declare(OptionGroup& group);
};

struct HaloOptions {
  std::string mode = "exact";
  std::int64_t hops = 2;
  void declare(OptionGroup& group);
};

struct PreprocessOptions {
  EdgeTableOptions edges;
  NodeTableOptions nodes;
  LabelTableOptions labels;
  SplitOptions splits;
  std::string ids = "auto";
  std::int64_t num_nodes = 0;
  CleanOptions clean;
  FeatureOptions features;
  EdgeFeatureOptions edge_features;
  std::string order = "none";
  PartitionOptions partition;
  HaloOptions halo;
  void declare(OptionGroup& group);
};

}  // namespace regatta
