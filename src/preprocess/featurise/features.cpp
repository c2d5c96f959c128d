#include "preprocess/featurise/features.h"

#include "core/error.h"
#include "preprocess/featurise/feature_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace regatta {
namespace {

/// Sparse rows [rows+1], NaN = missing.
struct SparseRows {
  std::vector<std::int64_t> indptr{0};
  std::vector<std::int32_t> index;
  std::vector<float> value;
};

std::string column_text(const std::vector<std::string>& names, std::int64_t column) {
  return names.empty() ? std::to_string(column + 1) : "'" + names[column] + "'";
}

void check_gaps(const NodeTable& table, const NodeSet& nodes) {
  const RawFeatures& raw = table.features;
  for (const std::int64_t row : nodes.table_row) {
    const std::int64_t begin = raw.sparse ? raw.indptr[row] : row * raw.width;
    const std::int64_t end = raw.sparse ? raw.indptr[row + 1] : begin + raw.width;
    for (std::int64_t i = begin; i < end; ++i) {
      if (!std::isnan(raw.value[i]))
        continue;
      fail(ExitCode::kData,
           "{}:{}: feature {} has no value; correct the row, or set features.fill: zero, mean, "
           "median or "
           "constant",
           table.path,
           table.line[row],
           column_text(raw.names, raw.sparse ? raw.index[i] : i - begin));
    }
  }
}

SparseRows sparse_rows(const RawFeatures& raw, const NodeSet& nodes) {
  SparseRows rows;
  for (const std::int64_t row : nodes.table_row) {
    if (raw.sparse) {
      const auto begin = raw.indptr[row];
      const auto end = raw.indptr[row + 1];
      rows.index.insert(rows.index.end(), raw.index.begin() + begin, raw.index.begin() + end);
      rows.value.insert(rows.value.end(), raw.value.begin() + begin, raw.value.begin() + end);
    } else {
      for (std::int64_t column = 0; column < raw.width; ++column) {
        const float value = raw.value[row * raw.width + column];
        if (value == 0)
          continue;
        rows.index.push_back(static_cast<std::int32_t>(column));
        rows.value.push_back(value);
      }
    }
    rows.indptr.push_back(static_cast<std::int64_t>(rows.index.size()));
  }
  return rows;
}

DenseRows dense_rows(const RawFeatures& raw, const NodeSet& nodes, std::int64_t width) {
  DenseRows rows;
  rows.width = width;
  rows.value.assign(nodes.table_row.size() * static_cast<std::size_t>(width), 0);
  for (std::size_t node = 0; node < nodes.table_row.size(); ++node) {
    const std::int64_t row = nodes.table_row[node];
    float* out = rows.value.data() + node * static_cast<std::size_t>(width);
    if (raw.sparse) {
      for (std::int64_t i = raw.indptr[row]; i < raw.indptr[row + 1]; ++i)
        out[raw.index[i]] = raw.value[i];
    } else {
      std::copy_n(raw.value.begin() + row * raw.width, raw.width, out);
    }
  }
  return rows;
}

void refuse_sparse(const FeatureFit& fit) {
  if (fit.normalise == "standardise" || fit.normalise == "min_max") {
    fail(ExitCode::kUsage,
         "features.normalise: {} would turn the zeros of sparse features into other numbers; set "
         "features.representation: dense, or normalise: row_l1 or row_l2",
         fit.normalise);
  }
  if (fit.fill == "mean" || fit.fill == "median") {
    fail(ExitCode::kUsage,
         "features.fill: {} is not defined for sparse features; set features.representation: "
         "dense, or "
         "fill: zero or constant",
         fit.fill);
  }
}

// Gaps: a filled zero is not stored at all.
void fill_sparse(const FeatureFit& fit, SparseRows& rows) {
  const auto filled = static_cast<float>(fit.fill == "constant" ? fit.fill_constant : 0);
  std::size_t out = 0;
  std::int64_t begin = 0;
  for (std::size_t row = 0; row + 1 < rows.indptr.size(); ++row) {
    const std::int64_t end = rows.indptr[row + 1];
    for (std::int64_t i = begin; i < end; ++i) {
      const bool gap = std::isnan(rows.value[i]);
      if (gap && filled == 0)
        continue;
      rows.index[out] = rows.index[i];
      rows.value[out++] = gap ? filled : rows.value[i];
    }
    begin = end;
    rows.indptr[row + 1] = static_cast<std::int64_t>(out);
  }
  rows.index.resize(out);
  rows.value.resize(out);
}

void normalise_sparse(const FeatureFit& fit, SparseRows& rows) {
  if (fit.normalise == "none")
    return;
  for (std::size_t row = 0; row + 1 < rows.indptr.size(); ++row) {
    double norm = 0;
    for (std::int64_t i = rows.indptr[row]; i < rows.indptr[row + 1]; ++i) {
      const double value = rows.value[i];
      norm += fit.normalise == "row_l1" ? std::abs(value) : value * value;
    }
    if (fit.normalise == "row_l2")
      norm = std::sqrt(norm);
    if (norm == 0)
      continue;
    for (std::int64_t i = rows.indptr[row]; i < rows.indptr[row + 1]; ++i) {
      rows.value[i] = static_cast<float>(rows.value[i] / norm);
    }
  }
}

void check_finite(const DenseRows& rows, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < rows.value.size(); ++i) {
    if (std::isfinite(rows.value[i]))
      continue;
    fail(ExitCode::kData,
         "features: column {} is beyond 32-bit numbers once normalised; rescale the raw values",
         column_text(names, static_cast<std::int64_t>(i) % rows.width));
  }
}

