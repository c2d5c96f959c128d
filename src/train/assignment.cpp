#include "train/assignment.h"

#include <algorithm>
#include <numeric>

namespace regatta {

std::vector<std::vector<std::size_t>> assign(const Step& step, int world_size) {
  std::vector<std::size_t> by_cost(step.micro_batches.size());
  std::iota(by_cost.begin(), by_cost.end(), 0);
  std::stable_sort(by_cost.begin(), by_cost.end(), [&](std::size_t a, std::size_t b) {
    return step.micro_batches[a].cost > step.micro_batches[b].cost;
  });
  std::vector<std::vector<std::size_t>> parts(static_cast<std::size_t>(world_size));
  std::vector<double> load(static_cast<std::size_t>(world_size), 0.0);
  for (const std::size_t i : by_cost) {
    const auto lightest = std::min_element(load.begin(), load.end());
    *lightest += step.micro_batches[i].cost;
    parts[static_cast<std::size_t>(lightest - load.begin())].push_back(i);
  }
  for (auto& part : parts) std::sort(part.begin(), part.end());
  return parts;
}

}  // namespace regatta
