// Tables of two columns: labels and splits of nodes.
#pragma once

#include "preprocess/sources/raw_tables.h"

#include <string>

namespace regatta {

LabelTable read_label_table(const LabelTableOptions& options,
                            const std::string& ids,
                            RowReport& report);

/// A name that is no split is a bad row.
SplitTable read_split_table(const SplitOptions& options, const std::string& ids, RowReport& report);

}  // namespace regatta
