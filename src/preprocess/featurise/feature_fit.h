// Constants of normalisation and filling, fitted on training rows.
#pragma once

#include "data/manifest.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace regatta {

/// Row-major values [rows, width], NaN = missing.
struct DenseRows {
  std::int64_t width = 0;
  std::vector<float> value;

  std::int64_t rows() const {
    return width == 0 ? 0 : static_cast<std::int64_t>(value.size()) / width;
  }
};

/// What `asked`, which has no constants yet, comes to: itself, or `fitted` (of fit_from) with its
/// constants. Throws Error(kUsage) naming `section` where the two contradict each other.
FeatureFit chosen_fit(const FeatureFit& asked, const FeatureFit* fitted, const char* section);

/// What is fitted, for messages.
struct FitWords {
  const char* section = "features";
  const char* sample = "training node";  ///< a row that constants are fitted on
  const char* columns = "nodes.features";
  const char* remedy = "give splits, or features.fit_from";  ///< where there is no such row
};

/// Fits fill_values (mean, median) and offset, scale (standardise: mean and 1/standard deviation of
/// the population; min_max: minimum and 1/range; 1 where a column is constant) of `fit.fill` and
/// `fit.normalise` on the rows with split 1, missing values left out. Throws Error(kData) when
/// there is no training row, or a column has no value in any.
void fit_constants(const DenseRows& rows,
                   std::span<const std::uint8_t> split,
                   const std::vector<std::string>& names,
                   FeatureFit& fit,
                   const FitWords& words = {});

/// Fills gaps, then x' = (x - offset) * scale, or divides each row by its norm (rows of zeros
/// stay).
void apply_fit(const FeatureFit& fit, DenseRows& rows);

}  // namespace regatta
