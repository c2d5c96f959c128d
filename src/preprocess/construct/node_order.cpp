#include "preprocess/construct/node_order.h"

#include "core/log.h"
#include "core/timer.h"
#include "preprocess/construct/chunk_builder.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace regatta {
namespace {

using Order = std::vector<std::int32_t>;

template <class T>
void permute(std::vector<T>& values, const Order& order) {
  if (values.empty())
    return;
  std::vector<T> result;
  result.reserve(values.size());
  for (const std::int32_t node : order) result.push_back(values[node]);
  values = std::move(result);
}

void apply_order(GraphData& data, const Order& order) {
  data.graph = renumber_nodes(data.graph.view(), order);
  data.features = select_features(data.features, order);
  permute(data.label, order);
  permute(data.split, order);
  data.ids = data.ids.select({order.begin(), order.end()});
}

nlohmann::ordered_json describe_locality(const Locality& locality) {
  return {{"mean_gap", locality.mean_gap},
          {"p90_gap", locality.p90_gap},
          {"within_1mb", locality.within_1mb},
          {"within_16mb", locality.within_16mb}};
}

}  // namespace

NodeOrder renumber_data(GraphData& data, const std::string& method) {
  NodeOrder result;
  result.method = method;
  result.before = measure_locality(data.graph.view());
  result.after = result.before;
  if (method == "none")
    return result;
  const Timer timer;
  apply_order(data, order_nodes(data.graph.view(), method));
  result.seconds = timer.seconds();
  result.after = measure_locality(data.graph.view());
  return result;
}

nlohmann::ordered_json describe_order(const NodeOrder& order) {
  return {{"method", order.method},
          {"before", describe_locality(order.before)},
          {"after", describe_locality(order.after)}};
}

void log_order(const NodeOrder& order) {
  const Locality& now = order.after;
  const std::string reach = fmt::format(
      "edges reach {:.0f} rows on average, 90 % of them at most {}; {:.1f} % stay within "
      "1 MiB of rows, {:.1f} % within 16 MiB",
      now.mean_gap,
      now.p90_gap,
      100 * now.within_1mb,
      100 * now.within_16mb);
  if (order.method == "none") {
    log::info("order none: {}", reach);
    return;
  }
  const Locality& before = order.before;
  log::info("order {} in {:.2f} s: {} (before: {:.0f}, {}; {:.1f} %, {:.1f} %)",
            order.method,
            order.seconds,
            reach,
            before.mean_gap,
            before.p90_gap,
            100 * before.within_1mb,
            100 * before.within_16mb);
}

}  // namespace regatta
