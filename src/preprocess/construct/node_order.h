// The order of nodes: the numbers 0..N-1 that they have in the dataset.
#pragma once

#include "graph/reorder.h"
#include "preprocess/construct/graph_data.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace regatta {

/// What renumbering did.
struct NodeOrder {
  std::string method = "none";
  Locality before, after;  ///< equal for `none`
  double seconds = 0;      ///< for finding the order and applying it
};

/// Renumbers the nodes of `data` by `method` (a name of ordering_names()); each node keeps its
/// features, label, split and the user's id, each edge its edge_id. Everything drawn or fitted
/// before stays as it was. Deterministic but for `seconds`. Throws as order_nodes does.
NodeOrder renumber_data(GraphData& data, const std::string& method);

/// What the manifest says of it: a function of the data alone, so without the time it took.
nlohmann::ordered_json describe_order(const NodeOrder& order);

/// An info line for the user.
void log_order(const NodeOrder& order);

}  // namespace regatta
