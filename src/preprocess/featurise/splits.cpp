#include "core/error.h"
#include "core/rng.h"
#include "preprocess/featurise/targets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace regatta {
namespace {

constexpr int kSplits = 3;  // train, validation, test are 1, 2, 3
using Sizes = std::array<std::int64_t, kSplits>;

std::vector<std::uint8_t> given_splits(const SplitTable& table,
                                       const NodeIndex& index,
                                       const NodeLabels& labels,
                                       RowReport& report) {
  std::vector<std::uint8_t> split(labels.value.size(), 0);
  std::vector<std::int64_t> given_in(split.size(), 0);
  for (std::size_t row = 0; row < table.line.size(); ++row) {
    const RowPlace place{&table.path, table.line[row]};
    const std::int32_t node = index.find(table.ids, row);
    if (node < 0) {
      report.unknown_node(
          place,
          fmt::format("the split is for node {}, which does not exist", table.ids.shown(row)));
      continue;
    }
    if (given_in[node] != 0) {
      report.bad_row(place,
                     fmt::format("node {} was already put into a split in line {}",
                                 table.ids.shown(row),
                                 given_in[node]));
      continue;
    }
    if (labels.present && table.split[row] != 0 && labels.value[node] < 0) {
      report.bad_row(place,
                     fmt::format("node {} is put into a split, but its label is unknown",
                                 table.ids.shown(row)));
      continue;
    }
    given_in[node] = table.line[row];
    split[node] = table.split[row];
  }
  return split;
}

Sizes wanted_sizes(const SplitOptions& options, std::int64_t labelled) {
  const double asked[kSplits] = {options.train, options.validation, options.test};
  const double total = asked[0] + asked[1] + asked[2];
  const bool fractions = options.unit == "fraction";
  const double limit = fractions ? 1.0 + 1e-9 : static_cast<double>(labelled);
  if (total > limit) {
    fail(ExitCode::kUsage,
         "splits: train, validation and test add up to {}, expected at most {} (unit: {}, {} "
         "labelled "
         "nodes)",
         total,
         fractions ? 1.0 : limit,
         options.unit,
         labelled);
  }
  Sizes sizes{};
  std::int64_t left = labelled;
  for (int i = 0; i < kSplits; ++i) {
    if (!fractions && asked[i] != std::floor(asked[i])) {
      fail(ExitCode::kUsage,
           "splits: {} is no whole number of nodes; set splits.unit: fraction",
           asked[i]);
    }
    const double size = fractions ? asked[i] * static_cast<double>(labelled) : asked[i];
    sizes[i] = std::min(left, static_cast<std::int64_t>(std::llround(size)));
    left -= sizes[i];
  }
  return sizes;
}

/// Shares `total` out in proportion to `room`, at most room[i] each, by largest remainder (ties:
/// the lower index).
std::vector<std::int64_t> share_out(std::int64_t total, const std::vector<std::int64_t>& room) {
  const std::int64_t all = std::accumulate(room.begin(), room.end(), std::int64_t{0});
  std::vector<std::int64_t> share(room.size(), 0);
  if (all == 0)
    return share;
  std::vector<std::pair<double, std::size_t>> remainder;
  for (std::size_t i = 0; i < room.size(); ++i) {
    const double exact =
        static_cast<double>(total) * static_cast<double>(room[i]) / static_cast<double>(all);
    share[i] = std::min(room[i], static_cast<std::int64_t>(exact));
    remainder.emplace_back(static_cast<double>(share[i]) - exact, i);
  }
  std::sort(remainder.begin(), remainder.end());
  std::int64_t left = total - std::accumulate(share.begin(), share.end(), std::int64_t{0});
  while (left > 0) {
    for (const auto& [unused, i] : remainder) {
      if (left == 0)
        break;
      if (share[i] == room[i])
        continue;
      ++share[i];
      --left;
    }
  }
  return share;
}

std::vector<std::uint8_t> random_splits(const NodeLabels& labels, const SplitOptions& options) {
  std::vector<std::int64_t> labelled;
  for (std::size_t node = 0; node < labels.value.size(); ++node) {
    if (labels.value[node] >= 0)
      labelled.push_back(static_cast<std::int64_t>(node));
  }
  RandomStream stream(
      make_random_key(static_cast<std::uint64_t>(options.seed), RandomPurpose::kSplit, 0, 0));
  for (std::size_t i = labelled.size(); i > 1; --i) {
    std::swap(labelled[i - 1], labelled[stream.next_below(i)]);
  }
  // Strata keep the shuffled order; a stratum's first nodes go to training, the next to validation,
  // ...
  std::vector<std::vector<std::int64_t>> strata(options.stratified ? labels.classes.size() : 1);
  for (const std::int64_t node : labelled) {
    strata[options.stratified ? labels.value[node] : 0].push_back(node);
  }
  const Sizes sizes = wanted_sizes(options, static_cast<std::int64_t>(labelled.size()));
  std::vector<std::uint8_t> split(labels.value.size(), 0);
  std::vector<std::int64_t> used(strata.size(), 0);
  for (int number = 1; number <= kSplits; ++number) {
    std::vector<std::int64_t> room;
    for (std::size_t s = 0; s < strata.size(); ++s) {
      room.push_back(static_cast<std::int64_t>(strata[s].size()) - used[s]);
    }
    const std::vector<std::int64_t> share = share_out(sizes[number - 1], room);
    for (std::size_t s = 0; s < strata.size(); ++s) {
      for (std::int64_t i = 0; i < share[s]; ++i) {
        split[strata[s][used[s]++]] = static_cast<std::uint8_t>(number);
      }
    }
  }
  return split;
}

}  // namespace

std::vector<std::uint8_t> choose_splits(const RawTables& tables,
                                        const NodeIndex& index,
                                        const NodeLabels& labels,
                                        const SplitOptions& options,
                                        RowReport& report) {
  const bool has_table = !options.path.empty();
  if (options.method == "given" && !has_table) {
    fail(ExitCode::kUsage, "splits.method is given, but splits.path is empty");
  }
  if (options.method == "random") {
    if (!labels.present) {
      fail(ExitCode::kUsage,
           "splits.method: random draws from labelled nodes, but no node has a label; give labels, "
           "or "
           "set splits.method: none");
    }
    return random_splits(labels, options);
  }
  if (options.method == "none" || !has_table)
    return std::vector<std::uint8_t>(labels.value.size(), 0);
  return given_splits(tables.splits, index, labels, report);
}

}  // namespace regatta
