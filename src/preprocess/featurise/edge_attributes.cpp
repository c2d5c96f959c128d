#include "preprocess/featurise/edge_attributes.h"

#include "core/error.h"
#include "preprocess/featurise/edge_types.h"
#include "preprocess/featurise/feature_fit.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace regatta {
namespace {

constexpr FitWords kEdgeWords = {
    "edge_features", "listed edge", "edges.features", "give edges, or features.fit_from"};

std::string column_text(const std::vector<std::string>& names, std::int64_t column) {
  return names.empty() ? std::to_string(column + 1) : "'" + names[column] + "'";
}

/// 1 for the rows of the table that some edge comes from.
std::vector<std::uint8_t> rows_in_use(const CleanedEdges& cleaned, std::size_t rows) {
  std::vector<std::uint8_t> used(rows, 0);
  for (const EdgeOrigin origin : cleaned.origin) {
    if (!origin.is_added())
      used[origin.row()] = 1;
  }
  return used;
}

/// The first value of a row in use that `is_bad`, reported by file, line and column.
template <class IsBad>
void refuse_values(const EdgeTable& table,
                   const std::vector<float>& values,
                   const std::vector<std::uint8_t>& used,
                   const IsBad& is_bad,
                   const char* why) {
  const std::int64_t width = table.features.width;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / width;
    if (used[row] == 0 || !is_bad(values[i]))
      continue;
    fail(ExitCode::kData,
         "{}:{}: edge feature {} {}",
         table.path,
         table.line[row],
         column_text(table.features.names, static_cast<std::int64_t>(i) % width),
         why);
  }
}

void check_fitted_columns(const EdgeTable& table, const Manifest& fitted) {
  const ManifestEdgeFeatures& known = fitted.edge_features;
  if (table.features.width != known.width) {
    fail(ExitCode::kData,
         "{}: edges.features names {} columns, but features.fit_from has {} edge features",
         table.path,
         table.features.width,
         known.width);
  }
  const auto& names = table.features.names;
  if (!names.empty() && !known.names.empty() && names != known.names) {
    const auto pair = std::mismatch(names.begin(), names.end(), known.names.begin());
    fail(ExitCode::kData,
         "{}: edge feature {} is '{}', but '{}' in features.fit_from; name the columns in that "
         "order in edges.features",
         table.path,
         pair.first - names.begin() + 1,
         *pair.first,
         *pair.second);
  }
  if (table.has_types == (edge_type_count(fitted) > 0))
    return;
  fail(ExitCode::kData,
       "{}: features.fit_from has {} edge types; {} edges.type",
       table.path,
       edge_type_count(fitted),
       table.has_types ? "leave out" : "give");
}

/// Mean of the node's other in-edges for each added self loop.
void average_into_self_loops(const CleanedEdges& cleaned, EdgeAttributes& edges) {
  const std::int64_t width = edges.features.width;
  const CsrView graph = cleaned.graph.view();
  std::vector<double> sum(static_cast<std::size_t>(width));
  for (std::int64_t row = 0; row < graph.rows; ++row) {
    std::fill(sum.begin(), sum.end(), 0.0);
    std::int64_t others = 0;
    float* loop = nullptr;
    for (std::int64_t e = graph.indptr[row]; e < graph.indptr[row + 1]; ++e) {
      float* x = edges.x.data() + graph.edge_id[e] * width;
      if (cleaned.origin[graph.edge_id[e]].is_added()) {
        loop = x;
        continue;
      }
      ++others;
      for (std::int64_t i = 0; i < width; ++i) sum[i] += x[i];
    }
    for (std::int64_t i = 0; loop != nullptr && others > 0 && i < width; ++i)
      loop[i] = static_cast<float>(sum[i] / static_cast<double>(others));
  }
}

void set_edge_features(EdgeTable& table,
                       const CleanedEdges& cleaned,
                       const PreprocessOptions& options,
                       const Manifest* fitted,
                       EdgeAttributes& edges) {
  const std::int64_t width = table.features.width;
  const auto used = rows_in_use(cleaned, table.line.size());
  FeatureFit asked;
  asked.normalise = options.edge_features.normalise;
  asked.fill = options.edge_features.fill;
  asked.fill_constant = asked.fill == "constant" ? options.edge_features.fill_value : 0;
  FeatureFit fit = chosen_fit(
      asked, fitted == nullptr ? nullptr : &fitted->edge_features.fit, kEdgeWords.section);
  if (fit.fill == "error")
    refuse_values(
        table,
        table.features.value,
        used,
        [](float value) { return std::isnan(value); },
        "has no value; correct the row, or set edge_features.fill: zero, mean, median or "
        "constant");
  DenseRows rows{width, std::move(table.features.value)};
  if (fitted == nullptr)
    fit_constants(rows, used, table.features.names, fit, kEdgeWords);
  apply_fit(fit, rows);
  refuse_values(
      table,
      rows.value,
      used,
      [](float value) { return !std::isfinite(value); },
      "is beyond 32-bit numbers once normalised; rescale the raw values");
  edges.x.assign(cleaned.origin.size() * static_cast<std::size_t>(width), 0);
  for (std::size_t e = 0; e < cleaned.origin.size(); ++e) {
    if (const EdgeOrigin origin = cleaned.origin[e]; !origin.is_added())
      std::copy_n(rows.value.data() + origin.row() * width,
                  width,
                  edges.x.data() + static_cast<std::int64_t>(e) * width);
  }
  edges.features.width = width;
  edges.features.names = table.features.names;
  if (fitted != nullptr && edges.features.names.empty())
    edges.features.names = fitted->edge_features.names;
  edges.features.fit = std::move(fit);
  if (options.clean.self_loop_fill == "mean")
    average_into_self_loops(cleaned, edges);
}

}  // namespace

void check_edge_options(const PreprocessOptions& options) {
  const CleanOptions& clean = options.clean;
  if (clean.reverse_types == "own" &&
      (options.edges.type.empty() || clean.direction != "undirected")) {
    fail(ExitCode::kUsage,
         "clean.reverse_types: own needs edges.type and clean.direction: undirected; set it to "
         "same");
  }
  const EdgeFeatureOptions& features = options.edge_features;
  if (options.edges.features.empty() && (features.normalise != "none" || features.fill != "error"))
    fail(ExitCode::kUsage,
         "edge_features.normalise is {} and edge_features.fill {}, but edges.features names no "
         "column; name some, or leave both out",
         features.normalise,
         features.fill);
}

EdgeAttributes make_edge_attributes(EdgeTable table,
                                    const CleanedEdges& cleaned,
                                    const PreprocessOptions& options,
                                    const Manifest* fitted) {
  EdgeAttributes edges;
  if (fitted != nullptr)
    check_fitted_columns(table, *fitted);
  if (table.features.width > 0)
    set_edge_features(table, cleaned, options, fitted, edges);
  if (table.has_types)
    set_edge_types(table, cleaned, options.clean, fitted, edges);
  return edges;
}

}  // namespace regatta