std::int64_t chosen_width(const RawFeatures& raw, const NodeTable& table, const Manifest* fitted) {
  if (fitted == nullptr)
    return raw.width;
  const bool too_wide = raw.width > fitted->feature_width;
  if (too_wide || (!raw.sparse && raw.width != fitted->feature_width)) {
    fail(ExitCode::kData,
         "{}: there are {} features, but features.fit_from has {}",
         table.path,
         raw.width,
         fitted->feature_width);
  }
  if (!raw.names.empty() && !fitted->feature_names.empty() && raw.names != fitted->feature_names) {
    const auto pair =
        std::mismatch(raw.names.begin(), raw.names.end(), fitted->feature_names.begin());
    fail(ExitCode::kData,
         "{}: feature {} is '{}', but '{}' in features.fit_from; name the columns in that order in "
         "nodes.features",
         table.path,
         pair.first - raw.names.begin() + 1,
         *pair.first,
         *pair.second);
  }
  return fitted->feature_width;
}

FeatureKind chosen_kind(const RawFeatures& raw,
                        const FeatureOptions& options,
                        const Manifest* fitted) {
  std::string kind = raw.sparse ? "sparse" : "dense";
  if (fitted != nullptr)
    kind = fitted->feature_kind;
  if (options.representation != "auto")
    kind = options.representation;
  return kind == "sparse" ? FeatureKind::kSparse : FeatureKind::kDense;
}

}  // namespace

FeatureResult make_features(const NodeTable& table,
                            const NodeSet& nodes,
                            std::span<const std::uint8_t> split,
                            const FeatureOptions& options,
                            const Manifest* fitted) {
  const RawFeatures& raw = table.features;
  FeatureResult result;
  FeatureFit asked;
  asked.normalise = options.normalise;
  asked.fill = options.fill;
  asked.fill_constant = options.fill == "constant" ? options.fill_value : 0;
  result.fit = chosen_fit(asked, fitted == nullptr ? nullptr : &fitted->fit, "features");
  result.names = raw.names.empty() && fitted != nullptr ? fitted->feature_names : raw.names;
  NodeFeatures& features = result.features;
  features.width = chosen_width(raw, table, fitted);
  features.kind = chosen_kind(raw, options, fitted);
  if (result.fit.fill == "error")
    check_gaps(table, nodes);
  if (features.kind == FeatureKind::kSparse) {
    refuse_sparse(result.fit);
    SparseRows rows = sparse_rows(raw, nodes);
    fill_sparse(result.fit, rows);
    normalise_sparse(result.fit, rows);
    features.x_indptr = std::move(rows.indptr);
    features.x_index = std::move(rows.index);
    features.x_value = std::move(rows.value);
    return result;
  }
  DenseRows rows = dense_rows(raw, nodes, features.width);
  if (fitted == nullptr)
    fit_constants(rows, split, result.names, result.fit);
  apply_fit(result.fit, rows);
  check_finite(rows, result.names);
  features.x = std::move(rows.value);
  return result;
}

}  // namespace regatta
