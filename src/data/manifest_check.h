// What must agree inside one manifest.
#pragma once

#include "data/json_reader.h"
#include "data/manifest.h"

namespace regatta {

/// Sums, widths, file names, and limits of a parsed manifest. Throws Error(kData) through `root`,
/// which names the JSON path, what was found and what was expected.
void check_manifest(const Manifest& manifest, const JsonReader& root);

}  // namespace regatta
