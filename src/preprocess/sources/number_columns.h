// Columns of numbers in a delimited table.
#pragma once

#include "preprocess/sources/delimited_table.h"

#include <cstddef>
#include <string>
#include <vector>

namespace regatta {

/// Appends the current row's values in `columns` to `out`; a gap (empty, na, nan) becomes NaN. On a
/// value that is no finite 32-bit number takes them back and returns why; `option` is the key that
/// names the columns. Returns "" when all is well.
std::string push_numbers(const DelimitedTable& table,
                         const std::vector<std::size_t>& columns,
                         const char* option,
                         std::vector<float>& out);

}  // namespace regatta
