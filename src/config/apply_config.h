// Fills the options of a job from its configuration, and lets nothing in there go unread.
#pragma once

#include "config/option_readers.h"
#include "core/options.h"

#include <span>
#include <string>
#include <vector>

namespace regatta {

/// A line "place: path: text" for each value in `root` that nothing reads by `readers`, in the
/// order of the file. `rows` describes all options of `root`. A value that is its option's default
/// passes: `--set` cannot take a key out again, and a stored configuration lists all keys.
std::vector<std::string> unread_options(const ConfigNode& root,
                                        const std::vector<OptionDescription>& rows,
                                        std::span<const OptionReader> readers);

/// group.apply(root), with unread_options() among the faults of its one Error(kUsage).
void apply_config(OptionGroup& group, const ConfigNode& root);

}  // namespace regatta
