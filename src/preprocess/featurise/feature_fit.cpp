#include "preprocess/featurise/feature_fit.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace regatta {
namespace {

/// Values of one column in the training rows, gaps left out.
std::vector<double> training_values(const DenseRows& rows,
                                    std::span<const std::uint8_t> split,
                                    std::int64_t column) {
  std::vector<double> values;
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    const float value = rows.value[row * rows.width + column];
    if (split[row] == 1 && !std::isnan(value))
      values.push_back(value);
  }
  return values;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1)
    return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// 1/standard deviation; 1 where rounding alone could have made the variance (a constant column).
double inverse_deviation(const std::vector<double>& values, double mean) {
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto count = static_cast<double>(values.size());
  const double variance = squares / count;
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const double rounding =
      count * kEpsilon * variance + (count * mean * kEpsilon) * (count * mean * kEpsilon);
  return variance <= rounding ? 1 : 1 / std::sqrt(variance);
}

void fit_column(const std::vector<double>& values, FeatureFit& fit) {
  if (fit.fill == "mean")
    fit.fill_values.push_back(mean_of(values));
  if (fit.fill == "median")
    fit.fill_values.push_back(median_of(values));
  if (fit.normalise == "standardise") {
    const double mean = mean_of(values);
    fit.offset.push_back(mean);
    fit.scale.push_back(inverse_deviation(values, mean));
  }
  if (fit.normalise == "min_max") {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double range = *high - *low;
    fit.offset.push_back(*low);
    fit.scale.push_back(range < 10 * std::numeric_limits<double>::epsilon() ? 1 : 1 / range);
  }
}

void normalise_row(const std::string& kind, float* row, std::int64_t width) {
  double norm = 0;
  for (std::int64_t i = 0; i < width; ++i) {
    const double value = row[i];
    norm += kind == "row_l1" ? std::abs(value) : value * value;
  }
  if (kind == "row_l2")
    norm = std::sqrt(norm);
  if (norm == 0)
    return;
  for (std::int64_t i = 0; i < width; ++i) row[i] = static_cast<float>(row[i] / norm);
}

double fill_of(const FeatureFit& fit, std::int64_t column) {
  if (!fit.fill_values.empty())
    return fit.fill_values[column];
  return fit.fill == "constant" ? fit.fill_constant : 0;
}

}  // namespace

FeatureFit chosen_fit(const FeatureFit& asked, const FeatureFit* fitted, const char* section) {
  if (fitted == nullptr)
    return asked;
  const auto refuse = [&](const char* key, const std::string& found, const std::string& made) {
    fail(ExitCode::kUsage,
         "{}.{} is {}, but features.fit_from was made with {}; leave it out",
         section,
         key,
         found,
         made);
  };
  if (asked.normalise != "none" && asked.normalise != fitted->normalise)
    refuse("normalise", asked.normalise, fitted->normalise);
  if (asked.fill != "error" && asked.fill != fitted->fill)
    refuse("fill", asked.fill, fitted->fill);
  return *fitted;
}

void fit_constants(const DenseRows& rows,
                   std::span<const std::uint8_t> split,
                   const std::vector<std::string>& names,
                   FeatureFit& fit,
                   const FitWords& words) {
  const bool fits_fill = fit.fill == "mean" || fit.fill == "median";
  const bool fits_scale = fit.normalise == "standardise" || fit.normalise == "min_max";
  if (!fits_fill && !fits_scale)
    return;
  if (std::find(split.begin(), split.end(), 1) == split.end()) {
    fail(ExitCode::kData,
         "{}: {} is fitted on {}s, but there are none; {}",
         words.section,
         fits_scale ? "normalise: " + fit.normalise : "fill: " + fit.fill,
         words.sample,
         words.remedy);
  }
  for (std::int64_t column = 0; column < rows.width; ++column) {
    const std::vector<double> values = training_values(rows, split, column);
    if (values.empty()) {
      fail(ExitCode::kData,
           "{}: column {} has no value in any {}, so nothing can be fitted on it; leave it out by "
           "{}",
           words.section,
           names.empty() ? std::to_string(column + 1) : "'" + names[column] + "'",
           words.sample,
           words.columns);
    }
    fit_column(values, fit);
  }
}

void apply_fit(const FeatureFit& fit, DenseRows& rows) {
  const bool scales = !fit.offset.empty();
  const bool norms = fit.normalise == "row_l1" || fit.normalise == "row_l2";
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    float* values = rows.value.data() + row * rows.width;
    for (std::int64_t column = 0; column < rows.width; ++column) {
      double value = values[column];
      if (std::isnan(value))
        value = fill_of(fit, column);
      if (scales)
        value = (value - fit.offset[column]) * fit.scale[column];
      values[column] = static_cast<float>(value);
    }
    if (norms)
      normalise_row(fit.normalise, values, rows.width);
  }
}

}  // namespace regatta
